/* data.class_weights: weighted least squares, sum_i w_i |f(x_i) - y_i|^2 + s |f|^2, w_i the weight of row i's class.
 *
 * A row's features and targets are scaled by r_i = sqrt(w_i); in the dual K becomes R K R, Y becomes R Y, and the weights R
 * alpha. Metrics stay unweighted. */
#ifndef NKE_RUN_CLASS_WEIGHTS_H
#define NKE_RUN_CLASS_WEIGHTS_H

#include "run/session.h"
#include "dist/blockcyclic.h"

/* session->class_roots [k] <- r of each class, NULL for none: given, or balanced, w = n / (classes x rows of the class).
 * Collective; a pass over y for balanced. NKE_ERR_USAGE: regression, or another number of weights than classes. */
nke_status nke_class_weights_fit(nke_session *session);

/* roots [n] of rows with encoded targets y [n, k]. Local. */
void nke_class_weights_roots(const nke_session *session, int64_t n, const double *y, double *roots);

/* x [n, columns] <- row i times roots[i]. Local. */
void nke_class_weights_scale(int64_t n, int64_t columns, const double *roots, double *x);

/* a <- R A R; this rank's part. Local. */
void nke_class_weights_matrix(const double *roots, nke_bcmat *a);

/* Features [n, m] and targets [n, k] of a slab, scaled in place. Local. */
nke_status nke_class_weights_slab(const nke_session *session, const nke_slab *slab);

#endif
