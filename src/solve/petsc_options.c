#define _POSIX_C_SOURCE 200809L /* setenv */
#include "solve/petsc_options.h"

#include "base/memory.h"
#include "solve/petsc_status.h"
#include "solve/shell.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_CHARS = 256 };

/* Each is read twice: a pipe would be empty by then. */
static nke_status check_files(int argc, char *const *argv)
{
  for (int i = 0; i < argc; i++) {
    struct stat info;
    if (strcmp(argv[i], "-options_file") != 0 && strcmp(argv[i], "-options_file_yaml") != 0) continue;
    const char *const path = i + 1 < argc ? argv[i + 1] : "";
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || access(path, R_OK) != 0)
      return nke_fail(NKE_ERR_USAGE, "%s: expected a file that can be read, got '%.800s'", argv[i], path);
  }
  return NKE_OK;
}

/* The options of an environment variable, which PetscInitialize() reads too, are kept from it. */
static nke_status hide(const char *name, char **value)
{
  nke_status st = NKE_OK;
  const char *const given = getenv(name);
  *value = NULL;
  if (!given) return NKE_OK;
  NKE_TRY(nke_alloc((int64_t)strlen(given) + 1, 1, "PETSc options", value));
  memcpy(*value, given, strlen(given) + 1);
  unsetenv(name);
done:
  return st;
}

static void show(const char *name, char *value)
{
  if (value) setenv(name, value, 1);
  nke_free(value);
}

/* As PetscInitialize() will, into a database of its own. */
static nke_status insert_all(int argc, char *const *argv, const char *text, const char *yaml)
{
  nke_status st = NKE_OK;
  PetscOptions database = NULL;
  NKE_TRY_PETSC(PetscOptionsCreate(&database));
  if (text) NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsInsertString(database, text));
  if (yaml) NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsInsertStringYAML(database, yaml));
  NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsInsertArgs(database, argc, (char **)argv));
done:
  PetscOptionsDestroy(&database);
  return st;
}

/* PETSc runs on this rank alone while it reads. */
static nke_status read_alone(int argc, char *const *argv)
{
  nke_status st = NKE_OK;
  char *text = NULL, *yaml = NULL;
  NKE_TRY(hide("PETSC_OPTIONS", &text));
  NKE_TRY(hide("PETSC_OPTIONS_YAML", &yaml));
  NKE_TRY(nke_petsc_start(MPI_COMM_SELF, 0, NULL));
  NKE_TRY_PETSC(nke_petsc_errors_begin());
  st = insert_all(argc, argv, text, yaml);
  nke_petsc_errors_end();
  NKE_TRY_PETSC(PetscFinalize());
done:
  show("PETSC_OPTIONS", text);
  show("PETSC_OPTIONS_YAML", yaml);
  return st;
}

nke_status nke_petsc_options_read(MPI_Comm comm, int argc, char *const *argv)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(comm, &rank);
  if (rank == 0) {
    st = check_files(argc, argv);
    if (st == NKE_OK && (argc > 0 || getenv("PETSC_OPTIONS") || getenv("PETSC_OPTIONS_YAML")))
      st = read_alone(argc, argv);
  }
  return nke_agree(comm, st);
}

static bool ours(const char *name)
{
  static const char prefix[] = "nke_";
  return strncasecmp(name, prefix, sizeof prefix - 1) == 0;
}

nke_status nke_petsc_options_unread(int chars, char *name)
{
  nke_status st = NKE_OK;
  PetscInt count;
  char **names, **values;
  name[0] = '\0';
  NKE_TRY_PETSC(PetscOptionsLeftGet(NULL, &count, &names, &values));
  for (PetscInt i = 0; i < count && !name[0]; i++)
    if (ours(names[i])) snprintf(name, (size_t)chars, "-%s", names[i]);
  NKE_TRY_PETSC(PetscOptionsLeftRestore(NULL, &count, &names, &values));
done:
  return st;
}

/* Into a database of their own, so that the run's keeps the marks of what has read it. */
static nke_status copy_ours(PetscOptions database)
{
  nke_status st = NKE_OK;
  PetscInt count;
  char **names, **values, name[NAME_CHARS];
  NKE_TRY_PETSC(PetscOptionsLeftGet(NULL, &count, &names, &values));
  for (PetscInt i = 0; i < count; i++) {
    if (!ours(names[i])) continue;
    snprintf(name, sizeof name, "-%s", names[i]);
    NKE_TRY_PETSC(PetscOptionsSetValue(database, name, values[i]));
  }
  NKE_TRY_PETSC(PetscOptionsLeftRestore(NULL, &count, &names, &values));
done:
  return st;
}

static nke_status identity(void *context, const double *in, double *out)
{
  (void)context;
  *out = in ? *in : 1;
  return NKE_OK;
}

/* A method as for a fit. That it cannot be set up is no error here, as it may be the one that the fit does not use; but
 * solvers within a preconditioner read their options then. */
static nke_status read_by_method(MPI_Comm comm, const char *type)
{
  nke_shell shell = {
      .comm = comm, .rows_loc = 1, .cols_loc = 1, .multiply = identity, .transpose = identity, .diagonal = identity};
  const nke_status st = nke_shell_init(type, 1e-2, 1, &shell);
  if (st == NKE_OK) (void)nke_shell_set_up(&shell);
  nke_shell_clear(&shell);
  return st;
}

static nke_status read_by_all(MPI_Comm comm, int chars, char *unread)
{
  nke_status st = NKE_OK;
  int64_t rank;
  PetscBool given;
  NKE_TRY(read_by_method(comm, KSPCG));
  NKE_TRY(read_by_method(comm, KSPLSQR));
  NKE_TRY(nke_nystrom_rank(1, &rank));
  /* The one that is read after a solution. */
  NKE_TRY_PETSC(PetscOptionsHasName(NULL, "nke_", "-ksp_converged_reason", &given));
  st = nke_petsc_options_unread(chars, unread);
done:
  return st;
}

nke_status nke_petsc_options_check(MPI_Comm comm)
{
  nke_status st = NKE_OK;
  PetscOptions database = NULL;
  char name[NAME_CHARS];
  NKE_TRY(nke_petsc_options_unread(sizeof name, name));
  if (!name[0]) goto done;
  NKE_TRY_PETSC(PetscOptionsCreate(&database));
  NKE_TRY(copy_ours(database));
  NKE_TRY_PETSC(PetscOptionsPush(database));
  st = read_by_all(comm, sizeof name, name);
  PetscOptionsPop();
  if (st == NKE_OK && name[0])
    st = nke_fail(NKE_ERR_USAGE,
                  "%s: expected an option that CG or LSQR of PETSc reads, or what the options name in their "
                  "place",
                  name);
done:
  PetscOptionsDestroy(&database);
  return nke_agree(comm, st);
}
