#define _POSIX_C_SOURCE 200809L /* setenv */
#include "solve/library.h"

#include "base/memory.h"
#include "solve/petsc_options.h"
#include "solve/petsc_status.h"
#include "solve/petsc_types.h"

#include <petscsys.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static char last_error[NKE_ERROR_CHARS / 2];
static PetscLogEvent events[NKE_EVENT_COUNT];
static bool in_use, started; /* between init and finalize; whether it was init that started PETSc */

/* Keeps the text of the first error and prints nothing; the code travels back through PETSc's own checks. */
static PetscErrorCode remember(MPI_Comm comm, int line, const char *function, const char *file, PetscErrorCode code,
                               PetscErrorType type, const char *message, void *context)
{
  (void)comm, (void)line, (void)function, (void)file, (void)context;
  if (type == PETSC_ERROR_INITIAL) snprintf(last_error, sizeof last_error, "%s", message ? message : "no message");
  return code;
}

int nke_petsc_errors_begin(void)
{
  return PetscPushErrorHandler(remember, NULL);
}

void nke_petsc_errors_end(void)
{
  PetscPopErrorHandler();
}

nke_status nke_petsc_fail(nke_status failure, int code, const char *what)
{
  char types[NKE_ERROR_CHARS / 2];
  if (code == PETSC_ERR_ARG_UNKNOWN_TYPE)
    return nke_fail(NKE_ERR_USAGE, "PETSc: %s; there are %s", last_error, nke_petsc_types_text(sizeof types, types));
  return nke_fail(code == PETSC_ERR_MEM ? NKE_ERR_MEMORY : failure, "PETSc: %s (in %.60s)",
                  last_error[0] ? last_error : "failed", what);
}

static nke_status register_events(void)
{
  static const char *const name[NKE_EVENT_COUNT] = {"nkeFactor", "nkeBackSolve", "nkeProduct", "nkeEigen"};
  nke_status st = NKE_OK;
  PetscClassId class;
  NKE_TRY_PETSC(PetscClassIdRegister("nke", &class));
  for (int e = 0; e < NKE_EVENT_COUNT; e++) NKE_TRY_PETSC(PetscLogEventRegister(name[e], class, &events[e]));
done:
  return st;
}

/* An environment variable of options is kept from PetscInitialize(). */
static nke_status hide(const char *name, char **value)
{
  nke_status st = NKE_OK;
  const char *const given = getenv(name);
  *value = NULL;
  if (!given) return NKE_OK;
  NKE_TRY(nke_strdup(given, value));
  unsetenv(name);
done:
  return st;
}

static void show(const char *name, char *value)
{
  if (value) setenv(name, value, 1);
  nke_free(value);
}

nke_status nke_petsc_start(MPI_Comm comm, int argc, char *const *argv)
{
  static char program[] = "nke", no_handler[] = "-no_signal_handler", no_file[] = "-skip_petscrc";
  nke_status st = NKE_OK;
  char **all = NULL, *text = NULL, *yaml = NULL;
  int count = 1;
  st = nke_alloc(argc + 4, sizeof *all, "PETSc options", &all);
  if (st == NKE_OK) st = hide("PETSC_OPTIONS", &text);
  if (st == NKE_OK) st = hide("PETSC_OPTIONS_YAML", &yaml);
  NKE_TRY(nke_agree(comm, st));
  all[0] = program;
  for (int i = 0; i < argc; i++) all[count++] = argv[i];
  all[count++] = no_handler; /* ours are last, and hold */
  all[count++] = no_file;
  all[count] = NULL;
  PETSC_COMM_WORLD = comm;
  NKE_TRY_PETSC_AS(NKE_ERR_USAGE, PetscInitialize(&count, &all, NULL, NULL));
done:
  show("PETSC_OPTIONS", text);
  show("PETSC_OPTIONS_YAML", yaml);
  nke_free(all);
  return nke_agree(comm, st);
}

/* What each rank does by itself once PETSc runs. */
static nke_status set_up(void)
{
  nke_status st = NKE_OK;
  NKE_TRY_PETSC(nke_petsc_errors_begin());
  in_use = true;
  if (started) NKE_TRY(nke_petsc_types_keep());
  NKE_TRY(register_events());
done:
  return st;
}

nke_status nke_solve_init(MPI_Comm comm, int argc, char *const *argv)
{
  nke_status st = NKE_OK;
  PetscBool running = PETSC_FALSE;
  nke_petsc_words words = {0};
  PetscInitialized(&running);
  if (!running) {
    NKE_TRY(nke_petsc_words_read(comm, argc, argv, &words));
    NKE_TRY(nke_petsc_start(comm, words.count, words.at));
    started = true;
  }
  NKE_TRY(nke_agree(comm, set_up()));
  if (started) NKE_TRY(nke_petsc_options_check(comm));
done:
  nke_petsc_words_clear(&words);
  return st;
}

void nke_solve_finalize(void)
{
  if (in_use) nke_petsc_errors_end();
  if (started) PetscFinalize();
  in_use = started = false;
}

void nke_event_begin(nke_solve_event event)
{
  PetscLogEventBegin(events[event], 0, 0, 0, 0);
}

void nke_event_end(nke_solve_event event, double flops)
{
  PetscLogFlops(flops);
  PetscLogEventEnd(events[event], 0, 0, 0, 0);
}
