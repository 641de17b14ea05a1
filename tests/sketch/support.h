/* What the tests of the sketches share: test vectors, inner products, and the mean and variance over many seeds. */
#ifndef NKE_TESTS_SKETCH_SUPPORT_H
#define NKE_TESTS_SKETCH_SUPPORT_H

#include "support/mpi_main.h"

#include "base/rng.h"
#include "sketch/sketch.h"

#include <math.h>

enum { SEEDS = 2000 };

/* Entries N(0, 1) with a common part, so that <x, y> is neither small nor |x| |y|. */
static inline void test_vectors(int64_t n, uint32_t number, double *x, double *y)
{
  for (int64_t i = 0; i < n; i++) {
    const double common = nke_random_normal(5, nke_stream(NKE_STREAM_TEST, 3 * number), (uint64_t)i);
    x[i] = common + 0.7 * nke_random_normal(5, nke_stream(NKE_STREAM_TEST, 3 * number + 1), (uint64_t)i);
    y[i] = common + 0.7 * nke_random_normal(5, nke_stream(NKE_STREAM_TEST, 3 * number + 2), (uint64_t)i);
  }
}

static inline double test_dot(int64_t n, const double *x, const double *y)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

/* sum_i x_i^2 y_i^2 */
static inline double test_dot4(int64_t n, const double *x, const double *y)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * x[i] * y[i] * y[i];
  return sum;
}

/* Are `count` independent samples those of a variable with this mean and variance? Both are checked at 4.5 standard
 * errors, the one of the sample variance from the sample's own fourth moment: a false alarm in less than 1 of 10^5
 * tests were the means Gaussian. A variance of 0 asks for the mean to 1e-12. */
static inline void assert_moments(int64_t count, const double *sample, double mean, double variance)
{
  double sum = 0, sum2 = 0, sum4 = 0;
  for (int64_t i = 0; i < count; i++) sum += sample[i];
  const double found = sum / (double)count;
  for (int64_t i = 0; i < count; i++) {
    const double d = (sample[i] - found) * (sample[i] - found);
    sum2 += d;
    sum4 += d * d;
  }
  const double found_variance = sum2 / (double)(count - 1);
  const double error = 4.5 * sqrt(variance / (double)count) + 1e-12 * (1 + fabs(mean));
  const double spread = sum4 / (double)count - found_variance * found_variance;
  const double variance_error = 4.5 * sqrt(fmax(spread, 0) / (double)count) + 1e-20;
  if (fabs(found - mean) > error || fabs(found_variance - variance) > variance_error)
    fail_msg("mean %g, expected %g +- %g; variance %g, expected %g +- %g", found, mean, error, found_variance, variance,
             variance_error);
}

#endif
