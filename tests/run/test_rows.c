/* Rows held out: folds that differ by a row at most, copies that follow their original, the same for the same seed. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "run/rows.h"

#include <string.h>

/* Adds one for each row of the list to seen[row mod originals]; the rows ascend. */
static void count(const nke_rows *rows, int64_t originals, int *seen)
{
  for (int64_t i = 0; i < rows->n; i++) {
    if (i > 0) assert_true(nke_rows_at(rows, i) > nke_rows_at(rows, i - 1));
    seen[nke_rows_at(rows, i) % originals]++;
  }
}

static void check_folds(int64_t originals, int64_t copies, int64_t folds, uint64_t seed)
{
  int in_folds[64] = {0};
  int64_t *fold_of = NULL;
  assert_int_equal(nke_rows_deal(originals, folds, seed, &fold_of), NKE_OK);
  for (int64_t fold = 0; fold < folds; fold++) {
    int kept_count[64] = {0}, held_count[64] = {0};
    nke_rows kept, held;
    assert_int_equal(nke_rows_fold(originals * copies, originals, fold_of, fold, &kept, &held), NKE_OK);
    assert_int_equal(kept.n + held.n, originals * copies);
    assert_true(held.n / copies == originals / folds || held.n / copies == (originals + folds - 1) / folds);
    count(&kept, originals, kept_count);
    count(&held, originals, held_count);
    for (int64_t r = 0; r < originals; r++) {
      assert_true(held_count[r] == 0 || held_count[r] == copies);
      assert_int_equal(kept_count[r] + held_count[r], copies);
      in_folds[r] += held_count[r] > 0;
    }
    nke_rows_clear(&kept);
    nke_rows_clear(&held);
  }
  for (int64_t r = 0; r < originals; r++) assert_int_equal(in_folds[r], 1);
  nke_free(fold_of);
}

static void test_folds_are_balanced(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    check_folds(10, 1, 5, seed);
    check_folds(10, 1, 10, seed);
    check_folds(2, 1, 2, seed);
    check_folds(37, 3, 5, seed);
  }
}

static void test_folds_depend_on_the_seed(void **state)
{
  (void)state;
  int64_t *dealt[3] = {NULL, NULL, NULL};
  const uint64_t seeds[3] = {7, 7, 8};
  for (int i = 0; i < 3; i++) assert_int_equal(nke_rows_deal(60, 3, seeds[i], &dealt[i]), NKE_OK);
  assert_memory_equal(dealt[0], dealt[1], 60 * sizeof *dealt[0]);
  assert_true(memcmp(dealt[0], dealt[2], 60 * sizeof *dealt[0]) != 0);
  for (int i = 0; i < 3; i++) nke_free(dealt[i]);
}

static void test_more_folds_than_rows(void **state)
{
  (void)state;
  int64_t *fold_of = NULL;
  assert_int_equal(nke_rows_check_folds(5, 5), NKE_OK);
  assert_int_equal(nke_rows_check_folds(4, 5), NKE_ERR_USAGE);
  assert_int_equal(nke_rows_deal(4, 5, 1, &fold_of), NKE_ERR_USAGE);
  assert_null(fold_of);
}

static void test_a_fraction(void **state)
{
  (void)state;
  int kept_count[50] = {0}, held_count[50] = {0};
  nke_rows kept, held;
  assert_int_equal(nke_rows_split(100, 50, 0.3, 1, &kept, &held), NKE_OK);
  assert_int_equal(kept.n + held.n, 100);
  assert_null(kept.index); /* only those held out are listed */
  assert_true(held.n > 10 && held.n < 50);
  count(&kept, 50, kept_count);
  count(&held, 50, held_count);
  for (int64_t r = 0; r < 50; r++) assert_true(kept_count[r] + held_count[r] == 2 && held_count[r] != 1);
  nke_rows_clear(&kept);
  nke_rows_clear(&held);
  assert_int_equal(nke_rows_split(100, 50, 0, 1, &kept, &held), NKE_ERR_USAGE);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_folds_are_balanced),
  cmocka_unit_test(test_folds_depend_on_the_seed),
  cmocka_unit_test(test_more_folds_than_rows),
  cmocka_unit_test(test_a_fraction),
};

NKE_TEST_MAIN(tests)
