/* Preprocessing against plain sums on every rank, and bit for bit against a fit on one rank alone. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "data/preprocess.h"
#include "data/preprocess_steps.h"

#include <math.h>
#include <string.h>

enum { ROOM = 1 << 28 };

typedef struct problem {
  int64_t n, d;
  double *x; /* [n, d] as stored */
  nke_dataset *train;
} problem;

/* Correlated columns about different means, the last one constant. dims: [n, ...]. */
static problem make(const char *name, int rank, const hsize_t *dims)
{
  problem p = {.n = (int64_t)dims[0], .d = 1};
  char path[512];
  for (int i = 1; i < rank; i++) p.d *= (int64_t)dims[i];
  assert_int_equal(nke_alloc(p.n * p.d, sizeof(double), "x", &p.x), NKE_OK);
  for (int64_t i = 0; i < p.n; i++)
    for (int64_t j = 0; j < p.d; j++) {
      const double own = sample_normal(1, (uint64_t)(i * p.d + j)), common = sample_normal(2, (uint64_t)i);
      p.x[i * p.d + j] = j == p.d - 1 ? 0.1 : 100 * (double)j + (double)(j + 1) * own + 2 * common;
    }
  sample_write(name, "/x", H5T_NATIVE_DOUBLE, rank, dims, NULL, 0, p.x);
  sample_path(name, path);
  const nke_data_spec spec = {.file = path, .x = "/x", .row_end = -1};
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &p.train), NKE_OK);
  return p;
}

static void drop(problem *p)
{
  nke_dataset_close(&p->train);
  nke_free(p->x);
}

static nke_preprocess *fit(MPI_Comm comm, const problem *p, int n_steps, const nke_preprocess_step *steps)
{
  nke_preprocess *fitted = NULL;
  assert_int_equal(nke_preprocess_fit(comm, p->train, n_steps, steps, ROOM, &fitted), NKE_OK);
  return fitted;
}

static void test_standardize_table(void **state)
{
  (void)state;
  problem p = make("table.h5", 2, (hsize_t[]){1100, 7});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 1, &(nke_preprocess_step){.kind = NKE_PREPROCESS_STANDARDIZE});
  assert_int_equal(nke_preprocess_apply(fitted, p.n, p.x), NKE_OK);
  for (int64_t j = 0; j < p.d; j++) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < p.n; i++) {
      sum += p.x[i * p.d + j];
      square += p.x[i * p.d + j] * p.x[i * p.d + j];
    }
    assert_true(fabs(sum / (double)p.n) < 1e-12);
    if (j == p.d - 1)
      assert_true(square == 0);
    else
      assert_true(fabs(square / (double)p.n - 1) < 1e-12);
  }
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

static void test_standardize_images_by_channel(void **state)
{
  (void)state;
  problem p = make("image.h5", 4, (hsize_t[]){600, 3, 2, 2});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 1, &(nke_preprocess_step){.kind = NKE_PREPROCESS_STANDARDIZE});
  assert_int_equal(fitted->steps[0].length, 2);
  for (int64_t c = 0; c < 2; c++) {
    const double count = (double)(p.n * p.d / 2);
    double mean = 0, variance = 0;
    for (int64_t i = c; i < p.n * p.d; i += 2) mean += p.x[i] / count;
    for (int64_t i = c; i < p.n * p.d; i += 2) variance += (p.x[i] - mean) * (p.x[i] - mean) / count;
    assert_true(fabs(fitted->steps[0].mean[c] - mean) < 1e-10 * fabs(mean));
    assert_true(fabs(fitted->steps[0].scale[c] * sqrt(variance) - 1) < 1e-12);
  }
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

static void test_layernorm_gives_norm_sqrt_d(void **state)
{
  (void)state;
  problem p = make("norm.h5", 2, (hsize_t[]){5, 9});
  for (int64_t j = 0; j < p.d; j++) p.x[j] = 0.1; /* a constant row */
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 1, &(nke_preprocess_step){.kind = NKE_PREPROCESS_LAYERNORM});
  assert_int_equal(nke_preprocess_apply(fitted, p.n, p.x), NKE_OK);
  for (int64_t i = 0; i < p.n; i++) {
    double sum = 0, square = 0;
    for (int64_t j = 0; j < p.d; j++) {
      sum += p.x[i * p.d + j];
      square += p.x[i * p.d + j] * p.x[i * p.d + j];
    }
    assert_true(fabs(sum) < 1e-12);
    assert_true(i == 0 ? square == 0 : fabs(square - (double)p.d) < 1e-12);
  }
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

/* M (C + r tr(C)/d I) M = I, with the covariance by plain sums. */
static void test_zca_whitens(void **state)
{
  (void)state;
  enum { D = 11 };
  problem p = make("zca.h5", 2, (hsize_t[]){1300, D});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 1, &(nke_preprocess_step){NKE_PREPROCESS_ZCA, 0.01});
  const double *m = fitted->steps[0].matrix;
  double mean[D] = {0}, c[D][D] = {{0}}, cm[D][D] = {{0}}, trace = 0;
  for (int64_t i = 0; i < p.n; i++)
    for (int j = 0; j < D; j++) mean[j] += p.x[i * D + j] / (double)p.n;
  for (int64_t i = 0; i < p.n; i++)
    for (int j = 0; j < D; j++)
      for (int k = 0; k < D; k++)
        c[j][k] += (p.x[i * D + j] - mean[j]) * (p.x[i * D + k] - mean[k]) / (double)p.n;
  for (int j = 0; j < D; j++) trace += c[j][j];
  for (int j = 0; j < D; j++) c[j][j] += 0.01 * trace / D;
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++)
      for (int k = 0; k < D; k++) cm[i][j] += c[i][k] * m[k * D + j];
  for (int i = 0; i < D; i++)
    for (int j = 0; j < D; j++) {
      double entry = 0;
      for (int k = 0; k < D; k++) entry += m[i * D + k] * cm[k][j];
      assert_true(fabs(entry - (i == j)) < 1e-11);
      assert_true(m[i * D + j] == m[j * D + i]);
    }
  double row[D];
  memcpy(row, p.x, sizeof row);
  assert_int_equal(nke_preprocess_apply(fitted, 1, row), NKE_OK);
  for (int j = 0; j < D; j++) {
    double entry = 0;
    for (int k = 0; k < D; k++) entry += (p.x[k] - mean[k]) * m[k * D + j];
    assert_true(fabs(row[j] - entry) < 1e-10);
  }
  /* The squared length of a fitted row is the t of what is expected of others. */
  double squares = 0;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  assert_int_equal(nke_preprocess_apply(fitted, p.n, p.x), NKE_OK);
  for (int64_t i = 0; i < p.n * D; i++) squares += p.x[i] * p.x[i] / (double)p.n;
  const double expected = rank == 0 ? 1 / (1 - squares / (double)p.n) : 1;
  assert_true(fabs(nke_preprocess_unseen(fitted) / expected - 1) < 1e-12);
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

/* Of a constant column zca leaves nothing, not even rounding, that a later standardize could make as large as the others. */
static void test_zca_keeps_a_constant_column(void **state)
{
  (void)state;
  enum { D = 7 };
  const nke_preprocess_step steps[] = {{NKE_PREPROCESS_ZCA, 0.1}, {.kind = NKE_PREPROCESS_STANDARDIZE}};
  problem p = make("constant.h5", 2, (hsize_t[]){700, D});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 2, steps);
  double other[D];
  memcpy(other, p.x, sizeof other);
  other[D - 1] += 1;
  assert_int_equal(nke_preprocess_apply(fitted, p.n, p.x), NKE_OK);
  for (int64_t i = 0; i < p.n; i++) {
    assert_true(p.x[i * D + D - 1] == 0);
    assert_true(p.x[i * D] != 0);
  }
  assert_int_equal(nke_preprocess_apply(fitted, 1, other), NKE_OK); /* nor does a row that differs there move the others */
  for (int j = 0; j < D; j++) assert_true(other[j] == p.x[j]);
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

static const nke_preprocess_step all_steps[] = {
  {.kind = NKE_PREPROCESS_STANDARDIZE}, {.kind = NKE_PREPROCESS_LAYERNORM}, {NKE_PREPROCESS_ZCA, 0.1}};

static void assert_same_bits(const nke_preprocess *a, const nke_preprocess *b)
{
  const size_t d = (size_t)nke_shape_length(a->shape);
  assert_int_equal(a->n_steps, b->n_steps);
  for (int i = 0; i < a->n_steps; i++) {
    const nke_fitted_step *f = &a->steps[i], *g = &b->steps[i];
    assert_int_equal(f->length, g->length);
    if (f->mean) assert_memory_equal(f->mean, g->mean, (size_t)f->length * sizeof(double));
    if (f->scale) assert_memory_equal(f->scale, g->scale, (size_t)f->length * sizeof(double));
    if (f->matrix) assert_memory_equal(f->matrix, g->matrix, d * d * sizeof(double));
  }
}

/* All ranks together, each rank alone, and in groups of two and three, with a last block of one row. */
static void test_bits_do_not_depend_on_ranks(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  problem p = make("bits.h5", 4, (hsize_t[]){5 * 512 + 1, 5, 9, 7}); /* d = 315: two panels */
  nke_preprocess *all = fit(MPI_COMM_WORLD, &p, 3, all_steps);
  for (int size = 1; size <= 3; size++) {
    MPI_Comm group;
    MPI_Comm_split(MPI_COMM_WORLD, rank / size, rank, &group);
    nke_preprocess *part = fit(group, &p, 3, all_steps);
    assert_same_bits(all, part);
    nke_preprocess_destroy(&part);
    MPI_Comm_free(&group);
  }
  nke_preprocess_destroy(&all);
  drop(&p);
}

/* One row alone, and at another place of another call, has the same bits. */
static void test_rows_do_not_depend_on_the_call(void **state)
{
  (void)state;
  problem p = make("call.h5", 2, (hsize_t[]){200, 67});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 3, all_steps);
  const size_t row_bytes = (size_t)p.d * sizeof(double);
  double *some, *one;
  assert_int_equal(nke_alloc(p.n * p.d, sizeof(double), "rows", &some), NKE_OK);
  assert_int_equal(nke_alloc(p.d, sizeof(double), "row", &one), NKE_OK);
  memcpy(some, p.x + 5 * p.d, (size_t)(p.n - 5) * row_bytes);
  assert_int_equal(nke_preprocess_apply(fitted, p.n - 5, some), NKE_OK);
  for (int64_t i = 5; i < p.n; i += 37) {
    memcpy(one, p.x + i * p.d, row_bytes);
    assert_int_equal(nke_preprocess_apply(fitted, 1, one), NKE_OK);
    assert_memory_equal(one, some + (i - 5) * p.d, row_bytes);
  }
  nke_free(one);
  nke_free(some);
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

/* Through a file: the same bits; another shape and damaged numbers are refused. */
static void test_save_and_load(void **state)
{
  (void)state;
  char path[512];
  problem p = make("save.h5", 4, (hsize_t[]){70, 2, 3, 2});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 3, all_steps), *loaded = NULL;
  nke_h5file *f = NULL;
  sample_path("save-model.h5", path);
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_OK);
  assert_int_equal(nke_preprocess_save(fitted, f), NKE_OK);
  assert_int_equal(nke_h5file_commit(&f), NKE_OK);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_preprocess_load(f, fitted->shape, &loaded), NKE_OK);
  assert_same_bits(fitted, loaded);
  assert_true(loaded->steps[2].step.eps == 0.1);
  nke_preprocess_destroy(&loaded);
  assert_int_equal(nke_preprocess_load(f, (nke_shape){2, 3, 2, 2}, &loaded), NKE_ERR_DATA);
  assert_non_null(strstr(nke_error_text(), "trained on rows [n, 2, 3, 2], got [n, 3, 2, 2]"));
  nke_h5file_close(&f);

  fitted->steps[2].matrix[3] = NAN;
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_OK);
  assert_int_equal(nke_preprocess_save(fitted, f), NKE_OK);
  assert_int_equal(nke_h5file_commit(&f), NKE_OK);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_preprocess_load(f, fitted->shape, &loaded), NKE_ERR_DATA);
  assert_non_null(strstr(nke_error_text(), "corrupt"));
  nke_h5file_close(&f);
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

static void test_fewer_rows_than_ranks(void **state)
{
  (void)state;
  problem p = make("few.h5", 2, (hsize_t[]){2, 3});
  nke_preprocess *fitted = fit(MPI_COMM_WORLD, &p, 3, all_steps);
  assert_int_equal(nke_preprocess_apply(fitted, p.n, p.x), NKE_OK);
  for (int64_t i = 0; i < p.n * p.d; i++) assert_true(isfinite(p.x[i]));
  nke_preprocess_destroy(&fitted);
  drop(&p);
}

static void assert_refused(const problem *p, nke_preprocess_step step, int64_t memory, nke_status expected,
                           const char *word)
{
  nke_preprocess *fitted = NULL;
  assert_int_equal(nke_preprocess_fit(MPI_COMM_WORLD, p->train, 1, &step, memory, &fitted), expected);
  assert_null(fitted);
  if (!strstr(nke_error_text(), word)) fail_msg("'%s' not in: %s", word, nke_error_text());
}

static void test_refusals(void **state)
{
  (void)state;
  problem p = make("refuse.h5", 2, (hsize_t[]){1030, 4});
  assert_refused(&p, (nke_preprocess_step){NKE_PREPROCESS_ZCA, 0}, ROOM, NKE_ERR_USAGE, "positive");
  assert_refused(&p, (nke_preprocess_step){NKE_PREPROCESS_ZCA, NAN}, ROOM, NKE_ERR_USAGE, "positive");
  assert_refused(&p, (nke_preprocess_step){NKE_PREPROCESS_ZCA, 1}, 1000, NKE_ERR_USAGE, "memory_per_rank");
  drop(&p);
}

static void refuse_values(const char *name, double value, double at_700, nke_preprocess_kind kind, nke_status expected,
                          const char *word)
{
  enum { N = 1030, D = 3 };
  static double x[N * D];
  char path[512];
  for (int i = 0; i < N * D; i++) x[i] = value;
  x[700 * D + 1] = at_700;
  sample_write(name, "/x", H5T_NATIVE_DOUBLE, 2, (hsize_t[]){N, D}, NULL, 0, x);
  sample_path(name, path);
  problem p = {.n = N, .d = D};
  const nke_data_spec spec = {.file = path, .x = "/x", .row_end = -1};
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &p.train), NKE_OK);
  assert_refused(&p, (nke_preprocess_step){kind, 0.1}, ROOM, expected, word);
  drop(&p);
}

static void test_bad_values(void **state)
{
  (void)state;
  refuse_values("nan.h5", 1, NAN, NKE_PREPROCESS_STANDARDIZE, NKE_ERR_DATA, "/x: row 700, column 1");
  refuse_values("overflow.h5", 1, 1e200, NKE_PREPROCESS_STANDARDIZE, NKE_ERR_NUMERIC, "column 1");
  refuse_values("overflow2.h5", 1, 1e200, NKE_PREPROCESS_ZCA, NKE_ERR_NUMERIC, "variance");
  refuse_values("equal.h5", 0.1, 0.1, NKE_PREPROCESS_ZCA, NKE_ERR_NUMERIC, "variance");
}

static int remove_samples(void **state)
{
  (void)state;
  sample_remove();
  return 0;
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_standardize_table),
  cmocka_unit_test(test_standardize_images_by_channel),
  cmocka_unit_test(test_layernorm_gives_norm_sqrt_d),
  cmocka_unit_test(test_zca_whitens),
  cmocka_unit_test(test_zca_keeps_a_constant_column),
  cmocka_unit_test(test_bits_do_not_depend_on_ranks),
  cmocka_unit_test(test_rows_do_not_depend_on_the_call),
  cmocka_unit_test(test_save_and_load),
  cmocka_unit_test(test_fewer_rows_than_ranks),
  cmocka_unit_test(test_refusals),
  cmocka_unit_test_teardown(test_bad_values, remove_samples),
};

NKE_TEST_MAIN(tests)
