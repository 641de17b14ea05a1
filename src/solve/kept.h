/* Products with features that are kept, spread over the ranks by rows; in double, whatever their precision. */
#ifndef NKE_SOLVE_KEPT_H
#define NKE_SOLVE_KEPT_H

#include "base/checked.h"
#include "solve/operator.h"

/* Features [n, m], n rows dealt to the ranks: this rank's are z, row-major [rows_loc, m]; rows_loc may be 0. */
typedef struct nke_kept {
  MPI_Comm comm;
  int64_t rows_loc, m;
  nke_precision precision;
  const void *z;
} nke_kept;

/* Work space of the products of this rank. */
typedef struct nke_kept_work {
  double *wide; /* a few rows of features as double */
} nke_kept_work;

/* Collective; NKE_ERR_USAGE where m does not fit 32 bits. After it the products fail on all ranks or none: their sizes
 * are checked here, and they allocate nothing, so an iteration needs no agreement. */
nke_status nke_kept_work_init(const nke_kept *kept, nke_kept_work *work);
void nke_kept_work_clear(nke_kept_work *work);

/* t_loc [rows_loc, k] <- Z x, x [m, k] the same on every rank. Local. */
nke_status nke_kept_multiply(const nke_kept *kept, const nke_kept_work *work, int k, const double *x, double *t_loc);

/* y [m, k] <- Z' t, t_loc [rows_loc, k]; the same on every rank. Collective: one allreduce of m k doubles. */
nke_status nke_kept_transpose(const nke_kept *kept, const nke_kept_work *work, int k, const double *t_loc, double *y);

/* squares [m] <- the squared norms of the columns of Z. Collective. */
void nke_kept_squares(const nke_kept *kept, double *squares);

/* Rows [first, first + count) as double, each times its scale (NULL: 1): to [count, m]. Local. */
void nke_kept_widen(const nke_kept *kept, int64_t first, int64_t count, const double *scale_loc, double *to);

/* A = Z'Z, of order m; rows are dealt by nke_split(). Collective. A product: 4 n m k flops over all ranks, a gather and an
 * allreduce of m k doubles. Memory: 16 m k bytes on every rank, 8 k a kept row. */
nke_status nke_normal_operator(const nke_kept *kept, nke_operator **out);

#endif
