/* Rates of the sketches on one core: the Hadamard transform against the rate at which the same loop of additions runs
 * in registers, the base sketches and the trees per application, sparse rows per non-zero, and the polynomial
 * embeddings per Myrtle-5 image. Usage: bench_sketch [FEATURES], FEATURES of the embeddings, default 1024. CPU time;
 * the best of several trials. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/features.h"
#include "num/fwht.h"
#include "sketch/polysketch.h"
#include "sketch/tensor_srht.h"
#include "sketch/tensorsketch.h"
#include "limit.h"

#include <stdio.h>
#include <stdlib.h>

static double seconds_of_fwht(float *x, int64_t n)
{
  double best = 1e30;
  const int64_t repeats = ((int64_t)1 << 24) / n / 8 + 1;
  for (int trial = 0; trial < 7; trial++) {
    for (int64_t i = 0; i < n; i++) x[i] = (float)(i % 7) - 3;
    const double start = cpu_seconds();
    for (int64_t k = 0; k < repeats; k++) nke_fwht_f32(x, n);
    const double seconds = (cpu_seconds() - start) / (double)repeats;
    best = seconds < best ? seconds : best;
  }
  return best;
}

static nke_status bench_fwht(void)
{
  nke_status st = NKE_OK;
  float *x = NULL;
  const double limit = additions_per_second(3, 10);
  printf("additions from registers: %.1f GFlop/s\n", 1e-9 * limit);
  NKE_TRY(nke_alloc((int64_t)1 << 22, sizeof *x, "vector", &x));
  for (int bits = 5; bits <= 22; bits++) {
    const int64_t n = (int64_t)1 << bits;
    const double seconds = seconds_of_fwht(x, n), rate = (double)n * bits / seconds;
    printf("fwht 2^%-2d %10.2f us %6.1f GFlop/s %5.2f of the limit\n", bits, 1e6 * seconds, 1e-9 * rate, rate / limit);
  }
done:
  nke_free(x);
  return st;
}

typedef void apply(void *plan, const float *x, float *y);

static void apply_sketch(void *plan, const float *x, float *y) { nke_sketch_apply(plan, x, y); }
static void apply_tensor(void *plan, const float *x, float *y) { nke_tensor_srht_apply(plan, x, x, y); }
static void apply_count(void *plan, const float *x, float *y) { nke_tensorsketch_powers(plan, x, y); }
static void apply_poly(void *plan, const float *x, float *y) { nke_polysketch_apply(plan, x, y); }

static void report(const char *what, apply *f, void *plan, double flops, const float *x, float *y)
{
  double best = 1e30;
  for (int trial = 0; trial < 7; trial++) {
    const double start = cpu_seconds();
    for (int k = 0; k < 20; k++) f(plan, x, y);
    const double seconds = (cpu_seconds() - start) / 20;
    best = seconds < best ? seconds : best;
  }
  printf("%-44s %9.2f us %6.1f GFlop/s\n", what, 1e6 * best, 1e-9 * flops / best);
}

static nke_status bench_sketches(int64_t n, int64_t m, int q)
{
  static const nke_sketch_kind *const kinds[] = {&nke_sketch_countsketch, &nke_sketch_osnap, &nke_sketch_srht,
                                                 &nke_sketch_srft};
  nke_status st = NKE_OK;
  nke_draws draws = {1, 0};
  nke_sketch *sketch = NULL;
  nke_tensor_srht *tensor = NULL;
  nke_tensorsketch *count = NULL;
  nke_polysketch *poly = NULL;
  float *x = NULL, *y = NULL;
  char what[64];
  NKE_TRY(nke_alloc(n, sizeof *x, "row", &x));
  NKE_TRY(nke_alloc(q * m, sizeof *y, "sketch", &y));
  for (int64_t i = 0; i < n; i++) x[i] = (float)nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    NKE_TRY(nke_sketch_create(kinds[k], NKE_SINGLE, n, m, &draws, &sketch));
    snprintf(what, sizeof what, "%s %lld -> %lld", kinds[k]->name, (long long)n, (long long)m);
    report(what, apply_sketch, sketch, nke_sketch_flops(sketch), x, y);
    nke_sketch_destroy(&sketch);
  }
  NKE_TRY(nke_tensor_srht_create(NKE_SINGLE, n, n, m, &draws, &tensor));
  report("tensor srht", apply_tensor, tensor, 2 * nke_tensor_srht_flops(tensor, 0) + 2 * (double)m, x, y);
  NKE_TRY(nke_tensorsketch_create(NKE_SINGLE, q, n, m, &draws, &count));
  report("tensorsketch, all powers to 8", apply_count, count, nke_tensorsketch_flops(count), x, y);
  NKE_TRY(nke_polysketch_create(&nke_sketch_srht, NKE_SINGLE, q, n, m, &draws, &poly));
  report("polysketch tree, all powers to 8", apply_poly, poly, nke_polysketch_flops(poly), x, y);
done:
  nke_sketch_destroy(&sketch);
  nke_tensor_srht_destroy(&tensor);
  nke_tensorsketch_destroy(&count);
  nke_polysketch_destroy(&poly);
  nke_free(x);
  nke_free(y);
  return st;
}

/* Rows of 100 non-zeros among 2^20 columns to 4096 features, until `nnz` of them are done. */
static nke_status bench_sparse(const nke_sketch_kind *kind, int64_t nnz)
{
  enum { A_ROW = 100, ROWS = 1000, M = 4096 };
  nke_status st = NKE_OK;
  nke_draws draws = {1, 0};
  nke_sketch *sketch = NULL;
  int64_t *index = NULL;
  float *value = NULL, y[M];
  NKE_TRY(nke_sketch_create(kind, NKE_SINGLE, 1 << 20, M, &draws, &sketch));
  NKE_TRY(nke_alloc(ROWS * A_ROW, sizeof *index, "columns", &index));
  NKE_TRY(nke_alloc(ROWS * A_ROW, sizeof *value, "values", &value));
  for (int64_t k = 0; k < ROWS * A_ROW; k++) {
    index[k] = (int64_t)(nke_random_uniform(1, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)k) * (1 << 20));
    value[k] = (float)(k % 5) - 2;
  }
  const double start = cpu_seconds();
  for (int64_t row = 0; row < nnz / A_ROW; row++)
    nke_sketch_apply_sparse(sketch, A_ROW, index + row % ROWS * A_ROW, value + row % ROWS * A_ROW, y);
  const double seconds = cpu_seconds() - start;
  printf("%-12s %10lld non-zeros: %8.3f s, %5.2f ns each\n", kind->name, (long long)nnz, seconds,
         1e9 * seconds / (double)nnz);
done:
  nke_free(index);
  nke_free(value);
  nke_sketch_destroy(&sketch);
  return st;
}

static nke_status bench_method(const char *method, int64_t length)
{
  nke_status st = NKE_OK;
  nke_activation relu;
  nke_network *network = NULL;
  nke_features *features = NULL;
  double *x = NULL;
  float *z = NULL;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  const nke_embedding_options options = {
    .kernel = NKE_KERNEL_NTK, .method = method, .features = length, .degree = 8, .seed = 1};
  NKE_TRY(nke_activation_init(&relu, "relu", 0, NULL, NULL));
  NKE_TRY(nke_network_preset("myrtle5", &relu, &network));
  NKE_TRY(nke_network_shape(network, shape));
  NKE_TRY(nke_features_create(network, &options, &features));
  NKE_TRY(nke_alloc(nke_shape_length(shape), sizeof *x, "image", &x));
  NKE_TRY(nke_alloc(length, sizeof *z, "features", &z));
  for (int64_t i = 0; i < nke_shape_length(shape); i++)
    x[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
  double best = 1e30;
  for (int trial = 0; trial < 3; trial++) {
    const double start = cpu_seconds();
    NKE_TRY(nke_features_apply(features, 1, x, z));
    const double seconds = cpu_seconds() - start;
    best = seconds < best ? seconds : best;
  }
  const double flops = nke_features_flops_per_row(features);
  printf("myrtle5 relu ntk, %-16s %lld features: %8.4f s an image, %7.3f GFlop, %5.1f GFlop/s, %.0f MiB\n", method,
         (long long)length, best, 1e-9 * flops, 1e-9 * flops / best, (double)nke_features_bytes(features) / 1048576);
done:
  nke_free(x);
  nke_free(z);
  nke_features_destroy(&features);
  nke_network_destroy(&network);
  return st;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  nke_status st = NKE_OK;
  const int64_t length = argc > 1 ? atoll(argv[1]) : 1024;
  NKE_TRY(bench_fwht());
  NKE_TRY(bench_sketches(2048, 2048, 8));
  NKE_TRY(bench_sketches(18432, 2048, 8));
  for (int64_t nnz = 100000; nnz <= 100000000; nnz *= 10) {
    NKE_TRY(bench_sparse(&nke_sketch_countsketch, nnz));
    NKE_TRY(bench_sparse(&nke_sketch_osnap, nnz));
  }
  NKE_TRY(bench_method("random_features", length));
  NKE_TRY(bench_method("tensorsketch", length));
  NKE_TRY(bench_method("polysketch", length));
done:
  if (st != NKE_OK) fprintf(stderr, "bench_sketch: %s\n", nke_error_text());
  MPI_Finalize();
  return nke_status_exit_code(st);
}
