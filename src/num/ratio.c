#include "num/ratio.h"

#include <math.h>

/* Student's 97.5 % quantile by the Cornish-Fisher expansion of the normal one: within 1e-3 from 7 degrees on. */
static double student(double degrees)
{
  const double z = 1.959963984540054, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees * degrees) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees * degrees * degrees);
}

nke_ratio nke_ratio_of_means(int64_t n, const double *a, const double *b)
{
  double sum_a = 0, sum_b = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    sum_a += a[i];
    sum_b += b[i];
  }
  if (!(sum_b > 0)) return (nke_ratio){NAN, NAN, NAN};
  if (sum_a <= 0) return (nke_ratio){0, 0, 0};
  const double count = (double)n, r = sum_a / sum_b;
  for (int64_t i = 0; i < n; i++) {
    const double d = count * (a[i] / sum_a - b[i] / sum_b);
    squares += d * d;
  }
  const double spread = exp(student(count - 1) * sqrt(squares / (count * (count - 1))));
  return (nke_ratio){r, r / spread, r * spread};
}

nke_ratio nke_ratio_root(nke_ratio r)
{
  return (nke_ratio){sqrt(r.value), sqrt(r.low), sqrt(r.high)};
}
