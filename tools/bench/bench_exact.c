/* Milliseconds of one core for a pair's exact NNGP and NTK on 32 x 32 x 3 images, for every instruction set of this
 * CPU, and the share of the machine's rate of additions and fused multiply-adds that the counted operations reach.
 * Usage: bench_exact [PRESET [ACTIVATION [PAIRS [VARIANTS]]]], default: myrtle5, 7 and 10 with relu and gelu, 64 pairs,
 * all variants. CPU time. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/exact.h"
#include "limit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A pair's time as the number of additions of whole vectors that the core would do in it, measured around each trial:
 * of a clock that changes all the time it depends little. */
static nke_status time_variant(nke_exact *exact, const char *name, const char *act, int level, int64_t pairs,
                               const double *x, const double *norms, double *k)
{
  double best = 1e30, least = 1e30, limit = 0, before = additions_per_second(level, 3);
  for (int trial = 0; trial < 16; trial++) {
    const double start = cpu_seconds();
    const nke_status st = nke_exact_block(exact, pairs / 16, x, norms, 16, x, norms, k, k + pairs, 16);
    if (st != NKE_OK) return st;
    const double seconds = (cpu_seconds() - start) / (double)pairs, after = additions_per_second(level, 3);
    best = fmin(best, seconds);
    least = fmin(least, seconds * (before + after) / 2);
    limit = fmax(limit, after);
    before = after;
  }
  const double flops = nke_exact_flops_per_pair(exact);
  printf(
      "%-9s %-6s %-11s %8.3f ms a pair  %6.1f MFlop a pair  %6.1f GFlop/s  %5.2f M additions' time, %2.0f %% of %.0f "
      "GFlop/s\n",
      name, act, nke_exact_variant_name(exact), 1e3 * best, 1e-6 * flops, 1e-9 * flops / best, 1e-6 * least,
      100 * flops / 2 / least, 2e-9 * limit);
  return NKE_OK;
}

static nke_status bench(const char *name, const char *act_name, int64_t pairs, int variants)
{
  nke_status st = NKE_OK;
  nke_activation act;
  nke_network *network = NULL;
  nke_exact *exact = NULL;
  double *x = NULL, *norms = NULL, *k = NULL;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  const int64_t d = nke_shape_length(shape), rows = nke_max(pairs / 16, 16);
  NKE_TRY(nke_activation_init(&act, act_name, 0, NULL, NULL));
  NKE_TRY(nke_network_preset(name, &act, &network));
  NKE_TRY(nke_network_shape(network, shape));
  NKE_TRY(nke_exact_create(network, NKE_SINGLE, 0, &exact));
  NKE_TRY(nke_alloc(rows * d, sizeof *x, "images", &x));
  NKE_TRY(nke_alloc(rows * nke_exact_norms_length(exact), sizeof *norms, "norms", &norms));
  NKE_TRY(nke_alloc(2 * pairs, sizeof *k, "kernels", &k));
  for (int64_t i = 0; i < rows * d; i++) x[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
  const double start = cpu_seconds();
  NKE_TRY(nke_exact_norms(exact, rows, x, norms));
  printf("%-9s %-6s norms       %8.3f ms an image\n", name, act_name, 1e3 * (cpu_seconds() - start) / (double)rows);
  for (int v = 0; v < variants && nke_exact_choose_variant(exact, v) == NKE_OK; v++)
    NKE_TRY(time_variant(exact, name, act_name, 3 - v, pairs, x, norms, k));
done:
  nke_free(x);
  nke_free(norms);
  nke_free(k);
  nke_exact_destroy(&exact);
  nke_network_destroy(&network);
  return st;
}

static nke_status run(int argc, char **argv)
{
  static const char *const presets[] = {"myrtle5", "myrtle7", "myrtle10"}, *const acts[] = {"relu", "gelu"};
  const int64_t pairs = argc > 3 ? atoll(argv[3]) : 64;
  const int variants = argc > 4 ? atoi(argv[4]) : 3;
  if (argc > 1) return bench(argv[1], argc > 2 ? argv[2] : "relu", pairs, variants);
  nke_status st = NKE_OK;
  for (int k = 0; k < 6 && st == NKE_OK; k++) st = bench(presets[k % 3], acts[k / 3], pairs, variants);
  return st;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  const nke_status st = run(argc, argv);
  if (st != NKE_OK) fprintf(stderr, "bench_exact: %s\n", nke_error_text());
  MPI_Finalize();
  return nke_status_exit_code(st);
}
