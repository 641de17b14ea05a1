#include "sketch/kernels_variants.h"

const nke_sketch_kernels *nke_sketch_kernels_get(nke_precision precision)
{
  const int single = precision == NKE_SINGLE;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return single ? &nke_sketch_kernels_f32_avx512 : &nke_sketch_kernels_f64_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return single ? &nke_sketch_kernels_f32_avx2 : &nke_sketch_kernels_f64_avx2;
  return single ? &nke_sketch_kernels_f32_plain : &nke_sketch_kernels_f64_plain;
}
