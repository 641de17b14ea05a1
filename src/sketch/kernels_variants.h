/* The tables that kernels.c is compiled to; dispatch.c picks one. */
#ifndef NKE_SKETCH_KERNELS_VARIANTS_H
#define NKE_SKETCH_KERNELS_VARIANTS_H

#include "sketch/kernels.h"

extern const nke_sketch_kernels nke_sketch_kernels_f32_plain, nke_sketch_kernels_f32_avx2,
  nke_sketch_kernels_f32_avx512, nke_sketch_kernels_f64_plain, nke_sketch_kernels_f64_avx2,
  nke_sketch_kernels_f64_avx512;

#endif
