/* Ridge regression by Cholesky: (A + s I) X = B for a symmetric block-cyclic A. */
#ifndef NKE_SOLVE_RIDGE_H
#define NKE_SOLVE_RIDGE_H

#include "base/checked.h"
#include "base/status.h"
#include "base/timer.h"
#include "dist/blockcyclic.h"

#include <stdint.h>

typedef struct nke_ridge_info {
  double shift;     /* s */
  double residual;  /* |(A + s I) X - B|_F / |B|_F, by a product with A itself; 0 for B = 0 */
  double condition; /* estimate of the 1-norm condition number of A + s I, from below */
} nke_ridge_info;

/* Solve (A + shift I) X = B by ScaLAPACK's Cholesky. Collective over A's ranks, after nke_solve_init().
 * a: square, blocks on and below the diagonal are read, left as it is. b, x: row-major [rows, k], the same on every
 * rank. NKE_ERR_NUMERIC, on all ranks, where A + shift I is not numerically positive definite; the text names the
 * leading minor that fails, and x is undefined; also where A is not finite. stats (may be NULL) gets the flops of
 * NKE_STAGE_SOLVE. Work: rows^3 / 3 flops over all ranks, 4 rows^2 k for the solutions and their residual, about 10
 * rows^2 for the condition; memory: A once more. */
nke_status nke_ridge_solve(const nke_bcmat *a, double shift, int k, const double *b, nke_stats *stats, double *x,
                           nke_ridge_info *info);

/* The condition from which on rounding shows in the solution. A factor in double loses log10(condition) of its 16
 * digits: 1e10 leaves six. In single precision each product that is added to an entry of A rounds it by about 2^-24 of
 * itself, independently: a matrix of 2-norm about 2^-23 |A| / sqrt(rows sums), which must stay below the least
 * eigenvalue. terms: products that make an entry, summed in panels of NKE_PANEL_ROWS, the panels in double; 1 for an
 * entry that was rounded once. Local. */
double nke_ridge_condition_limit(nke_precision precision, int64_t rows, int64_t terms);

/* *factor, new, <- the lower Cholesky factor of A + shift I: a's layout, blocks on and below the diagonal valid, of those on
 * it the lower triangle. Collective, after nke_solve_init(); NKE_ERR_NUMERIC and memory as above. rows^3 / 3 flops. */
nke_status nke_ridge_factor(const nke_bcmat *a, double shift, nke_stats *stats, nke_bcmat **factor);

/* NKE_ERR_NUMERIC unless the mean diagonal of a kernel is positive: lambda is relative to it. Local. */
nke_status nke_ridge_check_mean(double mean_diagonal);

/* Bytes of one rank for a solve besides a and b. Local. */
int64_t nke_ridge_bytes(const nke_grid *grid, int64_t rows, int k);

/* Called for each lambda of a path, in the order given. status: NKE_OK, or NKE_ERR_NUMERIC (then x is undefined and
 * `text` says why). What it returns other than NKE_OK, the same on all ranks, ends the path. It may be collective. */
typedef nke_status nke_ridge_visit(void *context, int index, nke_status status, const char *text, const double *x,
                                   const nke_ridge_info *info);

/* nke_ridge_solve() for shift = lambda[i] * scale, i in [0, count), in the memory of one. Collective.
 * scale: the mean diagonal trace(A) / n, n the number of training rows. A shift at which the factor fails is reported
 * to `visit` and the path goes on; other failures end it. */
nke_status nke_ridge_path(const nke_bcmat *a, double scale, int count, const double *lambda, int k, const double *b,
                          nke_stats *stats, nke_ridge_visit *visit, void *context);

#endif
