/* The symmetric eigenproblem and the rank-k update against plain loops, and what they refuse. */
#include "support/mpi_main.h"

#include "base/rng.h"
#include "num/blas.h"

#include <math.h>
#include <string.h>

enum { N = 37, K = 23 };

static double entry(int64_t i, int64_t k)
{
  return nke_random_normal(3, NKE_STREAM_TEST, (uint64_t)(i * 1000 + k));
}

/* a = x x' by one triangle, column-major; compare with the loops. */
static void test_syrk(void **state)
{
  (void)state;
  static double x[N * K], c[N * N];
  for (int64_t i = 0; i < N; i++)
    for (int64_t k = 0; k < K; k++) x[i + k * N] = entry(i, k);
  for (int i = 0; i < N * N; i++) c[i] = 1;
  assert_int_equal(nke_dsyrk('L', 'N', N, K, 2, x, N, 3, c, N), NKE_OK);
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = 0; j <= i; j++) {
      double sum = 0;
      for (int64_t k = 0; k < K; k++) sum += entry(i, k) * entry(j, k);
      assert_true(fabs(c[i + j * N] - (2 * sum + 3)) < 1e-12);
      if (i != j) assert_true(c[j + i * N] == 1); /* the other triangle */
    }
  assert_int_equal(nke_dsyrk('L', 'N', INT64_C(1) << 32, K, 1, x, N, 0, c, N), NKE_ERR_USAGE);
}

/* Both triangles and both ways: op(A) X gives back B. */
static void test_triangular_solve(void **state)
{
  (void)state;
  static double a[N * N], x[N * K];
  for (int i = 0; i < N * N; i++) a[i] = entry(i % N, i / N) / N + 2 * (i % N == i / N);
  for (int way = 0; way < 4; way++) {
    const int lower = way & 1, transposed = way >> 1;
    for (int i = 0; i < N * K; i++) x[i] = entry(i, 1);
    assert_int_equal(nke_dtrsm("UL"[lower], "NT"[transposed], N, K, a, N, x, N), NKE_OK);
    for (int64_t i = 0; i < N; i++)
      for (int64_t k = 0; k < K; k++) {
        double sum = 0;
        for (int64_t j = 0; j < N; j++) {
          const int64_t row = transposed ? j : i, col = transposed ? i : j;
          if (lower ? row >= col : row <= col) sum += a[row + col * N] * x[j + k * N];
        }
        assert_true(fabs(sum - entry(i + k * N, 1)) < 1e-12);
      }
  }
  assert_int_equal(nke_dtrsm('L', 'N', INT64_C(1) << 32, K, a, N, x, N), NKE_ERR_USAGE);
}

static void test_eigen(void **state)
{
  (void)state;
  static double a[N * N], v[N * N];
  double w[N];
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = 0; j <= i; j++) a[i + j * N] = a[j + i * N] = entry(i, j);
  memcpy(v, a, sizeof v);
  for (int64_t j = 0; j < N; j++)
    for (int64_t i = 0; i < j; i++) v[i + j * N] = NAN; /* the upper triangle is not looked at */
  assert_int_equal(nke_dsyevd(N, v, w), NKE_OK);
  for (int64_t k = 0; k < N; k++) {
    if (k > 0) assert_true(w[k - 1] <= w[k]);
    for (int64_t i = 0; i < N; i++) {
      double product = 0, overlap = 0;
      for (int64_t j = 0; j < N; j++) {
        product += a[i + j * N] * v[j + k * N];
        overlap += v[j + i * N] * v[j + k * N];
      }
      assert_true(fabs(product - w[k] * v[i + k * N]) < 1e-12);
      assert_true(fabs(overlap - (i == k)) < 1e-13);
    }
  }
  a[5 + 3 * N] = NAN;
  assert_int_equal(nke_dsyevd(N, a, w), NKE_ERR_NUMERIC);
  a[5 + 3 * N] = INFINITY;
  assert_int_equal(nke_dsyevd(N, a, w), NKE_ERR_NUMERIC);
  assert_int_equal(nke_dsyevd(0, a, w), NKE_OK);
}

static void test_threads(void **state)
{
  (void)state;
  const int before = nke_blas_set_threads(1);
  assert_true(before >= 1);
  assert_int_equal(nke_blas_set_threads(before), 1);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_syrk),
  cmocka_unit_test(test_triangular_solve),
  cmocka_unit_test(test_eigen),
  cmocka_unit_test(test_threads),
};

NKE_TEST_MAIN(tests)
