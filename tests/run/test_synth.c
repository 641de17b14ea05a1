/* Made data: the same rows at any number of ranks and in a file of any length, standardised, with the noise asked. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "data/h5file.h"
#include "run/commands.h"
#include "run/synth_teacher.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[2][64];

static nke_config *make_config(const char *settings, const char *file)
{
  char text[512];
  nke_config *config = NULL;
  snprintf(text, sizeof text, "synth: {%s, file: %s}\n", settings, file);
  if (nke_config_parse("t.yaml", text, 0, NULL, &config) != NKE_OK) fail_msg("%s", nke_error_text());
  return config;
}

static int make(MPI_Comm comm, const char *settings, const char *file)
{
  nke_config *config = make_config(settings, file);
  const nke_invocation invocation = {.comm = comm, .config = config};
  const nke_status st = nke_synth_run(&invocation);
  nke_config_destroy(&config);
  return (int)st;
}

/* A data set of `columns` columns (0: one dimension) from row `begin`. */
static double *read_rows(const char *file, const char *name, int64_t begin, int64_t n, int64_t columns)
{
  nke_h5file *h5 = NULL;
  double *out = NULL;
  const int64_t start[2] = {begin, 0}, count[2] = {n, columns};
  assert_int_equal(nke_h5file_open(MPI_COMM_SELF, file, &h5), NKE_OK);
  assert_int_equal(nke_alloc(n * (columns ? columns : 1), sizeof *out, "rows", &out), NKE_OK);
  assert_int_equal(nke_h5file_read(h5, name, NKE_H5_F64, columns ? 2 : 1, start, count, out), NKE_OK);
  nke_h5file_close(&h5);
  return out;
}

static void check_same(const char *name, int64_t n, int64_t columns)
{
  double *a = read_rows(path[0], name, 0, n, columns), *b = read_rows(path[1], name, 0, n, columns);
  assert_memory_equal(a, b, sizeof *a * (size_t)(n * (columns ? columns : 1)));
  nke_free(a);
  nke_free(b);
}

/* All ranks together write the file that one rank alone writes. */
static void test_ranks(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  static const char *const settings[] = {"n: 301, d: 7, n_test: 65, hidden: [9, 5], noise: 0.5",
                                         "n: 3, d: 2, n_test: 1, hidden: [4], noise: 0",
                                         "n: 130, d: 6, n_test: 0, hidden: [8], spectrum: 1.5"};
  static const int sizes[][3] = {{301, 65, 7}, {3, 1, 2}, {130, 0, 6}};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(make(MPI_COMM_WORLD, settings[i], path[0]), NKE_OK);
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
      assert_int_equal(make(MPI_COMM_SELF, settings[i], path[1]), NKE_OK);
      check_same("/train/x", sizes[i][0], sizes[i][2]);
      check_same("/train/y", sizes[i][0], 0);
      if (sizes[i][1]) check_same("/test/x", sizes[i][1], sizes[i][2]);
      if (sizes[i][1]) check_same("/test/y", sizes[i][1], 0);
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

/* Row r is the same in a longer file; test rows are others than training rows. */
static void test_rows_stand_alone(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  assert_int_equal(make(MPI_COMM_WORLD, "n: 70, d: 5, n_test: 70, hidden: [6]", path[0]), NKE_OK);
  assert_int_equal(make(MPI_COMM_WORLD, "n: 200, d: 5, n_test: 10, hidden: [6]", path[1]), NKE_OK);
  if (rank == 0) {
    check_same("/train/x", 70, 5);
    check_same("/test/x", 10, 5);
    double *train = read_rows(path[0], "/train/x", 0, 70, 5), *test = read_rows(path[0], "/test/x", 0, 70, 5);
    assert_memory_not_equal(train, test, sizeof *train * 5);
    nke_free(train);
    nke_free(test);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

static void moments(int64_t n, const double *a, double *mean, double *variance)
{
  *mean = *variance = 0;
  for (int64_t i = 0; i < n; i++) *mean += a[i] / (double)n;
  for (int64_t i = 0; i < n; i++) *variance += (a[i] - *mean) * (a[i] - *mean) / (double)n;
}

/* Moments of 20,000 rows: standard errors are below 0.03; six of them are allowed. */
static void test_moments(void **state)
{
  (void)state;
  const int64_t n = 20000, d = 6;
  double mean, variance;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  assert_int_equal(make(MPI_COMM_WORLD, "n: 20000, d: 6, n_test: 0, hidden: [16, 16], noise: 0", path[0]), NKE_OK);
  assert_int_equal(make(MPI_COMM_WORLD, "n: 20000, d: 6, n_test: 0, hidden: [16, 16], noise: 0.5", path[1]), NKE_OK);
  if (rank == 0) {
    check_same("/train/x", n, d);
    double *x = read_rows(path[0], "/train/x", 0, n, d), *clean = read_rows(path[0], "/train/y", 0, n, 0);
    double *noisy = read_rows(path[1], "/train/y", 0, n, 0);
    moments(n * d, x, &mean, &variance);
    assert_true(fabs(mean) < 0.02 && fabs(variance - 1) < 0.03);
    moments(n, clean, &mean, &variance); /* of the rows themselves: only float rounding is left */
    assert_true(fabs(mean) < 1e-6 && fabs(variance - 1) < 1e-6);
    for (int64_t i = 0; i < n; i++) noisy[i] -= clean[i];
    moments(n, noisy, &mean, &variance);
    assert_true(fabs(mean) < 0.03 && fabs(variance - 0.5) < 0.03);
    nke_free(x);
    nke_free(clean);
    nke_free(noisy);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/* spectrum p: the directions are orthogonal and their squared lengths are d j^-2p / sum of j^-2p. */
static void test_spectrum(void **state)
{
  (void)state;
  nke_teacher *t = NULL;
  nke_config *config = make_config("n: 100, d: 12, hidden: [4], spectrum: 1", "none.h5");
  assert_int_equal(nke_teacher_create(MPI_COMM_WORLD, config, &t), NKE_OK);
  double total = 0;
  for (int j = 1; j <= 12; j++) total += 1.0 / (j * j);
  for (int i = 0; i < 12; i++)
    for (int j = 0; j < 12; j++) {
      double product = 0;
      for (int c = 0; c < 12; c++) product += t->rotation[i * 12 + c] * t->rotation[j * 12 + c];
      assert_true(fabs(product - (i == j ? 12 / total / ((i + 1) * (i + 1)) : 0)) < 1e-12);
    }
  nke_teacher_destroy(&t);
  nke_config_destroy(&config);
}

static void test_refusals(void **state)
{
  (void)state;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  assert_int_equal(make(MPI_COMM_WORLD, "n: 10, d: 9000, hidden: [4], spectrum: 1", path[0]), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "synth.spectrum"));
  assert_int_equal(make(MPI_COMM_WORLD, "n: 10, d: 2", "/proc/none/x.h5"), NKE_ERR_OUTPUT);
  FILE *file = rank == 0 ? fopen(path[0], "w") : NULL;
  if (file) fclose(file);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_int_equal(make(MPI_COMM_WORLD, "n: 10, d: 2", path[0]), NKE_ERR_USAGE); /* a file that is not ours */
}

static int name_files(void **state)
{
  (void)state;
  long process = (long)getpid();
  MPI_Bcast(&process, 1, MPI_LONG, 0, MPI_COMM_WORLD);
  for (int k = 0; k < 2; k++) snprintf(path[k], sizeof path[k], "/tmp/nke-test-synth-%ld-%d.h5", process, k);
  return 0;
}

static int remove_files(void **state)
{
  (void)state;
  MPI_Barrier(MPI_COMM_WORLD);
  for (int k = 0; k < 2; k++) unlink(path[k]);
  return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_ranks, name_files, remove_files),
    cmocka_unit_test_setup_teardown(test_rows_stand_alone, name_files, remove_files),
    cmocka_unit_test_setup_teardown(test_moments, name_files, remove_files),
    cmocka_unit_test_setup_teardown(test_spectrum, name_files, remove_files),
    cmocka_unit_test_setup_teardown(test_refusals, name_files, remove_files),
};

NKE_TEST_MAIN(tests)
