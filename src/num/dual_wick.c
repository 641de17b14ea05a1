#include "num/dual_closed.h"

#include <math.h>
#include <string.h>

static double factorial(int n)
{
  return tgamma(n + 1.0);
}

/* x^n = sum_m n! / ((n - 2m)! m! 2^m) q^m :x^(n - 2m): */
static double wick_factor(int n, int m)
{
  return factorial(n) / (factorial(n - 2 * m) * factorial(m) * ldexp(1, m));
}

static void add_power(nke_wick *wick, int n, double a)
{
  for (int m = 0; 2 * m <= n; m++) wick->coef[n - 2 * m][m] += a * wick_factor(n, m);
  if (n > wick->degree) wick->degree = n;
}

int nke_wick_init(const nke_activation *act, nke_wick *wick)
{
  memset(wick, 0, sizeof *wick);
  switch (act->kind) {
    case NKE_ACT_IDENTITY:
      add_power(wick, 1, 1);
      return 1;
    case NKE_ACT_MONOMIAL:
      add_power(wick, (int)act->param[0], 1);
      return 1;
    case NKE_ACT_POLYNOMIAL:
      for (int i = 0; i < act->n_params; i++) add_power(wick, i, act->param[i]);
      return 1;
    case NKE_ACT_HERMITE: /* He_n is the Wick power at q = 1; at others the same sum in q - 1 */
      add_power(wick, (int)act->param[0], 1 / sqrt(factorial((int)act->param[0])));
      wick->centre = 1;
      return 1;
    default:
      return 0;
  }
}

static double radial(const nke_wick *wick, int l, double q)
{
  double a = 0;
  for (int m = (wick->degree - l) / 2; m >= 0; m--) a = a * (q - wick->centre) + wick->coef[l][m];
  return a;
}

void nke_wick_apply(const nke_wick *wick, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                    double *kdot)
{
  for (int64_t i = 0; i < n; i++) {
    double value = 0, slope = 0;
    double weight = factorial(wick->degree);
    for (int l = wick->degree; l >= 0; l--) {
      const double term = weight * radial(wick, l, qx[i]) * radial(wick, l, qy[i]);
      value = value * s[i] + term;
      if (l > 0) {
        slope = slope * s[i] + l * term;
        weight /= l;
      }
    }
    k[i] = value;
    kdot[i] = slope;
  }
}
