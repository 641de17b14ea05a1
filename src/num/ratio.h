/* The ratio of two means, each known from a sample, with a confidence interval. */
#ifndef NKE_NUM_RATIO_H
#define NKE_NUM_RATIO_H

#include "base/checked.h"

typedef struct nke_ratio {
  double value;     /* mean of a over mean of b */
  double low, high; /* 95 % interval */
} nke_ratio;

/* From n >= 2 independent pairs (a_i, b_i) >= 0. R = sum a / sum b; by the delta method
 *   var log R = sum (a_i / mean a - b_i / mean b)^2 / (n (n - 1)),
 * and the interval is R exp(-+ t sd), t Student's quantile for n - 1 degrees of freedom: symmetric in the logarithm, as
 * ratios of positive means are skewed. All a zero: R = 0, an interval of length 0; a sum of b that is not positive: NaN.
 * Local. */
nke_ratio nke_ratio_of_means(int64_t n, const double *a, const double *b);

/* The ratio of roots: the square root of all three. Local. */
nke_ratio nke_ratio_root(nke_ratio r);

#endif
