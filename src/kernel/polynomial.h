/* The polynomial sketches as embedding methods: activation stages that expand the dual kernels in powers of <x, x'> and
 * sketch the powers. Layers, pixels, taps and pooling are those of gated.h. Internal to src/kernel. */
#ifndef NKE_KERNEL_POLYNOMIAL_H
#define NKE_KERNEL_POLYNOMIAL_H

#include "kernel/gated.h"

enum { NKE_POLYNOMIAL_MAX_DEGREE = 64, NKE_POLYNOMIAL_DEFAULT_DEGREE = 8 };

/* options->degree, its default where it is 0; NKE_ERR_USAGE where it is out of [0, 64]. Local. */
nke_status nke_polynomial_degree(nke_embedding_options *options);

/* tensorsketch_method.c. With a_j = H D_j x / |x|, D_j independent random signs, j = 1 .. q, and signs e on the output,
 *   S' = e .* sum_l c_l(|x|) a_1 .* ... .* a_l / sqrt m,   T' = (sum_l cdot_l(|x|) a_1 .* ... .* a_l) .* (H D T) / sqrt m.
 * That is a TensorSketch over the group of bit strings under exclusive or: its circular convolution is a product of
 * Hadamard, not Fourier, spectra, one hash is the identity, and the output stays a spectrum, so no transform follows. All
 * degrees are summed in place. They may share factors: E a_j = 0, so products of different degrees are uncorrelated, and
 * <S', S'> is unbiased for the truncated series, coordinate by coordinate. */
nke_status nke_tensorsketch_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                       int pool_h, int pool_w, nke_shape out_shape, const nke_image *in,
                                       const nke_image **out);

/* polysketch_method.c, the algorithm of arXiv 2209.04121 and 2106.07880: with P_l the degree-l sketch of x / |x| from one
 * PolySketch tree and R SRHTs,
 *   S' = R1 [c_0(|x|) ; c_1(|x|) P_1 ; ... ; c_q(|x|) P_q],   dS the same with cdot and R2,   T' = TensorSRHT(R3 T, dS).
 * A convolution puts the features of the neighbours side by side (with those of Sigma behind those of Theta), which
 * the tree's leaves and R3 compress; pooling averages. */
nke_status nke_polysketch_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                     int pool_h, int pool_w, nke_shape out_shape, const nke_image *in,
                                     const nke_image **out);

/* A linear layer that no activation follows: concatenation, then SRHT to the width of the input. */
nke_status nke_polysketch_linear(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, int is_last,
                                 const nke_image **out);

#endif
