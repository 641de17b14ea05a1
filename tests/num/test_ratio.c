/* The ratio of means: exact cases, and how often its interval covers the truth. */
#include "base/rng.h"
#include "num/ratio.h"
#include "support/mpi_main.h"

#include <math.h>

static void test_exact_cases(void **state)
{
  (void)state;
  const double a[] = {2, 4, 6}, b[] = {1, 2, 3}, zero[] = {0, 0, 0};
  nke_ratio r = nke_ratio_of_means(3, a, b);
  assert_true(fabs(r.value - 2) < 1e-15 && fabs(r.low - 2) < 1e-12 && fabs(r.high - 2) < 1e-12);
  r = nke_ratio_root(nke_ratio_of_means(3, (const double[]){4, 1, 1}, (const double[]){1, 1, 1}));
  assert_true(fabs(r.value - sqrt(2)) < 1e-15 && r.low < r.value && r.value < r.high);
  assert_true(fabs(r.low * r.high - 2) < 1e-12);
  r = nke_ratio_of_means(3, zero, b);
  assert_true(r.value == 0 && r.low == 0 && r.high == 0);
  r = nke_ratio_of_means(3, a, zero);
  assert_true(isnan(r.value) && isnan(r.low) && isnan(r.high));
}

/* b = 1 + the square of a normal, a a share of it with noise of its own, the mean of four squares: the mean of a is 0.3
 * times that of b. */
static int covered(uint64_t seed, int n)
{
  double a[64], b[64];
  for (int i = 0; i < n; i++) {
    const double x = nke_random_normal(seed, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
    double noise = 0;
    for (int k = 0; k < 4; k++) {
      const double y = nke_random_normal(seed, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)(4 * i + k));
      noise += y * y / 4;
    }
    b[i] = 1 + x * x;
    a[i] = 0.3 * b[i] * noise;
  }
  const nke_ratio r = nke_ratio_of_means(n, a, b);
  return r.low <= 0.3 && 0.3 <= r.high;
}

static void test_coverage(void **state)
{
  (void)state;
  for (int n = 32; n <= 64; n += 32) {
    int hits = 0;
    for (uint64_t seed = 1; seed <= 2000; seed++) hits += covered(seed, n);
    /* 95 % nominal; skewed terms cost a little; over 2000 seeds the count has a standard deviation of 10. */
    if (hits < 1850 || hits > 1960) fail_msg("%d of 2000 intervals of %d terms cover the truth", hits, n);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact_cases), cmocka_unit_test(test_coverage)};

NKE_TEST_MAIN(tests)
