#include "num/dual_closed.h"

#include "num/dual_math.h"
#include "num/quadrature.h"
#include "num/simd.h"

#include <math.h>
#include <stddef.h>

/* sin with phase: p = (a, b, c). With t = b^2 s, m = b^2 (qx + qy) / 2:
 *   k = a^2 e^-m (sin^2 c cosh t + cos^2 c sinh t),  kdot = a^2 b^2 e^-m (cos^2 c cosh t + sin^2 c sinh t). */
static void phase_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                       double *kdot)
{
  const double a2 = p[0] * p[0], b2 = p[1] * p[1];
  const double odd = cos(p[2]) * cos(p[2]), even = sin(p[2]) * sin(p[2]);
  for (int64_t i = 0; i < n; i++) {
    const double own = nke_within(qx[i], qy[i], s[i]), t = b2 * own;
    const double decay = exp(-0.5 * b2 * nke_gap(qx[i], qy[i], fabs(own)));
    const double g = -expm1(-2 * fabs(t));
    const double sinh_t = copysign(0.5 * decay * g, t), cosh_t = 0.5 * decay * (2 - g);
    k[i] = a2 * (even * cosh_t + odd * sinh_t);
    kdot[i] = a2 * b2 * (odd * cosh_t + even * sinh_t);
  }
}

static void rbf_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                     double *kdot)
{
  for (int64_t i = 0; i < n; i++) {
    k[i] = exp(-p[0] * nke_gap(qx[i], qy[i], nke_within(qx[i], qy[i], s[i])));
    kdot[i] = 2 * p[0] * k[i];
  }
}

static void exp_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                     double *kdot)
{
  const double a2 = p[0] * p[0], b2 = p[1] * p[1];
  for (int64_t i = 0; i < n; i++) {
    k[i] = a2 * exp(0.5 * b2 * nke_gap(qx[i], qy[i], -nke_within(qx[i], qy[i], s[i])));
    kdot[i] = b2 * k[i];
  }
}

static void gaussian_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                          double *kdot)
{
  const double a2 = p[0] * p[0], t = -2 * p[1];
  for (int64_t i = 0; i < n; i++) {
    const double det = 1 + t * (qx[i] + qy[i]) + t * t * nke_det(qx[i], qy[i], s[i]);
    k[i] = a2 / sqrt(det);
    kdot[i] = k[i] * t * t * s[i] / det;
  }
}

/* exp(-x^2) tilts the covariance C to C (I + 2 C)^-1 = ((qx + 2 D, s), (s, qy + 2 D)) / N with N = det(I + 2 C), D =
 * det C, under which k = E[sin u sin v] / sqrt N; kdot = dk / ds. */
static void gabor_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                       double *kdot)
{
  (void)p;
  for (int64_t i = 0; i < n; i++) {
    const double det = nke_det(qx[i], qy[i], s[i]), sum = qx[i] + qy[i];
    const double norm = 1 + 2 * sum + 4 * det, t = s[i] / norm;
    const double scale = exp(-0.5 * (sum + 4 * det) / norm) / sqrt(norm);
    k[i] = scale * sinh(t);
    kdot[i] = scale * (sinh(t) * 4 * t * (1 + (1 + sum) / norm) + cosh(t) * (1 / norm + 8 * t * t));
  }
}

static void sign_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                      double *kdot)
{
  (void)p;
  for (int64_t i = 0; i < n; i++) {
    k[i] = (2 / NKE_PI) * atan2(s[i], sqrt(nke_det(qx[i], qy[i], s[i])));
    kdot[i] = 0;
  }
}

static void step_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                      double *kdot)
{
  (void)p;
  for (int64_t i = 0; i < n; i++) {
    double theta, opposite;
    nke_angles(s[i], sqrt(nke_det(qx[i], qy[i], s[i])), &theta, &opposite);
    k[i] = opposite * (0.5 / NKE_PI);
    kdot[i] = 0;
  }
}

static void exp_normalized_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s,
                                double *k, double *kdot)
{
  for (int64_t i = 0; i < n; i++) {
    const double r = sqrt(qx[i] * qy[i]);
    const double e = exp(p[0] * (nke_within(qx[i], qy[i], s[i]) / fmax(r, 1e-150) + p[1]));
    k[i] = r * e;
    kdot[i] = p[0] * e;
  }
}

/* J_n and J_{n-1} at theta = pi - phi, n >= 2, all terms of one sign at every angle, so that nothing cancels.
 * cos theta >= 0: J_n = (2 n - 1) cos theta J_{n-1} + (n - 1)^2 sin^2 theta J_{n-2}.
 * Else J_n = n! int_0^phi (cos x - cos phi)^n dx, a trigonometric polynomial of degree at most NKE_ACT_MAX_DEGREE on
 * less than a quarter turn, for which the rule suffices. */
static void arc_cosine(int n, double theta, double phi, double j[2])
{
  if (phi >= 0.5 * NKE_PI) {
    const double c = cos(theta), w = sin(theta);
    double before = phi, value = w + phi * c;
    for (int m = 2; m <= n; m++) {
      const double next = (2 * m - 1) * c * value + (m - 1.0) * (m - 1.0) * w * w * before;
      before = value;
      value = next;
    }
    j[0] = value;
    j[1] = before;
    return;
  }
  double sum = 0, sum_less = 0, factorial = 1;
  for (int i = 0; i < NKE_GAUSS_NODES; i++) {
    const double half = 0.25 * phi * (1 + nke_gauss_node[i]); /* x / 2 */
    const double base = 2 * sin(0.5 * phi + half) * sin(0.5 * phi - half);
    double power = nke_gauss_weight[i];
    for (int m = 1; m < n; m++) power *= base;
    sum_less += power;
    sum += power * base;
  }
  for (int m = 2; m < n; m++) factorial *= m;
  j[0] = n * factorial * 0.5 * phi * sum;
  j[1] = factorial * 0.5 * phi * sum_less;
}

/* [Cho & Saul 2009]: k = (qx qy)^(n/2) J_n(theta) / 2 pi,  kdot = n^2 (qx qy)^((n-1)/2) J_{n-1}(theta) / 2 pi. */
static void rectified_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                           double *kdot)
{
  const int degree = (int)p[0];
  for (int64_t i = 0; i < n; i++) {
    double theta, opposite, j[2], scale = 0.5 / NKE_PI;
    nke_angles(s[i], sqrt(nke_det(qx[i], qy[i], s[i])), &theta, &opposite);
    arc_cosine(degree, theta, opposite, j);
    const double r = sqrt(qx[i] * qy[i]);
    for (int m = 1; m < degree; m++) scale *= r;
    k[i] = r * scale * j[0];
    kdot[i] = degree * degree * scale * j[1];
  }
}

static nke_dual_loop *pick(nke_dual_loop *plain, nke_dual_loop *avx2, nke_dual_loop *avx512)
{
  nke_dual_loop *const variant[NKE_SIMD_COUNT] = {plain, avx2, avx512};
  return variant[nke_simd_best()];
}

static nke_dual_loop *set(double p[3], double a, double b, double c, nke_dual_loop *loop)
{
  p[0] = a;
  p[1] = b;
  p[2] = c;
  return loop;
}

static nke_dual_loop *abrelu(double p[3], double a, double b)
{
  return set(p, a, b, 0, pick(nke_dual_abrelu_plain, nke_dual_abrelu_avx2, nke_dual_abrelu_avx512));
}

static nke_dual_loop *erf_like(double p[3], double a, double b, double c)
{
  return set(p, a, b, c, pick(nke_dual_erf_plain, nke_dual_erf_avx2, nke_dual_erf_avx512));
}

nke_dual_loop *nke_dual_closed(const nke_activation *act, double p[3])
{
  const double *a = act->param;
  switch (act->kind) {
    case NKE_ACT_RELU:
      return abrelu(p, 0, 1);
    case NKE_ACT_ABRELU:
      return abrelu(p, a[0], a[1]);
    case NKE_ACT_SIGN:
      return sign_loop;
    case NKE_ACT_STEP:
      return step_loop;
    case NKE_ACT_RECTIFIED_MONOMIAL:
      if (a[0] == 0) return step_loop;
      return a[0] == 1 ? abrelu(p, 0, 1) : set(p, a[0], 0, 0, rectified_loop);
    case NKE_ACT_ERF:
      return erf_like(p, a[0], a[1], a[2]);
    case NKE_ACT_SIGMOID_LIKE:
      return erf_like(p, 0.5, 1 / 2.4020563531719796, 0.5);
    case NKE_ACT_GELU:
      return set(p, 0, 0, 0, pick(nke_dual_gelu_plain, nke_dual_gelu_avx2, nke_dual_gelu_avx512));
    case NKE_ACT_SIN:
      return set(p, a[0], a[1], a[2], phase_loop);
    case NKE_ACT_COS:
      return set(p, a[0], a[1], a[2] + 0.5 * NKE_PI, phase_loop);
    case NKE_ACT_RBF:
      return set(p, a[0], 0, 0, rbf_loop);
    case NKE_ACT_EXP:
      return set(p, a[0], a[1], 0, exp_loop);
    case NKE_ACT_GAUSSIAN:
      return set(p, a[0], a[1], 0, gaussian_loop);
    case NKE_ACT_GABOR:
      return gabor_loop;
    case NKE_ACT_EXP_NORMALIZED:
      return set(p, a[0], a[1], 0, exp_normalized_loop);
    default:
      return NULL;
  }
}
