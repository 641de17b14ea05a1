/* The closed-form duals, one loop a kind; private to src/num. */
#ifndef NKE_NUM_DUAL_CLOSED_H
#define NKE_NUM_DUAL_CLOSED_H

#include "num/activation.h"
#include "num/dual_loops.h"

/* Polynomials in Wick form: phi(x) = sum_l A_l(q) :x^l: under variance q, A_l(q) = sum_m coef[l][m] (q - centre)^m,
 * so k = sum_l l! A_l(qx) A_l(qy) s^l and kdot = sum_l l l! A_l(qx) A_l(qy) s^(l - 1). */
typedef struct nke_wick {
  int degree;
  double centre;
  double coef[NKE_ACT_MAX_PARAMS][NKE_ACT_MAX_PARAMS / 2 + 1];
} nke_wick;

/* Whether the activation is a polynomial; if so its Wick form. */
int nke_wick_init(const nke_activation *act, nke_wick *wick);

/* k and kdot of n triples from a Wick form. */
void nke_wick_apply(const nke_wick *wick, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                    double *kdot);

/* The loop of an activation with a closed form that is no polynomial, and the parameters it takes; NULL without one. */
nke_dual_loop *nke_dual_closed(const nke_activation *act, double p[3]);

#endif
