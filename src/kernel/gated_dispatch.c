#include "kernel/gated_kernels.h"

#include "num/simd.h"

extern const nke_gated_kernels nke_gated_kernels_f32_plain, nke_gated_kernels_f32_avx2, nke_gated_kernels_f32_avx512;
extern const nke_gated_kernels nke_gated_kernels_f64_plain, nke_gated_kernels_f64_avx2, nke_gated_kernels_f64_avx512;

const nke_gated_kernels *nke_gated_kernels_get(nke_precision precision)
{
  static const nke_gated_kernels *const single[NKE_SIMD_COUNT] = {
    &nke_gated_kernels_f32_plain, &nke_gated_kernels_f32_avx2, &nke_gated_kernels_f32_avx512};
  static const nke_gated_kernels *const twice[NKE_SIMD_COUNT] = {
    &nke_gated_kernels_f64_plain, &nke_gated_kernels_f64_avx2, &nke_gated_kernels_f64_avx512};
  return (precision == NKE_SINGLE ? single : twice)[nke_simd_best()];
}
