/* The polynomial sketches (polysketch, tensorsketch) against the exact kernels: means over seeds, the rate in m, the
 * series of an activation, zero rows and refusals. */
#include "kernel/exact.h"
#include "kernel/features.h"
#include "kernel/series.h"

#include "base/memory.h"
#include "base/rng.h"
#include "num/hermite.h"
#include "sketch/sketch.h"
#include "support/mpi_main.h"

#include <malloc.h>
#include <math.h>
#include <string.h>

static nke_activation activation(const char *name)
{
  nke_activation act;
  assert_int_equal(nke_activation_init(&act, name, 0, NULL, NULL), NKE_OK);
  return act;
}

static void append(nke_network *network, nke_layer layer)
{
  assert_int_equal(nke_network_append(network, &layer), NKE_OK);
}

/* dense, act, dense, act, dense with biases, on vectors of 11 entries. */
static nke_network *dense_network(const char *name)
{
  const nke_activation act = activation(name);
  nke_network *network;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  append(network, nke_layer_dense(1.2, 0.3));
  append(network, nke_layer_activation(&act));
  append(network, nke_layer_dense(1.1, 0.2));
  append(network, nke_layer_activation(&act));
  append(network, nke_layer_dense(1.3, 0.1));
  assert_int_equal(nke_network_shape(network, (nke_shape){.height = 1, .width = 1, .channels = 11}), NKE_OK);
  return network;
}

/* conv, residual (act, conv), act, pool, conv, act, flatten, dense on 5 x 4 x 2 images. */
static nke_network *conv_network(const char *name)
{
  const nke_activation act = activation(name);
  nke_network *network, *branch, *shortcut;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  assert_int_equal(nke_network_create(&branch), NKE_OK);
  assert_int_equal(nke_network_create(&shortcut), NKE_OK);
  append(network, nke_layer_conv(3, 1.2, 0.1));
  append(branch, nke_layer_activation(&act));
  append(branch, nke_layer_conv(3, 1.1, 0));
  nke_layer residual = nke_layer_simple(NKE_LAYER_RESIDUAL);
  residual.branch = branch;
  residual.shortcut = shortcut;
  append(network, residual);
  append(network, nke_layer_activation(&act));
  append(network, nke_layer_avgpool(2));
  append(network, nke_layer_conv(3, 1, 0.2));
  append(network, nke_layer_activation(&act));
  append(network, nke_layer_simple(NKE_LAYER_FLATTEN));
  append(network, nke_layer_dense(1.4, 0));
  if (nke_network_shape(network, (nke_shape){.axes = 2, .height = 5, .width = 4, .channels = 2}) != NKE_OK)
    fail_msg("%s", nke_error_text());
  return network;
}

static void rows(int64_t d, double *xy)
{
  for (int64_t i = 0; i < d; i++) {
    xy[i] = nke_random_normal(3, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)i);
    xy[d + i] = 0.7 * xy[i] + 0.6 * nke_random_normal(3, nke_stream(NKE_STREAM_TEST, 2), (uint64_t)i);
  }
}

static double exact_kernel(const nke_network *network, nke_kernel_kind kernel, const double *xy)
{
  const int64_t d = nke_shape_length(network->input);
  nke_exact *exact;
  double *norms, nngp, ntk;
  assert_int_equal(nke_exact_create(network, NKE_DOUBLE, 0, &exact), NKE_OK);
  const int64_t length = nke_exact_norms_length(exact);
  assert_int_equal(nke_alloc(2 * length, sizeof *norms, "norms", &norms), NKE_OK);
  assert_int_equal(nke_exact_norms(exact, 2, xy, norms), NKE_OK);
  assert_int_equal(nke_exact_block(exact, 1, xy, norms, 1, xy + d, norms + length, &nngp, &ntk, 1), NKE_OK);
  nke_free(norms);
  nke_exact_destroy(&exact);
  return kernel == NKE_KERNEL_NTK ? ntk : nngp;
}

/* Mean and variance over seeds of <z(x), z(y)>. */
static void estimate(const nke_network *network, nke_embedding_options options, int seeds, const double *xy,
                     double *mean, double *variance)
{
  double sum = 0, sum2 = 0;
  for (int s = 0; s < seeds; s++) {
    nke_features *f;
    double *z;
    options.seed = (uint64_t)(500 + s);
    if (nke_features_create(network, &options, &f) != NKE_OK) fail_msg("%s", nke_error_text());
    const int64_t m = nke_features_length(f);
    assert_int_equal(m, options.features);
    assert_int_equal(nke_alloc(2 * m, sizeof *z, "z", &z), NKE_OK);
    assert_int_equal(nke_features_apply(f, 2, xy, z), NKE_OK);
    double dot = 0;
    for (int64_t i = 0; i < m; i++) dot += z[i] * z[m + i];
    sum += dot;
    sum2 += dot * dot;
    nke_free(z);
    nke_features_destroy(&f);
  }
  *mean = sum / seeds;
  *variance = (sum2 / seeds - *mean * *mean) * seeds / (seeds - 1);
}

/* 5 standard errors, and `bias` for the series cut off and for the norms of sketched features (O(1/m) beyond one
 * layer). */
static void check(const nke_network *network, const char *method, nke_kernel_kind kernel, int degree, int64_t features,
                  int seeds, double bias)
{
  double xy[2 * 64], mean, variance;
  const int64_t d = nke_shape_length(network->input);
  rows(d, xy);
  const double expected = exact_kernel(network, kernel, xy);
  estimate(network,
           (nke_embedding_options){
             .kernel = kernel, .method = method, .features = features, .degree = degree, .precision = NKE_DOUBLE},
           seeds, xy, &mean, &variance);
  const double error = sqrt(variance / seeds);
  if (fabs(mean - expected) > 5 * error + bias * expected || error > 0.07 * expected)
    fail_msg("%s, kernel %d: mean %g, expected %g, standard error %g", method, (int)kernel, mean, expected, error);
}

static void dense_networks_match_the_exact_kernels(void **state)
{
  (void)state;
  static const char *const names[] = {"erf", "gelu", "sin", "exp_normalized"};
  for (int i = 0; i < 4; i++) {
    nke_network *network = dense_network(names[i]);
    for (nke_kernel_kind kernel = NKE_KERNEL_NNGP; kernel <= NKE_KERNEL_NTK; kernel++) {
      check(network, "tensorsketch", kernel, 12, 1000, 60, 0.01);
      check(network, "polysketch", kernel, 8, 2000, 40, 0.01);
    }
    nke_network_destroy(&network);
  }
}

static void convolutional_networks_match_the_exact_kernels(void **state)
{
  (void)state;
  nke_network *network = conv_network("erf");
  for (nke_kernel_kind kernel = NKE_KERNEL_NNGP; kernel <= NKE_KERNEL_NTK; kernel++) {
    check(network, "tensorsketch", kernel, 9, 512, 50, 0.01);
    check(network, "polysketch", kernel, 4, 500, 60, 0.02);
  }
  nke_network_destroy(&network);
}

/* Four times the features, a quarter of the variance; two variances of 150 seeds each are known to some 25 %. */
static void variance_falls_as_one_over_m(void **state)
{
  (void)state;
  static const char *const methods[] = {"tensorsketch", "polysketch"};
  double xy[2 * 11], mean, few, many;
  nke_network *network = dense_network("gelu");
  rows(11, xy);
  for (int i = 0; i < 2; i++) {
    nke_embedding_options options = {
      .kernel = NKE_KERNEL_NTK, .method = methods[i], .features = 128, .degree = 6, .precision = NKE_DOUBLE};
    estimate(network, options, 150, xy, &mean, &few);
    options.features = 512;
    estimate(network, options, 150, xy, &mean, &many);
    assert_true(few / many > 2 && few / many < 8);
  }
  nke_network_destroy(&network);
}

static void single_precision_follows_double(void **state)
{
  (void)state;
  static const char *const methods[] = {"tensorsketch", "polysketch"};
  enum { M = 96 };
  double x[2 * 40], z[M];
  float y[M];
  nke_network *network = conv_network("relu");
  rows(40, x);
  for (int i = 0; i < 2; i++) {
    nke_embedding_options options = {.kernel = NKE_KERNEL_NTK, .method = methods[i], .features = M, .seed = 4};
    nke_features *single, *twice;
    options.precision = NKE_SINGLE;
    assert_int_equal(nke_features_create(network, &options, &single), NKE_OK);
    options.precision = NKE_DOUBLE;
    assert_int_equal(nke_features_create(network, &options, &twice), NKE_OK);
    assert_true(nke_features_flops_per_row(single) > 0);
    assert_true(nke_features_bytes(twice) > nke_features_bytes(single));
    assert_int_equal(nke_features_apply(single, 1, x, y), NKE_OK);
    assert_int_equal(nke_features_apply(twice, 1, x, z), NKE_OK);
    double largest = 0;
    for (int j = 0; j < M; j++) largest = fmax(largest, fabs(z[j]));
    for (int j = 0; j < M; j++) assert_true(fabs((double)y[j] - z[j]) < 1e-4 * largest);
    /* The same row again, after another one: the same bits. */
    double again[M];
    assert_int_equal(nke_features_apply(twice, 1, x + 40, again), NKE_OK);
    assert_int_equal(nke_features_apply(twice, 1, x, again), NKE_OK);
    assert_memory_equal(z, again, sizeof z);
    nke_features_destroy(&single);
    nke_features_destroy(&twice);
  }
  nke_network_destroy(&network);
}

/* A dense layer more costs one sketch of Sigma, and with an NTK one of Theta, which has Sigma beside it. */
static void linear_layers_count_the_sketches_they_apply(void **state)
{
  (void)state;
  enum { M = 64 };
  for (int kernel = NKE_KERNEL_NNGP; kernel <= NKE_KERNEL_NTK; kernel++) {
    double flops[2], expected = 0;
    for (int more = 0; more < 2; more++) {
      const nke_activation relu = activation("relu");
      nke_network *network;
      nke_features *f;
      assert_int_equal(nke_network_create(&network), NKE_OK);
      append(network, nke_layer_dense(1, 0));
      append(network, nke_layer_activation(&relu));
      for (int i = 0; i <= more; i++) append(network, nke_layer_dense(1, 0));
      assert_int_equal(nke_network_shape(network, (nke_shape){.height = 1, .width = 1, .channels = 11}), NKE_OK);
      const nke_embedding_options options = {
          .kernel = (nke_kernel_kind)kernel, .method = "polysketch", .features = M, .degree = 3};
      assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
      flops[more] = nke_features_flops_per_row(f);
      nke_features_destroy(&f);
      nke_network_destroy(&network);
    }
    for (int i = 0; i <= kernel; i++) {
      nke_draws draws = {1, 0};
      nke_sketch *sketch;
      assert_int_equal(nke_sketch_create(&nke_sketch_srht, NKE_SINGLE, (i + 1) * M, M, &draws, &sketch), NKE_OK);
      expected += nke_sketch_flops(sketch);
      nke_sketch_destroy(&sketch);
    }
    assert_true(flops[1] - flops[0] == expected);
  }
}

static void a_zero_row_has_finite_features(void **state)
{
  (void)state;
  static const char *const methods[] = {"tensorsketch", "polysketch"}, *const names[] = {"relu", "erf", "sign", "abs"};
  double zero[40] = {0}, z[64];
  for (int i = 0; i < 8; i++) {
    nke_network *network = conv_network(names[i / 2]);
    nke_features *f;
    const nke_embedding_options options = {
      .kernel = NKE_KERNEL_NTK, .method = methods[i % 2], .features = 64, .precision = NKE_DOUBLE};
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    assert_int_equal(nke_features_apply(f, 1, zero, z), NKE_OK);
    nke_features_destroy(&f);
    nke_network_destroy(&network);
  }
}

/* Features of a row of three entries, where new memory is full of `fill`. */
static void features_with_memory_of(int fill, const nke_network *network, const char *method, double z[64])
{
  static const double x[3] = {0.3, -1.2, 0.8};
  const nke_embedding_options options = {
    .kernel = NKE_KERNEL_NTK, .method = method, .features = 64, .degree = 3, .precision = NKE_DOUBLE};
  nke_features *f;
  mallopt(M_PERTURB, fill);
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  assert_int_equal(nke_features_apply(f, 1, x, z), NKE_OK);
  mallopt(M_PERTURB, 0);
  nke_features_destroy(&f);
}

/* The transforms of three entries are longer than those; what lies behind them must not count. */
static void short_rows_read_no_memory_but_their_own(void **state)
{
  (void)state;
  static const char *const methods[] = {"tensorsketch", "polysketch"};
  nke_network *network = dense_network("relu");
  double z[64], y[64];
  assert_int_equal(nke_network_shape(network, (nke_shape){.height = 1, .width = 1, .channels = 3}), NKE_OK);
  for (int i = 0; i < 2; i++) {
    features_with_memory_of(0x55, network, methods[i], z);
    features_with_memory_of(0xc0, network, methods[i], y);
    assert_memory_equal(z, y, sizeof z);
  }
  nke_network_destroy(&network);
}

/* Interpolated coefficients against direct ones; folded ones have the full second moment; exp_normalized by hand. */
static void series_match_the_hermite_coefficients(void **state)
{
  (void)state;
  enum { Q = 6 };
  static const char *const names[] = {"gelu", "tanh", "relu", "abs"};
  double c[Q + 1], cdot[Q + 1], e[Q + 1], edot[Q + 1];
  nke_hermite_moments moments;
  for (int i = 0; i < 4; i++) {
    const nke_activation act = activation(names[i]);
    nke_series *series, *folded;
    assert_int_equal(nke_series_create(&act, Q, 0, &series), NKE_OK);
    assert_int_equal(nke_series_create(&act, Q, 1, &folded), NKE_OK);
    for (double s = 0; s < 8; s = s * 3 + 0.01) {
      assert_int_equal(nke_series_at(series, s, c, cdot), NKE_OK);
      assert_int_equal(nke_hermite_coefficients(&act, s, Q, e, edot, &moments), NKE_OK);
      const double size = sqrt(moments.second) + 1e-300, size_dot = sqrt(moments.second_dot) + 1e-300;
      for (int l = 0; l <= Q; l++) {
        assert_true(fabs(c[l] - e[l]) < 1e-6 * size);
        assert_true(fabs(cdot[l] - edot[l]) < 1e-6 * size_dot);
      }
      assert_int_equal(nke_series_at(folded, s, c, cdot), NKE_OK);
      double sum = 0, sum_dot = 0;
      for (int l = 0; l <= Q; l++) {
        sum += c[l] * c[l];
        sum_dot += cdot[l] * cdot[l];
      }
      assert_true(fabs(sum - moments.second) < 1e-5 * moments.second + 1e-300);
      assert_true(fabs(sum_dot - moments.second_dot) < 1e-5 * moments.second_dot + 1e-300);
    }
    nke_series_destroy(&series);
    nke_series_destroy(&folded);
  }
  const nke_activation exponential = activation("exp_normalized");
  nke_series *series;
  assert_int_equal(nke_series_create(&exponential, Q, 1, &series), NKE_OK);
  assert_int_equal(nke_series_at(series, 3, c, cdot), NKE_OK);
  const double gamma = exponential.param[0], shift = exponential.param[1];
  double sum = 0, sum_dot = 0;
  for (int l = 0; l <= Q; l++) {
    sum += c[l] * c[l];
    sum_dot += cdot[l] * cdot[l];
  }
  assert_true(fabs(sum - 9 * exp(gamma * (1 + shift))) < 1e-12 * sum);
  assert_true(fabs(sum_dot - gamma * exp(gamma * (1 + shift))) < 1e-12 * sum_dot);
  nke_series_destroy(&series);
}

static void wrong_options_and_full_memory_are_errors(void **state)
{
  (void)state;
  static const char *const methods[] = {"tensorsketch", "polysketch"};
  nke_network *network = dense_network("relu");
  for (int i = 0; i < 2; i++) {
    nke_embedding_options options = {.kernel = NKE_KERNEL_NTK, .method = methods[i], .features = 64, .degree = 65};
    nke_features *f = NULL;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
    options.degree = -1;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
    options.degree = 3;
    options.features = 0;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
    options.features = 64;
    nke_status st = NKE_ERR_MEMORY;
    for (int64_t k = 1; st != NKE_OK; k++) {
      nke_alloc_fail_at(k);
      st = nke_features_create(network, &options, &f);
      nke_alloc_fail_at(0);
      assert_true(st == NKE_OK || (st == NKE_ERR_MEMORY && f == NULL));
    }
    nke_features_destroy(&f);
  }
  nke_network_destroy(&network);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(dense_networks_match_the_exact_kernels),
  cmocka_unit_test(convolutional_networks_match_the_exact_kernels),
  cmocka_unit_test(variance_falls_as_one_over_m),
  cmocka_unit_test(single_precision_follows_double),
  cmocka_unit_test(linear_layers_count_the_sketches_they_apply),
  cmocka_unit_test(a_zero_row_has_finite_features),
  cmocka_unit_test(short_rows_read_no_memory_but_their_own),
  cmocka_unit_test(series_match_the_hermite_coefficients),
  cmocka_unit_test(wrong_options_and_full_memory_are_errors),
};

NKE_TEST_MAIN(tests)
