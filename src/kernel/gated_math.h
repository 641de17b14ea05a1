/* Branch-free elementary functions for vector loops. In single precision polynomials with errors of a few 1e-7 (relative
 * for exp, absolute for the others), which is below the noise of the features; in double precision the C library. */
#ifndef NKE_KERNEL_GATED_MATH_H
#define NKE_KERNEL_GATED_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef NKE_REAL_f32

static inline float real_abs(float x) { return fabsf(x); }
static inline float real_sqrt(float x) { return sqrtf(x); }

/* exp by 2^k times a degree-6 Taylor polynomial on |r| <= ln 2 / 2 (remainder 1.2e-7 relative); saturates outside
 * [-87, 88], where float under- or overflows. */
static inline float real_exp(float x)
{
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  const float k = rintf(x * 1.44269504f);
  /* ln 2 in two parts, the first with 9 bits so that k times it is exact. */
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t bits = ((int32_t)k + 127) * (1 << 23);
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

/* erf by Abramowitz and Stegun 7.1.26: |error| <= 1.5e-7. */
static inline float real_erf(float x)
{
  const float z = fabsf(x);
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float y = 1.0f - p * t * real_exp(-z * z);
  return x < 0 ? -y : y;
}

/* -y for odd whole numbers k, else y; |k| <= 2^22. By 3 2^22 more the last bit of k is that of the fraction. */
static inline float real_turned(float y, float k)
{
  const float shifted = k + 12582912.0f;
  uint32_t bits, odd;
  memcpy(&bits, &y, sizeof bits);
  memcpy(&odd, &shifted, sizeof odd);
  bits ^= odd << 31;
  memcpy(&y, &bits, sizeof y);
  return y;
}

/* sin up to NKE_SIN_MOST: x - k pi in three parts, then the odd Taylor polynomial of degree 11 on |r| <= pi / 2.
 * Further out k has too few bits: r leaves the range of the polynomial, and the result is anything. */
#define NKE_SIN_MOST 4194304.0f
static inline float real_sin(float x)
{
  const float k = rintf(x * 0.318309886f);
  float r = x - k * 3.140625f;
  r = r - k * 9.67502593994140625e-4f;
  r = r - k * 1.509957990978376432e-7f;
  const float r2 = r * r;
  float p = -2.50521084e-8f;
  p = p * r2 + 2.75573192e-6f;
  p = p * r2 - 1.98412698e-4f;
  p = p * r2 + 8.33333333e-3f;
  p = p * r2 - 1.66666667e-1f;
  return real_turned(r + r * r2 * p, k);
}

static inline float real_cos(float x) { return real_sin(x + 1.57079632679f); }

/* log on [1, 2], the only range needed: atanh series in z = (x - 1) / (x + 1) <= 1/3. */
static inline float real_log_1to2(float x)
{
  const float z = (x - 1.0f) / (x + 1.0f), z2 = z * z;
  float p = 1.0f / 13;
  p = p * z2 + 1.0f / 11;
  p = p * z2 + 1.0f / 9;
  p = p * z2 + 1.0f / 7;
  p = p * z2 + 0.2f;
  p = p * z2 + 1.0f / 3;
  p = p * z2 + 1.0f;
  return 2.0f * z * p;
}

#else

static inline double real_abs(double x) { return fabs(x); }
static inline double real_sqrt(double x) { return sqrt(x); }
static inline double real_exp(double x) { return exp(x); }
static inline double real_erf(double x) { return erf(x); }
static inline double real_sin(double x) { return sin(x); }
static inline double real_cos(double x)
{
  return cos(x);
}
static inline double real_log_1to2(double x) { return log(x); }

#endif

/* 1 / (1 + exp(-x)) without overflow. */
static inline NKE_REAL real_sigmoid(NKE_REAL x)
{
  const NKE_REAL e = real_exp(-real_abs(x));
  const NKE_REAL p = 1 / (1 + e);
  return x < 0 ? e * p : p;
}

static inline NKE_REAL real_tanh(NKE_REAL x)
{
  const NKE_REAL e = real_exp(-2 * real_abs(x));
  const NKE_REAL y = (1 - e) / (1 + e);
  return x < 0 ? -y : y;
}

/* log(1 + exp x) = max(x, 0) + log(1 + exp(-|x|)). */
static inline NKE_REAL real_softplus(NKE_REAL x)
{
  return (x > 0 ? x : 0) + real_log_1to2(1 + real_exp(-real_abs(x)));
}

#endif
