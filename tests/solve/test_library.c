/* PETSc is started and stopped by nke_solve_init() and nke_solve_finalize(), but left alone where the program uses it. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "solve/library.h"

#include <petscsys.h>
#include <string.h>

static int running(void)
{
  PetscBool is = PETSC_FALSE;
  assert_int_equal(PetscInitialized(&is), 0);
  return is == PETSC_TRUE;
}

static void test_started_and_stopped_again_and_again(void **state)
{
  (void)state;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(nke_solve_init(MPI_COMM_WORLD, 0, NULL), NKE_OK);
    assert_true(running());
    nke_solve_finalize();
    assert_false(running());
  }
  nke_solve_finalize(); /* nothing to stop */
}

static void test_a_program_with_petsc_of_its_own(void **state)
{
  (void)state;
  assert_int_equal(PetscInitializeNoArguments(), 0);
  nke_solve_finalize(); /* without init: not ours to stop */
  assert_true(running());
  for (int i = 0; i < 2; i++) {
    assert_int_equal(nke_solve_init(MPI_COMM_WORLD, 0, NULL), NKE_OK);
    nke_solve_finalize();
    assert_true(running());
  }
  assert_int_equal(PetscFinalize(), 0);
}

static void test_no_memory_on_one_rank(void **state)
{
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  nke_alloc_fail_at(rank == size - 1);
  assert_int_equal(nke_solve_init(MPI_COMM_WORLD, 0, NULL), NKE_ERR_MEMORY);
  nke_alloc_fail_at(0);
  nke_solve_finalize();
  assert_false(running());
}

static PetscErrorCode (*take)(size_t, PetscBool, int, const char[], const char[], void **);

/* Once PETSc has started, which ranks do together. */
static PetscErrorCode take_no_more(size_t size, PetscBool clear, int line, const char function[], const char file[],
                                   void **out)
{
  *out = NULL;
  return PetscInitializeCalled ? PETSC_ERR_MEM : take(size, clear, line, function, file, out);
}

/* For the first thing that is asked of it, which prints a trace: the handler that would keep it is that thing. What PETSc
 * registers later is half done if it fails, and may not be finalized. */
static void test_petsc_has_no_memory_on_one_rank(void **state)
{
  (void)state;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  take = PetscTrMalloc;
  if (rank == size - 1) PetscTrMalloc = take_no_more;
  const nke_status st = nke_solve_init(MPI_COMM_WORLD, 0, NULL);
  PetscTrMalloc = take;
  assert_int_equal(st, NKE_ERR_MEMORY);
  nke_solve_finalize();
  assert_false(running());
}

static void test_an_option_file_that_cannot_be_read(void **state)
{
  (void)state;
  char option[] = "-options_file", missing[] = "missing.txt", folder[] = ".";
  char *const given[][2] = {{option, missing}, {option, folder}, {missing, option}};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(nke_solve_init(MPI_COMM_WORLD, 2, given[i]), NKE_ERR_USAGE);
    assert_non_null(strstr(nke_error_text(), "-options_file: expected a file that can be read"));
    nke_solve_finalize();
    assert_false(running());
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_started_and_stopped_again_and_again),
    cmocka_unit_test(test_a_program_with_petsc_of_its_own),
    cmocka_unit_test(test_no_memory_on_one_rank),
    cmocka_unit_test(test_petsc_has_no_memory_on_one_rank),
    cmocka_unit_test(test_an_option_file_that_cannot_be_read),
};

NKE_TEST_MAIN(tests)
