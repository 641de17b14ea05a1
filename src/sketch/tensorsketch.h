/* TensorSketch [Pham, Pagh 2013]: a sketch of x_1 (x) ... (x) x_q, all in R^n, to R^m: the circular convolution of q
 * independent CountSketches, done as a product of spectra. Unbiased for prod_j <x_j, y_j>; with one pair (x, y) in
 * every place, P = <x,y>^2, B = |x|^2|y|^2 - sum x_i^2 y_i^2, C = P - sum x_i^2 y_i^2 and g = gcd(2, m),
 *   Var = [(P+B)^q + (P+C)^q - 2 P^q] / m + g [(P+B+C)^q - (P+B)^q - (P+C)^q + P^q] / m^2.
 * The published map, which PolySketch is measured against (tools/bench/bench_sketch.c); the embedding method of this
 * name, src/kernel/tensorsketch_method.c, makes its own by Hadamard transforms. */
#ifndef NKE_SKETCH_TENSORSKETCH_H
#define NKE_SKETCH_TENSORSKETCH_H

#include "sketch/draws.h"

typedef struct nke_tensorsketch nke_tensorsketch;

/* Plan for degree q >= 1. NKE_ERR_USAGE where a size is out of range. Local. */
nke_status nke_tensorsketch_create(nke_precision precision, int q, int64_t n, int64_t m, nke_draws *draws,
                                   nke_tensorsketch **out);
void nke_tensorsketch_destroy(nke_tensorsketch **sketch);

/* y [m] = the sketch of x[0] (x) ... (x) x[q - 1]. Local; q (n + 2.5 m log2 m) operations. */
void nke_tensorsketch_apply(nke_tensorsketch *sketch, const void *const *x, void *y);

/* powers [q][m]: row l - 1 is the sketch of x (l times) by the first l CountSketches. Local. */
void nke_tensorsketch_powers(nke_tensorsketch *sketch, const void *x, void *powers);

/* The spectrum [m / 2 + 1] of (re, im) pairs of CountSketch j of x; products of them are spectra of tensor products,
 * and <y, y'> = (1/m) sum over the full spectrum of Re(Y conj Y'). Local. */
void nke_tensorsketch_spectrum(nke_tensorsketch *sketch, int j, const void *x, void *spectrum);

double nke_tensorsketch_flops(const nke_tensorsketch *sketch);
int64_t nke_tensorsketch_bytes(const nke_tensorsketch *sketch);

#endif
