/* Seconds of CPU an image, and the share of the counted operations, of the gated random features of a Myrtle network.
 * Usage: bench_features [PRESET [ACTIVATION [IMAGES [WIDTH...]]]], default myrtle5 relu 20 2048 2048 8192 16384. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/features.h"

#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>

static nke_status run(int argc, char **argv)
{
  nke_status st = NKE_OK;
  const char *const preset = argc > 1 ? argv[1] : "myrtle5", *const name = argc > 2 ? argv[2] : "relu";
  const int images = argc > 3 ? atoi(argv[3]) : 20;
  nke_embedding_options options = {.kernel = NKE_KERNEL_NTK, .method = "random_features", .seed = 1, .n_widths = 4,
                                   .widths = {2048, 2048, 8192, 16384}};
  if (argc > 4) options.n_widths = 0;
  for (int i = 4; i < argc && options.n_widths < NKE_MAX_WIDTHS; i++) options.widths[options.n_widths++] = atoll(argv[i]);
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  const int64_t d = nke_shape_length(shape);
  nke_activation act;
  nke_network *network = NULL;
  nke_features *features = NULL;
  double *x = NULL, best = 1e30;
  void *z = NULL;
  NKE_TRY(nke_activation_init(&act, name, 0, NULL, NULL));
  NKE_TRY(nke_network_preset(preset, &act, &network));
  NKE_TRY(nke_network_shape(network, shape));
  const double start = cpu_seconds();
  NKE_TRY(nke_features_create(network, &options, &features));
  const double plan = cpu_seconds() - start;
  NKE_TRY(nke_alloc(d, sizeof *x, "image", &x));
  NKE_TRY(nke_alloc(nke_features_length(features), 4, "features", &z));
  for (int64_t i = 0; i < d; i++) x[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
  for (int i = 0; i < images; i++) {
    const double t = cpu_seconds();
    NKE_TRY(nke_features_apply(features, 1, x, z));
    const double seconds = cpu_seconds() - t;
    best = seconds < best ? seconds : best;
  }
  const double flops = nke_features_flops_per_row(features);
  printf("%s %s: m = %lld, plan %.2f s, %.1f MiB, best of %d: %.4f s an image, %.3f GFlop, %.1f GFlop/s\n", preset, name,
         (long long)nke_features_length(features), plan, (double)nke_features_bytes(features) / 1048576, images, best,
         flops * 1e-9, flops * 1e-9 / best);
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
  const nke_status st = run(argc, argv);
  if (st != NKE_OK) fprintf(stderr, "bench_features: %s\n", nke_error_text());
  MPI_Finalize();
  return nke_status_exit_code(st);
}
