/* Images are made a few rows at a time: the features of tall images against the exact kernels, where filters, strides,
 * poolings and sums ask for the rows of the layers before in every way they can. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/exact.h"
#include "kernel/features.h"
#include "kernel/layers.h"
#include "support/mpi_main.h"

#include <math.h>

enum { ROWS = 4, HEIGHT = 13, WIDTH = 5, CHANNELS = 3, D = HEIGHT * WIDTH * CHANNELS, MOST_LAYERS = 12 };

/* Image rows of very different size, so that one taken for another shows. */
static void make_images(double *x)
{
  for (int i = 0; i < ROWS * D; i++) {
    const int y = i % D / (WIDTH * CHANNELS);
    x[i] = (1 + 3 * y % 5) * nke_random_normal(7, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)i);
  }
}

static nke_layer conv_layer(nke_padding padding, int stride)
{
  nke_layer conv = nke_layer_conv(3, sqrt(2), 0.1);
  conv.padding = padding;
  conv.stride_h = conv.stride_w = stride;
  return conv;
}

static void exact_kernel(const nke_network *network, nke_kernel_kind kernel, const double *x, double *k)
{
  nke_exact *exact;
  double *norms, nngp[ROWS * ROWS], ntk[ROWS * ROWS];
  assert_int_equal(nke_exact_create(network, NKE_DOUBLE, 0, &exact), NKE_OK);
  assert_int_equal(nke_alloc(ROWS * nke_exact_norms_length(exact), sizeof *norms, "norms", &norms), NKE_OK);
  assert_int_equal(nke_exact_norms(exact, ROWS, x, norms), NKE_OK);
  assert_int_equal(nke_exact_block(exact, ROWS, x, norms, ROWS, x, norms, nngp, ntk, ROWS), NKE_OK);
  for (int i = 0; i < ROWS * ROWS; i++) k[i] = kernel == NKE_KERNEL_NTK ? ntk[i] : nngp[i];
  nke_free(norms);
  nke_exact_destroy(&exact);
}

/* Relative Frobenius error of the features' Gram matrix, seeds averaged. */
static double error_of(const nke_network *network, nke_embedding_options options, const double *x, const double *k)
{
  enum { SEEDS = 24 };
  double gram[ROWS * ROWS] = {0}, error = 0, size = 0;
  for (int s = 0; s < SEEDS; s++) {
    nke_features *f;
    double *z;
    options.seed = (uint64_t)(100 + s);
    if (nke_features_create(network, &options, &f) != NKE_OK) fail_msg("%s", nke_error_text());
    const int64_t m = nke_features_length(f);
    assert_int_equal(nke_alloc(ROWS * m, sizeof *z, "z", &z), NKE_OK);
    assert_int_equal(nke_features_apply(f, ROWS, x, z), NKE_OK);
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < ROWS; j++)
        for (int64_t c = 0; c < m; c++) gram[i * ROWS + j] += z[i * m + c] * z[j * m + c] / SEEDS;
    nke_free(z);
    nke_features_destroy(&f);
  }
  for (int i = 0; i < ROWS * ROWS; i++) {
    error += (gram[i] - k[i]) * (gram[i] - k[i]);
    size += k[i] * k[i];
  }
  return sqrt(error / size);
}

typedef struct net {
  const char *what;
  int n;
  nke_layer layers[MOST_LAYERS];
} net;

static void rows_made_when_asked_for_give_the_kernel(void **state)
{
  (void)state;
  const nke_layer conv = conv_layer(NKE_PAD_SAME, 1), stride = conv_layer(NKE_PAD_SAME, 2);
  const nke_layer valid = conv_layer(NKE_PAD_VALID, 1), circular = conv_layer(NKE_PAD_CIRCULAR, 1);
  const nke_layer relu = relu_layer(), flat = nke_layer_simple(NKE_LAYER_FLATTEN), dense = nke_layer_dense(1, 0.1);
  const nke_layer mean = nke_layer_simple(NKE_LAYER_GLOBAL_AVGPOOL), norm = nke_layer_simple(NKE_LAYER_LAYERNORM);
  const nke_layer two = nke_layer_avgpool(2), three = nke_layer_avgpool(3);
  const nke_layer block[] = {relu, conv, relu, conv, relu, conv}; /* rows far ahead of the sum's */
  nke_layer residual = nke_layer_simple(NKE_LAYER_RESIDUAL), shortcut = nke_layer_simple(NKE_LAYER_RESIDUAL);
  residual.branch = network_made_of(6, block);
  residual.shortcut = network_made_of(0, NULL);
  shortcut.branch = network_made_of(2, block);
  shortcut.shortcut = network_made_of(1, &conv);
  const net nets[] = {
      {"poolings that leave rows over", 9, {conv, relu, conv, relu, three, conv, relu, flat, dense}},
      {"two poolings", 10, {conv, relu, conv, relu, two, conv, relu, two, flat, dense}},
      {"strides", 8, {conv, relu, stride, relu, conv, relu, mean, dense}},
      {"no padding", 8, {valid, relu, valid, relu, conv, relu, flat, dense}},
      {"circular", 8, {circular, relu, circular, relu, circular, relu, mean, dense}},
      {"layer norms", 10, {conv, norm, relu, conv, norm, relu, conv, relu, mean, dense}},
      {"convolutions in a row", 8, {conv, relu, conv, conv, relu, two, flat, dense}},
      {"sums with what came before", 8, {conv, relu, conv, residual, relu, two, flat, dense}},
      {"sums with a convolution", 9, {conv, relu, conv, shortcut, relu, conv, relu, mean, dense}},
  };
  static double x[ROWS * D];
  make_images(x);
  for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
    nke_network *network = network_made_of(nets[i].n, nets[i].layers);
    const nke_shape shape = {.axes = 2, .height = HEIGHT, .width = WIDTH, .channels = CHANNELS};
    if (nke_network_shape(network, shape) != NKE_OK) fail_msg("%s", nke_error_text());
    for (int kernel = NKE_KERNEL_NNGP; kernel <= NKE_KERNEL_NTK; kernel++) {
      const nke_embedding_options options = {
          .kernel = (nke_kernel_kind)kernel, .method = "random_features", .features = 4096, .precision = NKE_DOUBLE};
      double k[ROWS * ROWS];
      exact_kernel(network, options.kernel, x, k);
      const double error = error_of(network, options, x, k);
      print_message("%s, %s: %.4f\n", nets[i].what, kernel == NKE_KERNEL_NTK ? "NTK" : "NNGP", error);
      if (!(error < 0.03)) fail_msg("%s, kernel %d: %g", nets[i].what, kernel, error);
    }
    nke_network_destroy(&network);
  }
}

/* What is kept of a tall image is not the image. */
static void a_taller_image_takes_little_more_memory(void **state)
{
  (void)state;
  const nke_layer conv = conv_layer(NKE_PAD_SAME, 1), relu = relu_layer();
  const nke_layer layers[] = {conv,
                              relu,
                              conv,
                              relu,
                              nke_layer_avgpool(2),
                              conv,
                              relu,
                              nke_layer_simple(NKE_LAYER_GLOBAL_AVGPOOL),
                              nke_layer_dense(1, 0)};
  int64_t bytes[2];
  for (int i = 0; i < 2; i++) {
    nke_features *f;
    nke_network *network = network_made_of(9, layers);
    const nke_shape shape = {.axes = 2, .height = 16 << (2 * i), .width = 8, .channels = 3};
    nke_embedding_options options = {
        .kernel = NKE_KERNEL_NTK, .method = "random_features", .n_widths = 3, .widths = {512, 512, 512}, .seed = 1};
    assert_int_equal(nke_network_shape(network, shape), NKE_OK);
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    bytes[i] = nke_features_bytes(f);
    nke_features_destroy(&f);
    nke_network_destroy(&network);
  }
  assert_true(bytes[1] < 3 * bytes[0] / 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rows_made_when_asked_for_give_the_kernel),
    cmocka_unit_test(a_taller_image_takes_little_more_memory),
};

NKE_TEST_MAIN(tests)
