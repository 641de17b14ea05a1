/* Sketches of rows spread over the ranks: the same as on one rank and as the serial sketches, memory that falls with
 * the ranks, odd sizes, more ranks than columns. */
#include "sketch/support.h"

#include "base/memory.h"
#include "sketch/wide.h"

#include <stdlib.h>

static const nke_wide_kind *const kinds[] = {&nke_wide_countsketch, &nke_wide_srft};
static const nke_sketch_kind *const serial[] = {&nke_sketch_countsketch, &nke_sketch_srft};

static double entry(int64_t row, int64_t column)
{
  return nke_random_normal(2, nke_stream(NKE_STREAM_TEST, (uint32_t)row), (uint64_t)column);
}

static void set(nke_precision precision, void *x, int64_t i, double value)
{
  if (precision == NKE_SINGLE)
    ((float *)x)[i] = (float)value;
  else
    ((double *)x)[i] = value;
}

/* Sketches of `rows` rows of n columns over comm; y [rows, m] by the caller. Returns this rank's bytes. */
static int64_t sketch_over(MPI_Comm comm, const nke_wide_kind *kind, nke_precision precision, int64_t rows, int64_t n,
                           int64_t m, void *y)
{
  nke_draws draws = {6, 9};
  nke_wide *wide;
  void *x;
  if (nke_wide_create(comm, kind, precision, n, m, &draws, &wide) != NKE_OK) fail_msg("%s", nke_error_text());
  const nke_range columns = nke_wide_columns(wide);
  const int64_t width = columns.end - columns.begin;
  assert_int_equal(nke_alloc(rows * width, (size_t)nke_precision_bytes(precision), "x", &x), NKE_OK);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < width; j++) set(precision, x, i * width + j, entry(i, columns.begin + j));
  assert_int_equal(nke_wide_apply(wide, rows, x, y), NKE_OK);
  const int64_t bytes = nke_wide_bytes(wide);
  nke_free(x);
  nke_wide_destroy(&wide);
  return bytes;
}

static void equals_one_rank(void **state)
{
  (void)state;
  static const int64_t sizes[] = {1, 2, 3, 7, 64, 100, 1001, 4096};
  enum { ROWS = 19, M = 31 }; /* more rows than one reduction takes */
  double spread[ROWS * M], alone[ROWS * M];
  float spread_f32[ROWS * M];
  for (int kind = 0; kind < 2; kind++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      const int64_t n = sizes[i];
      sketch_over(MPI_COMM_WORLD, kinds[kind], NKE_DOUBLE, ROWS, n, M, spread);
      sketch_over(MPI_COMM_SELF, kinds[kind], NKE_DOUBLE, ROWS, n, M, alone);
      sketch_over(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, ROWS, n, M, spread_f32);
      const double size = sqrt((double)n);
      for (int k = 0; k < ROWS * M; k++) {
        assert_true(fabs(spread[k] - alone[k]) < 1e-13 * size);
        assert_true(fabs((double)spread_f32[k] - alone[k]) < 2e-6 * size);
      }
    }
}

/* The serial sketch of the same seed, stream number and sizes; SRFT at a power of two, where both pad alike. */
static void equals_the_serial_sketch(void **state)
{
  (void)state;
  enum { N = 512, M = 40 };
  double x[N], wide[M], whole[M];
  for (int64_t j = 0; j < N; j++) x[j] = entry(0, j);
  for (int kind = 0; kind < 2; kind++)
    for (int64_t m = M - 1; m <= M; m++) {
      nke_draws draws = {6, 9};
      nke_sketch *sketch;
      assert_int_equal(nke_sketch_create(serial[kind], NKE_DOUBLE, N, m, &draws, &sketch), NKE_OK);
      nke_sketch_apply(sketch, x, whole);
      sketch_over(MPI_COMM_WORLD, kinds[kind], NKE_DOUBLE, 1, N, m, wide);
      for (int64_t k = 0; k < m; k++) assert_true(fabs(wide[k] - whole[k]) < 1e-12);
      nke_sketch_destroy(&sketch);
    }
}

/* Every column has exactly one owner, and ranks hold their share of the memory. */
static void memory_falls_with_the_ranks(void **state)
{
  (void)state;
  enum { M = 16 };
  const int64_t n = (int64_t)1 << 18;
  float y[M];
  int size;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int kind = 0; kind < 2; kind++) {
    nke_draws draws = {6, 9};
    nke_wide *wide;
    assert_int_equal(nke_wide_create(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, n, M, &draws, &wide), NKE_OK);
    const nke_range columns = nke_wide_columns(wide);
    int64_t total = columns.end - columns.begin;
    MPI_Allreduce(MPI_IN_PLACE, &total, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    assert_int_equal(total, n);
    nke_wide_destroy(&wide);
    const int64_t here = sketch_over(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, 1, n, M, y);
    const int64_t alone = sketch_over(MPI_COMM_SELF, kinds[kind], NKE_SINGLE, 1, n, M, y);
    assert_true((double)here < 1.2 * (double)alone / size + 20000);
  }
}

static void bad_sizes_and_full_memory_are_the_same_error_everywhere(void **state)
{
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int kind = 0; kind < 2; kind++) {
    nke_draws draws = {6, 9};
    nke_wide *wide;
    assert_int_equal(nke_wide_create(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, 0, 4, &draws, &wide), NKE_ERR_USAGE);
    assert_int_equal(nke_wide_create(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, 4, 0, &draws, &wide), NKE_ERR_USAGE);
    assert_int_equal(nke_wide_create(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, (int64_t)1 << 50, 4, &draws, &wide),
                     NKE_ERR_USAGE);
    for (int64_t k = 1; k <= 3; k++) {
      if (rank == size - 1) nke_alloc_fail_at(k);
      assert_int_equal(nke_wide_create(MPI_COMM_WORLD, kinds[kind], NKE_SINGLE, 100, 4, &draws, &wide), NKE_ERR_MEMORY);
      assert_null(wide);
      nke_alloc_fail_at(0);
    }
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(equals_one_rank),
  cmocka_unit_test(equals_the_serial_sketch),
  cmocka_unit_test(memory_falls_with_the_ranks),
  cmocka_unit_test(bad_sizes_and_full_memory_are_the_same_error_everywhere),
};

NKE_TEST_MAIN(tests)
