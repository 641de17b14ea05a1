/* Which of the instruction sets that the hot loops are compiled for (nke_isa_sources) this processor runs. */
#ifndef NKE_NUM_SIMD_H
#define NKE_NUM_SIMD_H

/* Ascending: a processor that runs one runs those before it. The values index tables of variants. */
typedef enum nke_simd { NKE_SIMD_PLAIN, NKE_SIMD_AVX2, NKE_SIMD_AVX512, NKE_SIMD_COUNT } nke_simd;

/* The widest: AVX-512 with F, DQ, VL, BW and FMA; AVX2 with FMA; plain. Local, cheap. */
static inline nke_simd nke_simd_best(void)
{
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("fma")) return NKE_SIMD_PLAIN;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return NKE_SIMD_AVX512;
  if (__builtin_cpu_supports("avx2")) return NKE_SIMD_AVX2;
#endif
  return NKE_SIMD_PLAIN;
}

#endif
