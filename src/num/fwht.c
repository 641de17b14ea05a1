#include "num/fwht.h"

#include "num/fwht_variants.h"

#include <assert.h>

void nke_fwht_batch_f32(float *x, int64_t n, int64_t count, int64_t stride)
{
  assert(n >= 1 && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    nke_fwht_f32_avx512(x, n, count, stride);
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    nke_fwht_f32_avx2(x, n, count, stride);
  else
    nke_fwht_f32_plain(x, n, count, stride);
}

void nke_fwht_batch_f64(double *x, int64_t n, int64_t count, int64_t stride)
{
  assert(n >= 1 && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    nke_fwht_f64_avx512(x, n, count, stride);
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    nke_fwht_f64_avx2(x, n, count, stride);
  else
    nke_fwht_f64_plain(x, n, count, stride);
}

void nke_fwht_f32(float *x, int64_t n)
{
  nke_fwht_batch_f32(x, n, 1, n);
}

void nke_fwht_f64(double *x, int64_t n)
{
  nke_fwht_batch_f64(x, n, 1, n);
}

int64_t nke_power_of_two(int64_t n)
{
  int64_t power = 1;
  while (power < n) power *= 2;
  return power;
}
