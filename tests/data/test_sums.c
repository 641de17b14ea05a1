/* Double-double sums: exact where doubles are not, and the same bits in any order and at any number of ranks. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/rng.h"
#include "data/sums.h"
#include "dist/split.h"

#include <math.h>

enum { N = 4000, COLUMNS = 3 };

/* Over 20 decades, each with its near opposite: plain sums lose all digits. */
static double term(int64_t i)
{
  const double size = pow(10, (double)(i / 2 % 20));
  return (i % 2 ? -1 : 1) * size * (1 + (double)(i % 2) * 1e-3 * sample_normal(1, (uint64_t)i));
}

static void test_known_sums(void **state)
{
  (void)state;
  nke_dd s = {0, 0};
  s = nke_dd_add_double(s, 1e16);
  s = nke_dd_add_double(s, 1);
  s = nke_dd_add_double(s, -1e16);
  assert_true(nke_dd_round(s) == 1);
  s = nke_dd_add((nke_dd){1, 0x1p-60}, (nke_dd){-1, 0x1p-61});
  assert_true(s.hi == 0x1.8p-60 && s.lo == 0);
}

static void test_order_and_ranks(void **state)
{
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  nke_dd forward[COLUMNS] = {{0, 0}}, shared[COLUMNS] = {{0, 0}}, shuffled = {0, 0};
  const nke_range mine = nke_split(N, size, rank);
  for (int64_t i = 0; i < N; i++)
    for (int c = 0; c < COLUMNS; c++) {
      forward[c] = nke_dd_add_double(forward[c], (c + 1) * term(i));
      if (i >= mine.begin && i < mine.end) shared[c] = nke_dd_add_double(shared[c], (c + 1) * term(i));
    }
  for (int64_t i = 0; i < N; i++) shuffled = nke_dd_add_double(shuffled, term(i * 1999 % N)); /* gcd(1999, N) = 1 */
  assert_true(nke_dd_round(shuffled) == nke_dd_round(forward[0]));
  assert_int_equal(nke_dd_allreduce(MPI_COMM_WORLD, COLUMNS, shared), NKE_OK);
  for (int c = 0; c < COLUMNS; c++) assert_true(nke_dd_round(shared[c]) == nke_dd_round(forward[c]));
  assert_int_equal(nke_dd_allreduce(MPI_COMM_WORLD, 0, shared), NKE_OK);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_known_sums),
  cmocka_unit_test(test_order_and_ranks),
};

NKE_TEST_MAIN(tests)
