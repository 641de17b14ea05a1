/* The k-th allocation fails on the last rank only, for every k (or every STRIDE-th), in every command: all ranks get the
 * same status, nothing hangs, no half-written file is left, and what was there before survives. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "run/cli.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], config[128], model[128], data[128], out[128];
static int rank, ranks;

static nke_status run(int n, const char *const *words)
{
  nke_cli cli;
  char *arguments[8];
  for (int i = 0; i < n; i++) memcpy(&arguments[i], &words[i], sizeof *words);
  nke_status st = nke_cli_parse(n, arguments, &cli);
  st = nke_agree(MPI_COMM_WORLD, st);
  if (st == NKE_OK) st = nke_cli_run(MPI_COMM_WORLD, &cli);
  nke_cli_clear(&cli);
  return st;
}

static void assert_same_everywhere(nke_status st, int k)
{
  int extremes[2] = {(int)st, -(int)st};
  MPI_Allreduce(MPI_IN_PLACE, extremes, 2, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (extremes[0] != -extremes[1]) print_message("allocation %d: status %d on rank %d\n", k, (int)st, rank);
  assert_int_equal(extremes[0], -extremes[1]);
}

/* No temporary file in the folder. */
static void assert_no_parts(const char *path)
{
  DIR *list = opendir(path);
  if (!list) return;
  for (struct dirent *entry; (entry = readdir(list)) != NULL;) assert_null(strstr(entry->d_name, ".nke-part"));
  closedir(list);
}

static int64_t bytes_of(const char *path)
{
  struct stat info;
  return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

static void fail_allocations(int n, const char *const *words, int least)
{
  int left = 0, stride = 1;
  const int64_t model_bytes = bytes_of(model);
  nke_status st = NKE_OK;
  int k = 1;
  for (; !left; k += stride) {
    if (ranks > 1 && k > 150) stride = 1 + k / 30; /* most are the texts of a config, all alike */
    if (rank == ranks - 1) nke_alloc_fail_at(k);
    st = run(n, words);
    if (rank == ranks - 1) left = nke_alloc_fail_at(0) > 0;
    MPI_Bcast(&left, 1, MPI_INT, ranks - 1, MPI_COMM_WORLD);
    assert_same_everywhere(st, k);
    if (st != NKE_OK) {
      if (st != NKE_ERR_MEMORY) print_message("%s: allocation %d: %s\n", words[1], k, nke_error_text());
      assert_int_equal(st, NKE_ERR_MEMORY);
      assert_non_null(strstr(nke_error_text(), "out of memory"));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    assert_no_parts(folder);
    assert_no_parts(out);
    if (model_bytes > 0) assert_int_equal(bytes_of(model), model_bytes);
    MPI_Barrier(MPI_COMM_WORLD);
  }
  assert_int_equal(st, NKE_OK);
  if (rank == 0) print_message("%s: up to allocation %d\n", words[1], k);
  assert_true(k > least);
}

static void write_config(void)
{
  FILE *file = fopen(config, "w");
  assert_non_null(file);
  fprintf(file,
          "run: {out: %s}\n"
          "data:\n"
          "  train: {file: %s, x: /train/x, y: /train/y}\n"
          "  test: {file: %s, x: /test/x, y: /test/y}\n"
          "  task: regression\n"
          "  preprocess: [standardize, {zca: 0.1}]\n"
          "network: [dense, {activation: relu}, dense]\n"
          "embedding: {features: 16}\n"
          "solver: {lambda: [1e-3, 1e-2]}\n"
          "kernel: {tile: 8}\n"
          "synth: {file: %s, n: 61, d: 5, n_test: 7, hidden: [4]}\n",
          out, data, data, data);
  fclose(file);
}

static int make_folder(void **state)
{
  (void)state;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  snprintf(folder, sizeof folder, "/tmp/nke-faults-XXXXXX");
  if (rank == 0 && !mkdtemp(folder)) return 1;
  MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  snprintf(config, sizeof config, "%s/case.yaml", folder);
  snprintf(data, sizeof data, "%s/data.h5", folder);
  snprintf(out, sizeof out, "%s/out", folder);
  snprintf(model, sizeof model, "%s/out/model.h5", folder);
  if (rank == 0) write_config();
  MPI_Barrier(MPI_COMM_WORLD);
  return 0;
}

static int remove_folder(void **state)
{
  (void)state;
  char command[128];
  MPI_Barrier(MPI_COMM_WORLD);
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return rank == 0 ? system(command) : 0;
}

static void test_commands(void **state)
{
  (void)state;
  const char *const folds = "--set=solver.select={kfold: 3}";
  char predictions[128];
  snprintf(predictions, sizeof predictions, "--out=%s/p.h5", folder);
  fail_allocations(3, (const char *[]){"nke", "synth", config}, 10);
  fail_allocations(3, (const char *[]){"nke", "fit", config}, 50);
  fail_allocations(4, (const char *[]){"nke", "fit", config, "--set=embedding.features=128"}, 50); /* dual */
  fail_allocations(4, (const char *[]){"nke", "fit", config, folds}, 50);
  fail_allocations(5, (const char *[]){"nke", "fit", config, folds, "--set=embedding.features=128"}, 50);
  fail_allocations(5, (const char *[]){"nke", "fit", config, folds, "--set=solver.type=lsqr"}, 50);
  fail_allocations(3, (const char *[]){"nke", "embed", config}, 30);
  fail_allocations(5, (const char *[]){"nke", "predict", model, data, predictions}, 30);
  fail_allocations(3, (const char *[]){"nke", "kernel", config}, 30);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup_teardown(test_commands, make_folder, remove_folder),
};

NKE_TEST_MAIN(tests)
