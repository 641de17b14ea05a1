/* What the program settles about its BLAS when it starts, before MPI. */
#ifndef NKE_RUN_RESTART_H
#define NKE_RUN_RESTART_H

/* If OpenBLAS misread this processor and OPENBLAS_CORETYPE is not set, set it and say that the program should be started
 * anew: the library chooses its loops when it is loaded. Local. */
int nke_restart_for_blas(void);

/* One thread a rank, unless the environment says how many. Local. */
void nke_threads_for_blas(void);

#endif
