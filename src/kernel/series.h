/* The truncated series of an activation's dual kernels, as the polynomial sketches need it:
 *   k = sum_l c_l(s) c_l(s') rho^l,   kdot = sum_l cdot_l(s) cdot_l(s') rho^l,   l = 0 .. degree,
 * s = sqrt(q) the norm of the pre-activation features, rho = <x, x'> / (s s'). The c_l are Hermite coefficients [arXiv
 * 2209.04121, the truncated Hermite expansion; no unit norm assumed]. A homogeneous activation has one series:
 * c_l(s) = s^a c_l(1), whose squares are the Taylor coefficients of kappa, all non-negative. */
#ifndef NKE_KERNEL_SERIES_H
#define NKE_KERNEL_SERIES_H

#include "base/status.h"
#include "num/activation.h"

typedef struct nke_series nke_series;

/* Plan for a degree from 0 to NKE_HERMITE_MAX_DEGREE. With `fold` the last coefficients stand for all terms from
 * `degree` on, so that k and kdot are exact at x = x' and as close as they can be near it. NKE_ERR_USAGE on a formula
 * that cannot be used. Local. */
nke_status nke_series_create(const nke_activation *act, int degree, int fold, nke_series **out);
void nke_series_destroy(nke_series **series);

/* c and cdot [degree + 1] at norm s >= 0. Homogeneous: exact; else cubic interpolation in log s between coefficients
 * computed when first needed, to about 1e-7. NKE_ERR_NUMERIC where the activation has no second moment at this norm.
 * Local; one thread at a time. */
nke_status nke_series_at(nke_series *series, double s, double *c, double *cdot);

#endif
