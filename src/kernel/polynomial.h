/* The polynomial sketches as embedding methods: activation stages that expand the dual kernels in powers of <x, x'> and
 * sketch the powers. Layers, pixels, taps and pooling are those of gated.h. Internal to src/kernel. */
#ifndef NKE_KERNEL_POLYNOMIAL_H
#define NKE_KERNEL_POLYNOMIAL_H

#include "kernel/gated.h"

enum { NKE_POLYNOMIAL_MAX_DEGREE = 64, NKE_POLYNOMIAL_DEFAULT_DEGREE = 8 };

/* tensorsketch_method.c. With a_j = H D_j x / |x|, D_j independent random signs, j = 1 .. q, and signs e on the output,
 *   S' = e .* (c_0 + a_1 .* (c_1 + a_2 .* (c_2 + ...))) / sqrt m,   T' = (the same with cdot) .* (H D T) / sqrt m.
 * That is a sum of TensorSketches of all degrees over the group of bit strings under exclusive or: circular convolution
 * is a product of Hadamard, not Fourier, spectra, the hash is the identity (short rows are repeated under other signs),
 * and the output stays a spectrum, so no transform follows. Degrees may share factors: E a_j = 0, so products of
 * different degrees are uncorrelated, and <S', S'> is unbiased for the series, coordinate by coordinate. The fourth
 * moments of a product of l factors grow as 3^l; so after every NKE_TENSORSKETCH_RUN factors the sum so far is spread
 * by one more random H D / sqrt N, an isometry, after which variances add up instead [as in the trees of Ahle et al.
 * 2020]. */
enum { NKE_TENSORSKETCH_RUN = 2 };
nke_status nke_tensorsketch_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                       int pool_h, int pool_w, nke_shape out_shape, const nke_image *in,
                                       const nke_image **out);

/* polysketch_method.c, the algorithm of arXiv 2209.04121 and 2106.07880: with P_l the degree-l sketch of x / |x| from
 * one PolySketch tree and R SRHTs,
 *   S' = R1 [c_0(|x|) ; c_1(|x|) P_1 ; ... ; c_q(|x|) P_q],   dS the same with cdot and R2,
 *   T' = TensorSRHT(R3 T, dS).
 * A convolution puts the features of the neighbours side by side (with those of Sigma behind those of Theta), which the
 * tree's leaves and R3 compress; pooling averages. */
nke_status nke_polysketch_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                     int pool_h, int pool_w, nke_shape out_shape, const nke_image *in,
                                     const nke_image **out);

/* A linear layer that no activation follows: concatenation, then SRHT to the width of the input. */
nke_status nke_polysketch_linear(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, int is_last,
                                 const nke_image **out);

#endif
