/* Work space that grows with the number of columns of a product. Inside src/solve. */
#ifndef NKE_SOLVE_SCRATCH_H
#define NKE_SOLVE_SCRATCH_H

#include "base/status.h"

#include <mpi.h>
#include <stdint.h>

typedef struct nke_scratch {
  double *at;
  int columns; /* that there is room for */
} nke_scratch;

/* Room for `rows` x k doubles at scratch->at, rows the same in every call; what was there is lost when it grows.
 * Collective: the same status on all ranks. */
nke_status nke_scratch_reserve(MPI_Comm comm, int64_t rows, int k, nke_scratch *scratch);
void nke_scratch_clear(nke_scratch *scratch);

#endif
