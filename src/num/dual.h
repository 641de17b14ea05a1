/* Dual kernels of an activation:  k = E[phi(u) phi(v)],  kdot = E[phi'(u) phi'(v)],
 *                                  (u, v) ~ N(0, [[qx, s], [s, qy]]).
 *
 * A plan made once from an activation: closed forms where there is one, else the truncated Hermite series where its
 * tail bound meets the tolerance, else a two-dimensional quadrature split at the kinks of phi. */
#ifndef NKE_NUM_DUAL_H
#define NKE_NUM_DUAL_H

#include "base/status.h"
#include "num/activation.h"

#include <stdint.h>

typedef struct nke_dual nke_dual;

/* The tolerance that suits double-precision kernels. */
#define NKE_DUAL_TOLERANCE 1e-10

/* Plan. tolerance is relative to sqrt(k(x,x) k(y,y)) and used by numerical duals only. Copies the activation.
 * NKE_ERR_USAGE on a tolerance outside [1e-14, 0.1] or a formula that cannot be used. Local. */
nke_status nke_dual_create(const nke_activation *act, double tolerance, nke_dual **out);
void nke_dual_destroy(nke_dual **dual);

/* k and kdot of n triples; either output may be NULL, outputs may not overlap inputs. qx, qy >= 0 are variances;
 * s is clamped to |s| <= sqrt(qx qy), so rounding in its making does no harm. Variances are 0, or 1e-140 to 1e140.
 * kdot of sign and step is 0. At a kink phi' is the mean of its one-sided values (matters at variance 0 only).
 * NKE_ERR_NUMERIC naming the triple: a negative or non-finite variance, |s| above sqrt(qx qy) by more than 1e-3 of it,
 * a result that overflows, a tolerance that cannot be met. Local; a plan is for one thread at a time.
 * Cost of a triple, by order: closed forms 10 ns, Hermite series 100 ns to 1 us, quadrature (correlations near 1 and
 * kinks, large variances) 0.1 to 1 ms. */
nke_status nke_dual_apply(const nke_dual *dual, int64_t n, const double *qx, const double *qy, const double *s,
                          double *k, double *kdot);

/* Whether k and kdot are closed forms (error: rounding). Local. */
int nke_dual_is_exact(const nke_dual *dual);

/* Largest error estimate of all triples so far, relative to sqrt(k(x,x) k(y,y)); 0 for closed forms. Local. */
double nke_dual_error(const nke_dual *dual);

#endif
