/* Compiled once for each instruction set with NKE_ISA defined (plain, avx2, avx512). */
#include "num/dual_loops.h"

#include "num/dual_math.h"

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)

/* [Cho & Saul 2009] for a min(x, 0) + b max(x, 0), with r = sqrt(qx qy), theta = arccos(s / r), theta' = pi - theta:
 *   2 pi k = (a - b)^2 r sin theta + ((a^2 + b^2) theta' + 2 a b theta) s
 *          = (a^2 + b^2) r (sin theta' - theta' cos theta') - 2 a b r (sin theta - theta cos theta).
 * The second line is used near rho = -1, where the terms of the first cancel. */
void PASTE(nke_dual_abrelu, NKE_ISA)(const double *p, int64_t n, const double *restrict qx, const double *restrict qy,
                                     const double *restrict s, double *restrict k, double *restrict kdot)
{
  const double square = p[0] * p[0] + p[1] * p[1], cross = 2 * p[0] * p[1];
  const double jump = (p[0] - p[1]) * (p[0] - p[1]);
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const double r = sqrt(qx[i] * qy[i]), w = sqrt(nke_det(qx[i], qy[i], s[i]));
    double theta, opposite;
    nke_angles(s[i], w, &theta, &opposite);
    const double slope = square * opposite + cross * theta;
    const double far = jump * w + slope * s[i];
    const double near = square * r * nke_sin_minus_xcos(opposite) - cross * (w - theta * s[i]);
    k[i] = (opposite < 0.5 ? near : far) * (0.5 / NKE_PI);
    kdot[i] = slope * (0.5 / NKE_PI);
  }
}

/* [Williams 1997] for a erf(b x) + c; near rho = -1 the angle is taken from the other side, so that for |a| = |c| a
 * small k keeps its digits. */
void PASTE(nke_dual_erf, NKE_ISA)(const double *p, int64_t n, const double *restrict qx, const double *restrict qy,
                                  const double *restrict s, double *restrict k, double *restrict kdot)
{
  const double a2 = p[0] * p[0], t = 2 * p[1] * p[1], c2 = p[2] * p[2];
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const double root = sqrt(1 + t * (qx[i] + qy[i]) + t * t * nke_det(qx[i], qy[i], s[i]));
    const double ts = t * s[i];
    const double large = nke_larger(fabs(ts), root), small = nke_smaller(fabs(ts), root);
    const double angle = nke_atan01(small / large);
    const double from_zero = fabs(ts) > root ? 0.5 * NKE_PI - angle : angle;
    const double from_end = fabs(ts) > root ? angle : 0.5 * NKE_PI - angle;
    k[i] = ts < 0 ? (c2 - a2) + a2 * (2 / NKE_PI) * from_end : c2 + a2 * (2 / NKE_PI) * from_zero;
    k[i] = c2 > 0 || ts >= 0 ? k[i] : -a2 * (2 / NKE_PI) * from_zero;
    kdot[i] = a2 * t * (2 / NKE_PI) / root;
  }
}

/* [Tsuchida et al. 2020]. With R = sqrt((1 + qx)(1 + qy)), w = sqrt(R^2 - s^2), beta the angle of (s, w) from the
 * negative axis:  2 pi k = s beta + (s^2 + qx qy w^2) / (R^2 w)
 *                       = R (sin beta - beta cos beta) + (s^2 - w^2 (1 + qx + qy)) / (R^2 w),
 *                 2 pi kdot = beta + (s / w) (1 / w^2 + (2 + qx + qy) / R^2). */
void PASTE(nke_dual_gelu, NKE_ISA)(const double *p, int64_t n, const double *restrict qx, const double *restrict qy,
                                   const double *restrict s, double *restrict k, double *restrict kdot)
{
  (void)p;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const double sum = 1 + qx[i] + qy[i], r2 = (1 + qx[i]) * (1 + qy[i]);
    const double w2 = sum + nke_det(qx[i], qy[i], s[i]), w = sqrt(w2);
    double theta, beta;
    nke_angles(s[i], w, &theta, &beta);
    const double far = s[i] * beta + (s[i] * s[i] + qx[i] * qy[i] * w2) / (r2 * w);
    const double near = sqrt(r2) * nke_sin_minus_xcos(beta) + (s[i] * s[i] - w2 * sum) / (r2 * w);
    k[i] = (beta < 0.5 ? near : far) * (0.5 / NKE_PI);
    kdot[i] = (beta + s[i] / w * (1 / w2 + (1 + sum) / r2)) * (0.5 / NKE_PI);
  }
}

/* sum_l cx_l cy_l rho^l for l < 8 blocks, phi and phi' together: eight interleaved Horner schemes in rho^8. */
void PASTE(nke_dual_series, NKE_ISA)(int blocks, const double *restrict cx, const double *restrict cy,
                                     const double *restrict dx, const double *restrict dy, double rho, double sum[2])
{
  double acc[8] = {0}, acc_dot[8] = {0};
  const double rho2 = rho * rho, rho4 = rho2 * rho2, rho8 = rho4 * rho4;
  for (int b = blocks - 1; b >= 0; b--)
#pragma omp simd
    for (int j = 0; j < 8; j++) {
      acc[j] = acc[j] * rho8 + cx[8 * b + j] * cy[8 * b + j];
      acc_dot[j] = acc_dot[j] * rho8 + dx[8 * b + j] * dy[8 * b + j];
    }
  sum[0] = sum[1] = 0;
  for (int j = 7; j >= 0; j--) {
    sum[0] = sum[0] * rho + acc[j];
    sum[1] = sum[1] * rho + acc_dot[j];
  }
}

/* row[i] = sum_j a[j] data[j * n + i]. */
void PASTE(nke_dual_mix, NKE_ISA)(int64_t n, const double a[NKE_DUAL_NODES], const double *restrict data,
                                  double *restrict row)
{
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int j = 0; j < NKE_DUAL_NODES; j++) sum += a[j] * data[j * n + i];
    row[i] = sum;
  }
}
