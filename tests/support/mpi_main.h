/* The main of every unit test: one cmocka group under MPI. A test fails if it fails on any rank. */
#ifndef NKE_TESTS_MPI_MAIN_H
#define NKE_TESTS_MPI_MAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mpi.h>

/* Defines main() for an array of CMUnitTest. MPI_Finalize is collective, so a rank whose asserts failed would hang the
 * others in their next collective; mpirun ends the job once it exits non-zero. */
#define NKE_TEST_MAIN(tests)                                            \
  int main(int argc, char **argv)                                       \
  {                                                                     \
    MPI_Init(&argc, &argv);                                             \
    int rank_;                                                          \
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);                              \
    if (rank_ != 0) cmocka_set_message_output(CM_OUTPUT_TAP);           \
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);       \
    if (failed) MPI_Abort(MPI_COMM_WORLD, 1);                           \
    MPI_Finalize();                                                     \
    return 0;                                                           \
  }

#endif
