/* Hermite coefficients of an activation at any variance, by interpolation between exact ones.
 *
 * The axis of ln q is cut into cells; a cell keeps the coefficients at Chebyshev nodes and interpolates between them. A
 * cell that misses two check points by more than the tolerance is not used: its variances are integrated one by one.
 * What a variance gives depends on nothing asked before, so results do not depend on the order of work. */
#ifndef NKE_NUM_SCALES_H
#define NKE_NUM_SCALES_H

#include "base/status.h"
#include "num/hermite.h"
#include "num/phi.h"

typedef struct nke_scales nke_scales;

/* Plan; phi is borrowed. tolerance is relative to sqrt(E[phi^2]). Local. */
nke_status nke_scales_create(nke_phi *phi, int terms, double tolerance, nke_scales **out);
void nke_scales_destroy(nke_scales **scales);

/* The first `terms` coefficients of phi in c[0..terms) and of phi' in c[terms..2 terms), and the moments, at variance
 * q. Statuses as nke_hermite_at. Local. Cost: 24 terms flops, and some 14 exact evaluations for the first q of a cell.
 */
nke_status nke_scales_at(nke_scales *scales, double q, double *c, nke_hermite_moments *moments);

#endif
