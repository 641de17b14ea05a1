/* Hermite coefficients of an activation at scale sigma:
 *   c_l(sigma) = E[phi(sigma z) h_l(z)],  cdot_l(sigma) = E[phi'(sigma z) h_l(z)],  z ~ N(0, 1),
 * h_l the Hermite polynomials with E[h_l h_m] = 1(l = m). Then, with rho = s / (sigma sigma'),
 *   E[phi(u) phi(v)] = sum_l c_l(sigma) c_l(sigma') rho^l, and the same with cdot for phi'.
 * Cut at degree p the error is at most sqrt(rest rest') |rho|^(p+1), rest = E[phi(sigma z)^2] - sum_{l <= p} c_l^2. */
#ifndef NKE_NUM_HERMITE_H
#define NKE_NUM_HERMITE_H

#include "base/status.h"
#include "num/activation.h"
#include "num/phi.h"

#include <stdint.h>

enum { NKE_HERMITE_MAX_DEGREE = 511 };

/* What one scale gives beside the coefficients. */
typedef struct nke_hermite_moments {
  double second, second_dot; /* E[phi(sigma z)^2], E[phi'(sigma z)^2] */
  double rest, rest_dot;     /* upper bounds of what the coefficients leave of them */
  double span;               /* z beyond which phi^2 and phi'^2 no longer count */
} nke_hermite_moments;

/* Coefficients 0..degree of a planned activation at scale sigma >= 0 by Gauss-Legendre panels split at the kinks, to
 * about 1e-14 sqrt(E[phi^2]). c and cdot have degree + 1 entries; cdot and moments may be NULL.
 * NKE_ERR_NUMERIC where phi has no finite second moment at this scale (as far as |z| <= 12 tells), or a formula fails.
 * Local. Cost: some 20 to 100 panels of 16 nodes, 3 degree flops a node: about 30 us at degree 64. */
nke_status nke_hermite_at(nke_phi *phi, double sigma, int degree, double *c, double *cdot,
                          nke_hermite_moments *moments);

/* The same for an activation used once. */
nke_status nke_hermite_coefficients(const nke_activation *act, double sigma, int degree, double *c, double *cdot,
                                    nke_hermite_moments *moments);

#endif
