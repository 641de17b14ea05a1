/* What the closed forms share. All branch-free, so that loops over them vectorise. */
#ifndef NKE_NUM_DUAL_MATH_H
#define NKE_NUM_DUAL_MATH_H

#include <math.h>

#define NKE_PI 3.14159265358979323846

/* fmax and fmin would have to treat NaN, for which no vector instruction exists. */
static inline double nke_larger(double a, double b)
{
  return a > b ? a : b;
}
static inline double nke_smaller(double a, double b)
{
  return a > b ? b : a;
}

/* qx qy - s^2 to about one unit in the last place whatever cancels (Kahan), 0 where rounding made it negative. */
static inline double nke_det(double qx, double qy, double s)
{
  const double p = qx * qy, t = s * s;
  const double d = (p - t) + (fma(qx, qy, -p) - fma(s, s, -t));
  return d > 0 ? d : 0;
}

/* s, or where rounding took it beyond rho = 1 or -1 what it is there. */
static inline double nke_within(double qx, double qy, double s)
{
  const double r = sqrt(qx * qy);
  return fmax(fmin(s, r), -r);
}

/* qx + qy - 2 s, exact where s is close to both. */
static inline double nke_gap(double qx, double qy, double s)
{
  return (qx - s) + (qy - s);
}

/* atan on [0, 1]: t > tan(pi/8) is turned by pi/4; then the rational function of the Cephes library (2e-16). */
static inline double nke_atan01(double t)
{
  const int far = t > 0.41421356237309503;
  const double x = far ? (t - 1) / (t + 1) : t;
  const double z = x * x;
  const double p =
      (((-8.750608600031904122785e-1 * z - 1.615753718733365076637e1) * z - 7.500855792314704667340e1) * z -
       1.228866684490136173410e2) *
          z -
      6.485021904942025371773e1;
  const double q =
      ((((z + 2.485846490142306297962e1) * z + 1.650270098316988542046e2) * z + 4.328810604912902668951e2) * z +
       4.853903996359136964868e2) *
          z +
      1.945506571482613964425e2;
  const double y = x + x * (z * p / q);
  return far ? y + 0.25 * NKE_PI : y;
}

/* The angles of the vector (s, w), w >= 0: theta from the positive and opposite = pi - theta from the negative axis,
 * each to full relative accuracy; pi / 2 for (0, 0). */
static inline void nke_angles(double s, double w, double *theta, double *opposite)
{
  const double a = fabs(s);
  const double large = nke_larger(a, w), small = nke_smaller(a, w);
  const double p = nke_atan01(small / nke_larger(large, 1e-300));
  const double acute = a > w ? p : 0.5 * NKE_PI - p;
  *theta = s >= 0 ? acute : NKE_PI - acute;
  *opposite = s >= 0 ? NKE_PI - acute : acute;
}

/* sin(x) - x cos(x) for x in [0, 0.5] by its series; error below 1e-17 x^3. */
static inline double nke_sin_minus_xcos(double x)
{
  const double z = x * x;
  /* sum_j (-1)^j 2 (j + 1) / (2 j + 3)! x^(2 j + 3) */
  return x * z *
         (1.0 / 3 -
          z * (1.0 / 30 -
               z * (1.0 / 840 - z * (1.0 / 45360 - z * (1.0 / 3991680 - z * (1.0 / 518918400 - z / 93405312000))))));
}

#endif
