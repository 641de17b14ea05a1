/* Copies of rows: each is one of the images that augmentation allows, all of them equally often, whatever is read with it. */
#include "support/mpi_main.h"

#include "data/dataset.h"

#include <string.h>

enum { HEIGHT = 3, WIDTH = 4, CHANNELS = 2, LENGTH = HEIGHT * WIDTH * CHANNELS, ROWS = 5, COPIES = 1800, SHIFT = 1 };

/* Rows of distinct numbers on rank 0, with their row number as target. */
static nke_dataset *open_rows(int64_t begin, int n_dims, const int64_t dims[3])
{
  static double x[ROWS * LENGTH], y[ROWS];
  int rank;
  nke_dataset *d = NULL;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (int i = 0; i < ROWS * LENGTH; i++) x[i] = i;
  for (int i = 0; i < ROWS; i++) y[i] = i;
  nke_data_spec spec = {.file = "memory", .row_begin = begin, .row_end = -1,
                        .memory = {.n = rank == 0 ? ROWS : 0, .n_dims = n_dims, .k = 1, .x = x, .y = y}};
  memcpy(spec.memory.dims, dims, sizeof spec.memory.dims);
  if (nke_dataset_open(MPI_COMM_WORLD, &spec, &d) != NKE_OK) fail_msg("%s", nke_error_text());
  return d;
}

static nke_dataset *open_copies(int64_t begin, nke_augment augment)
{
  nke_dataset *const d = open_rows(begin, 3, (const int64_t[]){HEIGHT, WIDTH, CHANNELS});
  if (nke_dataset_set_copies(d, &augment) != NKE_OK) fail_msg("%s", nke_error_text());
  return d;
}

/* Pixel `at` of an axis of n pixels that is continued as in a mirror at its ends. */
static int mirror(int at, int n)
{
  if (at == -1) return 0;
  return at == n ? n - 1 : at;
}

/* Which of the 2 x 3 x 3 images of row `row` this is; -1: none. */
static int which(int row, const double *copy)
{
  for (int c = 0; c < 18; c++) {
    const int flip = c % 2, down = c / 2 % 3 - 1, right = c / 6 - 1;
    int same = 1;
    for (int i = 0; i < HEIGHT; i++)
      for (int j = 0; j < WIDTH; j++)
        for (int k = 0; k < CHANNELS; k++) {
          const int from_i = mirror(i - down, HEIGHT), moved = mirror(j - right, WIDTH);
          const int from_j = flip ? WIDTH - 1 - moved : moved;
          same &= copy[(i * WIDTH + j) * CHANNELS + k] == row * LENGTH + (from_i * WIDTH + from_j) * CHANNELS + k;
        }
    if (same) return c;
  }
  return -1;
}

static const nke_augment whole = {.copies = COPIES, .flip = true, .shift = SHIFT, .seed = 7};

static void test_copies_are_allowed_images_equally_often(void **state)
{
  (void)state;
  static double x[ROWS * COPIES * LENGTH], y[ROWS * COPIES];
  nke_dataset *d = open_copies(0, whole);
  int count[18] = {0}, equal = 0, last = -1;
  assert_int_equal(nke_dataset_originals(d), ROWS);
  assert_int_equal(nke_dataset_rows(d), ROWS * COPIES);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, ROWS * COPIES}, x, y), NKE_OK);
  for (int r = 0; r < ROWS * COPIES; r++) {
    const int c = which(r % ROWS, x + r * LENGTH);
    assert_int_not_equal(c, -1);
    assert_true(y[r] == r % ROWS);
    if (r < ROWS) assert_int_equal(c, 8); /* neither mirrored nor moved */
    if (r < ROWS) continue;
    count[c]++;
    equal += c == last;
    last = c;
  }
  const double expected = ROWS * (COPIES - 1) / 18.0;
  double chi = 0;
  for (int c = 0; c < 18; c++) chi += (count[c] - expected) * (count[c] - expected) / expected;
  assert_true(chi < 57.0);                                         /* 17 degrees of freedom: once in a million seeds */
  assert_true(equal > 0.8 * expected && equal < 1.2 * expected); /* neighbours are independent: 4.5 deviations */
  nke_dataset_close(&d);
}

static void test_a_copy_does_not_depend_on_what_is_read_with_it(void **state)
{
  (void)state;
  static double all[ROWS * 4 * LENGTH], one[3 * LENGTH];
  nke_augment augment = whole;
  augment.copies = 4;
  nke_dataset *d = open_copies(0, augment);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, ROWS * 4}, all, NULL), NKE_OK);
  const int64_t lists[][3] = {{0, 6, 19}, {3, 4, 5}, {9, 12, 14}};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(nke_dataset_read(d, 3, lists[i], one, NULL), NKE_OK);
    for (int j = 0; j < 3; j++) assert_memory_equal(one + j * LENGTH, all + lists[i][j] * LENGTH, LENGTH * sizeof *one);
  }
  assert_int_equal(nke_dataset_read(d, 1, (const int64_t[]){ROWS * 4}, one, NULL), NKE_ERR_INTERNAL);
  nke_dataset_close(&d);
}

/* Of a range that begins at the file's row 2 the copies are those of row 2, as in the whole file. */
static void test_draws_are_of_the_row_of_the_file(void **state)
{
  (void)state;
  static double all[ROWS * 20 * LENGTH], part[3 * 20 * LENGTH];
  nke_augment augment = whole;
  augment.copies = 20;
  nke_dataset *d = open_copies(0, augment), *range = open_copies(2, augment);
  assert_int_equal(nke_dataset_originals(range), 3);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, ROWS * 20}, all, NULL), NKE_OK);
  assert_int_equal(nke_dataset_read_range(range, (nke_range){0, 3 * 20}, part, NULL), NKE_OK);
  for (int copy = 0; copy < 20; copy++)
    assert_memory_equal(part + copy * 3 * LENGTH, all + (copy * ROWS + 2) * LENGTH, 3 * LENGTH * sizeof *all);
  nke_dataset_close(&d);
  nke_dataset_close(&range);
}

static void test_signals_move_along_their_axis(void **state)
{
  (void)state;
  double x[ROWS * 40 * LENGTH];
  nke_dataset *d = open_rows(0, 2, (const int64_t[]){LENGTH / 2, 2, 0});
  const nke_augment augment = {.copies = 40, .shift = 2, .seed = 1};
  int moved[5] = {0};
  assert_int_equal(nke_dataset_set_copies(d, &augment), NKE_OK);
  assert_int_equal(nke_dataset_read_range(d, (nke_range){0, ROWS * 40}, x, NULL), NKE_OK);
  for (int r = ROWS; r < ROWS * 40; r++) {
    const double *const row = x + r * LENGTH, middle = (double)(r % ROWS * LENGTH + 10);
    const int right = (int)((middle - row[10]) / 2);
    assert_in_range(right + 2, 0, 4);
    moved[right + 2]++;
    for (int j = 2; j < LENGTH / 2 - 2; j++) assert_true(row[2 * j] == r % ROWS * LENGTH + 2 * (j - right));
  }
  for (int i = 0; i < 5; i++) assert_true(moved[i] > 15); /* 39 expected */
  nke_dataset_close(&d);
}

static void test_refusals(void **state)
{
  (void)state;
  nke_dataset *table = open_rows(0, 1, (const int64_t[]){LENGTH, 0, 0});
  nke_dataset *image = open_rows(0, 3, (const int64_t[]){HEIGHT, WIDTH, CHANNELS});
  const nke_augment none = {.copies = 1}, flat = {.copies = 2}, one = {.copies = 1, .flip = true},
                    far = {.copies = 2, .shift = HEIGHT + 1}, most = {.copies = 2, .shift = HEIGHT};
  assert_int_equal(nke_dataset_set_copies(table, &none), NKE_OK);
  assert_int_equal(nke_dataset_set_copies(table, &whole), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "[n, H, W, C]"));
  assert_int_equal(nke_dataset_set_copies(image, &flat), NKE_ERR_USAGE);
  assert_int_equal(nke_dataset_set_copies(image, &one), NKE_ERR_USAGE);
  assert_int_equal(nke_dataset_set_copies(image, &far), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "3 x 4, got 4"));
  assert_int_equal(nke_dataset_rows(image), ROWS);
  assert_int_equal(nke_dataset_set_copies(image, &most), NKE_OK);
  nke_dataset_close(&table);
  nke_dataset_close(&image);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_copies_are_allowed_images_equally_often),
  cmocka_unit_test(test_a_copy_does_not_depend_on_what_is_read_with_it),
  cmocka_unit_test(test_draws_are_of_the_row_of_the_file),
  cmocka_unit_test(test_signals_move_along_their_axis),
  cmocka_unit_test(test_refusals),
};

NKE_TEST_MAIN(tests)
