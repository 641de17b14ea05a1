/* Duals without a closed form: Hermite series, else quadrature in the plane; private to src/num. */
#ifndef NKE_NUM_DUAL_NUMERIC_H
#define NKE_NUM_DUAL_NUMERIC_H

#include "base/status.h"
#include "num/activation.h"

#include <stdint.h>

typedef struct nke_dual_numeric nke_dual_numeric;

nke_status nke_dual_numeric_create(const nke_activation *act, double tolerance, nke_dual_numeric **out);
void nke_dual_numeric_destroy(nke_dual_numeric **numeric);

/* As nke_dual_apply, on checked triples; both outputs required. The result of a triple depends on no other. */
nke_status nke_dual_numeric_apply(nke_dual_numeric *numeric, int64_t n, const double *qx, const double *qy,
                                  const double *s, double *k, double *kdot);

/* Largest error estimate so far. */
double nke_dual_numeric_error(const nke_dual_numeric *numeric);

#endif
