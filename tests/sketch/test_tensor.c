/* TensorSRHT, TensorSketch and PolySketch: mean and variance over 2000 seeds, the powers of one tree, sparse rows. */
#include "sketch/support.h"

#include "base/memory.h"
#include "sketch/polysketch.h"
#include "sketch/tensor_srht.h"
#include "sketch/tensorsketch.h"

#include <string.h>

enum { MOST = 64, MAX_Q = 9 };

/* Q of tensor_srht.h */
static double second_moment(int64_t n, const double *x, const double *y)
{
  const double xy = test_dot(n, x, y);
  return test_dot(n, x, x) * test_dot(n, y, y) + 2 * xy * xy - 2 * test_dot4(n, x, y);
}

static void tensor_srht_has_the_moments_of_theory(void **state)
{
  (void)state;
  static double sample[SEEDS];
  double x[MOST], y[MOST], u[MOST], v[MOST], sx[MOST], sy[MOST];
  const int64_t n1 = 11, n2 = 6, m = 37;
  test_vectors(n1, 1, x, y);
  test_vectors(n2, 2, u, v);
  for (int seed = 0; seed < SEEDS; seed++) {
    nke_draws draws = {(uint64_t)seed, 0};
    nke_tensor_srht *s;
    assert_int_equal(nke_tensor_srht_create(NKE_DOUBLE, n1, n2, m, &draws, &s), NKE_OK);
    nke_tensor_srht_apply(s, x, u, sx);
    nke_tensor_srht_apply(s, y, v, sy);
    sample[seed] = test_dot(m, sx, sy);
    nke_tensor_srht_destroy(&s);
  }
  const double mean = test_dot(n1, x, y) * test_dot(n2, u, v);
  const double variance = (second_moment(n1, x, y) * second_moment(n2, u, v) - mean * mean) / (double)m;
  assert_moments(SEEDS, sample, mean, variance);
}

static void factors_make_the_product(void **state)
{
  (void)state;
  double x[MOST], u[MOST], direct[MOST], f[MOST], g[MOST];
  test_vectors(20, 3, x, u);
  nke_draws draws = {1, 0};
  nke_tensor_srht *s;
  assert_int_equal(nke_tensor_srht_create(NKE_DOUBLE, 20, 20, 33, &draws, &s), NKE_OK);
  nke_tensor_srht_apply(s, x, u, direct);
  nke_tensor_srht_factor(s, 0, x, f);
  nke_tensor_srht_factor(s, 1, u, g);
  nke_tensor_srht_multiply(s, f, g, f);
  for (int i = 0; i < 33; i++) assert_true(fabs(f[i] - direct[i]) < 1e-13);
  nke_tensor_srht_destroy(&s);
}

/* The variance formula of tensorsketch.h. */
static double tensorsketch_variance(int q, int64_t n, int64_t m, const double *x, const double *y)
{
  const double p = pow(test_dot(n, x, y), 2), d = test_dot4(n, x, y);
  const double b = test_dot(n, x, x) * test_dot(n, y, y) - d, c = p - d;
  const double one = pow(p + b, q) + pow(p + c, q) - 2 * pow(p, q);
  const double two = pow(p + b + c, q) - pow(p + b, q) - pow(p + c, q) + pow(p, q);
  return one / (double)m + two * (m % 2 == 0 ? 2 : 1) / (double)m / (double)m;
}

static void check_tensorsketch(int q, int64_t n, int64_t m)
{
  static double sample[SEEDS];
  double x[MOST], y[MOST], sx[MOST], sy[MOST];
  const void *xs[MAX_Q], *ys[MAX_Q];
  test_vectors(n, 4, x, y);
  for (int j = 0; j < q; j++) {
    xs[j] = x;
    ys[j] = y;
  }
  for (int seed = 0; seed < SEEDS; seed++) {
    nke_draws draws = {(uint64_t)seed, 0};
    nke_tensorsketch *t;
    assert_int_equal(nke_tensorsketch_create(NKE_DOUBLE, q, n, m, &draws, &t), NKE_OK);
    nke_tensorsketch_apply(t, xs, sx);
    nke_tensorsketch_apply(t, ys, sy);
    sample[seed] = test_dot(m, sx, sy);
    nke_tensorsketch_destroy(&t);
  }
  assert_moments(SEEDS, sample, pow(test_dot(n, x, y), q), tensorsketch_variance(q, n, m, x, y));
}

static void tensorsketch_has_the_moments_of_theory(void **state)
{
  (void)state;
  check_tensorsketch(1, 7, 16);
  check_tensorsketch(2, 7, 16);
  check_tensorsketch(2, 12, 31);
  check_tensorsketch(3, 5, 36);
}

/* Row l - 1 of the powers is the sketch by the first l CountSketches: the whole for l = q, a CountSketch for l = 1. */
static void tensorsketch_powers_share_their_factors(void **state)
{
  (void)state;
  double x[MOST], y[MOST], whole[MOST], powers[3 * MOST], one[MOST];
  test_vectors(9, 5, x, y);
  nke_draws draws = {8, 3}, again = {8, 3};
  nke_tensorsketch *t;
  nke_sketch *count;
  assert_int_equal(nke_tensorsketch_create(NKE_DOUBLE, 3, 9, 21, &draws, &t), NKE_OK);
  assert_int_equal(nke_sketch_create(&nke_sketch_countsketch, NKE_DOUBLE, 9, 21, &again, &count), NKE_OK);
  const void *const xs[3] = {x, x, x};
  nke_tensorsketch_apply(t, xs, whole);
  nke_tensorsketch_powers(t, x, powers);
  nke_sketch_apply(count, x, one);
  for (int i = 0; i < 21; i++) {
    assert_true(fabs(powers[i] - one[i]) < 1e-12);
    assert_true(fabs(powers[2 * 21 + i] - whole[i]) < 1e-12);
  }
  nke_tensorsketch_destroy(&t);
  nke_sketch_destroy(&count);
}

/* Samples of <power l of x, power l of y> for unit vectors, over the seeds: sample[l - 1][seed]. */
static void sample_powers(const nke_sketch_kind *leaf, int q, int64_t n, int64_t m, const double *x, const double *y,
                          int seeds, double *sample)
{
  double *px, *py;
  assert_int_equal(nke_alloc(q * m, sizeof *px, "px", &px), NKE_OK);
  assert_int_equal(nke_alloc(q * m, sizeof *py, "py", &py), NKE_OK);
  for (int seed = 0; seed < seeds; seed++) {
    nke_draws draws = {(uint64_t)seed, 0};
    nke_polysketch *t;
    assert_int_equal(nke_polysketch_create(leaf, NKE_DOUBLE, q, n, m, &draws, &t), NKE_OK);
    nke_polysketch_apply(t, x, px);
    nke_polysketch_apply(t, y, py);
    for (int l = 0; l < q; l++) sample[l * seeds + seed] = test_dot(m, px + l * m, py + l * m);
    nke_polysketch_destroy(&t);
  }
  nke_free(px);
  nke_free(py);
}

static void unit_vectors(int64_t n, double *x, double *y)
{
  test_vectors(n, 6, x, y);
  const double nx = sqrt(test_dot(n, x, x)), ny = sqrt(test_dot(n, y, y));
  for (int64_t i = 0; i < n; i++) {
    x[i] /= nx;
    y[i] /= ny;
  }
}

static double sample_variance(int count, const double *sample, double mean)
{
  double sum = 0;
  for (int i = 0; i < count; i++) sum += (sample[i] - mean) * (sample[i] - mean);
  return sum / count;
}

/* Every power is unbiased (4.5 standard errors), for dense and sparse leaves, full and partly filled trees. */
static void powers_of_a_tree_are_unbiased(void **state)
{
  (void)state;
  static double sample[MAX_Q * SEEDS];
  static const int degrees[] = {1, 2, 3, 5, 8, 9};
  static const nke_sketch_kind *const leaves[] = {&nke_sketch_srht, &nke_sketch_countsketch, &nke_sketch_osnap};
  double x[MOST], y[MOST];
  unit_vectors(10, x, y);
  const double xy = test_dot(10, x, y);
  for (size_t d = 0; d < sizeof degrees / sizeof *degrees; d++) {
    const int q = degrees[d];
    sample_powers(leaves[d % 3], q, 10, 24, x, y, SEEDS, sample);
    for (int l = 1; l <= q; l++) {
      double mean = 0;
      for (int i = 0; i < SEEDS; i++) mean += sample[(l - 1) * SEEDS + i] / SEEDS;
      const double error = sqrt(sample_variance(SEEDS, sample + (l - 1) * SEEDS, mean) / SEEDS);
      if (fabs(mean - pow(xy, l)) > 4.5 * error + 1e-13)
        fail_msg("degree %d of %d: mean %g, expected %g, standard error %g", l, q, mean, pow(xy, l), error);
    }
  }
}

/* Variance falls as 1/m, and stays under that of the analysis: each of the p - 1 nodes and q leaves multiplies the
 * second moment of unit vectors by at most 1 + 9/m or 1 + 3/m, so E<.,.>^2 <= (1 + 9/m)^(p - 1) (1 + 3/m)^p. The ratio
 * of two variances from 1000 seeds each is known to about 20 %. */
static void error_of_a_tree_falls_as_predicted(void **state)
{
  (void)state;
  enum { COUNT = 1000, Q = 8 };
  static double sample[Q * COUNT];
  double x[MOST], y[MOST], before[Q] = {0};
  unit_vectors(20, x, y);
  const double xy = test_dot(20, x, y);
  for (int64_t m = 128; m <= 512; m *= 4) {
    sample_powers(&nke_sketch_countsketch, Q, 20, m, x, y, COUNT, sample);
    for (int l = 1; l <= Q; l++) {
      const double variance = sample_variance(COUNT, sample + (l - 1) * COUNT, pow(xy, l));
      const double bound = pow(1 + 9.0 / (double)m, Q - 1) * pow(1 + 3.0 / (double)m, Q) - pow(xy, 2 * l);
      assert_true(variance < 1.2 * bound);
      if (m > 128) assert_true(before[l - 1] / variance > 3 && before[l - 1] / variance < 6);
      before[l - 1] = variance;
    }
  }
}

static void sparse_rows_equal_dense_rows(void **state)
{
  (void)state;
  const int64_t index[4] = {3, 29, 0, 11};
  const double value[4] = {1, -2, 0.5, 0.25};
  double x[30] = {0}, dense[5 * 17], sparse[5 * 17];
  for (int k = 0; k < 4; k++) x[index[k]] = value[k];
  for (int q = 1; q <= 5; q += 4) {
    nke_draws draws = {2, 0};
    nke_polysketch *t;
    assert_int_equal(nke_polysketch_create(&nke_sketch_osnap, NKE_DOUBLE, q, 30, 17, &draws, &t), NKE_OK);
    nke_polysketch_apply(t, x, dense);
    nke_polysketch_apply_sparse(t, 4, index, value, sparse);
    for (int i = 0; i < q * 17; i++) assert_true(fabs(dense[i] - sparse[i]) < 1e-12);
    nke_polysketch_destroy(&t);
  }
}

/* Float against double, and the same bits from the same plan. */
static void precisions_and_plans_agree(void **state)
{
  (void)state;
  enum { Q = 6, M = 50 };
  double x[MOST], y[MOST], a[Q * M], b[Q * M];
  float xf[MOST], af[Q * M];
  unit_vectors(33, x, y);
  for (int i = 0; i < 33; i++) xf[i] = (float)x[i];
  nke_draws draws = {2, 5}, again = {2, 5}, single = {2, 5};
  nke_polysketch *s, *t, *f;
  assert_int_equal(nke_polysketch_create(&nke_sketch_srht, NKE_DOUBLE, Q, 33, M, &draws, &s), NKE_OK);
  assert_int_equal(nke_polysketch_create(&nke_sketch_srht, NKE_DOUBLE, Q, 33, M, &again, &t), NKE_OK);
  assert_int_equal(nke_polysketch_create(&nke_sketch_srht, NKE_SINGLE, Q, 33, M, &single, &f), NKE_OK);
  nke_polysketch_apply(s, x, a);
  nke_polysketch_apply(t, y, b);
  nke_polysketch_apply(t, x, b);
  nke_polysketch_apply(f, xf, af);
  assert_memory_equal(a, b, sizeof a);
  for (int i = 0; i < Q * M; i++) assert_true(fabs((double)af[i] - a[i]) < 1e-5);
  nke_polysketch_destroy(&s);
  nke_polysketch_destroy(&t);
  nke_polysketch_destroy(&f);
}

static void bad_sizes_and_full_memory_are_errors(void **state)
{
  (void)state;
  nke_draws draws = {1, 0};
  nke_polysketch *poly;
  nke_tensorsketch *tensor;
  nke_tensor_srht *srht;
  assert_int_equal(nke_polysketch_create(&nke_sketch_srht, NKE_SINGLE, 0, 5, 5, &draws, &poly), NKE_ERR_USAGE);
  assert_int_equal(nke_polysketch_create(&nke_sketch_srht, NKE_SINGLE, 65, 5, 5, &draws, &poly), NKE_ERR_USAGE);
  assert_int_equal(nke_polysketch_create(&nke_sketch_srht, NKE_SINGLE, 3, 5, 0, &draws, &poly), NKE_ERR_USAGE);
  assert_int_equal(nke_tensorsketch_create(NKE_SINGLE, 0, 5, 5, &draws, &tensor), NKE_ERR_USAGE);
  assert_int_equal(nke_tensor_srht_create(NKE_SINGLE, 5, 0, 5, &draws, &srht), NKE_ERR_USAGE);
  nke_status st = NKE_ERR_MEMORY;
  for (int64_t k = 1; st != NKE_OK; k++) {
    nke_alloc_fail_at(k);
    st = nke_polysketch_create(&nke_sketch_srht, NKE_SINGLE, 5, 9, 12, &draws, &poly);
    nke_alloc_fail_at(0);
    assert_true(st == NKE_OK || (st == NKE_ERR_MEMORY && poly == NULL));
  }
  nke_polysketch_destroy(&poly);
  st = NKE_ERR_MEMORY;
  for (int64_t k = 1; st != NKE_OK; k++) {
    nke_alloc_fail_at(k);
    st = nke_tensorsketch_create(NKE_SINGLE, 3, 9, 12, &draws, &tensor);
    nke_alloc_fail_at(0);
    assert_true(st == NKE_OK || (st == NKE_ERR_MEMORY && tensor == NULL));
  }
  nke_tensorsketch_destroy(&tensor);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(tensor_srht_has_the_moments_of_theory),
  cmocka_unit_test(factors_make_the_product),
  cmocka_unit_test(tensorsketch_has_the_moments_of_theory),
  cmocka_unit_test(tensorsketch_powers_share_their_factors),
  cmocka_unit_test(powers_of_a_tree_are_unbiased),
  cmocka_unit_test(error_of_a_tree_falls_as_predicted),
  cmocka_unit_test(sparse_rows_equal_dense_rows),
  cmocka_unit_test(precisions_and_plans_agree),
  cmocka_unit_test(bad_sizes_and_full_memory_are_errors),
};

NKE_TEST_MAIN(tests)
