#include "sketch/kernels_variants.h"

#include "num/simd.h"

const nke_sketch_kernels *nke_sketch_kernels_get(nke_precision precision)
{
  static const nke_sketch_kernels *const single[NKE_SIMD_COUNT] = {
    &nke_sketch_kernels_f32_plain, &nke_sketch_kernels_f32_avx2, &nke_sketch_kernels_f32_avx512};
  static const nke_sketch_kernels *const twice[NKE_SIMD_COUNT] = {
    &nke_sketch_kernels_f64_plain, &nke_sketch_kernels_f64_avx2, &nke_sketch_kernels_f64_avx512};
  return (precision == NKE_SINGLE ? single : twice)[nke_simd_best()];
}
