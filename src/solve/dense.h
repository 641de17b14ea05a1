/* Products with a whole (not symmetric) block-cyclic matrix. */
#ifndef NKE_SOLVE_DENSE_H
#define NKE_SOLVE_DENSE_H

#include "dist/blockcyclic.h"
#include "num/gemm.h"

/* y <- op(V) x, x row-major [cols of op(V), k] and y [rows of op(V), k], the same on every rank. Collective.
 * Work a rank: 2 rows cols k / ranks flops, and one allreduce of y. */
nke_status nke_dense_product(const nke_bcmat *v, nke_transpose trans, int64_t k, const double *x, double *y);

#endif
