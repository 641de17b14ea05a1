/* Starting the program anew, before MPI. */
#ifndef NKE_RUN_RESTART_H
#define NKE_RUN_RESTART_H

/* If OpenBLAS misread this processor and OPENBLAS_CORETYPE is not set, become the same program with it set: the library
 * chooses its loops when it is loaded. Returns where there is nothing to mend, or it cannot be. Local. */
void nke_restart_for_blas(char **argv);

#endif
