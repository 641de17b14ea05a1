/* CountSketch, OSNAP, SRHT and SRFT: mean and variance over 2000 seeds against theory, linearity, sparse rows, odd
 * sizes, plans that depend on nothing but seed, stream number and dimensions. */
#include "sketch/support.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

static const nke_sketch_kind *const kinds[] = {&nke_sketch_countsketch, &nke_sketch_osnap, &nke_sketch_srht,
                                               &nke_sketch_srft};
enum { KINDS = sizeof kinds / sizeof *kinds };

static nke_sketch *plan(const nke_sketch_kind *kind, nke_precision precision, int64_t n, int64_t m, uint64_t seed)
{
  nke_draws draws = {seed, 7};
  nke_sketch *sketch;
  assert_int_equal(nke_sketch_create(kind, precision, n, m, &draws, &sketch), NKE_OK);
  return sketch;
}

/* <S x, S y> for each seed against the mean <x, y> and the given variance. */
static void check_moments(const nke_sketch_kind *kind, int64_t n, int64_t m, const double *x, const double *y,
                          double variance)
{
  static double sample[SEEDS];
  double sx[MOST], sy[MOST];
  for (int seed = 0; seed < SEEDS; seed++) {
    nke_sketch *s = plan(kind, NKE_DOUBLE, n, m, (uint64_t)seed);
    nke_sketch_apply(s, x, sx);
    nke_sketch_apply(s, y, sy);
    sample[seed] = test_dot(m, sx, sy);
    nke_sketch_destroy(&s);
  }
  assert_moments(SEEDS, sample, test_dot(n, x, y), variance);
}

/* V of sketch.h */
static double base_variance(int64_t n, const double *x, const double *y)
{
  const double xy = test_dot(n, x, y);
  return test_dot(n, x, x) * test_dot(n, y, y) + xy * xy - 2 * test_dot4(n, x, y);
}

static void sparse_maps_have_the_variance_of_theory(void **state)
{
  (void)state;
  double x[MOST], y[MOST];
  nke_sketch_kind three = nke_sketch_osnap;
  three.copies = 3;
  for (int64_t n = 5; n <= 37; n += 32) {
    test_vectors(n, (uint32_t)n, x, y);
    const double v = base_variance(n, x, y);
    check_moments(&nke_sketch_countsketch, n, 13, x, y, v / 13);
    check_moments(&nke_sketch_osnap, n, 12, x, y, v / 12);
    /* Parts of 4, 5 and 5 buckets, weighed by 1/3 each. */
    check_moments(&three, n, 14, x, y, v / 9 * (1.0 / 4 + 1.0 / 5 + 1.0 / 5));
  }
}

static void srht_has_the_variance_of_theory(void **state)
{
  (void)state;
  double x[MOST], y[MOST];
  test_vectors(37, 2, x, y);
  const double v = base_variance(37, x, y);
  check_moments(&nke_sketch_srht, 37, 15, x, y, v / 15 * (64.0 - 15) / 63);
  check_moments(&nke_sketch_srht, 37, 1, x, y, v);
  check_moments(&nke_sketch_srht, 16, 33, x, y, 0);
}

/* The exact second moment over signs and frequency (see srft.c): the sign pairs i != j give, for a frequency,
 *   mean_k [(x_i y_j)^2 + x_i y_i x_j y_j] cos^2(2 pi k (i - j) / L),   and twice that without cos for a Hartley one.
 */
static void srft_has_the_variance_of_theory(void **state)
{
  (void)state;
  double x[MOST], y[MOST];
  test_vectors(35, 3, x, y);
  const int64_t n = 35, length = 36;
  double pairs = 0, hartley = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      if (i == j) continue;
      const double square = x[i] * x[i] * y[j] * y[j], cross = x[i] * y[i] * x[j] * y[j];
      pairs += (square + cross) * (2 * llabs(i - j) == length ? 1.0 : 0.5);
      /* cas(a i)^2 cas(a j)^2 = (1 + sin 2 a i)(1 + sin 2 a j), its mean over a */
      double mean = 0;
      for (int64_t k = 0; k < length; k++) {
        const double a = 2 * acos(-1.0) * (double)k / (double)length;
        mean += (1 + sin(2 * a * (double)i)) * (1 + sin(2 * a * (double)j)) / (double)length;
      }
      hartley += (square + cross) * mean;
    }
  check_moments(&nke_sketch_srft, n, 20, x, y, pairs / 10);
  check_moments(&nke_sketch_srft, n, 7, x, y, 3 * (2.0 / 7) * (2.0 / 7) * pairs + hartley / 49);
}

static void maps_are_linear(void **state)
{
  (void)state;
  double x[MOST], y[MOST], sum[MOST], sx[MOST], sy[MOST], ssum[MOST];
  for (int kind = 0; kind < KINDS; kind++)
    for (int64_t n = 1; n <= 33; n += 8)
      for (int64_t m = 1; m <= 61; m += 12) {
        nke_sketch *s = plan(kinds[kind], NKE_DOUBLE, n, m, 3);
        test_vectors(n, 4, x, y);
        for (int64_t i = 0; i < n; i++) sum[i] = 2 * x[i] - 0.5 * y[i];
        nke_sketch_apply(s, x, sx);
        nke_sketch_apply(s, y, sy);
        nke_sketch_apply(s, sum, ssum);
        for (int64_t i = 0; i < m; i++) assert_true(fabs(ssum[i] - (2 * sx[i] - 0.5 * sy[i])) < 1e-12);
        nke_sketch_destroy(&s);
      }
}

static void sparse_rows_equal_dense_rows(void **state)
{
  (void)state;
  const int64_t index[5] = {30, 2, 17, 0, 32};
  const double value[5] = {1.5, -2, 0.25, 3, -0.125};
  const float value_f32[5] = {1.5f, -2, 0.25f, 3, -0.125f};
  double x[33] = {0}, dense[21], sparse[21];
  float x_f32[33] = {0}, dense_f32[21], sparse_f32[21];
  for (int k = 0; k < 5; k++) {
    x[index[k]] = value[k];
    x_f32[index[k]] = value_f32[k];
  }
  for (int kind = 0; kind < KINDS; kind++) {
    nke_sketch *s = plan(kinds[kind], NKE_DOUBLE, 33, 21, 9), *f = plan(kinds[kind], NKE_SINGLE, 33, 21, 9);
    nke_sketch_apply(s, x, dense);
    nke_sketch_apply_sparse(s, 5, index, value, sparse);
    nke_sketch_apply(f, x_f32, dense_f32);
    nke_sketch_apply_sparse(f, 5, index, value_f32, sparse_f32);
    for (int i = 0; i < 21; i++) {
      assert_true(fabs(dense[i] - sparse[i]) < 1e-14);
      assert_true(fabs((double)dense_f32[i] - dense[i]) < 2e-6);
      assert_true(fabs((double)sparse_f32[i] - dense[i]) < 2e-6);
    }
    nke_sketch_apply_sparse(s, 0, index, value, sparse);
    for (int i = 0; i < 21; i++) assert_true(sparse[i] == 0);
    nke_sketch_destroy(&s);
    nke_sketch_destroy(&f);
  }
}

/* The same (seed, number, n, m) gives the same bits; another seed or number gives another map. */
static void plans_depend_on_seed_and_number_only(void **state)
{
  (void)state;
  double x[MOST], y[MOST], a[MOST], b[MOST];
  test_vectors(40, 6, x, y);
  for (int kind = 0; kind < KINDS; kind++) {
    nke_draws draws = {4, 7}, other = {4, 100};
    nke_sketch *first = plan(kinds[kind], NKE_DOUBLE, 40, 24, 4), *second, *third;
    assert_int_equal(nke_sketch_create(kinds[kind], NKE_DOUBLE, 40, 24, &draws, &second), NKE_OK);
    assert_int_equal(nke_sketch_create(kinds[kind], NKE_DOUBLE, 40, 24, &other, &third), NKE_OK);
    nke_sketch_apply(first, x, a);
    nke_sketch_apply(second, x, b);
    assert_memory_equal(a, b, 24 * sizeof *a);
    nke_sketch_apply(third, x, b);
    assert_true(memcmp(a, b, 24 * sizeof *a) != 0);
    nke_sketch_destroy(&third);
    assert_int_equal(nke_sketch_create(kinds[kind], NKE_DOUBLE, 40, 24, &draws, &third), NKE_OK);
    nke_sketch_apply(third, x, b);
    assert_true(memcmp(a, b, 24 * sizeof *a) != 0);
    nke_sketch_destroy(&first);
    nke_sketch_destroy(&second);
    nke_sketch_destroy(&third);
  }
}

static void tables_do_not_depend_on_their_length(void **state)
{
  (void)state;
  double longer[300], shorter[300];
  int32_t many[300], few[300];
  nke_draws a = {1, 0}, b = {1, 0};
  nke_draw_signs(&a, NKE_DOUBLE, 0, 300, 2, longer);
  nke_draw_signs(&b, NKE_DOUBLE, 130, 150, 2, shorter);
  assert_memory_equal(longer + 130, shorter, 150 * sizeof *shorter);
  nke_draw_buckets(&a, 0, 100, 3, 50, many);
  nke_draw_buckets(&b, 41, 30, 3, 50, few);
  assert_memory_equal(many + 3 * 41, few, 90 * sizeof *few);
  nke_draw_indices(&a, 300, 1000, many);
  nke_draw_indices(&b, 150, 1000, few);
  assert_memory_equal(many, few, 150 * sizeof *few);
  assert_int_equal(a.next, 3);
}

/* Every set equally likely: each of the 10 pairs of 5 has 400 expected hits in 4000 draws (19 standard deviation). */
static void subsets_are_uniform(void **state)
{
  (void)state;
  int hits[5][5] = {{0}};
  for (int seed = 0; seed < 4000; seed++) {
    nke_draws draws = {(uint64_t)seed, 0};
    int32_t pair[2];
    assert_int_equal(nke_draw_subset(&draws, 2, 5, pair), NKE_OK);
    assert_true(0 <= pair[0] && pair[0] < pair[1] && pair[1] < 5);
    hits[pair[0]][pair[1]]++;
  }
  for (int i = 0; i < 5; i++)
    for (int j = i + 1; j < 5; j++) assert_in_range(hits[i][j], 400 - 86, 400 + 86);
}

static void bad_sizes_and_full_memory_are_errors(void **state)
{
  (void)state;
  nke_draws draws = {1, 0};
  nke_sketch *sketch;
  for (int kind = 0; kind < KINDS; kind++) {
    assert_int_equal(nke_sketch_create(kinds[kind], NKE_SINGLE, 0, 5, &draws, &sketch), NKE_ERR_USAGE);
    assert_null(sketch);
    assert_int_equal(nke_sketch_create(kinds[kind], NKE_SINGLE, 5, 0, &draws, &sketch), NKE_ERR_USAGE);
    assert_int_equal(nke_sketch_create(kinds[kind], NKE_SINGLE, 5, (int64_t)1 << 40, &draws, &sketch), NKE_ERR_USAGE);
    int64_t k = 1;
    for (nke_status st = NKE_ERR_MEMORY; st != NKE_OK; k++) {
      nke_alloc_fail_at(k);
      st = nke_sketch_create(kinds[kind], NKE_SINGLE, 50, 20, &draws, &sketch);
      nke_alloc_fail_at(0);
      assert_true(st == NKE_OK || st == NKE_ERR_MEMORY);
      assert_true((st == NKE_OK) == (sketch != NULL));
    }
    assert_true(k > 2);
    nke_sketch_destroy(&sketch);
  }
  assert_int_equal(nke_sketch_create(&nke_sketch_srht, NKE_SINGLE, ((int64_t)1 << 24) + 1, 5, &draws, &sketch),
                   NKE_ERR_USAGE);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(sparse_maps_have_the_variance_of_theory), cmocka_unit_test(srht_has_the_variance_of_theory),
  cmocka_unit_test(srft_has_the_variance_of_theory),         cmocka_unit_test(maps_are_linear),
  cmocka_unit_test(sparse_rows_equal_dense_rows),            cmocka_unit_test(plans_depend_on_seed_and_number_only),
  cmocka_unit_test(tables_do_not_depend_on_their_length),    cmocka_unit_test(subsets_are_uniform),
  cmocka_unit_test(bad_sizes_and_full_memory_are_errors),
};

NKE_TEST_MAIN(tests)
