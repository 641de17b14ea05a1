/* Products with kept features, in double. */
#ifndef NKE_SOLVE_KEPT_H
#define NKE_SOLVE_KEPT_H

#include "solve/krylov.h"

/* Work space of the products of this rank. */
typedef struct nke_kept_work {
  double *wide; /* a few rows of features as double */
} nke_kept_work;

/* Collective; NKE_ERR_USAGE where m does not fit 32 bits. After it the products fail on all ranks or none: their sizes
 * are checked here, and they allocate nothing, so an iteration needs no agreement. */
nke_status nke_kept_work_init(const nke_kept *kept, nke_kept_work *work);
void nke_kept_work_clear(nke_kept_work *work);

/* t_loc [rows_loc] <- Z x, x [m] the same on every rank. Local. */
nke_status nke_kept_multiply(const nke_kept *kept, const nke_kept_work *work, const double *x, double *t_loc);

/* y [m] <- Z' t, t_loc this rank's entries of t at distance `stride`; the same on every rank. Collective. */
nke_status nke_kept_transpose(const nke_kept *kept, const nke_kept_work *work, const double *t_loc, int64_t stride,
                              double *y);

/* squares [m] <- the squared norms of the columns of Z. Collective. */
nke_status nke_kept_squares(const nke_kept *kept, double *squares);

#endif
