/* A program of a user of libnke: trains on rows in memory, unevenly spread over the ranks, and uses what came out.
 * consumer FOLDER METHOD: the model goes to FOLDER/model.h5; rows, scores and classes of new rows as doubles to FOLDER/x, ... */
#include <nke.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 300, N_NEW = 150, D = 6, CLASSES = 3, N_KERNEL = 40 };

static void must(nke_status status, const char *what)
{
  if (status == NKE_OK) return;
  fprintf(stderr, "%s: status %d: %s\n", what, (int)status, nke_error_text());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static void check(int good, const char *what)
{
  if (good) return;
  fprintf(stderr, "not so: %s\n", what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static double uniform(uint64_t i)
{
  i = (i + 1) * 0x9E3779B97F4A7C15u;
  i = (i ^ (i >> 30)) * 0xBF58476D1CE4E5B9u;
  i = (i ^ (i >> 27)) * 0x94D049BB133111EBu;
  return (double)((i ^ (i >> 31)) >> 11) * 0x1p-53 - 0.5;
}

/* Row r and its class, 5, 6 or 7: the third of the circle that the first two columns point to. */
static void make_rows(int first, int n, double *x, double *y)
{
  for (int r = 0; r < n; r++) {
    for (int j = 0; j < D; j++) x[r * D + j] = uniform((uint64_t)((first + r) * D + j)) * (j < 2 ? 2 : 0.5);
    const double angle = atan2(x[r * D + 1], x[r * D]) + 3.15;
    y[r] = 5 + floor(angle / 2.11);
  }
}

static void write_doubles(const char *folder, const char *name, long n, const double *values)
{
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *const file = fopen(path, "wb");
  check(file && fwrite(values, sizeof *values, (size_t)n, file) == (size_t)n && fclose(file) == 0, path);
}

static nke_config *make_config(const char *folder, const char *method)
{
  static const char text[] = "data: {preprocess: [standardize]}\n"
                             "network: {preset: fc2, activation: relu}\n"
                             "embedding: {kernel: ntk, features: 4096}\n"
                             "solver: {lambda: [1e-3, 1e-2, 1e-1]}\n";
  char out[4096];
  snprintf(out, sizeof out, "run.out=%s", folder);
  char embedding[64];
  snprintf(embedding, sizeof embedding, "embedding.method=%s", method);
  const char *const sets[] = {out, embedding};
  nke_config *config = NULL;
  must(nke_config_parse("consumer", text, 2, sets, &config), "config");
  return config;
}

static void check_embedding(nke_config *config)
{
  nke_embedding *e = NULL;
  must(nke_embedding_create(MPI_COMM_WORLD, config, &e), "embedding");
  const long m = (long)nke_embedding_features(e);
  check(nke_embedding_row_length(e) == D && m == 4096 && nke_embedding_is_single(e), "4096 float features of rows of 6");
  static double x[N_KERNEL * D], y[N_KERNEL], ntk[N_KERNEL * N_KERNEL], part[N_KERNEL * 7], diagonal[N_KERNEL];
  float *const z = malloc((size_t)(N_KERNEL * m) * sizeof *z);
  make_rows(1000, N_KERNEL, x, y);
  must(nke_embedding_apply(e, N_KERNEL, x, z), "features");
  must(nke_embedding_kernel(e, N_KERNEL, x, 0, NULL, NULL, ntk), "kernel");
  must(nke_embedding_kernel(e, N_KERNEL, x, 7, x, NULL, part), "block of the kernel");
  double error = 0, norm = 0, apart = 0;
  for (int i = 0; i < N_KERNEL; i++)
    for (int j = 0; j < N_KERNEL; j++) {
      double sketched = 0;
      for (long f = 0; f < m; f++) sketched += (double)z[i * m + f] * (double)z[j * m + f];
      const double exact = ntk[i * N_KERNEL + j];
      error += (sketched - exact) * (sketched - exact);
      norm += exact * exact;
      if (j < 7 && i != j) apart = fmax(apart, fabs(part[i * 7 + j] - exact));
      if (i == j) diagonal[i] = exact;
      check(exact == ntk[j * N_KERNEL + i], "a symmetric kernel");
    }
  check(sqrt(error / norm) < 0.15, "Z Z' within 15 % of the exact kernel"); /* 5 to 11 % over twelve seeds */
  check(apart < 1e-4 * diagonal[0], "a block equal to its part of the whole");
  x[3 * D + 1] = NAN;
  check(nke_embedding_apply(e, N_KERNEL, x, z) == NKE_ERR_DATA && strstr(nke_error_text(), "row 3, column 1"),
        "a NaN refused by row and column");
  free(z);
  nke_embedding_destroy(&e);
  check(e == NULL, "a destroyed handle is NULL");
}

static void check_model(const char *folder, int rank)
{
  char path[4096];
  static double x[N_NEW * D], y[N_NEW], scores[N_NEW * CLASSES], class[N_NEW], only[N_NEW];
  nke_predictor *model = NULL;
  snprintf(path, sizeof path, "%s/none.h5", folder);
  check(nke_predictor_load(MPI_COMM_WORLD, path, &model) == NKE_ERR_DATA && !model, "a missing model refused");
  snprintf(path, sizeof path, "%s/model.h5", folder);
  must(nke_predictor_load(MPI_COMM_WORLD, path, &model), "model");
  check(nke_predictor_row_length(model) == D && nke_predictor_count(model) == CLASSES, "a model of 3 classes");
  make_rows(N, N_NEW, x, y);
  must(nke_predictor_apply(model, N_NEW, x, scores, class), "prediction");
  must(nke_predictor_apply(model, N_NEW, x, NULL, only), "classes only");
  check(nke_predictor_apply(model, -1, x, scores, class) == NKE_ERR_USAGE, "less than no rows refused");
  check(nke_predictor_apply(model, 1, NULL, scores, class) == NKE_ERR_USAGE, "no rows at all refused");
  check(memcmp(class, only, sizeof class) == 0, "classes with and without scores");
  int right = 0;
  for (int i = 0; i < N_NEW; i++) right += class[i] == y[i];
  check(right > 0.85 * N_NEW, "85 % of new rows right");
  nke_predictor_destroy(&model);
  if (rank != 0) return;
  write_doubles(folder, "x", N_NEW * D, x);
  write_doubles(folder, "scores", N_NEW * CLASSES, scores);
  write_doubles(folder, "class", N_NEW, class);
}

/* What is not there is refused, on all ranks where only one passes it; handles that are not there are freed. */
static void check_missing(nke_config *config, int rank)
{
  static const char *const none[] = {NULL};
  double x[D] = {0}, out[CLASSES];
  nke_config *other = config;
  nke_predictor *model = NULL;
  nke_embedding *e = NULL;
  check(nke_config_parse("bad", NULL, 0, NULL, &other) == NKE_ERR_USAGE && !other, "a config of no text refused");
  check(nke_config_parse("bad", "", 1, none, &other) == NKE_ERR_USAGE && !other, "a set without text refused");
  check(nke_config_read(MPI_COMM_WORLD, rank == 0 ? "" : NULL, 0, NULL, &other) == NKE_ERR_USAGE, "no path refused");
  check(nke_config_set_rows(config, NKE_ROWS_TRAIN, 1, 1, NULL, x, 1, x) == NKE_ERR_USAGE, "rows of no shape refused");
  check(nke_config_fit(MPI_COMM_WORLD, rank == 0 ? NULL : config, 1) == NKE_ERR_USAGE, "a fit of nothing refused");
  check(nke_predictor_load(MPI_COMM_WORLD, NULL, &model) == NKE_ERR_USAGE, "a model of no path refused");
  check(nke_predictor_apply(model, 1, x, out, NULL) == NKE_ERR_USAGE && strstr(nke_error_text(), "predictor"),
        "a prediction without a model refused");
  check(nke_embedding_create(MPI_COMM_WORLD, NULL, &e) == NKE_ERR_USAGE, "an embedding of nothing refused");
  check(nke_embedding_apply(e, 1, x, out) == NKE_ERR_USAGE, "features without an embedding refused");
  check(nke_embedding_kernel(e, 1, x, 0, NULL, out, NULL) == NKE_ERR_USAGE, "a kernel without an embedding refused");
  nke_config_destroy(NULL);
  nke_predictor_destroy(NULL);
  nke_embedding_destroy(NULL);
}

int main(int argc, char **argv)
{
  int rank, size;
  static double x[N * D], y[N];
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  check(argc == 3 && strlen(nke_version()) > 0, "usage: consumer FOLDER METHOD");
  const int exact = strcmp(argv[2], "none") == 0;
  nke_config *config = NULL;
  check(nke_config_parse("bad", "run: {sed: 1}", 0, NULL, &config) == NKE_ERR_USAGE && strstr(nke_error_text(), "sed"),
        "an unknown key refused by name");
  config = make_config(argv[1], argv[2]);
  check_missing(config, rank);
  /* The last rank has what the others leave; the others have 77 rows each. */
  const int first = rank * 77, n = rank == size - 1 ? N - first : 77;
  make_rows(first, n, x, y);
  must(nke_config_set_rows(config, NKE_ROWS_TRAIN, n, 1, (int64_t[]){D}, x, 1, y), "rows");
  must(nke_config_fit(MPI_COMM_WORLD, config, 1), "fit");
  must(nke_config_fit(MPI_COMM_WORLD, config, 1), "fit again");
  check_model(argv[1], rank);
  if (exact) {
    nke_embedding *e = NULL;
    check(nke_embedding_create(MPI_COMM_WORLD, config, &e) == NKE_ERR_USAGE && !e, "no features without a method");
  } else {
    check_embedding(config);
  }
  must(nke_config_set_rows(config, NKE_ROWS_TRAIN, n, 1, (int64_t[]){rank == 0 ? D : D - 1}, x, 1, y), "rows");
  check(size == 1 || nke_config_fit(MPI_COMM_WORLD, config, 1) == NKE_ERR_USAGE, "different rows on ranks refused");
  nke_config_destroy(&config);
  nke_config_destroy(&config);
  MPI_Finalize();
  return 0;
}
