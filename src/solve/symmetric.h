/* Products with a symmetric block-cyclic matrix of which only the blocks on and below the diagonal are stored. */
#ifndef NKE_SOLVE_SYMMETRIC_H
#define NKE_SOLVE_SYMMETRIC_H

#include "dist/blockcyclic.h"

/* y <- (A + shift I) x; x, y: row-major [rows, k], x the same on every rank, y summed over the ranks. Collective.
 * Work a rank: 2 rows^2 k / ranks flops; one allreduce of rows k doubles. */
nke_status nke_symmetric_product(const nke_bcmat *a, double shift, int k, const double *x, double *y);

/* *norm <- the 1-norm of A, its largest sum of |entries| of a column. Collective. NKE_ERR_NUMERIC where A has NaN or
 * Inf. */
nke_status nke_symmetric_norm1(const nke_bcmat *a, double *norm);

/* |(A + shift I) X - B|_F / |B|_F, 0 for B = 0; one product. Collective. */
nke_status nke_symmetric_residual(const nke_bcmat *a, double shift, int k, const double *b, const double *x,
                                  double *residual);

#endif
