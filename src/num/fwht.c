#include "num/fwht.h"

#include "num/fwht_variants.h"
#include "num/simd.h"

#include <assert.h>
#include <stddef.h>

void nke_fwht_diagonal_f32(const float *diagonal, const float *in, int64_t filled, float *out, int64_t n)
{
  assert(filled >= 1 && filled <= n);
  assert(n >= 1 && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  switch (nke_simd_best()) {
    case NKE_SIMD_AVX512: nke_fwht_f32_avx512(diagonal, in, filled, out, n); break;
    case NKE_SIMD_AVX2: nke_fwht_f32_avx2(diagonal, in, filled, out, n); break;
    default: nke_fwht_f32_plain(diagonal, in, filled, out, n); break;
  }
}

void nke_fwht_signed_f32(const int8_t *signs, const float *in, int64_t filled, float *out, int64_t n)
{
  assert(filled >= 1 && filled <= n);
  assert(n >= 1 && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  switch (nke_simd_best()) {
    case NKE_SIMD_AVX512: nke_fwht_signed_f32_avx512(signs, in, filled, out, n); break;
    case NKE_SIMD_AVX2: nke_fwht_signed_f32_avx2(signs, in, filled, out, n); break;
    default: nke_fwht_signed_f32_plain(signs, in, filled, out, n); break;
  }
}

void nke_fwht_f32(float *x, int64_t n)
{
  nke_fwht_diagonal_f32(NULL, x, n, x, n);
}

void nke_fwht_diagonal_f64(const double *diagonal, const double *in, int64_t filled, double *out, int64_t n)
{
  assert(filled >= 1 && filled <= n);
  assert(n >= 1 && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  switch (nke_simd_best()) {
    case NKE_SIMD_AVX512: nke_fwht_f64_avx512(diagonal, in, filled, out, n); break;
    case NKE_SIMD_AVX2: nke_fwht_f64_avx2(diagonal, in, filled, out, n); break;
    default: nke_fwht_f64_plain(diagonal, in, filled, out, n); break;
  }
}

void nke_fwht_signed_f64(const int8_t *signs, const double *in, int64_t filled, double *out, int64_t n)
{
  assert(filled >= 1 && filled <= n);
  assert(n >= 1 && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  switch (nke_simd_best()) {
    case NKE_SIMD_AVX512: nke_fwht_signed_f64_avx512(signs, in, filled, out, n); break;
    case NKE_SIMD_AVX2: nke_fwht_signed_f64_avx2(signs, in, filled, out, n); break;
    default: nke_fwht_signed_f64_plain(signs, in, filled, out, n); break;
  }
}

void nke_fwht_f64(double *x, int64_t n)
{
  nke_fwht_diagonal_f64(NULL, x, n, x, n);
}

int64_t nke_power_of_two(int64_t n)
{
  int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}
