/* The checks of `nke doctor` that compute, exchange and write something real. Inside src/run. */
#ifndef NKE_RUN_SELFTEST_H
#define NKE_RUN_SELFTEST_H

#include "base/status.h"

#include <stddef.h>

/* One check: writes what it found into `found`. Collective, the same status on every rank. */
typedef nke_status nke_selftest(MPI_Comm comm, char *found, size_t size);

/* Features of a small network against its exact kernel, and their bits the same on all ranks. */
nke_selftest nke_selftest_features;
/* A sum over all ranks, and its rate. */
nke_selftest nke_selftest_exchange;
/* A file in the current folder, written by all ranks and read back. */
nke_selftest nke_selftest_file;
/* A ridge problem with a known solution through PETSc and ScaLAPACK. */
nke_selftest nke_selftest_solve;
/* The rate of the BLAS in single precision, each rank by itself at the same time. */
nke_selftest nke_selftest_blas;

#endif
