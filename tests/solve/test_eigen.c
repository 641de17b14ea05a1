/* The eigendecomposition's path: the same solutions as Cholesky, leave-one-out as by leaving rows out, GCV by its
 * definition. */
#include "solve/support.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "gram/gram.h"
#include "solve/eigen.h"
#include "solve/ridge.h"

#include <math.h>
#include <string.h>

enum { N = 60, M = 41, K = 2 };
static const double shifts[3] = {0.01, 1, 50};

static double z[N * M], y[N * K];

static void fill(void)
{
  for (int64_t i = 0; i < N * M; i++) z[i] = nke_random_normal(3, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
  for (int64_t i = 0; i < N * K; i++) y[i] = nke_random_normal(3, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)i);
}

static int64_t share(int64_t n, int64_t *begin)
{
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  *begin = n * rank / size;
  return n * (rank + 1) / size - *begin;
}

/* The Gram of all rows but `left_out` (-1: all). */
static nke_gram *gram_without(int64_t left_out)
{
  nke_gram *g;
  int64_t begin, rows = share(N, &begin), kept = 0;
  double part[N * M], targets[N * K];
  for (int64_t i = begin; i < begin + rows; i++) {
    if (i == left_out) continue;
    for (int j = 0; j < M; j++) part[kept * M + j] = z[i * M + j];
    for (int c = 0; c < K; c++) targets[kept * K + c] = y[i * K + c];
    kept++;
  }
  assert_int_equal(nke_gram_create(MPI_COMM_WORLD, M, K, NKE_DOUBLE, NULL, &g), NKE_OK);
  assert_int_equal(nke_gram_add(g, kept, part, targets), NKE_OK);
  return g;
}

static void ridge(nke_gram *g, double shift, double *x)
{
  double b[M * K];
  nke_ridge_info info;
  assert_int_equal(nke_gram_cross(g, b), NKE_OK);
  assert_int_equal(nke_ridge_solve(nke_gram_matrix(g), shift, K, b, NULL, x, &info), NKE_OK);
}

static double residual(const double *x, int64_t i, int c)
{
  double r = y[i * K + c];
  for (int j = 0; j < M; j++) r -= z[i * M + j] * x[j * K + c];
  return r;
}

static nke_eigen *primal(nke_gram *g)
{
  double b[M * K];
  nke_eigen *e;
  assert_int_equal(nke_gram_cross(g, b), NKE_OK);
  assert_int_equal(nke_eigen_create(nke_gram_matrix(g), K, b, NULL, &e), NKE_OK);
  return e;
}

static nke_eigen *dual(void)
{
  int64_t begin;
  const int64_t rows = share(N, &begin);
  nke_bcmat *kernel;
  nke_eigen *e;
  assert_int_equal(nke_gram_outer(MPI_COMM_WORLD, rows, M, NKE_DOUBLE, z + begin * M, NULL, &kernel), NKE_OK);
  assert_int_equal(nke_eigen_create(kernel, K, y, NULL, &e), NKE_OK);
  nke_bcmat_destroy(&kernel);
  return e;
}

static void test_solutions(void **state)
{
  (void)state;
  fill();
  nke_gram *g = gram_without(-1);
  nke_eigen *e = primal(g);
  double x[M * K], expected[M * K], trace, sum = 0;
  for (int s = 0; s < 3; s++) {
    ridge(g, shifts[s], expected);
    assert_int_equal(nke_eigen_solve(e, shifts[s], x), NKE_OK);
    for (int i = 0; i < M * K; i++) assert_true(fabs(x[i] - expected[i]) < 1e-10);
  }
  assert_int_equal(nke_gram_trace(g, &trace), NKE_OK);
  for (int j = 0; j < M; j++) {
    sum += nke_eigen_values(e)[j];
    assert_true(j == 0 || nke_eigen_values(e)[j] >= nke_eigen_values(e)[j - 1]);
  }
  assert_true(fabs(sum / trace - 1) < 1e-13);
  assert_int_equal(nke_eigen_solve(e, -nke_eigen_values(e)[0] - 1, x), NKE_ERR_NUMERIC);
  nke_eigen_destroy(&e);
  nke_gram_destroy(&g);
}

/* GCV = (RSS / n) / (1 - trace of the hat matrix / n)^2, the hat matrix from its rows' leverages. */
static void test_gcv(void **state)
{
  (void)state;
  nke_gram *g = gram_without(-1);
  nke_eigen *e = primal(g), *d = dual();
  double x[M * K], leverage[N * 3];
  assert_int_equal(nke_eigen_leverage(e, N, z, 3, shifts, leverage), NKE_OK);
  for (int s = 0; s < 3; s++) {
    double rss = 0, dimension = 0;
    ridge(g, shifts[s], x);
    for (int64_t i = 0; i < N; i++) {
      dimension += leverage[i * 3 + s];
      for (int c = 0; c < K; c++) rss += residual(x, i, c) * residual(x, i, c);
    }
    const double expected = rss / N / ((1 - dimension / N) * (1 - dimension / N));
    assert_true(fabs(nke_eigen_dimension(e, shifts[s]) - dimension) < 1e-9);
    assert_true(fabs(nke_eigen_gcv_primal(e, shifts[s], N, nke_gram_squares(g)) / expected - 1) < 1e-9);
    assert_true(fabs(nke_eigen_gcv_dual(d, shifts[s]) / expected - 1) < 1e-9);
  }
  nke_eigen_destroy(&d);
  nke_eigen_destroy(&e);
  nke_gram_destroy(&g);
}

static void test_leave_one_out(void **state)
{
  (void)state;
  nke_gram *g = gram_without(-1);
  nke_eigen *e = primal(g), *d = dual();
  double x[M * K], all[M * K], leverage[N * 3], loo[N * K];
  assert_int_equal(nke_eigen_leverage(e, N, z, 3, shifts, leverage), NKE_OK);
  for (int s = 0; s < 3; s++) {
    assert_int_equal(nke_eigen_loo_dual(d, shifts[s], loo), NKE_OK);
    ridge(g, shifts[s], all);
    for (int64_t i = 0; i < N; i += 9) {
      nke_gram *without = gram_without(i);
      ridge(without, shifts[s], x);
      for (int c = 0; c < K; c++) {
        const double expected = residual(x, i, c);
        assert_true(fabs(loo[i * K + c] - expected) < 1e-8 * (1 + fabs(expected)));
        assert_true(fabs(residual(all, i, c) / (1 - leverage[i * 3 + s]) - expected) < 1e-8 * (1 + fabs(expected)));
      }
      nke_gram_destroy(&without);
    }
  }
  nke_eigen_destroy(&d);
  nke_eigen_destroy(&e);
  nke_gram_destroy(&g);
}

/* Orders that leave ranks without a block, and several blocks. */
static void test_sizes(void **state)
{
  (void)state;
  const int64_t orders[] = {1, 2, 33, 129};
  for (int t = 0; t < 4; t++) {
    const int64_t n = orders[t];
    nke_bcmat *a;
    nke_eigen *e;
    double b[129], x[129];
    for (int64_t i = 0; i < n; i++) b[i] = (double)(i + 2);
    assert_int_equal(nke_bcmat_create(MPI_COMM_WORLD, n, n, nke_bc_block_size(n), &a), NKE_OK);
    for (int64_t j = 0; j < a->cols_loc; j++)
      for (int64_t i = 0; i < a->rows_loc; i++) {
        const int64_t row = nke_bc_global(i, a->nb, a->grid.nprow, a->grid.myrow);
        if (row == nke_bc_global(j, a->nb, a->grid.npcol, a->grid.mycol)) a->a[i + j * a->ld] = (double)(row + 1);
      }
    assert_int_equal(nke_eigen_create(a, 1, b, NULL, &e), NKE_OK);
    assert_int_equal(nke_eigen_solve(e, 1, x), NKE_OK);
    for (int64_t i = 0; i < n; i++) {
      assert_true(fabs(nke_eigen_values(e)[i] - (double)(i + 1)) < 1e-12 * (double)n);
      assert_true(fabs(x[i] - 1) < 1e-12);
    }
    nke_eigen_destroy(&e);
    if (a->rows_loc > 0 && a->cols_loc > 0) a->a[0] = NAN;
    assert_int_equal(nke_eigen_create(a, 1, b, NULL, &e), NKE_ERR_NUMERIC);
    assert_null(e);
    nke_bcmat_destroy(&a);
  }
}

/* From about 2^30 entries of a rank's part on: before any matrix is made. */
static void test_work_space_past_32_bits(void **state)
{
  (void)state;
  const nke_grid one = nke_grid_first(1), two = nke_grid_first(2), four = nke_grid_first(4);
  assert_int_equal(nke_eigen_check(&one, 32000), NKE_OK);
  assert_int_equal(nke_eigen_check(&one, 33000), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "use more ranks"));
  assert_int_equal(nke_eigen_check(&two, 33000), NKE_OK);
  assert_int_equal(nke_eigen_check(&two, 46500), NKE_ERR_USAGE);
  assert_int_equal(nke_eigen_check(&four, 64000), NKE_OK);
  assert_int_equal(nke_eigen_check(&four, 66000), NKE_ERR_USAGE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_work_space_past_32_bits), cmocka_unit_test_setup(test_solutions, start),
    cmocka_unit_test(test_gcv), cmocka_unit_test(test_leave_one_out), cmocka_unit_test_teardown(test_sizes, stop)};

NKE_TEST_MAIN(tests)
