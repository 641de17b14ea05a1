/* A signal to one rank is seen by all, once asked for; afterwards signals go their usual way. */
#include "support/mpi_main.h"

#include "run/signals.h"

#include <signal.h>

static void test_agree(void **state)
{
  (void)state;
  static const int numbers[] = {SIGUSR1, SIGTERM};
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int i = 0; i < 2; i++) {
    struct sigaction before, after;
    sigaction(numbers[i], NULL, &before);
    nke_signals_catch();
    assert_false(nke_signals_agree(MPI_COMM_WORLD));
    if (rank == size - 1) assert_int_equal(raise(numbers[i]), 0);
    assert_true(nke_signals_agree(MPI_COMM_WORLD));
    assert_true(nke_signals_agree(MPI_COMM_WORLD)); /* stays */
    nke_signals_release();
    assert_false(nke_signals_agree(MPI_COMM_WORLD));
    sigaction(numbers[i], NULL, &after);
    assert_true(before.sa_handler == after.sa_handler);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_agree)};

NKE_TEST_MAIN(tests)
