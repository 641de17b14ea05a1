#define _POSIX_C_SOURCE 200809L /* access */
#include "solve/petsc_options.h"

#include "base/checked.h"
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

enum { NAME_CHARS = 256, PATH_CHARS = 4096 };

/* The folder of a path, into text. */
static void folder_of(const char *path, char *text, size_t size)
{
  const char *const slash = strrchr(path, '/');
  snprintf(text, size, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

static bool can_write(const char *path)
{
  struct stat info;
  char folder[PATH_CHARS];
  if (stat(path, &info) == 0) return !S_ISDIR(info.st_mode) && access(path, W_OK) == 0;
  folder_of(path, folder, sizeof folder);
  return access(folder, W_OK | X_OK) == 0;
}

/* Where a viewer writes, KIND:FILE[:FORMAT]: PETSc opens it on its first rank when there is something to write, and the
 * others wait for it for ever where that fails. */
static nke_status check_target(const char *name, const char *value)
{
  static const char *const kinds[] = {":", "ascii:", "binary:", "hdf5:", "vtk:"};
  char path[PATH_CHARS];
  if (!value || strcmp(name, "info") == 0) return NKE_OK; /* FILE:CLASSES */
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const size_t length = strlen(kinds[i]);
    if (strncmp(value, kinds[i], length) != 0) continue;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(value + length, ":"), value + length);
    if (!path[0] || strcmp(path, "stdout") == 0 || strcmp(path, "stderr") == 0 || can_write(path)) break;
    return nke_fail(NKE_ERR_USAGE, "-%.60s: expected a file that can be written, got '%.800s'", name, path);
  }
  return NKE_OK;
}

/* Before PETSc, which takes a folder for an empty file. */
static nke_status check_files(int argc, char *const *argv)
{
  for (int i = 0; i < argc; i++) {
    struct stat info;
    if (strcmp(argv[i], "-options_file") != 0 && strcmp(argv[i], "-options_file_yaml") != 0) continue;
    const char *const path = i + 1 < argc ? argv[i + 1] : "";
    if (stat(path, &info) != 0 || S_ISDIR(info.st_mode) || access(path, R_OK) != 0)
      return nke_fail(NKE_ERR_USAGE, "%s: expected a file that can be read, got '%.800s'", argv[i], path);
  }
  return NKE_OK;
}

/* As PetscInitialize() would. */
static nke_status insert_all(int argc, char *const *argv, PetscOptions database)
{
  nke_status st = NKE_OK;
  const char *const text = getenv("PETSC_OPTIONS"), *const yaml = getenv("PETSC_OPTIONS_YAML");
  if (text) NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsInsertString(database, text));
  if (yaml) NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsInsertStringYAML(database, yaml));
  NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscOptionsInsertArgs(database, argc, (char **)argv));
done:
  return st;
}

/* The words, each with its zero, of options whose values may be missing. */
static nke_status join(PetscInt count, char *const *names, char *const *values, nke_petsc_words *words)
{
  nke_status st = NKE_OK;
  int64_t bytes = 0;
  for (PetscInt i = 0; i < count; i++)
    bytes += (int64_t)strlen(names[i]) + 2 + (values[i] ? (int64_t)strlen(values[i]) + 1 : 0);
  NKE_TRY(nke_alloc(bytes, 1, "PETSc options", &words->text));
  NKE_TRY(nke_to_int(bytes, "characters of PETSc options", &words->chars));
  char *at = words->text;
  for (PetscInt i = 0; i < count; i++) {
    at += sprintf(at, "-%s", names[i]) + 1;
    if (values[i]) at += sprintf(at, "%s", values[i]) + 1;
  }
done:
  return st;
}

static nke_status take(int argc, char *const *argv, nke_petsc_words *words)
{
  nke_status st = NKE_OK;
  PetscOptions database = NULL;
  PetscInt count;
  char **names, **values;
  NKE_TRY_PETSC(PetscOptionsCreate(&database));
  NKE_TRY(insert_all(argc, argv, database));
  NKE_TRY_PETSC(PetscOptionsLeftGet(database, &count, &names, &values)); /* all, as nothing has read them */
  for (PetscInt i = 0; st == NKE_OK && i < count; i++) st = check_target(names[i], values[i]);
  if (st == NKE_OK) st = join(count, names, values, words);
  PetscOptionsLeftRestore(database, &count, &names, &values);
done:
  PetscOptionsDestroy(&database);
  return st;
}

/* PETSc runs on this rank alone while it reads. */
static nke_status take_alone(int argc, char *const *argv, nke_petsc_words *words)
{
  nke_status st = NKE_OK;
  NKE_TRY(check_files(argc, argv));
  if (argc == 0 && !getenv("PETSC_OPTIONS") && !getenv("PETSC_OPTIONS_YAML")) goto done;
  NKE_TRY(nke_petsc_start(MPI_COMM_SELF, 0, NULL));
  NKE_TRY_PETSC(nke_petsc_errors_begin());
  st = take(argc, argv, words);
  nke_petsc_errors_end();
  if (PetscFinalize() != 0 && st == NKE_OK) st = nke_fail(NKE_ERR_INTERNAL, "PETSc: failed (in PetscFinalize())");
done:
  return st;
}

static nke_status split(nke_petsc_words *words)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_alloc(words->chars, sizeof *words->at, "PETSc options", &words->at));
  for (int c = 0; c < words->chars; c += (int)strlen(words->text + c) + 1) words->at[words->count++] = words->text + c;
done:
  return st;
}

nke_status nke_petsc_words_read(MPI_Comm comm, int argc, char *const *argv, nke_petsc_words *words)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(comm, &rank);
  *words = (nke_petsc_words){0};
  NKE_TRY(nke_agree(comm, rank == 0 ? take_alone(argc, argv, words) : NKE_OK));
  NKE_TRY_MPI(MPI_Bcast(&words->chars, 1, MPI_INT, 0, comm));
  NKE_TRY(nke_agree(comm, rank == 0 ? NKE_OK : nke_alloc(words->chars, 1, "PETSc options", &words->text)));
  NKE_TRY_MPI(MPI_Bcast(words->text, words->chars, MPI_CHAR, 0, comm));
  st = nke_agree(comm, split(words));
done:
  if (st != NKE_OK) nke_petsc_words_clear(words);
  return st;
}

void nke_petsc_words_clear(nke_petsc_words *words)
{
  nke_free(words->at);
  nke_free(words->text);
  *words = (nke_petsc_words){0};
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
