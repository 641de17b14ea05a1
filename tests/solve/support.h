/* PETSc started before the first test of a file and stopped after its last. */
#ifndef NKE_TESTS_SOLVE_SUPPORT_H
#define NKE_TESTS_SOLVE_SUPPORT_H

#include "support/mpi_main.h"

#include "solve/library.h"

static int start(void **state)
{
  (void)state;
  return nke_solve_init(MPI_COMM_WORLD, 0, NULL) == NKE_OK ? 0 : -1;
}

static int stop(void **state)
{
  (void)state;
  nke_solve_finalize();
  return 0;
}

#endif
