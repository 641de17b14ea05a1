/* The dual of any activation at one (qx, qy, s) by quadrature in the plane; private to src/num. */
#ifndef NKE_NUM_DUAL_PLANE_H
#define NKE_NUM_DUAL_PLANE_H

#include "base/status.h"
#include "num/hermite.h"
#include "num/phi.h"

/* value = (k, kdot), *error their larger error estimate relative to sqrt(k(x,x) k(y,y)); mx, my are the moments at the
 * two variances. With rho = |s| / sqrt(qx qy):
 *   u = sigma_x (c a + d b),  v = sign(s) sigma_y (c a - d b),  c^2 = (1 + rho) / 2,  d^2 = (1 - rho) / 2,
 * a, b independent standard normals. Inner integral over a by Gauss-Legendre panels whose edges are where u or v cross
 * a kink or the end of a short piece; outer over b by adaptive panels of the same rule, first split where two such
 * lines of kinks cross. As rho -> 1, d -> 0 and the outer integrand becomes constant. NKE_ERR_NUMERIC if it does not
 * converge. Local. Cost: some 100 inner integrals of 5 to 100 panels. */
nke_status nke_dual_plane(nke_phi *phi, double qx, double qy, double s, const nke_hermite_moments *mx,
                          const nke_hermite_moments *my, double tolerance, double value[2], double *error);

#endif
