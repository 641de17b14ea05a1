/* Cholesky ridge solves: against plain elimination, the dual, and matrices that have no factor. */
#include "solve/support.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "gram/gram.h"
#include "solve/ridge.h"
#include "solve/scalapack.h"
#include "solve/symmetric.h"

#include <math.h>
#include <string.h>

static double entry(int stream, int64_t index)
{
  return nke_random_normal(2, nke_stream(NKE_STREAM_TEST, (uint32_t)stream), (uint64_t)index);
}

/* Rows [n part] of n x m standard normal features (and k targets), this rank's share. */
static int64_t share(int64_t n, int64_t *begin)
{
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  *begin = n * rank / size;
  return n * (rank + 1) / size - *begin;
}

static double *block(int stream, int64_t begin, int64_t rows, int64_t cols)
{
  double *z;
  assert_int_equal(nke_alloc(rows * cols, sizeof *z, "block", &z), NKE_OK);
  for (int64_t i = 0; i < rows * cols; i++) z[i] = entry(stream, begin * cols + i);
  return z;
}

/* Gram of n rows, m features, k targets in double. */
static nke_gram *make_gram(int64_t n, int64_t m, int k)
{
  nke_gram *g;
  int64_t begin;
  const int64_t rows = share(n, &begin);
  double *z = block(0, begin, rows, m), *y = block(1, begin, rows, k);
  assert_int_equal(nke_gram_create(MPI_COMM_WORLD, m, k, NKE_DOUBLE, NULL, &g), NKE_OK);
  assert_int_equal(nke_gram_add(g, rows, z, y), NKE_OK);
  nke_free(z);
  nke_free(y);
  return g;
}

/* (Z'Z + shift I) x = Z'y by elimination, every rank for itself. x: [m, k]. */
static double *reference(int64_t n, int64_t m, int k, double shift)
{
  double *z = block(0, 0, n, m), *y = block(1, 0, n, k), *a, *x;
  nke_calloc(m * m, sizeof *a, "a", &a);
  nke_calloc(m * k, sizeof *x, "x", &x);
  for (int64_t r = 0; r < n; r++)
    for (int64_t i = 0; i < m; i++) {
      for (int64_t j = 0; j < m; j++) a[i * m + j] += z[r * m + i] * z[r * m + j];
      for (int c = 0; c < k; c++) x[i * k + c] += z[r * m + i] * y[r * k + c];
    }
  for (int64_t i = 0; i < m; i++) a[i * m + i] += shift;
  for (int64_t p = 0; p < m; p++)
    for (int64_t i = p + 1; i < m; i++) {
      const double f = a[i * m + p] / a[p * m + p];
      for (int64_t j = p; j < m; j++) a[i * m + j] -= f * a[p * m + j];
      for (int c = 0; c < k; c++) x[i * k + c] -= f * x[p * k + c];
    }
  for (int64_t p = m - 1; p >= 0; p--)
    for (int c = 0; c < k; c++) {
      for (int64_t j = p + 1; j < m; j++) x[p * k + c] -= a[p * m + j] * x[j * k + c];
      x[p * k + c] /= a[p * m + p];
    }
  nke_free(a);
  nke_free(z);
  nke_free(y);
  return x;
}

static double difference(int64_t count, const double *a, const double *b)
{
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return sqrt(error / size);
}

static double *cross_of(nke_gram *g, int64_t m, int k)
{
  double *b;
  nke_alloc(m * k, sizeof *b, "cross", &b);
  assert_int_equal(nke_gram_cross(g, b), NKE_OK);
  return b;
}

/* Orders below, at and past a block, and fewer than ranks. */
static void test_solve(void **state)
{
  (void)state;
  const struct {
    int64_t n, m;
    int k;
  } cases[] = {{50, 1, 1}, {10, 3, 2}, {200, 32, 1}, {90, 130, 3}, {400, 290, 7}};
  for (int t = 0; t < 5; t++) {
    const int64_t n = cases[t].n, m = cases[t].m;
    const int k = cases[t].k;
    nke_gram *g = make_gram(n, m, k);
    nke_bcmat *a = nke_gram_matrix(g);
    double *b = cross_of(g, m, k), *x, *before, *expected = reference(n, m, k, 0.5);
    nke_ridge_info info;
    nke_alloc(m * k, sizeof *x, "x", &x);
    nke_alloc(a->ld * a->cols_loc, sizeof *before, "copy", &before);
    memcpy(before, a->a, (size_t)(a->ld * a->cols_loc) * sizeof *before);
    assert_int_equal(nke_ridge_solve(a, 0.5, k, b, NULL, x, &info), NKE_OK);
    assert_memory_equal(before, a->a, (size_t)(a->ld * a->cols_loc) * sizeof *before);
    assert_true(difference(m * k, x, expected) < 1e-10);
    assert_true(info.residual <= 1e-13);
    assert_true(info.condition >= 1 - 1e-12 && isfinite(info.condition));
    nke_free(before);
    nke_free(expected);
    nke_free(x);
    nke_free(b);
    nke_gram_destroy(&g);
  }
}

/* (Z'Z + s)^-1 Z'y = Z'(Z Z' + s)^-1 y. */
static void test_dual(void **state)
{
  (void)state;
  enum { N = 70, M = 190, K = 2 };
  int64_t begin;
  const int64_t rows = share(N, &begin);
  nke_gram *g = make_gram(N, M, K);
  double *b = cross_of(g, M, K), *z = block(0, begin, rows, M), *all = block(0, 0, N, M), *y = block(1, 0, N, K);
  double primal[M * K], alpha[N * K], dual[M * K] = {0};
  nke_bcmat *kernel;
  nke_ridge_info info;
  assert_int_equal(nke_ridge_solve(nke_gram_matrix(g), 3.0, K, b, NULL, primal, &info), NKE_OK);
  assert_int_equal(nke_gram_outer(MPI_COMM_WORLD, rows, M, NKE_DOUBLE, z, NULL, &kernel), NKE_OK);
  assert_int_equal(nke_ridge_solve(kernel, 3.0, K, y, NULL, alpha, &info), NKE_OK);
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = 0; j < M; j++)
      for (int c = 0; c < K; c++) dual[j * K + c] += all[i * M + j] * alpha[i * K + c];
  assert_true(difference(M * K, dual, primal) < 1e-11);
  nke_bcmat_destroy(&kernel);
  nke_free(y);
  nke_free(all);
  nke_free(z);
  nke_free(b);
  nke_gram_destroy(&g);
}

/* A diagonal matrix with the given entries. */
static nke_bcmat *diagonal(int64_t n, double (*value)(int64_t))
{
  nke_bcmat *a;
  assert_int_equal(nke_bcmat_create(MPI_COMM_WORLD, n, n, nke_bc_block_size(n), &a), NKE_OK);
  for (int64_t j = 0; j < a->cols_loc; j++)
    for (int64_t i = 0; i < a->rows_loc; i++) {
      const int64_t row = nke_bc_global(i, a->nb, a->grid.nprow, a->grid.myrow);
      if (row == nke_bc_global(j, a->nb, a->grid.npcol, a->grid.mycol)) a->a[i + j * a->ld] = value(row);
    }
  return a;
}

static double negative_at_77(int64_t i)
{
  return i == 77 ? -1 : 2;
}
static double graded(int64_t i)
{
  return pow(10, -6 * (double)i / 99);
}

static nke_status seen[4];
static nke_ridge_info seen_info[4];

static nke_status record(void *context, int index, nke_status status, const char *text, const double *x,
                         const nke_ridge_info *info)
{
  seen[index] = status;
  seen_info[index] = *info;
  if (status == NKE_OK) assert_true(fabs(x[0] - 1 / (2 + info->shift)) < 1e-15);
  if (status != NKE_OK) assert_non_null(strstr(text, "order 78 of 100"));
  ++*(int *)context;
  return index == 2 ? NKE_STOPPED : NKE_OK;
}

/* Too small a lambda is told to the caller, with the pivot, on every rank, and the path goes on until the caller ends
 * it. */
static void test_path(void **state)
{
  (void)state;
  const double lambda[4] = {0, 0.05, 0.2, 1};
  double b[100] = {1};
  int visits = 0;
  nke_bcmat *a = diagonal(100, negative_at_77);
  assert_int_equal(nke_ridge_path(a, 10, 4, lambda, 1, b, NULL, record, &visits), NKE_STOPPED);
  assert_int_equal(visits, 3);
  assert_int_equal(seen[0], NKE_ERR_NUMERIC);
  assert_int_equal(seen[1], NKE_ERR_NUMERIC);
  assert_int_equal(seen[2], NKE_OK);
  assert_true(seen_info[2].shift == 2);
  nke_bcmat_destroy(&a);
}

static void test_not_finite(void **state)
{
  (void)state;
  double b[100] = {1}, x[100];
  nke_ridge_info info;
  nke_bcmat *a = diagonal(100, graded);
  if (a->rows_loc > 0 && a->cols_loc > 0) a->a[0] = NAN;
  assert_int_equal(nke_ridge_solve(a, 1, 1, b, NULL, x, &info), NKE_ERR_NUMERIC);
  nke_bcmat_destroy(&a);
}

/* Condition numbers of diagonal matrices are known. */
static void test_condition(void **state)
{
  (void)state;
  double b[100] = {1}, x[100];
  nke_ridge_info info;
  nke_bcmat *a = diagonal(100, graded);
  assert_int_equal(nke_ridge_solve(a, 0, 1, b, NULL, x, &info), NKE_OK);
  assert_true(fabs(info.condition / 1e6 - 1) < 1e-9);
  assert_int_equal(nke_ridge_solve(a, 1, 1, b, NULL, x, &info), NKE_OK);
  assert_true(fabs(info.condition / (2 / (1 + 1e-6)) - 1) < 1e-9);
  nke_bcmat_destroy(&a);
}

/* A grid that is given back makes room for the next: the first of a program, number 0, like any other. */
static void test_grids_are_given_back(void **state)
{
  (void)state;
  const nke_grid grid = nke_grid_of(MPI_COMM_WORLD);
  nke_blacs first, next, none = {0};
  assert_int_equal(nke_blacs_init(&grid, &first), NKE_OK);
  const int context = first.context;
  nke_blacs_clear(&first);
  nke_blacs_clear(&first);
  nke_blacs_clear(&none);
  assert_int_equal(nke_blacs_init(&grid, &next), NKE_OK);
  assert_int_equal(next.context, context);
  nke_blacs_clear(&next);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_grids_are_given_back),
                                          cmocka_unit_test_setup(test_solve, start),
                                          cmocka_unit_test(test_dual),
                                          cmocka_unit_test(test_path),
                                          cmocka_unit_test(test_not_finite),
                                          cmocka_unit_test_teardown(test_condition, stop)};

NKE_TEST_MAIN(tests)
