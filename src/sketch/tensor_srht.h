/* TensorSRHT: a sketch of x (x) u, x in R^n1, u in R^n2, to R^m [Ahle et al. 2020, Definition 15]:
 *   S(x (x) u) = sqrt(1/m) (P1 H D1 x) .* (P2 H D2 u),
 * D1, D2 independent signs, H unnormalised Hadamard (each side padded to a power of two), P1, P2 independent samples
 * with replacement. E<S(x,u), S(y,v)> = <x,y> <u,v>, and with Q(x,y) = |x|^2|y|^2 + 2<x,y>^2 - 2 sum_i x_i^2 y_i^2
 *   Var = (Q(x,y) Q(u,v) - <x,y>^2 <u,v>^2) / m. */
#ifndef NKE_SKETCH_TENSOR_SRHT_H
#define NKE_SKETCH_TENSOR_SRHT_H

#include "sketch/draws.h"

typedef struct nke_tensor_srht nke_tensor_srht;

/* Plan. NKE_ERR_USAGE where a size is out of [1, 2^24]. Local. */
nke_status nke_tensor_srht_create(nke_precision precision, int64_t n1, int64_t n2, int64_t m, nke_draws *draws,
                                  nke_tensor_srht **out);
void nke_tensor_srht_destroy(nke_tensor_srht **sketch);

/* y [m] = S(x (x) u). y may be neither x nor u. Local; N log2 N additions a side. */
void nke_tensor_srht_apply(nke_tensor_srht *sketch, const void *x, const void *u, void *y);

/* The two steps of it, for trees that use a side more than once: f [m] = P H D x of side 0 (x) or 1 (u), and
 * y = f0 .* f1 / sqrt m (y may be f0 or f1). Local. */
void nke_tensor_srht_factor(nke_tensor_srht *sketch, int side, const void *x, void *f);
void nke_tensor_srht_multiply(const nke_tensor_srht *sketch, const void *f0, const void *f1, void *y);

/* Operations of one factor of a side (the product adds 2 m), and bytes of the plan. */
double nke_tensor_srht_flops(const nke_tensor_srht *sketch, int side);
int64_t nke_tensor_srht_bytes(const nke_tensor_srht *sketch);

#endif
