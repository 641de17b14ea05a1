/* Gated random features against closed forms written out here, and the properties every embedding must have. */
#include "kernel/features.h"

#include "base/memory.h"
#include "base/rng.h"
#include "kernel/exact.h"
#include "kernel/layers.h"
#include "support/mpi_main.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static nke_embedding_options options_of(nke_kernel_kind kernel, int64_t features, uint64_t seed)
{
  return (nke_embedding_options){.kernel = kernel, .method = "random_features", .features = features, .seed = seed};
}

static nke_network *network_of(const char *preset, const char *name, nke_shape shape)
{
  nke_activation act;
  nke_network *network;
  assert_int_equal(nke_activation_init(&act, name, 0, NULL, NULL), NKE_OK);
  assert_int_equal(nke_network_preset(preset, &act, &network), NKE_OK);
  assert_int_equal(nke_network_shape(network, shape), NKE_OK);
  return network;
}

static double normal(uint32_t what, int64_t i)
{
  return nke_random_normal(7, nke_stream(NKE_STREAM_TEST, what), (uint64_t)i);
}

/* Mean and standard error over seeds of <z(x), z(y)>. */
static void estimate(const nke_network *network, nke_embedding_options options, int seeds, const double *xy, double *mean,
                     double *error)
{
  double sum = 0, sum2 = 0;
  for (int s = 0; s < seeds; s++) {
    nke_features *f;
    double *z;
    options.seed = (uint64_t)(1000 + s);
    options.precision = NKE_DOUBLE;
    if (nke_features_create(network, &options, &f) != NKE_OK) fail_msg("%s", nke_error_text());
    const int64_t m = nke_features_length(f);
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
  *error = sqrt((sum2 / seeds - *mean * *mean) / (seeds - 1));
}

/* Arc-cosine kernels [Cho and Saul 2009] through two hidden layers, then a last dense layer; w^2 = 2, bias b^2. */
static void relu_net(const double s[3], double b2, double *nngp, double *ntk)
{
  double q = 2 * s[0] + b2, r = 2 * s[1] + b2, k = 2 * s[2] + b2, theta = k;
  for (int layer = 0; layer < 2; layer++) {
    const double rho = k / sqrt(q * r), angle = acos(rho);
    const double kappa1 = (sqrt(1 - rho * rho) + (pi - angle) * rho) / (2 * pi), kappa0 = (pi - angle) / (2 * pi);
    k = sqrt(q * r) * kappa1;
    theta *= kappa0;
    q /= 2;
    r /= 2;
    q = 2 * q + b2;
    r = 2 * r + b2;
    k = 2 * k + b2;
    theta = 2 * theta + k;
  }
  *nngp = k;
  *ntk = theta;
}

static nke_network *dense_net(double b_std, int64_t d)
{
  nke_activation relu;
  nke_network *network;
  assert_int_equal(nke_activation_init(&relu, "relu", 0, NULL, NULL), NKE_OK);
  assert_int_equal(nke_network_create(&network), NKE_OK);
  for (int i = 0; i < 3; i++) {
    const nke_layer dense = nke_layer_dense(sqrt(2), b_std), act = nke_layer_activation(&relu);
    assert_int_equal(nke_network_append(network, &dense), NKE_OK);
    if (i < 2) assert_int_equal(nke_network_append(network, &act), NKE_OK);
  }
  assert_int_equal(nke_network_shape(network, (nke_shape){.height = 1, .width = 1, .channels = d}), NKE_OK);
  return network;
}

static void dense_relu_means_match_the_arc_cosine_kernels(void **state)
{
  (void)state;
  enum { D = 37, SEEDS = 60 };
  double xy[2 * D], s[3] = {0, 0, 0};
  for (int i = 0; i < D; i++) {
    xy[i] = normal(1, i);
    xy[D + i] = 0.6 * xy[i] + 0.5 * normal(2, i);
    s[0] += xy[i] * xy[i] / D;
    s[1] += xy[D + i] * xy[D + i] / D;
    s[2] += xy[i] * xy[D + i] / D;
  }
  for (int bias = 0; bias < 2; bias++) {
    const double b = bias ? 0.7 : 0;
    double nngp, ntk, mean, error;
    relu_net(s, b * b, &nngp, &ntk);
    nke_network *network = dense_net(b, D);
    estimate(network, options_of(NKE_KERNEL_NNGP, 2000, 0), SEEDS, xy, &mean, &error);
    /* A bias of order 1 / m is part of the method beyond one layer; 5 standard errors fail once in 10^6. */
    assert_true(fabs(mean - nngp) < 5 * error + 2e-3 * nngp);
    assert_true(error < 0.01 * nngp);
    estimate(network, options_of(NKE_KERNEL_NTK, 4000, 0), SEEDS, xy, &mean, &error);
    assert_true(fabs(mean - ntk) < 5 * error + 2e-3 * ntk);
    assert_true(error < 0.01 * ntk);
    nke_network_destroy(&network);
  }
}

/* E cos(u) cos(v) = exp(-(q + r) / 2) cosh(k): no bias of the projections, however few columns they see. */
static void cos_means_of_few_columns_match_their_kernel(void **state)
{
  (void)state;
  enum { MOST = 16, SEEDS = 60 };
  nke_activation act;
  assert_int_equal(nke_activation_init(&act, "cos", 0, NULL, NULL), NKE_OK);
  const nke_layer layers[] = {nke_layer_dense(1, 0), nke_layer_activation(&act)};
  for (int d = 1; d <= MOST; d *= 4) {
    double xy[2 * MOST], q = 0, r = 0, k = 0, mean, error;
    nke_network *network;
    assert_int_equal(nke_network_create(&network), NKE_OK);
    for (int l = 0; l < 2; l++) assert_int_equal(nke_network_append(network, &layers[l]), NKE_OK);
    assert_int_equal(nke_network_shape(network, (nke_shape){.height = 1, .width = 1, .channels = d}), NKE_OK);
    for (int i = 0; i < d; i++) {
      xy[i] = 1.3;
      xy[d + i] = i % 3 == 1 ? -1.1 : 1.2;
      q += xy[i] * xy[i] / d;
      r += xy[d + i] * xy[d + i] / d;
      k += xy[i] * xy[d + i] / d;
    }
    estimate(network, options_of(NKE_KERNEL_NNGP, 8192, 0), SEEDS, xy, &mean, &error);
    const double exact = exp(-(q + r) / 2) * cosh(k);
    if (fabs(mean - exact) > 5 * error + 2e-3) fail_msg("%d columns: %g +- %g, expected %g", d, mean, error, exact);
    nke_network_destroy(&network);
  }
}

/* ---- against the exact kernels: entries add up in the trace, so that few seeds tell a bias ---- */

enum { ROWS = 3, MAX_ENTRIES = 64 };

static nke_layer dense_layer(void)
{
  return nke_layer_dense(sqrt(2), 0.1);
}

static void shape_to(nke_network *network, nke_shape input)
{
  if (nke_network_shape(network, input) != NKE_OK) fail_msg("%s", nke_error_text());
}

static double exact_trace(const nke_network *network, nke_kernel_kind kernel, const double *x)
{
  nke_exact *exact;
  double *norms, nngp[ROWS], ntk[ROWS], sum = 0;
  assert_int_equal(nke_exact_create(network, NKE_DOUBLE, 0, &exact), NKE_OK);
  assert_int_equal(nke_alloc(ROWS * nke_exact_norms_length(exact), sizeof *norms, "norms", &norms), NKE_OK);
  assert_int_equal(nke_exact_norms(exact, ROWS, x, norms), NKE_OK);
  assert_int_equal(nke_exact_diagonal(exact, ROWS, x, norms, nngp, ntk), NKE_OK);
  for (int i = 0; i < ROWS; i++) sum += kernel == NKE_KERNEL_NTK ? ntk[i] : nngp[i];
  nke_free(norms);
  nke_exact_destroy(&exact);
  return sum;
}

static double features_trace(const nke_network *network, const nke_embedding_options *options, const double *x)
{
  nke_features *f;
  double *z, sum = 0;
  if (nke_features_create(network, options, &f) != NKE_OK) fail_msg("%s", nke_error_text());
  const int64_t m = nke_features_length(f);
  assert_true(options->features == 0 || options->features == m);
  assert_int_equal(nke_alloc(ROWS * m, sizeof *z, "z", &z), NKE_OK);
  assert_int_equal(nke_features_apply(f, ROWS, x, z), NKE_OK);
  for (int64_t i = 0; i < ROWS * m; i++) sum += z[i] * z[i];
  nke_free(z);
  nke_features_destroy(&f);
  return sum;
}

/* Rows of entries of size `scale`: 5 standard errors, and a hundredth for the bias of order 1 / m; one seed's error is
 * at most `noise`. */
static void check_trace_at(double scale, const char *what, const nke_network *network, nke_embedding_options options,
                           int seeds, double noise)
{
  double x[ROWS * MAX_ENTRIES], sum = 0, sum2 = 0;
  const int64_t d = nke_shape_length(network->input);
  assert_true(d <= MAX_ENTRIES);
  for (int64_t i = 0; i < ROWS * d; i++) x[i] = scale * normal(8, i);
  const double exact = exact_trace(network, options.kernel, x);
  options.precision = NKE_DOUBLE;
  for (int s = 0; s < seeds; s++) {
    options.seed = (uint64_t)(2000 + s);
    const double ratio = features_trace(network, &options, x) / exact;
    sum += ratio;
    sum2 += ratio * ratio;
  }
  const double mean = sum / seeds, deviation = sqrt((sum2 / seeds - mean * mean) * seeds / (seeds - 1));
  if (fabs(mean - 1) > 5 * deviation / sqrt(seeds) + 0.01 || deviation > noise)
    fail_msg("%s, %s of %lld: %g of the exact trace, %g from seed to seed", what, options.method,
             (long long)options.features, mean, deviation);
}

static void check_trace(const char *what, const nke_network *network, nke_embedding_options options, int seeds,
                        double noise)
{
  check_trace_at(1, what, network, options, seeds, noise);
}

/* A sum over pixels keeps every feature, whatever the width. */
static void flattened_features_have_the_exact_trace(void **state)
{
  (void)state;
  const nke_layer layers[] = {nke_layer_conv(3, sqrt(2), 0.1), relu_layer(), nke_layer_simple(NKE_LAYER_FLATTEN),
                              dense_layer()};
  static const int64_t features[] = {2100, 2048};
  nke_network *network = network_made_of(4, layers);
  shape_to(network, (nke_shape){.axes = 2, .height = 3, .width = 3, .channels = 3});
  for (int i = 0; i < 2; i++) {
    check_trace("nngp, flatten", network, options_of(NKE_KERNEL_NNGP, features[i], 0), 20, 0.05);
    check_trace("ntk, flatten", network, options_of(NKE_KERNEL_NTK, 2 * features[i], 0), 20, 0.05);
  }
  nke_network_destroy(&network);
}

static nke_layer residual_of(int n_branch, const nke_layer *branch, int n_shortcut, const nke_layer *shortcut)
{
  nke_layer residual = nke_layer_simple(NKE_LAYER_RESIDUAL);
  residual.branch = network_made_of(n_branch, branch);
  if (shortcut) residual.shortcut = network_made_of(n_shortcut, shortcut);
  return residual;
}

/* dense, relu, dense beside dense. */
static nke_layer wide_residual(void)
{
  const nke_layer layers[] = {dense_layer(), relu_layer(), dense_layer()};
  return residual_of(3, layers, 1, layers);
}

/* The last linear layer behind no activation of its own: z is as long as was asked for, and holds Theta and Sigma. */
static void sums_before_the_last_layer_have_the_exact_trace(void **state)
{
  (void)state;
  const nke_shape input = {.height = 1, .width = 1, .channels = 20};
  const nke_layer raw[] = {wide_residual(), dense_layer()};
  const nke_layer late[] = {dense_layer(), relu_layer(), wide_residual(), dense_layer()};
  const nke_layer norm[] = {dense_layer(), relu_layer(), dense_layer(), nke_layer_simple(NKE_LAYER_LAYERNORM),
                            dense_layer()};
  nke_network *const networks[] = {network_made_of(2, raw), network_made_of(4, late), network_made_of(5, norm)};
  static const char *const names[] = {"residual", "relu, residual", "relu, layernorm"};
  static const int64_t features[] = {2048, 1500};
  for (int i = 0; i < 3; i++) {
    shape_to(networks[i], input);
    for (int j = 0; j < 2; j++) check_trace(names[i], networks[i], options_of(NKE_KERNEL_NTK, features[j], 0), 20, 0.1);
  }
  nke_embedding_options options = options_of(NKE_KERNEL_NTK, 0, 0);
  options.n_widths = 2;
  static const int64_t widths[][2] = {{1024, 256}, {512, 800}, {1024, 512}, {700, 256}};
  for (int i = 0; i < 4; i++) {
    options.widths[0] = widths[i][0];
    options.widths[1] = widths[i][1];
    options.features = 0;
    check_trace("widths", networks[1], options, 20, 0.1);
    options.features = 2 * nke_max(options.widths[0], options.widths[1]) * 3 / 4;
    check_trace("widths, three quarters of S", networks[1], options, 20, 0.1);
    options.features = widths[i][0];
    nke_features *f;
    assert_int_equal(nke_features_create(networks[1], &options, &f), NKE_ERR_USAGE);
    assert_null(f);
  }
  for (int i = 0; i < 3; i++) {
    nke_network *network = networks[i];
    nke_network_destroy(&network);
  }
}

/* The NTK where linear layers follow one another: Theta and Sigma are made of the same features there. */
static void linear_layers_in_a_row_have_the_exact_trace(void **state)
{
  (void)state;
  static const char *const methods[] = {"random_features", "tensorsketch"};
  const nke_layer dense = dense_layer(), relu = relu_layer(), norm = nke_layer_simple(NKE_LAYER_LAYERNORM);
  const nke_layer branch[] = {relu, dense, relu, dense};
  const nke_layer plain[] = {dense, relu, dense, relu, dense};
  const nke_layer normed[] = {dense, norm, dense, relu, dense};
  const nke_layer both[] = {residual_of(1, &dense, 1, &dense), dense, relu, dense};
  const nke_layer twice[] = {dense, relu, dense, dense, dense, relu, dense};
  const nke_layer last[] = {dense, relu, dense, norm, dense, relu, dense, norm, dense, dense};
  const nke_layer resnet[] = {dense, relu, dense, residual_of(4, branch, 1, &dense), relu, dense};
  const nke_layer conv = nke_layer_conv(3, sqrt(2), 0.1), conv_branch[] = {relu, conv};
  const nke_layer images[] = {conv, relu, conv, residual_of(2, conv_branch, 1, &conv),
                              norm, conv, relu, nke_layer_simple(NKE_LAYER_FLATTEN),
                              dense};
  const nke_shape vector = {.height = 1, .width = 1, .channels = 20};
  const nke_shape image = {.axes = 2, .height = 3, .width = 3, .channels = 3};
  const struct {
    const char *what;
    int n;
    const nke_layer *layers;
    nke_shape shape;
  } cases[] = {{"plain", 5, plain, vector},          {"layer norm", 5, normed, vector},
               {"residual, dense", 4, both, vector}, {"three in a row", 7, twice, vector},
               {"the last two", 10, last, vector},   {"residual block", 6, resnet, vector},
               {"convolutions", 9, images, image}};
  for (int i = 0; i < 7; i++) {
    nke_network *network = network_made_of(cases[i].n, cases[i].layers);
    shape_to(network, cases[i].shape);
    for (int m = 0; m < 2; m++) {
      nke_embedding_options options = options_of(NKE_KERNEL_NTK, 2048, 0);
      options.method = methods[m];
      options.degree = 30;
      check_trace(cases[i].what, network, options, 20, 0.2);
    }
    nke_network_destroy(&network);
  }
}

/* What is random before the activations behind it, or is summed up with the same shifts twice, does not average out with
 * the width: layer norms and sums of the data's own features, and convolutions in a row. */
static void the_error_falls_with_the_width_whatever_precedes_an_activation(void **state)
{
  (void)state;
  static const char *const methods[] = {"random_features", "tensorsketch"};
  const nke_layer conv = nke_layer_conv(3, sqrt(2), 0.1), relu = relu_layer(), dense = dense_layer();
  const nke_layer norm = nke_layer_simple(NKE_LAYER_LAYERNORM), flat = nke_layer_simple(NKE_LAYER_FLATTEN);
  const nke_layer branch[] = {relu, conv};
  const nke_layer normed[] = {conv, norm, flat, dense, relu, dense};
  const nke_layer summed[] = {conv, residual_of(1, &conv, 0, NULL), flat, dense, relu, dense};
  const nke_layer mixed[] = {conv, residual_of(2, branch, 0, NULL), flat, dense, relu, dense};
  const nke_layer twice[] = {conv, relu, conv, conv, relu, flat, dense};
  const struct {
    const char *what;
    int n;
    const nke_layer *layers;
  } cases[] = {{"a norm of the data's", 6, normed}, {"a sum of the data's", 6, summed},
               {"the data's beside relu", 6, mixed}, {"convolutions in a row", 7, twice}};
  for (int i = 0; i < 4; i++) {
    nke_network *network = network_made_of(cases[i].n, cases[i].layers);
    shape_to(network, (nke_shape){.axes = 2, .height = 4, .width = 4, .channels = 3});
    for (int m = 0; m < 2; m++)
      for (int kernel = NKE_KERNEL_NNGP; kernel <= NKE_KERNEL_NTK; kernel++) {
        nke_embedding_options options = options_of((nke_kernel_kind)kernel, 16384, 0);
        options.method = methods[m];
        options.degree = 30;
        check_trace(cases[i].what, network, options, 8, 0.05);
      }
    nke_network_destroy(&network);
  }
}

/* Nothing random happens: the trace is exact. */
static void a_network_without_activations_has_its_exact_trace(void **state)
{
  (void)state;
  const nke_layer dense = nke_layer_dense(sqrt(2), 0), layers[] = {dense, nke_layer_simple(NKE_LAYER_LAYERNORM), dense};
  nke_network *network = network_made_of(3, layers);
  shape_to(network, (nke_shape){.height = 1, .width = 1, .channels = 20});
  check_trace("no activation", network, options_of(NKE_KERNEL_NTK, 0, 0), 2, 1e-10);
  check_trace("no activation", network, options_of(NKE_KERNEL_NNGP, 0, 0), 2, 1e-10);
  check_trace_at(1e-7, "variances below the epsilon of layernorm", network, options_of(NKE_KERNEL_NTK, 0, 0), 2, 1e-10);
  nke_network_destroy(&network);
}

/* Features of one row, of `precision`. */
static void features_of(nke_features *f, int64_t n, const double *x, void *z)
{
  assert_int_equal(nke_features_apply(f, n, x, z), NKE_OK);
}

static void a_row_does_not_depend_on_its_neighbours(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  enum { D = 32 * 32 * 3, MANY = 5 };
  static double x[MANY * D];
  for (int i = 0; i < MANY * D; i++) x[i] = normal(3, i);
  nke_network *network = network_of("myrtle5", "gelu", shape);
  nke_embedding_options options = options_of(NKE_KERNEL_NTK, 600, 5);
  options.flip = options.scale_to_exact = 1;
  nke_features *f, *g;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  assert_int_equal(nke_features_create(network, &options, &g), NKE_OK);
  static float all[MANY * 600], one[600];
  features_of(f, MANY, x, all);
  for (int r = MANY - 1; r >= 0; r--) {
    features_of(g, 1, x + r * D, one);
    assert_memory_equal(one, all + r * 600, sizeof one);
  }
  nke_features_destroy(&f);
  nke_features_destroy(&g);
  nke_network_destroy(&network);
}

/* Nor on the norms of the rows before it, by which the series of the polynomial sketches are made. */
static void a_series_does_not_depend_on_the_rows_before(void **state)
{
  (void)state;
  enum { MANY = 40, M = 64 };
  double x[MANY], all[MANY * M], one[M];
  for (int i = 0; i < MANY; i++) x[i] = exp(normal(4, i));
  nke_network *network = network_of("fc1", "sin", (nke_shape){.height = 1, .width = 1, .channels = 1});
  nke_embedding_options options = options_of(NKE_KERNEL_NTK, M, 5);
  nke_features *f, *g;
  options.method = "polysketch";
  options.precision = NKE_DOUBLE;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  assert_int_equal(nke_features_create(network, &options, &g), NKE_OK);
  features_of(f, MANY, x, all);
  for (int r = MANY - 1; r >= 0; r--) {
    features_of(g, 1, x + r, one);
    assert_memory_equal(one, all + r * M, sizeof one);
  }
  nke_features_destroy(&f);
  nke_features_destroy(&g);
  nke_network_destroy(&network);
}

static void single_precision_follows_double(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 2};
  enum { D = 32 * 32 * 2, M = 256 };
  const char *const names[] = {"relu", "leaky_relu", "erf", "gelu", "sin", "cos", "rbf", "gaussian", "tanh",
                               "sigmoid", "sigmoid_like", "silu", "softplus", "exp_normalized", "elu", "mish"};
  double x[D], z[M];
  float w[M];
  for (int i = 0; i < D; i++) x[i] = normal(4, i);
  for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
    nke_network *network = network_of("myrtle5", names[a], shape);
    nke_embedding_options options = options_of(NKE_KERNEL_NTK, M, 9);
    nke_features *f;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    if (nke_features_apply(f, 1, x, w) != NKE_OK) fail_msg("%s: %s", names[a], nke_error_text());
    nke_features_destroy(&f);
    options.precision = NKE_DOUBLE;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    features_of(f, 1, x, z);
    nke_features_destroy(&f);
    double norm = 0, worst = 0;
    for (int i = 0; i < M; i++) {
      norm += z[i] * z[i];
      worst = fmax(worst, fabs(z[i] - (double)w[i]));
    }
    if (!(worst < 2e-5 * sqrt(norm))) fail_msg("%s: float and double differ by %g of %g", names[a], worst, sqrt(norm));
    nke_network_destroy(&network);
  }
}

/* Of rows so large that float does not know their phase sines still are sines: within [-1, 1], 1/2 in mean square. */
static void single_precision_bounds_the_sines_of_large_rows(void **state)
{
  (void)state;
  enum { D = 8, M = 1024 };
  const char *const names[] = {"sin", "cos", "rbf"};
  double x[D];
  float z[M];
  nke_embedding_options options = options_of(NKE_KERNEL_NNGP, M, 9);
  options.precision = NKE_SINGLE;
  for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
    nke_network *network = network_of("fc1", names[a], (nke_shape){.height = 1, .width = 1, .channels = D});
    nke_features *f;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    for (double size = 1e5; size < 1e14; size *= 10) {
      for (int i = 0; i < D; i++) x[i] = size * normal(8, i);
      if (nke_features_apply(f, 1, x, z) != NKE_OK) fail_msg("%s of %g: %s", names[a], size, nke_error_text());
      double norm = 0;
      for (int i = 0; i < M; i++) norm += (double)z[i] * (double)z[i];
      /* w^2 = 2, and sqrt 2 sin for rbf */
      const double expected = a == 2 ? 2 : 1;
      if (!(fabs(norm / expected - 1) < 0.25)) fail_msg("%s of %g: norm %g, not %g", names[a], size, norm, expected);
    }
    nke_features_destroy(&f);
    nke_network_destroy(&network);
  }
}

static void the_flip_average_is_flip_invariant(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  enum { W = 32, C = 3, D = W * W * C, M = 512 };
  double x[D], flipped[D];
  for (int i = 0; i < D; i++) x[i] = normal(5, i);
  for (int p = 0; p < W * W; p++)
    for (int c = 0; c < C; c++) flipped[(p / W * W + W - 1 - p % W) * C + c] = x[p * C + c];
  nke_network *network = network_of("myrtle5", "relu", shape);
  nke_embedding_options options = options_of(NKE_KERNEL_NTK, M, 11);
  options.flip = 1;
  nke_features *f;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  float z[M], w[M];
  features_of(f, 1, x, z);
  features_of(f, 1, flipped, w);
  assert_memory_equal(z, w, sizeof z);
  nke_features_destroy(&f);
  nke_network_destroy(&network);
}

static void scaling_gives_each_row_its_exact_kernel(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  enum { D = 32 * 32 * 3, M = 300 };
  double x[2 * D], exact[2], z[2 * M];
  for (int i = 0; i < 2 * D; i++) x[i] = normal(6, i);
  nke_network *network = network_of("myrtle5", "relu", shape);
  for (int flip = 0; flip < 2; flip++) {
    nke_embedding_options options = options_of(NKE_KERNEL_NTK, M, 3);
    options.precision = NKE_DOUBLE;
    options.scale_to_exact = 1;
    options.flip = flip;
    nke_features *f;
    nke_exact *e;
    double *norms;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    assert_int_equal(nke_exact_create(network, NKE_DOUBLE, flip, &e), NKE_OK);
    assert_int_equal(nke_alloc(2 * nke_exact_norms_length(e), sizeof *norms, "norms", &norms), NKE_OK);
    assert_int_equal(nke_exact_norms(e, 2, x, norms), NKE_OK);
    assert_int_equal(nke_exact_diagonal(e, 2, x, norms, NULL, exact), NKE_OK);
    features_of(f, 2, x, z);
    for (int row = 0; row < 2; row++) {
      double norm = 0;
      for (int i = 0; i < M; i++) norm += z[row * M + i] * z[row * M + i];
      assert_true(fabs(norm / exact[row] - 1) < 1e-12);
    }
    nke_free(norms);
    nke_exact_destroy(&e);
    nke_features_destroy(&f);
  }
  nke_network_destroy(&network);
}

/* Rows are scaled together, each as by itself; of activations without code for vectors of rows too. */
static void scaled_rows_do_not_depend_on_their_neighbours(void **state)
{
  (void)state;
  enum { MANY = 37, D = 5, M = 64 };
  static const char *const names[] = {"relu", "gelu", "exp_normalized", "sin", "tanh"};
  double x[MANY * D];
  for (int i = 0; i < MANY * D; i++) x[i] = normal(9, i) * exp(normal(10, i / D));
  for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
    nke_network *network = network_of("fc2", names[a], (nke_shape){.height = 1, .width = 1, .channels = D});
    nke_embedding_options options = options_of(a % 2 ? NKE_KERNEL_NNGP : NKE_KERNEL_NTK, M, 5);
    options.scale_to_exact = 1;
    nke_features *f;
    assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
    float all[MANY * M], one[M];
    features_of(f, MANY, x, all);
    for (int r = MANY - 1; r >= 0; r--) {
      features_of(f, 1, x + r * D, one);
      assert_memory_equal(one, all + r * M, sizeof one);
    }
    nke_features_destroy(&f);
    nke_network_destroy(&network);
  }
}

static void a_row_that_cannot_be_scaled_is_named(void **state)
{
  (void)state;
  enum { MANY = 20, BAD = 18, M = 64 };
  double x[MANY];
  float z[MANY * M];
  for (int i = 0; i < MANY; i++) x[i] = i == BAD ? 100 : 1;
  nke_network *network = network_of("fc1", "exp", (nke_shape){.height = 1, .width = 1, .channels = 1});
  nke_embedding_options options = options_of(NKE_KERNEL_NTK, M, 5);
  options.scale_to_exact = 1;
  nke_features *f;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  assert_int_equal(nke_features_apply(f, MANY, x, z), NKE_ERR_NUMERIC);
  if (!strstr(nke_error_text(), "of row 18 of a block: ")) fail_msg("%s", nke_error_text());
  nke_features_destroy(&f);
  nke_network_destroy(&network);
}

static void scaling_counts_as_work(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  nke_network *network = network_of("myrtle5", "relu", shape);
  for (int flip = 0; flip < 2; flip++) {
    nke_embedding_options options = options_of(NKE_KERNEL_NTK, 300, 3);
    double flops[2];
    int64_t bytes[2];
    options.flip = flip;
    for (int scale = 0; scale < 2; scale++) {
      nke_features *f;
      options.scale_to_exact = scale;
      assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
      flops[scale] = nke_features_flops_per_row(f);
      bytes[scale] = nke_features_bytes(f);
      nke_features_destroy(&f);
    }
    nke_exact *e;
    assert_int_equal(nke_exact_create(network, options.precision, flip, &e), NKE_OK);
    assert_true(flops[1] - flops[0] == nke_exact_flops_per_pair(e));
    assert_true(bytes[1] - bytes[0] >= nke_exact_norms_length(e) * (int64_t)sizeof(double));
    nke_exact_destroy(&e);
  }
  nke_network_destroy(&network);
}

static void wrong_options_are_refused(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 2, .height = 32, .width = 32, .channels = 3};
  nke_network *network = network_of("myrtle5", "relu", shape);
  nke_features *f;
  nke_embedding_options options = options_of(NKE_KERNEL_NTK, 513, 1);
  assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
  assert_null(f);
  options.features = 512;
  options.n_widths = 3;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
  options.n_widths = 4;
  options.widths[0] = options.widths[1] = options.widths[2] = options.widths[3] = 128;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
  options.features = 256;
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  nke_features_destroy(&f);
  options.method = "magic";
  assert_int_equal(nke_features_create(network, &options, &f), NKE_ERR_USAGE);
  double x[32 * 32 * 3] = {0};
  float z[256];
  x[5] = NAN;
  options.method = "random_features";
  assert_int_equal(nke_features_create(network, &options, &f), NKE_OK);
  assert_int_equal(nke_features_apply(f, 1, x, z), NKE_ERR_NUMERIC);
  nke_features_destroy(&f);
  for (int64_t k = 1;; k++) {
    nke_alloc_fail_at(k);
    const nke_status st = nke_features_create(network, &options, &f);
    nke_alloc_fail_at(0);
    nke_features_destroy(&f);
    if (st == NKE_OK) break;
    assert_int_equal(st, NKE_ERR_MEMORY);
  }
  nke_network_destroy(&network);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(dense_relu_means_match_the_arc_cosine_kernels),
  cmocka_unit_test(cos_means_of_few_columns_match_their_kernel),
  cmocka_unit_test(flattened_features_have_the_exact_trace),
  cmocka_unit_test(sums_before_the_last_layer_have_the_exact_trace),
  cmocka_unit_test(a_network_without_activations_has_its_exact_trace),
  cmocka_unit_test(linear_layers_in_a_row_have_the_exact_trace),
  cmocka_unit_test(the_error_falls_with_the_width_whatever_precedes_an_activation),
  cmocka_unit_test(a_row_does_not_depend_on_its_neighbours),
  cmocka_unit_test(a_series_does_not_depend_on_the_rows_before),
  cmocka_unit_test(single_precision_follows_double),
  cmocka_unit_test(single_precision_bounds_the_sines_of_large_rows),
  cmocka_unit_test(the_flip_average_is_flip_invariant),
  cmocka_unit_test(scaling_gives_each_row_its_exact_kernel),
  cmocka_unit_test(scaled_rows_do_not_depend_on_their_neighbours),
  cmocka_unit_test(a_row_that_cannot_be_scaled_is_named),
  cmocka_unit_test(scaling_counts_as_work),
  cmocka_unit_test(wrong_options_are_refused),
};

NKE_TEST_MAIN(tests)
