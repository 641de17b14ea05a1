/* Small collective helpers for rows that are spread over the ranks in rank order. */
#ifndef NKE_DIST_COLLECT_H
#define NKE_DIST_COLLECT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Rows of all ranks. Collective. */
int64_t nke_rows_total(MPI_Comm comm, int64_t n_loc);

/* Whether all ranks pass the same numbers. Collective. */
bool nke_same_on_ranks(MPI_Comm comm, int n, const int64_t *numbers);

/* all [sum of n_loc, k] <- the ranks' mine [n_loc, k] in rank order, on every rank. Collective. NKE_ERR_USAGE where
 * there are more than 32 bits count. */
nke_status nke_gather_rows(MPI_Comm comm, int64_t n_loc, int64_t k, const double *mine, double *all);

/* x [n] <- the sum over ranks, on every rank. Collective. */
void nke_sum_over_ranks(MPI_Comm comm, int64_t n, double *x);

/* data [bytes] <- rank 0's, on every rank. Collective. */
void nke_share_bytes(MPI_Comm comm, int64_t bytes, void *data);

#endif
