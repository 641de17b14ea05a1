/* Estimate of a norm that is known only by products. */
#ifndef NKE_SOLVE_CONDITION_H
#define NKE_SOLVE_CONDITION_H

#include "base/status.h"

#include <stdint.h>

/* y <- M y for a symmetric M of order n; y is the same on every rank. */
typedef nke_status nke_symmetric_map(void *context, double *y);

/* *norm <- a lower bound of the 1-norm of M, rarely less than a third of it, by at most five pairs of products
 * [Hager, SIAM J. Sci. Stat. Comput. 5 (1984) 311; Higham, ACM TOMS 14 (1988) 381]. Collective if `map` is. */
nke_status nke_norm1_estimate(MPI_Comm comm, int64_t n, nke_symmetric_map *map, void *context, double *norm);

#endif
