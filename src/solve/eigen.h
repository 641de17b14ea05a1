/* One eigendecomposition for a whole path of shifts: A = V diag(w) V', then each s costs products only. */
#ifndef NKE_SOLVE_EIGEN_H
#define NKE_SOLVE_EIGEN_H

#include "base/status.h"
#include "base/timer.h"
#include "dist/blockcyclic.h"

#include <stdint.h>

typedef struct nke_eigen nke_eigen;

/* Decompose a (square, blocks on and below the diagonal are read, left as it is) by ScaLAPACK's divide and conquer, and
 * keep q = V' b for b row-major [rows, k], the same on every rank. Collective, after nke_solve_init(). NKE_ERR_NUMERIC
 * where a is not finite or the iteration fails; NKE_ERR_USAGE as nke_eigen_check(). stats (may be NULL) gets flops of
 * NKE_STAGE_SOLVE. Work: about 9 rows^3 flops over all ranks; memory: nke_eigen_bytes(). */
nke_status nke_eigen_create(const nke_bcmat *a, int k, const double *b, nke_stats *stats, nke_eigen **out);
void nke_eigen_destroy(nke_eigen **e);

/* Bytes of one rank at the peak of nke_eigen_create(), besides a and b: four matrices like a. Local. */
int64_t nke_eigen_bytes(const nke_grid *grid, int64_t rows, int k);

/* Whether ScaLAPACK's 32 bits hold the work space of a rank of a grid of this shape: NKE_ERR_USAGE. Local. */
nke_status nke_eigen_check(const nke_grid *grid, int64_t rows);

/* The eigenvalues w [rows], ascending, on every rank. */
const double *nke_eigen_values(const nke_eigen *e);

/* x = (A + shift I)^-1 b = V (q / (w + shift)), row-major [rows, k], on every rank. Collective; 2 rows^2 k flops.
 * NKE_ERR_NUMERIC where w_min + shift <= 0. */
nke_status nke_eigen_solve(const nke_eigen *e, double shift, double *x);

/* *condition <- that of A + shift I in the 1-norm, estimated from below as nke_ridge_info has it. Collective; about
 * 20 rows^2 flops. */
nke_status nke_eigen_condition(const nke_eigen *e, double shift, double *condition);

/* sum_j w_j / (w_j + shift), the statistical dimension of A at `shift`; rounding below zero counts as zero. Local. */
double nke_eigen_dimension(const nke_eigen *e, double shift);

/* Generalised cross-validation [Golub, Heath, Wahba, Technometrics 21 (1979) 215], summed over the k targets:
 *   GCV = (RSS / n) / (1 - dimension / n)^2.
 * Primal: A = Z'Z, b = Z'Y, squares[k] = the squares of Y summed, n rows; RSS = squares - sum_j q_j^2 (w_j + 2 s) /
 * (w_j + s)^2. Dual: A = Z Z', b = Y, n = rows; RSS = s^2 sum_j (q_j / (w_j + s))^2. Local; no product. Infinity where
 * dimension >= n. */
double nke_eigen_gcv_primal(const nke_eigen *e, double shift, int64_t n, const double *squares);
double nke_eigen_gcv_dual(const nke_eigen *e, double shift);

/* Leave-one-out residuals of the dual problem, row-major [rows, k], on every rank:
 *   y_i - f_{-i}(x_i) = alpha_i / [(A + s I)^-1]_ii,   alpha = (A + s I)^-1 Y. Collective; 2 rows^2 (k + 1) flops. */
nke_status nke_eigen_loo_dual(const nke_eigen *e, double shift, double *residuals);

/* Leverages for leave-one-out in the primal: h_i = z_i' (A + s I)^-1 z_i for `rows` rows z, row-major [rows, order of
 * A] double and the same on every rank, at `count` shifts: leverage[rows, count], on every rank. The left-out residual
 * is (y_i - z_i' x) / (1 - h_i). Collective; 2 rows m^2 flops for all shifts together. */
nke_status nke_eigen_leverage(const nke_eigen *e, int64_t rows, const double *z, int count, const double *shifts,
                              double *leverage);

#endif
