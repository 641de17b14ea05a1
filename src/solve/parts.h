/* Vectors of k columns that are spread over the ranks by rows. */
#ifndef NKE_SOLVE_PARTS_H
#define NKE_SOLVE_PARTS_H

#include "base/status.h"
#include "dist/split.h"

#include <stdint.h>

/* n rows dealt by one of the functions of split.h. */
typedef struct nke_parts {
  MPI_Comm comm;
  int64_t n;
  nke_range mine;
  int64_t *starts;       /* [ranks + 1] */
  int *counts, *offsets; /* [ranks], of the call in progress */
} nke_parts;

nke_status nke_parts_init(MPI_Comm comm, int64_t n, nke_range (*split)(int64_t, int, int), nke_parts *l); /* collective */
void nke_parts_clear(nke_parts *parts);

/* all [n, k], on every rank, <- the ranks' parts. Collective: one allgather. NKE_ERR_USAGE where n k passes 32 bits. */
nke_status nke_parts_gather(const nke_parts *parts, int k, const double *part, double *all);

#endif
