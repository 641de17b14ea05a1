/* The vector of one variant: NKE_LANES reals, by the compilers' vector extension. Included by plane_run.c only. */
#ifndef NKE_KERNEL_PLANE_VECTOR_H
#define NKE_KERNEL_PLANE_VECTOR_H

#include <math.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef NKE_REAL real;
typedef real vec __attribute__((vector_size(NKE_LANES * sizeof(real)), may_alias));
#ifdef NKE_REAL_f32
typedef int32_t word;
#define SIGN_BIT INT32_MIN
#else
typedef int64_t word;
#define SIGN_BIT INT64_MIN
#endif
typedef word mask __attribute__((vector_size(NKE_LANES * sizeof(real)), may_alias));

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#if defined(NKE_ISA_avx512) && defined(NKE_REAL_f32)
#define NKE_MM(op) _mm512_##op##_ps
#elif defined(NKE_ISA_avx512)
#define NKE_MM(op) _mm512_##op##_pd
#elif defined(NKE_ISA_avx2) && defined(NKE_REAL_f32)
#define NKE_MM(op) _mm256_##op##_ps
#elif defined(NKE_ISA_avx2)
#define NKE_MM(op) _mm256_##op##_pd
#elif defined(NKE_REAL_f32)
#define NKE_MM(op) _mm_##op##_ps
#else
#define NKE_MM(op) _mm_##op##_pd
#endif
INLINE vec v_sqrt(vec x)
{
  return (vec)NKE_MM(sqrt)(x);
}
INLINE vec v_max(vec x, vec y)
{
  return (vec)NKE_MM(max)(x, y);
}
#else
INLINE vec v_sqrt(vec x)
{
  for (int l = 0; l < NKE_LANES; l++) x[l] = (real)sqrt(x[l]);
  return x;
}
INLINE vec v_max(vec x, vec y)
{
  for (int l = 0; l < NKE_LANES; l++) x[l] = x[l] > y[l] ? x[l] : y[l];
  return x;
}
#endif

/* sqrt x = v_root(x) / ROOT_SCALE, and (sqrt x, 1 / sqrt x) = v_roots(x), for x >= ROOT_LEAST. In float by a step of
 * Newton's from the estimate of 1 / sqrt x: an instruction for the root itself would hold up its port for the time of
 * ten multiplications. */
typedef struct vec_roots {
  vec root, inverse;
} vec_roots;

#if defined(__x86_64__) && defined(NKE_REAL_f32)
#define ROOT_SCALE 2
#define ROOT_LEAST 1e-30f
#ifdef NKE_ISA_avx512
#define NKE_RSQRT(x) _mm512_rsqrt14_ps(x)
#else
#define NKE_RSQRT(x) NKE_MM(rsqrt)(x)
#endif
INLINE vec v_root(vec x)
{
  const vec inverse = (vec)NKE_RSQRT(x), root = x * inverse;
  return root * (3 - root * inverse);
}
INLINE vec_roots v_roots(vec x)
{
  const vec inverse = (vec)NKE_RSQRT(x), root = x * inverse, step = (real)1.5 - (real)0.5 * root * inverse;
  return (vec_roots){root * step, inverse * step};
}
#else
#define ROOT_SCALE 1
#define ROOT_LEAST 0
INLINE vec v_root(vec x)
{
  return v_sqrt(x);
}
INLINE vec_roots v_roots(vec x)
{
  const vec root = v_sqrt(x);
  return (vec_roots){root, 1 / root};
}
#endif

INLINE vec v_zero(void)
{
  const vec zero = {0};
  return zero;
}
INLINE vec v_set(real x)
{
  return x - v_zero();
}
INLINE vec v_abs(vec x)
{
  return (vec)((mask)x & ~SIGN_BIT);
}
/* x with the sign of `sign` where x >= 0. */
INLINE vec v_signed(vec x, vec sign)
{
  return (vec)((mask)x ^ ((mask)sign & SIGN_BIT));
}
INLINE vec v_select(mask where, vec x, vec y)
{
  return (vec)(((mask)x & where) | ((mask)y & ~where));
}

#endif
