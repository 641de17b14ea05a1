/* Products with features that are kept, spread over the ranks by rows; in double, whatever their precision. */
#ifndef NKE_SOLVE_KEPT_H
#define NKE_SOLVE_KEPT_H

#include "base/checked.h"
#include "solve/operator.h"

/* Z [n, m], rows of features times `scale`, dealt to the ranks; of this rank rows_loc, which may be 0. The features are
 * kept as z, or made anew in each pass. */
typedef struct nke_kept {
  MPI_Comm comm;
  int64_t rows_loc, m;
  nke_precision precision;
  const double *scale; /* [rows_loc], 0 for rows that are left out (borrowed); NULL: ones */
  const void *z; /* [rows_loc, m] row-major; NULL: not kept, then */
  int64_t chunk; /* rows at a time are asked for: */
  nke_status (*make)(void *context, int64_t first, int64_t count, const void **z); /* [count, m], until the next. Local */
  void *context;
} nke_kept;

/* Rows of features that a product holds at a time. */
enum { NKE_KEPT_ROWS = 32 };

/* Work space of the products of this rank. */
typedef struct nke_kept_work {
  double *wide; /* a few rows of features as double */
} nke_kept_work;

/* Collective; NKE_ERR_USAGE where m does not fit 32 bits. Products of features that are kept fail on all ranks or none
 * after it: their sizes are checked here, and they allocate nothing, so an iteration needs no agreement. Where they are
 * made anew a product agrees on the status of that. */
nke_status nke_kept_work_init(const nke_kept *kept, nke_kept_work *work);
void nke_kept_work_clear(nke_kept_work *work);

/* t_loc [rows_loc, k] <- Z x, x [m, k] the same on every rank. Collective. */
nke_status nke_kept_multiply(const nke_kept *kept, const nke_kept_work *work, int k, const double *x, double *t_loc);

/* y [m, k] <- Z' t, t_loc [rows_loc, k]; the same on every rank. Collective: one allreduce of m k doubles. */
nke_status nke_kept_transpose(const nke_kept *kept, const nke_kept_work *work, int k, const double *t_loc, double *y);

/* y [m, k] <- Z'Z x in one pass over Z; x and y the same on every rank; t [NKE_KEPT_ROWS, k] work space. Collective: one
 * allreduce of m k doubles. */
nke_status nke_kept_normal(const nke_kept *kept, const nke_kept_work *work, int k, const double *x, double *t, double *y);

/* squares [m] <- the squared norms of the columns of Z. Collective. */
nke_status nke_kept_squares(const nke_kept *kept, const nke_kept_work *work, double *squares);

/* A = Z'Z, of order m; rows are dealt by nke_split(). Collective. A product: 4 n m k flops over all ranks, a gather and
 * an allreduce of m k doubles. Memory: 16 m k bytes on every rank, and 256 m. */
nke_status nke_normal_operator(const nke_kept *kept, nke_operator **out);

/* A = Z Z', of as many rows as Z, which are dealt by nke_split_blocks(). No diagonal. Collective. A product:
 * 4 n m k flops over all ranks and an allreduce of m k doubles. Memory: 8 m k bytes on every rank, and 256 m. */
nke_status nke_outer_operator(const nke_kept *kept, nke_operator **out);

#endif
