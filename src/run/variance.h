/* The posterior variance of a Gaussian process, NNGP, at new rows: what `fit` keeps for it and `predict` does.
 *
 *   prior f ~ GP(0, k), targets f(x_i) + noise of variance s, s = lambda_absolute; C C' = A + s I, lower Cholesky
 *
 *   exact kernel, A = K:     v(x) = k(x, x) - k_x' (K + s I)^-1 k_x = k(x, x) - |C^-1 k_x|^2
 *   features, k = z' z, A = Z'Z: v(x) = s z(x)' (Z'Z + s I)^-1 z(x) = s |C^-1 z(x)|^2
 *
 * The second is the first for K = Z Z': with f(x) = z(x)' w, w ~ N(0, I), the posterior of w has the covariance
 * (Z'Z / s + I)^-1, and (push-through identity) I - Z' (Z Z' + s I)^-1 Z = s (Z'Z + s I)^-1. It has no cancellation
 * [Rasmussen, Williams, Gaussian Processes for Machine Learning (2006), eq. 2.11, 2.12, 2.26].
 *
 * v is that of the function, without the noise, and the same for every target; in squared units of the targets, which
 * are centred and not scaled. 0 <= v(x) <= k(x, x). */
#ifndef NKE_RUN_VARIANCE_H
#define NKE_RUN_VARIANCE_H

#include "run/fit.h"
#include "run/model.h"

#include <stdbool.h>

/* Whether the model is to keep its factor: where --variance asks for it, and by itself where an NNGP has one of no more
 * than 4,096 features (of an exact kernel: rows), 64 MiB. Local. */
bool nke_variance_wanted(const nke_fit *fit);

/* NKE_ERR_USAGE, in one line, where the fit has no such variance: another kernel than nngp, a solver without a factor,
 * class weights. Local. */
nke_status nke_variance_check(const nke_fit *fit);

typedef struct nke_variance nke_variance;

/* Open the factor of the model at `path`; *out is NULL where it has none. model and session are borrowed. Collective.
 * NKE_ERR_DATA: a damaged factor. */
nke_status nke_variance_open(const char *path, const nke_model *model, const nke_session *session, nke_variance **out);
void nke_variance_close(nke_variance **variance);

/* Bytes that nke_variance_apply() takes for n rows. Local. */
int64_t nke_variance_bytes(const nke_variance *variance, int64_t n);

/* variance [slab->n], which may be none. Collective, its status is this rank's: no rank holds the factor, which the
 * ranks read block by block for each other. Memory: nke_variance_bytes(). Cost: n m^2 flops, a broadcast of 4 m^2 bytes
 * a slab, of which each rank reads its part, and k(x, x). NKE_ERR_DATA: a damaged factor. */
nke_status nke_variance_apply(const nke_variance *variance, const nke_slab *slab, double *out);

#endif
