/* PETSc started, and its error codes as statuses. */
#ifndef NKE_SOLVE_PETSC_STATUS_H
#define NKE_SOLVE_PETSC_STATUS_H

#include "base/status.h"

/* `failure`, or NKE_ERR_MEMORY where PETSc's code says so, with the text that it gave with its last error, for the
 * failed call `what`; NKE_ERR_USAGE with the types that there are for an unknown one. Local. */
nke_status nke_petsc_fail(nke_status failure, int code, const char *what);

/* PetscInitialize() over comm with these options alone, those of the environment and of the user's option file left
 * out, and without PETSc's signal handler.
 * NKE_ERR_USAGE for options it refuses. Collective over comm. */
nke_status nke_petsc_start(MPI_Comm comm, int argc, char *const *argv);

/* From one to the other PETSc prints no error: the text is kept for nke_petsc_fail(). Between PetscInitialize() and
 * PetscFinalize(). Local. PETSc's code. */
int nke_petsc_errors_begin(void);
void nke_petsc_errors_end(void);

#define NKE_TRY_PETSC_AS(failure, call)           \
  do {                                            \
    const int code_ = (int)(call);                \
    if (code_ != 0) {                             \
      st = nke_petsc_fail(failure, code_, #call); \
      goto done;                                  \
    }                                             \
  } while (0)

#define NKE_TRY_PETSC(call) NKE_TRY_PETSC_AS(NKE_ERR_INTERNAL, call)

/* The named parts of -log_view. Set by nke_solve_init(). */
typedef enum nke_solve_event {
  NKE_EVENT_FACTOR,
  NKE_EVENT_BACKSOLVE,
  NKE_EVENT_PRODUCT,
  NKE_EVENT_EIGEN,
  NKE_EVENT_COUNT
} nke_solve_event;
void nke_event_begin(nke_solve_event event);
void nke_event_end(nke_solve_event event, double flops);

#endif
