/* Signals that ask a run to stop after a checkpoint: SIGUSR1 (time is nearly up) and SIGTERM (preempted). */
#ifndef NKE_RUN_SIGNALS_H
#define NKE_RUN_SIGNALS_H

#include <mpi.h>
#include <stdbool.h>

/* Catch both from now on: they only set a flag. A command that never asks for the flag must not call this, or it could
 * no longer be ended by SIGTERM. Local. */
void nke_signals_catch(void);

/* Whether any rank was signalled since nke_signals_catch(); the same answer on all ranks. Collective: one allreduce of
 * an int, once a block. */
bool nke_signals_agree(MPI_Comm comm);

/* Whether this rank was. Local. */
bool nke_signals_here(void);

/* Forget the flag and give the signals back to whoever had them. Local. */
void nke_signals_release(void);

#endif
