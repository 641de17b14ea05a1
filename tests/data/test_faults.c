/* The k-th allocation fails on the last rank only, for every k, in every collective function of src/data: all ranks get
 * the same status, nothing hangs, and nothing is left behind. */
#include "sample.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "data/metrics.h"
#include "data/preprocess.h"
#include "data/targets.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static nke_dataset *train;
static char model[512], text[512];

static const nke_preprocess_step steps[] = {{.kind = NKE_PREPROCESS_STANDARDIZE}, {NKE_PREPROCESS_ZCA, 0.1}};

static nke_status fit_preprocess(void)
{
  nke_preprocess *p = NULL;
  const nke_status st = nke_preprocess_fit(MPI_COMM_WORLD, train, 2, steps, 1 << 30, &p);
  nke_preprocess_destroy(&p);
  return st;
}

static nke_status fit_classes(void)
{
  nke_targets *t = NULL;
  const nke_status st = nke_targets_fit(MPI_COMM_WORLD, train, NKE_TASK_CLASSIFICATION, &t);
  nke_targets_destroy(&t);
  return st;
}

static nke_status fit_means(void)
{
  nke_targets *t = NULL;
  const nke_status st = nke_targets_fit(MPI_COMM_WORLD, train, NKE_TASK_REGRESSION, &t);
  nke_targets_destroy(&t);
  return st;
}

static nke_status open_text(void)
{
  nke_dataset *d = NULL;
  const nke_data_spec spec = {.file = text, .x = NULL, .y = NULL, .row_begin = 0, .row_end = -1};
  const nke_status st = nke_dataset_open(MPI_COMM_WORLD, &spec, &d);
  nke_dataset_close(&d);
  return st;
}

static nke_status save_model(void)
{
  nke_status st;
  nke_h5file *f = NULL;
  const double w[2] = {1, 2};
  NKE_TRY(nke_h5file_create(MPI_COMM_WORLD, model, false, &f));
  NKE_TRY(nke_h5file_put(f, "/w", NKE_H5_F64, 1, (int64_t[]){2}, w));
  NKE_TRY(nke_h5file_put_string(f, "/", "config", "text"));
  NKE_TRY(nke_h5file_commit(&f));
done:
  nke_h5file_close(&f);
  return st;
}

static nke_status load_model(void)
{
  nke_status st;
  nke_h5file *f = NULL;
  double *w = NULL;
  char *config = NULL;
  NKE_TRY(nke_h5file_open(MPI_COMM_WORLD, model, &f));
  NKE_TRY(nke_h5file_get(f, "/w", NKE_H5_F64, 1, (int64_t[]){2}, 1000, &w));
  NKE_TRY(nke_h5file_get_string(f, "/", "config", &config));
done:
  nke_free(config);
  nke_free(w);
  nke_h5file_close(&f);
  return st;
}

static void fail_every_allocation(nke_status (*operation)(void), int least)
{
  int rank, size, k = 0;
  nke_status st = NKE_ERR_MEMORY;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  while (st != NKE_OK) {
    k++;
    if (rank == size - 1) nke_alloc_fail_at(k);
    st = operation();
    nke_alloc_fail_at(0);
    int extremes[2] = {(int)st, -(int)st};
    MPI_Allreduce(MPI_IN_PLACE, extremes, 2, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    assert_int_equal(extremes[0], -extremes[1]);
    assert_true(st == NKE_OK || st == NKE_ERR_MEMORY);
    if (st != NKE_OK) assert_non_null(strstr(nke_error_text(), "bytes"));
    assert_true(k < 1000);
  }
  assert_true(k > least);
}

static void test_allocations(void **state)
{
  (void)state;
  char path[512], part[600];
  double x[30], y[10];
  for (int i = 0; i < 30; i++) x[i] = sample_normal(1, (uint64_t)i);
  for (int i = 0; i < 10; i++) y[i] = i % 3;
  sample_write("fault.h5", "/x", H5T_IEEE_F64LE, 2, (hsize_t[]){10, 3}, NULL, 0, x);
  sample_write("fault.h5", "/y", H5T_IEEE_F64LE, 1, (hsize_t[]){10}, NULL, 0, y);
  sample_bytes("fault.csv", "1,2\n3,4\n", 8);
  sample_path("fault.h5", path);
  sample_path("fault.csv", text);
  sample_path("model.h5", model);
  snprintf(part, sizeof part, "%s.nke-part", model);
  const nke_data_spec spec = {.file = path, .x = "/x", .y = "/y", .row_begin = 0, .row_end = -1};
  assert_int_equal(nke_dataset_open(MPI_COMM_WORLD, &spec, &train), NKE_OK);
  fail_every_allocation(fit_preprocess, 10);
  fail_every_allocation(fit_classes, 4);
  fail_every_allocation(fit_means, 3);
  fail_every_allocation(open_text, 5);
  fail_every_allocation(save_model, 5);
  MPI_Barrier(MPI_COMM_WORLD);
  assert_int_not_equal(access(part, F_OK), 0);
  assert_int_equal(access(model, F_OK), 0);
  fail_every_allocation(load_model, 4);
  nke_dataset_close(&train);
}

static int remove_samples(void **state)
{
  (void)state;
  sample_remove();
  return 0;
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_teardown(test_allocations, remove_samples),
};

NKE_TEST_MAIN(tests)
