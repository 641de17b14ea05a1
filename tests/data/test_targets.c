/* Targets and metrics: encoding, decoding, storing, refusing, and the same bits at any number of ranks. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "data/metrics.h"
#include "data/preprocess.h"
#include "data/targets.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static nke_dataset *make(const char *name, int64_t n, int64_t k, const double *y)
{
  char path[512];
  double *x = NULL;
  assert_int_equal(nke_calloc(n, sizeof *x, "x", &x), NKE_OK);
  sample_write(name, "/x", H5T_IEEE_F32LE, 2, (hsize_t[]){(hsize_t)n, 1}, NULL, 0, x);
  sample_write(name, "/y", H5T_IEEE_F64LE, k == 0 ? 1 : 2, (hsize_t[]){(hsize_t)n, (hsize_t)k}, NULL, 0, y);
  nke_free(x);
  sample_path(name, path);
  const nke_data_spec spec = {.file = path, .x = "/x", .y = "/y", .row_begin = 0, .row_end = -1};
  nke_dataset *d = NULL;
  if (nke_dataset_open(MPI_COMM_WORLD, &spec, &d) != NKE_OK) fail_msg("%s", nke_error_text());
  return d;
}

static void assert_text(const char *word)
{
  if (!strstr(nke_error_text(), word)) fail_msg("'%s' not in: %s", word, nke_error_text());
}

static const int64_t first_rows[] = {0, 1, 2, 3, 4, 5, 6, 7};

static void assert_classes(const nke_targets *t, const double classes[3])
{
  assert_int_equal(nke_targets_count(t), 3);
  for (int c = 0; c < 3; c++) assert_int_equal(nke_targets_find(t, classes[c]), c);
}

static void test_classes(void **state)
{
  (void)state;
  const double y[8] = {7, -1, 3, 3, -1, 7, 3, 3};
  nke_dataset *d = make("classes.h5", 8, 0, y);
  nke_targets *t = NULL;
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, NKE_TASK_CLASSIFICATION, &t), NKE_OK);
  assert_int_equal(nke_targets_columns(t), 1);
  assert_classes(t, (double[]){-1, 3, 7});
  double out[24], back[8];
  assert_int_equal(nke_targets_encode(t, d, 8, first_rows, y, out), NKE_OK);
  assert_true(out[0] == -1 / 3.0 && out[1] == -1 / 3.0 && out[2] == 1 - 1 / 3.0 && out[3] == 1 - 1 / 3.0);
  nke_targets_decode(t, 8, out, back);
  assert_memory_equal(back, y, sizeof y);
  nke_targets_decode(t, 1, (double[]){1, 5, 5}, back); /* a tie */
  assert_true(back[0] == 3);
  const double unseen[2] = {3, 4};
  assert_int_equal(nke_targets_encode(t, d, 2, first_rows + 5, unseen, out), NKE_ERR_DATA);
  assert_text("row 6: expected one of the 3 classes of the training rows, got 4");
  assert_int_equal(nke_targets_find(t, 3.5), -1);
  assert_int_equal(nke_targets_find(t, NAN), -1);
  assert_int_equal(nke_targets_find(t, INFINITY), -1);
  nke_targets_destroy(&t);
  nke_dataset_close(&d);
}

static void assert_refused(const char *name, int64_t n, int64_t k, const double *y, nke_task task, const char *word)
{
  nke_dataset *d = make(name, n, k, y);
  nke_targets *t = NULL;
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, task, &t), NKE_ERR_DATA);
  assert_null(t);
  assert_text(word);
  nke_dataset_close(&d);
}

static void test_refusals(void **state)
{
  (void)state;
  enum { MANY = NKE_MAX_CLASSES + 1 };
  double *many = NULL;
  assert_int_equal(nke_alloc(MANY, sizeof *many, "labels", &many), NKE_OK);
  for (int64_t i = 0; i < MANY; i++) many[i] = (double)((i * 7919) % MANY);
  assert_refused("half.h5", 5, 0, (double[]){0, 1, 0, 1.5, 2}, NKE_TASK_CLASSIFICATION,
                 "row 3: expected a class number, got 1.5; other numbers are data.task: regression");
  assert_refused("big.h5", 2, 0, (double[]){0, 1e17}, NKE_TASK_CLASSIFICATION, "row 1");
  assert_refused("rounded.h5", 3, 0, (double[]){0, 0x1p53 - 1, 0x1p53}, NKE_TASK_CLASSIFICATION,
                 "row 2: expected a class number of size below 2^53, got 9007199254740992");
  assert_refused("one.h5", 3, 0, (double[]){4, 4, 4}, NKE_TASK_CLASSIFICATION, "at least two classes, got 1");
  assert_refused("wide.h5", 2, 2, (double[]){1, 2, 3, 4}, NKE_TASK_CLASSIFICATION, "got 2 columns");
  assert_refused("many.h5", MANY, 0, many, NKE_TASK_CLASSIFICATION, "more than 100000 classes");
  nke_free(many);

  char path[512];
  sample_path("one.h5", path);
  const nke_data_spec spec = {.file = path, .x = "/x", .y = NULL, .row_begin = 0, .row_end = -1};
  nke_dataset *d = NULL;
  nke_targets *t = NULL;
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), NKE_OK);
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, NKE_TASK_REGRESSION, &t), NKE_ERR_DATA);
  assert_text("no targets");
  nke_dataset_close(&d);
}

/* Means of numbers that cancel, against each rank alone; then out of a file, bit for bit. */
static void test_regression(void **state)
{
  (void)state;
  enum { N = 1001, K = 2 };
  char path[512];
  double y[N * K], out[N * K], again[N * K];
  int64_t rows[N];
  for (int64_t i = 0; i < N * K; i++) y[i] = sample_normal(4, (uint64_t)i) * pow(10, (double)(i % 17));
  for (int64_t i = 0; i < N; i++) rows[i] = i;
  nke_dataset *d = make("regression.h5", N, K, y);
  nke_targets *t = NULL, *alone = NULL, *loaded = NULL;
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, NKE_TASK_REGRESSION, &t), NKE_OK);
  assert_int_equal(nke_targets_fit(MPI_COMM_SELF, d, NKE_TASK_REGRESSION, &alone), NKE_OK);
  assert_int_equal(nke_targets_count(t), K);
  assert_int_equal(nke_targets_encode(t, d, N, rows, y, out), NKE_OK);
  assert_int_equal(nke_targets_encode(alone, d, N, rows, y, again), NKE_OK);
  assert_memory_equal(out, again, sizeof out);
  long double mean = 0;
  for (int64_t i = 0; i < N; i++) mean += (long double)y[i * K] / N;
  assert_true(fabs(y[0] - out[0] - (double)mean) <= 1e-12 * fabs((double)mean) + 1e-15 * fabs(y[0]));

  nke_h5file *f = NULL;
  sample_path("regression-model.h5", path);
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_OK);
  assert_int_equal(nke_targets_save(t, f), NKE_OK);
  assert_int_equal(nke_h5file_commit(&f), NKE_OK);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_targets_load(f, &loaded), NKE_OK);
  nke_h5file_close(&f);
  nke_targets_decode(t, N, out, again);
  for (int64_t i = 0; i < N * K; i++)
    assert_true(fabs(again[i] - y[i]) <= 1e-9 * (1 + fabs(y[i]) + fabs((double)mean)));
  nke_targets_decode(loaded, N, out, y);
  assert_memory_equal(y, again, sizeof y);
  nke_targets_destroy(&loaded);
  nke_targets_destroy(&alone);
  nke_targets_destroy(&t);
  nke_dataset_close(&d);
}

static void test_classes_in_a_file(void **state)
{
  (void)state;
  char path[512];
  nke_dataset *d = make("stored.h5", 4, 0, (double[]){5, 2, 5, 9});
  nke_targets *t = NULL, *loaded = NULL;
  nke_h5file *f = NULL;
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, NKE_TASK_CLASSIFICATION, &t), NKE_OK);
  sample_path("stored-model.h5", path);
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_OK);
  assert_int_equal(nke_targets_save(t, f), NKE_OK);
  assert_int_equal(nke_h5file_commit(&f), NKE_OK);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_targets_load(f, &loaded), NKE_OK);
  nke_h5file_close(&f);
  assert_int_equal(nke_targets_task(loaded), NKE_TASK_CLASSIFICATION);
  assert_classes(loaded, (double[]){2, 5, 9});
  nke_targets_destroy(&loaded);

  /* Classes that do not ascend, and a group that is not there. */
  assert_int_equal(nke_h5file_create(MPI_COMM_WORLD, path, false, &f), NKE_OK);
  assert_int_equal(nke_h5file_put_int(f, "/targets", "task", NKE_TASK_CLASSIFICATION), NKE_OK);
  assert_int_equal(nke_h5file_put_int(f, "/targets", "columns", 1), NKE_OK);
  assert_int_equal(nke_h5file_put(f, "/targets/classes", NKE_H5_I64, 1, (int64_t[]){2}, (int64_t[]){3, 1}), NKE_OK);
  assert_int_equal(nke_h5file_commit(&f), NKE_OK);
  assert_int_equal(nke_h5file_open(MPI_COMM_WORLD, path, &f), NKE_OK);
  assert_int_equal(nke_targets_load(f, &loaded), NKE_ERR_DATA);
  assert_text("corrupt");
  nke_preprocess *p = NULL;
  assert_int_equal(nke_preprocess_load(f, (nke_shape){0, 1, 1, 3}, &p), NKE_ERR_DATA);
  assert_text("corrupt");
  nke_h5file_close(&f);
  nke_targets_destroy(&t);
  nke_dataset_close(&d);
}

/* Rows shared out over the ranks, against all rows on one rank, bit for bit, and against plain sums. */
static void check_metrics(nke_dataset *d, nke_task task, int64_t n, int64_t k, const double *y)
{
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  nke_targets *t = NULL;
  double *encoded = NULL, *scores = NULL;
  nke_metrics_sum *part = NULL, *whole = NULL;
  nke_metrics shared, alone;
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, task, &t), NKE_OK);
  assert_int_equal(nke_alloc(n * k, sizeof(double), "encoded", &encoded), NKE_OK);
  assert_int_equal(nke_alloc(n * k, sizeof(double), "scores", &scores), NKE_OK);
  int64_t rows[512];
  for (int64_t i = 0; i < n; i++) rows[i] = i;
  assert_int_equal(nke_targets_encode(t, d, n, rows, y, encoded), NKE_OK);
  double error = 0, right = 0, total = 0;
  for (int64_t i = 0; i < n * k; i++) {
    scores[i] = encoded[i] + 0.5 * sample_normal(5, (uint64_t)i);
    error += (scores[i] - encoded[i]) * (scores[i] - encoded[i]);
  }
  for (int64_t j = 0; j < k; j++) {
    double mean = 0;
    for (int64_t i = 0; i < n; i++) mean += encoded[i * k + j] / (double)n;
    for (int64_t i = 0; i < n; i++) total += pow(encoded[i * k + j] - mean, 2);
  }
  assert_int_equal(nke_metrics_sum_create(t, &part), NKE_OK);
  assert_int_equal(nke_metrics_sum_create(t, &whole), NKE_OK);
  assert_int_equal(nke_metrics_reduce(MPI_COMM_WORLD, part, &shared), NKE_OK);
  assert_true(shared.n == 0 && isnan(shared.mse) && isnan(shared.r2) && isnan(shared.accuracy));
  const nke_range mine = nke_split(n, size, rank);
  for (int64_t i = mine.begin; i < mine.end; i++) nke_metrics_add(part, 1, scores + i * k, encoded + i * k);
  nke_metrics_add(whole, n, scores, encoded);
  assert_int_equal(nke_metrics_reduce(MPI_COMM_WORLD, part, &shared), NKE_OK);
  assert_int_equal(nke_metrics_reduce(MPI_COMM_SELF, whole, &alone), NKE_OK);
  assert_true(shared.n == n && alone.n == n);
  assert_true(shared.mse == alone.mse && shared.rmse == alone.rmse && shared.r2 == alone.r2);
  assert_true(fabs(shared.mse - error / (double)(n * k)) < 1e-12);
  assert_true(fabs(shared.rmse * shared.rmse - shared.mse) < 1e-12);
  assert_true(fabs(shared.r2 - (1 - error / total)) < 1e-10);
  if (task == NKE_TASK_CLASSIFICATION) {
    double *guess = NULL;
    assert_int_equal(nke_alloc(n, sizeof *guess, "classes", &guess), NKE_OK);
    nke_targets_decode(t, n, scores, guess);
    for (int64_t i = 0; i < n; i++) right += guess[i] == y[i];
    assert_true(shared.accuracy == right / (double)n && shared.accuracy == alone.accuracy);
    assert_true(right > 0 && right < (double)n);
    nke_free(guess);
  } else {
    assert_true(isnan(shared.accuracy));
  }
  nke_metrics_sum_destroy(&whole);
  nke_metrics_sum_destroy(&part);
  nke_free(scores);
  nke_free(encoded);
  nke_targets_destroy(&t);
}

static void test_metrics(void **state)
{
  (void)state;
  enum { N = 301 };
  double labels[N], values[2 * N];
  for (int64_t i = 0; i < N; i++) labels[i] = (double)(i * i % 7);
  for (int64_t i = 0; i < 2 * N; i++) values[i] = 10 + sample_normal(6, (uint64_t)i);
  nke_dataset *d = make("metrics-c.h5", N, 0, labels);
  check_metrics(d, NKE_TASK_CLASSIFICATION, N, 4, labels); /* 0, 1, 2, 4 */
  nke_dataset_close(&d);
  d = make("metrics-r.h5", N, 2, values);
  check_metrics(d, NKE_TASK_REGRESSION, N, 2, values);
  nke_dataset_close(&d);
}

/* Rows that all have the same target have no r2, whatever rounding leaves of their sum of squares about the mean. */
static void test_equal_targets_have_no_r2(void **state)
{
  (void)state;
  enum { N = 60, K = 3 };
  double labels[N];
  for (int64_t i = 0; i < N; i++) labels[i] = (double)(i % K);
  nke_dataset *d = make("metrics-e.h5", N, 0, labels);
  nke_targets *t = NULL;
  nke_metrics_sum *sum = NULL;
  nke_metrics metrics;
  assert_int_equal(nke_targets_fit(MPI_COMM_WORLD, d, NKE_TASK_CLASSIFICATION, &t), NKE_OK);
  assert_int_equal(nke_metrics_sum_create(t, &sum), NKE_OK);
  for (int64_t i = 0; i < N; i++) {
    nke_metrics_add(sum, 1, (const double[K]){0.1, 0.2, 0.3}, (const double[K]){-1 / 3.0, 1 - 1 / 3.0, -1 / 3.0});
    assert_int_equal(nke_metrics_reduce(MPI_COMM_SELF, sum, &metrics), NKE_OK);
    assert_true(metrics.n == i + 1 && metrics.mse > 0 && isnan(metrics.r2));
  }
  nke_metrics_sum_destroy(&sum);
  nke_targets_destroy(&t);
  nke_dataset_close(&d);
}

static int remove_samples(void **state)
{
  (void)state;
  sample_remove();
  return 0;
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_classes),
  cmocka_unit_test(test_refusals),
  cmocka_unit_test(test_regression),
  cmocka_unit_test(test_classes_in_a_file),
  cmocka_unit_test(test_metrics),
  cmocka_unit_test_teardown(test_equal_targets_have_no_r2, remove_samples),
};

NKE_TEST_MAIN(tests)
