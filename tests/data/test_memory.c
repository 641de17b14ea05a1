/* Rows in memory, spread unevenly over the ranks: every rank reads every row, and what does not fit together is refused. */
#include "support/mpi_main.h"

#include "data/dataset.h"

#include <math.h>
#include <string.h>

enum { H = 2, W = 3, C = 2, D = H * W * C, K = 2, MOST = 9 /* of rank 4 */ };

static int rank, size;

static int find_rank(void **state)
{
  (void)state;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return 0;
}

/* Rank 1 has none, the others 1 + 2 rank rows. */
static int64_t rows_of(int r)
{
  return r == 1 ? 0 : 1 + 2 * (int64_t)r;
}

static double entry(int64_t row, int64_t column)
{
  return (double)(100 * row + column) / 8;
}

static nke_status open_rows(int64_t n, const double *x, const double *y, nke_dataset **out)
{
  const nke_data_spec spec = {.file = "mine", .row_end = -1,
                              .memory = {.n = n, .n_dims = 3, .dims = {H, W, C}, .k = K, .x = x, .y = y}};
  return nke_dataset_open(MPI_COMM_WORLD, &spec, out);
}

static int64_t fill(double *x, double *y)
{
  int64_t first = 0;
  for (int r = 0; r < rank; r++) first += rows_of(r);
  for (int64_t i = 0; i < rows_of(rank); i++) {
    for (int64_t j = 0; j < D; j++) x[i * D + j] = entry(first + i, j);
    for (int64_t j = 0; j < K; j++) y[i * K + j] = -entry(first + i, j);
  }
  return rows_of(rank);
}

static void test_every_rank_reads_every_row(void **state)
{
  (void)state;
  static double x[MOST * D], y[MOST * K], got_x[D], got_y[K];
  int64_t all = 0;
  for (int r = 0; r < size; r++) all += rows_of(r);
  nke_dataset *d = NULL;
  assert_int_equal(open_rows(fill(x, y), rank == 1 ? NULL : x, rank == 1 ? NULL : y, &d), NKE_OK);
  memset(x, 0, sizeof x); /* the arrays are the caller's again */
  memset(y, 0, sizeof y);
  const nke_shape shape = nke_dataset_shape(d);
  assert_true(shape.axes == 2 && shape.height == H && shape.width == W && shape.channels == C);
  assert_int_equal(nke_dataset_rows(d), all);
  assert_int_equal(nke_dataset_targets(d), K);
  for (int64_t row = all - 1; row >= 0; row--) {
    assert_int_equal(nke_dataset_read(d, 1, &row, got_x, got_y), NKE_OK);
    for (int64_t j = 0; j < D; j++) assert_true(got_x[j] == entry(row, j));
    for (int64_t j = 0; j < K; j++) assert_true(got_y[j] == -entry(row, j));
  }
  nke_dataset_close(&d);
}

static void test_nan_is_named(void **state)
{
  (void)state;
  static double x[MOST * D], y[MOST * K], got[D];
  const int64_t n = fill(x, y);
  if (rank == 0) x[5] = NAN;
  nke_dataset *d = NULL;
  assert_int_equal(open_rows(n, x, y, &d), NKE_OK);
  assert_int_equal(nke_dataset_read(d, 1, (int64_t[]){0}, got, NULL), NKE_ERR_DATA);
  assert_non_null(strstr(nke_error_text(), "mine: x: row 0, column 5"));
  nke_dataset_close(&d);
}

static void test_refused_on_all_ranks(void **state)
{
  (void)state;
  static double x[MOST * D], y[MOST * K];
  nke_dataset *d = NULL;
  assert_int_equal(open_rows(0, NULL, NULL, &d), NKE_ERR_DATA); /* no row on any rank */
  assert_int_equal(open_rows(rank == 0 ? 1 : 0, x, rank == 0 ? NULL : y, &d), NKE_ERR_USAGE);
  assert_int_equal(open_rows(rank == size - 1 ? -1 : 2, x, y, &d), NKE_ERR_USAGE);
  nke_data_spec spec = {.file = "mine", .row_end = -1,
                        .memory = {.n = 1, .n_dims = 1, .dims = {rank == 0 ? 3 : 4}, .x = x}};
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), size == 1 ? NKE_OK : NKE_ERR_USAGE);
  nke_dataset_close(&d);
  spec.memory.dims[0] = 0;
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &d), NKE_ERR_DATA);
  assert_null(d);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup(test_every_rank_reads_every_row, find_rank),
  cmocka_unit_test_setup(test_nan_is_named, find_rank),
  cmocka_unit_test_setup(test_refused_on_all_ranks, find_rank),
};

NKE_TEST_MAIN(tests)
