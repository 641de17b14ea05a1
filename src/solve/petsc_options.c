#define _POSIX_C_SOURCE 200809L /* setenv */
#include "solve/petsc_options.h"

#include "base/memory.h"
#include "solve/petsc_status.h"

#include <petscsys.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
  static char program[] = "nke", no_handler[] = "-no_signal_handler", no_file[] = "-skip_petscrc";
  nke_status st = NKE_OK;
  char *plain[] = {program, no_handler, no_file, NULL}, **given = plain, *text = NULL, *yaml = NULL;
  int count = 3;
  NKE_TRY(hide("PETSC_OPTIONS", &text));
  NKE_TRY(hide("PETSC_OPTIONS_YAML", &yaml));
  PETSC_COMM_WORLD = MPI_COMM_SELF;
  NKE_TRY_PETSC(PetscInitialize(&count, &given, NULL, NULL));
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
