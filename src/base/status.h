/* Statuses, one-line error texts, and agreement on them across ranks.
 *
 * Every fallible function returns nke_status. The text of the failure is kept beside it (one per thread) until the
 * process entry point prints it. A rank-local function may fail on some ranks only; a collective function returns the
 * same status on all ranks, by passing its local status through nke_agree() before the next collective call. */
#ifndef NKE_BASE_STATUS_H
#define NKE_BASE_STATUS_H

#include "nke/status.h"

#include <mpi.h>

/* Longest error line kept, with its terminating zero. */
enum { NKE_ERROR_CHARS = 1024 };

/* The process exit code of a status: the status itself, but NKE_ERR_MEMORY exits as NKE_ERR_USAGE (does not fit). */
int nke_status_exit_code(nke_status status);

/* Record one line (printf style, no newline) as this thread's error text and return `status`. Local. */
nke_status nke_fail(nke_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last recorded text, "" if none. Local; valid until the next nke_fail() of this thread. */
const char *nke_error_text(void);

/* Agree on a status. Collective over comm.
 * Returns on every rank the status of the lowest rank whose `status` is not NKE_OK (NKE_OK if there is none), and makes
 * that rank's text the error text of every rank. Cost: one allreduce of an int; on failure one broadcast more. */
nke_status nke_agree(MPI_Comm comm, nke_status status);

/* Run a fallible call; on failure keep its status in `st` and jump to the single exit label `done`. */
#define NKE_TRY(call)                \
  do {                               \
    st = (call);                     \
    if (st != NKE_OK) goto done;     \
  } while (0)

/* Turn an MPI return code into a status. */
#define NKE_TRY_MPI(call)                                                                         \
  do {                                                                                            \
    if ((call) != MPI_SUCCESS) {                                                                  \
      st = nke_fail(NKE_ERR_INTERNAL, "%s:%d: MPI call failed: %s", __FILE__, __LINE__, #call);   \
      goto done;                                                                                  \
    }                                                                                             \
  } while (0)

#endif
