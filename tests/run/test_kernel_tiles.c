#include "run/kernel_tiles.h"

#include "support/mpi_main.h"

/* Every pair i >= j, and every pair of a test and a training row, lies in exactly one tile. */
static void tiles_cover_each_pair_once(void **state)
{
  (void)state;
  static const int64_t cases[][3] = {{1, 0, 8}, {8, 3, 8}, {9, 1, 8}, {23, 17, 5}, {10, 4, 64}, {7, 7, 1}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const int64_t n = cases[c][0], m = cases[c][1];
    const nke_tiling t = nke_tiling_of(n, m, cases[c][2]);
    static int seen[64][64];
    double pairs = 0;
    for (int i = 0; i < 64; i++)
      for (int j = 0; j < 64; j++) seen[i][j] = 0;
    for (int64_t k = 0; k < t.total; k++) {
      const nke_tile tile = nke_tile_at(&t, k);
      assert_int_equal(tile.test, k >= t.lower);
      pairs += nke_tile_pairs(&tile);
      for (int64_t i = tile.rows.begin; i < tile.rows.end; i++)
        for (int64_t j = tile.cols.begin; j < tile.cols.end; j++)
          if (!nke_tile_is_diagonal(&tile) || j <= i) seen[tile.test ? n + i : i][j]++;
    }
    for (int64_t i = 0; i < n + m; i++)
      for (int64_t j = 0; j < n; j++) assert_int_equal(seen[i][j], i >= n || j <= i);
    assert_true(pairs == (double)(n * (n + 1) / 2 + n * m));
    assert_true(pairs == nke_tiling_pairs(&t) && nke_tiling_fits(n, m, cases[c][2]));
  }
}

static void numbers_run_along_the_rows_of_the_triangle(void **state)
{
  (void)state;
  const nke_tiling t = nke_tiling_of(INT64_C(60000) * 64, 0, 64);
  int64_t number = 0;
  for (int64_t i = 0; i < 60000; i += 997) {
    number = i * (i + 1) / 2;
    const nke_tile first = nke_tile_at(&t, number), last = nke_tile_at(&t, number + i);
    assert_true(first.row_block == i && first.col_block == 0 && last.row_block == i && last.col_block == i);
  }
}

/* On the diagonal the vectors of 16 are computed whole, each from the row below its first. */
static void more_tiles_than_can_be_counted_are_told(void **state)
{
  (void)state;
  assert_true(nke_tiling_fits(100000000, 0, 1) && nke_tiling_fits(INT64_C(1000000000000), 0, 8192));
  assert_false(nke_tiling_fits(INT64_C(1000000000000), 0, 1));
  assert_false(nke_tiling_fits(INT64_MAX, INT64_MAX, 1));
  assert_false(nke_tiling_fits(1000000, INT64_C(1000000000000), 1));
}

static void work_counts_whole_vectors(void **state)
{
  (void)state;
  const nke_tiling t = nke_tiling_of(100, 3, 40);
  const double works[] = {40 + (39 + 23 + 7) * 16, 40 * 48, 40 + (39 + 23 + 7) * 16, 20 * 48, 20 * 48, 20 + (19 + 3) * 16,
                          3 * 48, 3 * 48, 3 * 32};
  assert_int_equal(t.total, 9);
  for (int64_t k = 0; k < t.total; k++) {
    const nke_tile tile = nke_tile_at(&t, k);
    assert_true(nke_tile_work(&tile) == works[k]);
  }
}

/* Ranks of equal speed differ by at most one tile; a rank twice as fast gets twice as much. */
static void work_is_balanced_by_speed(void **state)
{
  (void)state;
  enum { N = 40, TILES = N * (N + 1) / 2 };
  const nke_tiling t = nke_tiling_of(N * 16, 0, 16);
  int64_t open[TILES];
  int owner[TILES];
  double load[3];
  for (int64_t k = 0; k < TILES; k++) open[k] = k;
  assert_int_equal(nke_tiles_deal(&t, TILES, open, 3, (const double[]){1, 1, 1}, 1e9, load, owner), TILES);
  for (int r = 1; r < 3; r++) assert_true(load[r] - load[0] <= 256 && load[0] - load[r] <= 256);
  assert_int_equal(nke_tiles_deal(&t, TILES, open, 2, (const double[]){2, 1}, 1e9, load, owner), TILES);
  assert_true(load[0] - 2 * load[1] <= 512 && 2 * load[1] - load[0] <= 512);
  /* No time at all: a tile for each rank; some time: as much as fits. */
  assert_int_equal(nke_tiles_deal(&t, TILES, open, 3, (const double[]){1, 1, 1}, 0, load, owner), 3);
  assert_true(owner[0] != owner[1] && owner[1] != owner[2] && owner[0] != owner[2]);
  assert_int_equal(nke_tiles_deal(&t, 2, open, 3, (const double[]){1, 1, 1}, 0, load, owner), 2);
  const int64_t some = nke_tiles_deal(&t, TILES, open, 2, (const double[]){100, 100}, 12.8, load, owner);
  assert_true(some > 8 && some < 20);
  /* Ranks of one speed get one number of tiles, not two of them three and one four. */
  for (int seconds = 1; seconds < 50; seconds++)
    assert_int_equal(nke_tiles_deal(&t, TILES, open, 3, (const double[]){100, 100, 100}, seconds, load, owner) % 3, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(tiles_cover_each_pair_once),
    cmocka_unit_test(numbers_run_along_the_rows_of_the_triangle),
    cmocka_unit_test(more_tiles_than_can_be_counted_are_told),
    cmocka_unit_test(work_counts_whole_vectors),
    cmocka_unit_test(work_is_balanced_by_speed),
};

NKE_TEST_MAIN(tests)
