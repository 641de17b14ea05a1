/* CG and LSQR on kept features: Cholesky's solution, ranks without rows, and what happens when they cannot converge. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "gram/gram.h"
#include "solve/krylov.h"
#include "solve/library.h"
#include "solve/ridge.h"

#include <math.h>
#include <string.h>

enum { K = 2 };

typedef struct problem {
  int64_t n, m;
} problem;

static const problem problems[] = {{90, 37}, {20, 70}, {2, 3}, {1, 1}};

static const char *const names[] = {"cg", "lsqr"};

/* This rank's rows of float features and of targets. */
static nke_kept make(const problem *p, float **z, double **y)
{
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int64_t begin = p->n * rank / size, rows = p->n * (rank + 1) / size - begin;
  nke_alloc(rows * p->m, sizeof **z, "z", z);
  nke_alloc(rows * K, sizeof **y, "y", y);
  for (int64_t i = 0; i < rows * p->m; i++)
    (*z)[i] = (float)nke_random_normal(4, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)(begin * p->m + i));
  for (int64_t i = 0; i < rows * K; i++)
    (*y)[i] = nke_random_normal(4, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)(begin * K + i));
  return (nke_kept){MPI_COMM_WORLD, rows, p->m, NKE_SINGLE, *z};
}

/* Cholesky on the same float features, their Gram in double. */
static void direct(const nke_kept *kept, double shift, const double *y, double *x)
{
  nke_gram *g;
  double *b, *wide;
  nke_ridge_info info;
  nke_alloc(kept->rows_loc * kept->m, sizeof *wide, "wide", &wide);
  nke_alloc(kept->m * K, sizeof *b, "b", &b);
  for (int64_t i = 0; i < kept->rows_loc * kept->m; i++) wide[i] = (double)((const float *)kept->z)[i];
  assert_int_equal(nke_gram_create(MPI_COMM_WORLD, kept->m, K, NKE_DOUBLE, NULL, &g), NKE_OK);
  assert_int_equal(nke_gram_add(g, kept->rows_loc, wide, y), NKE_OK);
  assert_int_equal(nke_gram_cross(g, b), NKE_OK);
  assert_int_equal(nke_ridge_solve(nke_gram_matrix(g), shift, K, b, NULL, x, &info), NKE_OK);
  nke_gram_destroy(&g);
  nke_free(b);
  nke_free(wide);
}

static void test_equal(void **state)
{
  (void)state;
  for (int t = 0; t < 4; t++)
    for (int method = 0; method < 2; method++) {
      float *z;
      double *y, x[70 * K], expected[70 * K];
      nke_krylov_info info;
      nke_stats stats = {0};
      const nke_kept kept = make(&problems[t], &z, &y);
      direct(&kept, 2, y, expected);
      assert_int_equal(nke_krylov_find(names[method])->solve(&kept, 2, K, y, 1e-12, 500, &stats, x, &info), NKE_OK);
      for (int i = 0; i < kept.m * K; i++) assert_true(fabs(x[i] - expected[i]) < 1e-9);
      assert_true(info.residual <= 1e-10);
      assert_true(info.iterations >= 1 && info.iterations <= 2 * kept.m + 20);
      assert_true(stats.flops[NKE_STAGE_SOLVE] > 0 || kept.rows_loc == 0);
      nke_free(z);
      nke_free(y);
    }
}

static void test_failures(void **state)
{
  (void)state;
  float *z;
  double *y, x[70 * K];
  nke_krylov_info info;
  const nke_kept kept = make(&problems[0], &z, &y);
  for (int method = 0; method < 2; method++) {
    const nke_krylov_method *m = nke_krylov_find(names[method]);
    assert_int_equal(m->solve(&kept, 1e-3, K, y, 1e-13, 2, NULL, x, &info), NKE_ERR_NUMERIC);
    assert_non_null(strstr(nke_error_text(), "target 0 has not converged after 2 iterations"));
    assert_int_equal(m->solve(&kept, 0, K, y, 1e-10, 100, NULL, x, &info), NKE_ERR_NUMERIC);
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    const float kept_value = z[0];
    if (rank == size - 1) z[0] = NAN;
    assert_int_equal(m->solve(&kept, 1, K, y, 1e-10, 100, NULL, x, &info), NKE_ERR_NUMERIC);
    z[0] = kept_value;
  }
  assert_null(nke_krylov_find("gmres"));
  nke_free(z);
  nke_free(y);
}

static int start(void **state)
{
  (void)state;
  return nke_solve_init(MPI_COMM_WORLD, 0, NULL) == NKE_OK ? 0 : -1;
}

static int stop(void **state)
{
  (void)state;
  nke_solve_finalize();
  return 0;
}

static const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_equal, start),
                                          cmocka_unit_test_teardown(test_failures, stop)};

NKE_TEST_MAIN(tests)
