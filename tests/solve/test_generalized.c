/* The eigenvalues of one matrix against another: ScaLAPACK's equal LAPACK's, the estimate of the two ends is near, and
 * what is not positive definite is refused. */
#include "solve/support.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "num/blas.h"
#include "solve/generalized.h"

#include <math.h>

enum { D = 4, M = 300 };

static double random_normal(uint32_t number, int64_t i)
{
  return nke_random_normal(7, nke_stream(NKE_STREAM_TEST, number), (uint64_t)i);
}

/* A Gaussian kernel of n points, and its M random Fourier features' inner products. */
static void make_pair(int64_t n, double *kernel, double *sketch)
{
  double *z;
  assert_int_equal(nke_alloc(n * M, sizeof *z, "features", &z), NKE_OK);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < M; j++) {
      double phase = 0;
      for (int c = 0; c < D; c++) phase += random_normal(0, i * D + c) * random_normal(1, j / 2 * D + c);
      z[i * M + j] = (j % 2 ? sin(phase) : cos(phase)) / sqrt(M / 2);
    }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      double square = 0, product = 0;
      for (int c = 0; c < D; c++) square += pow(random_normal(0, i * D + c) - random_normal(0, j * D + c), 2);
      for (int64_t c = 0; c < M; c++) product += z[i * M + c] * z[j * M + c];
      kernel[i * n + j] = exp(-square / 2);
      sketch[i * n + j] = product;
    }
  nke_free(z);
}

/* Only what the functions may read: blocks on and below the diagonal; NaN above. */
static nke_bcmat *distribute(int64_t n, const double *full)
{
  nke_bcmat *a;
  assert_int_equal(nke_bcmat_create(MPI_COMM_WORLD, n, n, nke_bc_block_size(n), &a), NKE_OK);
  for (int64_t j = 0; j < a->cols_loc; j++)
    for (int64_t i = 0; i < a->rows_loc; i++) {
      const int64_t row = nke_bc_global(i, a->nb, a->grid.nprow, a->grid.myrow);
      const int64_t col = nke_bc_global(j, a->nb, a->grid.npcol, a->grid.mycol);
      a->a[i + j * a->ld] = row / a->nb >= col / a->nb ? full[row * n + col] : NAN;
    }
  return a;
}

/* The same values by LAPACK alone: B + s = Q W Q', then those of W^-1/2 Q'(D A D + s) Q W^-1/2. */
static void reference(int64_t n, const double *b, const double *a, const double *d, double shift, double *values)
{
  double *q, *half, *c, *w;
  nke_alloc(n * n, sizeof *q, "q", &q);
  nke_alloc(n * n, sizeof *half, "half", &half);
  nke_calloc(n * n, sizeof *c, "c", &c);
  nke_alloc(n, sizeof *w, "w", &w);
  for (int64_t i = 0; i < n * n; i++) q[i] = b[i] + (i % (n + 1) == 0 ? shift : 0);
  assert_int_equal(nke_dsyevd(n, q, w), NKE_OK);
  for (int64_t i = 0; i < n; i++)
    for (int64_t k = 0; k < n; k++) { /* half = (D A D + s) Q W^-1/2, column k of Q at q + k n */
      double sum = shift * q[i + k * n];
      for (int64_t j = 0; j < n; j++) sum += (d ? d[i] * d[j] : 1) * a[i * n + j] * q[j + k * n];
      half[i + k * n] = sum / sqrt(w[k]);
    }
  for (int64_t k = 0; k < n; k++)
    for (int64_t l = 0; l < n; l++)
      for (int64_t i = 0; i < n; i++) c[k + l * n] += q[i + k * n] / sqrt(w[k]) * half[i + l * n];
  assert_int_equal(nke_dsyevd(n, c, values), NKE_OK);
  nke_free(w);
  nke_free(c);
  nke_free(half);
  nke_free(q);
}

static double spectral_eps(double least, double most)
{
  return fmax(1 - least, most - 1);
}

static void check_order(int64_t n, double shift)
{
  double *kernel, *sketch, *d, *found, *expected;
  nke_alloc(n * n, sizeof *kernel, "kernel", &kernel);
  nke_alloc(n * n, sizeof *sketch, "sketch", &sketch);
  nke_alloc(n, sizeof *d, "scales", &d);
  nke_alloc(n, sizeof *found, "values", &found);
  nke_alloc(n, sizeof *expected, "values", &expected);
  make_pair(n, kernel, sketch);
  nke_bcmat *b = distribute(n, kernel), *a = distribute(n, sketch);
  nke_generalized *g;
  nke_generalized_range range;
  assert_int_equal(nke_generalized_create(b, shift, &g), NKE_OK);
  for (int64_t i = 0; i < n; i++) d[i] = 0.9 + 0.2 * (double)(i % 2);
  for (int scaled = 0; scaled < 2; scaled++) {
    assert_int_equal(nke_generalized_values(g, a, scaled ? d : NULL, found), NKE_OK);
    reference(n, kernel, sketch, scaled ? d : NULL, shift, expected);
    for (int64_t i = 0; i < n; i++) assert_true(fabs(found[i] - expected[i]) <= 1e-8 * expected[n - 1]);
    const double eps = spectral_eps(expected[0], expected[n - 1]);
    assert_true(fabs(spectral_eps(found[0], found[n - 1]) - eps) <= 1e-8 * eps);
  }
  reference(n, kernel, sketch, NULL, shift, expected);
  assert_int_equal(nke_generalized_ends(g, a, 0.01, 100, &range), NKE_OK);
  const double eps = spectral_eps(expected[0], expected[n - 1]);
  assert_true(fabs(spectral_eps(range.min, range.max) - eps) <= 0.05 * eps);
  assert_true(range.min >= expected[0] - 1e-9 && range.max <= expected[n - 1] + 1e-9 && range.iterations <= 100);
  nke_generalized_destroy(&g);
  nke_bcmat_destroy(&a);
  nke_bcmat_destroy(&b);
  nke_free(expected);
  nke_free(found);
  nke_free(d);
  nke_free(sketch);
  nke_free(kernel);
}

/* Fewer rows than ranks, one block, and several. */
static void test_values(void **state)
{
  (void)state;
  check_order(1, 0.1);
  check_order(3, 0.1);
  check_order(33, 1e-3);
  check_order(150, 1e-2);
  check_order(150, 1);
}

static void test_refusals(void **state)
{
  (void)state;
  const double indefinite[4] = {1, 2, 2, 1}, broken[4] = {1, NAN, NAN, 1}, good[4] = {2, 1, 1, 2};
  nke_bcmat *a = distribute(2, indefinite), *b = distribute(2, broken), *c = distribute(2, good);
  nke_generalized *g;
  double values[2];
  assert_int_equal(nke_generalized_create(a, 0.5, &g), NKE_ERR_NUMERIC);
  assert_null(g);
  assert_int_equal(nke_generalized_create(b, 0.5, &g), NKE_ERR_NUMERIC);
  assert_int_equal(nke_generalized_create(c, 0.5, &g), NKE_OK);
  assert_int_equal(nke_generalized_values(g, b, NULL, values), NKE_ERR_NUMERIC);
  nke_generalized_destroy(&g);
  nke_bcmat_destroy(&c);
  nke_bcmat_destroy(&b);
  nke_bcmat_destroy(&a);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_values, start),
                                          cmocka_unit_test_teardown(test_refusals, stop)};

NKE_TEST_MAIN(tests)
