#include "kernel/exact.h"

#include "base/memory.h"
#include "base/rng.h"
#include "kernel/layers.h"
#include "kernel/plane_run.h"
#include "kernel/reference_kernel.h"
#include "support/mpi_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static nke_activation activation(nke_activation_kind kind, double a, double b)
{
  nke_activation act;
  memset(&act, 0, sizeof act);
  act.kind = kind;
  if (kind != NKE_ACT_RELU) {
    act.n_params = kind == NKE_ACT_ERF ? 3 : kind == NKE_ACT_GELU ? 0 : 2;
    act.param[0] = a;
    act.param[1] = b;
  }
  return act;
}

static nke_layer act_of(nke_activation_kind kind, double a, double b)
{
  const nke_activation act = activation(kind, a, b);
  return nke_layer_activation(&act);
}

static nke_layer relu(void)
{
  return act_of(NKE_ACT_RELU, 0, 1);
}

static nke_layer conv(int filter, int stride, nke_padding padding, double w, double b)
{
  nke_layer layer = nke_layer_conv(filter, w, b);
  layer.stride_h = layer.stride_w = stride;
  layer.padding = padding;
  return layer;
}

static nke_layer pool(int window, int stride)
{
  nke_layer layer = nke_layer_avgpool(window);
  layer.stride_h = layer.stride_w = stride;
  return layer;
}

enum { MAX_LAYERS = 16 };

static nke_network *shaped(int n, const nke_layer *layers, nke_shape shape)
{
  nke_network *network = network_made_of(n, layers);
  if (nke_network_shape(network, shape) != NKE_OK) fail_msg("%s", nke_error_text());
  return network;
}

static double *rows(int64_t n, nke_shape shape)
{
  const int64_t d = nke_shape_length(shape);
  double *x = malloc((size_t)(n * d) * sizeof *x);
  for (int64_t i = 0; i < n * d; i++) x[i] = nke_random_normal(7, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)i);
  return x;
}

static double *norms_of(const nke_exact *exact, int64_t n, const double *x)
{
  double *norms = malloc((size_t)(n * nke_exact_norms_length(exact) + 1) * sizeof *norms);
  if (nke_exact_norms(exact, n, x, norms) != NKE_OK) fail_msg("%s", nke_error_text());
  return norms;
}

static void close_within(double value, double expected, double bound, const char *what)
{
  if (!(fabs(value - expected) <= bound))
    fail_msg("%s: %.17g, expected %.17g (relative %.3g)", what, value, expected, value / expected - 1);
}

static void close_to(double value, double expected, double tolerance, const char *what)
{
  close_within(value, expected, tolerance * fabs(expected) + 1e-300, what);
}

/* Blocks, triangle and diagonal of a few rows against the plain recursion, for every variant of both precisions. */
static void agrees(const char *what, const nke_network *network, nke_shape shape)
{
  enum { N = 5 };
  const int64_t d = nke_shape_length(shape);
  double *x = rows(N, shape), expected[2][N * N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= i; j++)
      reference_kernel(network, x + i * d, x + j * d, &expected[0][i * N + j], &expected[1][i * N + j]);
  for (int precision = NKE_SINGLE; precision <= NKE_DOUBLE; precision++) {
    const double tolerance = precision == NKE_SINGLE ? 1e-5 : 1e-11, rounding = precision == NKE_SINGLE ? 6e-8 : 1e-16;
    nke_exact *exact = NULL;
    double nngp[N * N], ntk[N * N], tri[2][N * N];
    if (nke_exact_create(network, (nke_precision)precision, 0, &exact) != NKE_OK) fail_msg("%s", nke_error_text());
    double *norms = norms_of(exact, N, x);
    for (int v = 0; nke_exact_choose_variant(exact, v) == NKE_OK; v++) {
      if (nke_exact_block(exact, N, x, norms, N, x, norms, nngp, ntk, N) != NKE_OK ||
          nke_exact_triangle(exact, N, x, norms, tri[0], tri[1], N) != NKE_OK)
        fail_msg("%s: %s", what, nke_error_text());
      for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) {
          const double s = expected[0][i * N + j], t = expected[1][i * N + j];
          /* Of an entry that cancels, the rounding of its terms is left. */
          const double left_s = rounding * sqrt(expected[0][i * N + i] * expected[0][j * N + j]);
          const double left_t = rounding * sqrt(expected[1][i * N + i] * expected[1][j * N + j]);
          if (i != j) close_within(nngp[i * N + j], s, tolerance * fabs(s) + left_s, what);
          if (i != j) close_within(ntk[i * N + j], t, tolerance * fabs(t) + left_t, what);
          close_within(tri[0][i * N + j], s, (i == j ? 1e-11 : tolerance) * fabs(s) + left_s, what);
          close_within(tri[1][j * N + i], t, (i == j ? 1e-7 : tolerance) * fabs(t) + left_t, what);
        }
    }
    free(norms);
    nke_exact_destroy(&exact);
    assert_null(exact);
  }
  free(x);
}

typedef struct case_list {
  const char *name;
  nke_shape shape;
  int n;
  nke_layer layers[MAX_LAYERS];
} case_list;

static nke_layer simple(nke_layer_kind kind)
{
  return nke_layer_simple(kind);
}

static void run_cases(size_t count, const case_list *cases)
{
  for (size_t k = 0; k < count; k++) {
    nke_network *network = shaped(cases[k].n, cases[k].layers, cases[k].shape);
    agrees(cases[k].name, network, cases[k].shape);
    nke_network_destroy(&network);
  }
}

#define IMAGE(h, w, c)                                \
  {                                                   \
    .axes = 2, .height = h, .width = w, .channels = c \
  }
#define SIGNAL(w, c)                                  \
  {                                                   \
    .axes = 1, .height = 1, .width = w, .channels = c \
  }
#define TABLE(c)                                      \
  {                                                   \
    .axes = 0, .height = 1, .width = 1, .channels = c \
  }

static void plain_and_pooled(void **state)
{
  (void)state;
  const nke_padding same = NKE_PAD_SAME, valid = NKE_PAD_VALID;
  const nke_layer flatten = simple(NKE_LAYER_FLATTEN), global = simple(NKE_LAYER_GLOBAL_AVGPOOL);
  const nke_layer dense = nke_layer_dense(1.3, 0.2);
  const case_list cases[] = {
      {"dense", TABLE(7), 5, {nke_layer_dense(1.4, 0), relu(), nke_layer_dense(1, 0.5), relu(), dense}},
      {"linear", TABLE(3), 1, {nke_layer_dense(0.7, 0.1)}},
      {"conv flatten", IMAGE(4, 5, 3), 4, {conv(3, 1, same, 1.4, 0), relu(), flatten, dense}},
      {"two convs",
       IMAGE(5, 4, 2),
       6,
       {conv(3, 1, same, 1.4, 0), relu(), conv(3, 1, same, 1.4, 0), relu(), flatten, dense}},
      {"biases",
       IMAGE(5, 4, 2),
       6,
       {conv(3, 1, same, 1.4, 0.3), relu(), conv(3, 1, same, 1, 0.1), relu(), flatten, dense}},
      {"global pool", IMAGE(4, 5, 1), 4, {conv(3, 1, same, 1.4, 0), relu(), global, dense}},
      {"pool 2",
       IMAGE(6, 4, 3),
       7,
       {conv(3, 1, same, 1.4, 0), relu(), pool(2, 2), conv(3, 1, same, 1.4, 0), relu(), global, dense}},
      {"pool 3 of 7", IMAGE(7, 8, 2), 5, {conv(3, 1, same, 1, 0), relu(), pool(3, 3), flatten, dense}},
      {"pool 3 by 1",
       IMAGE(5, 6, 2),
       7,
       {conv(3, 1, same, 1, 0), relu(), pool(3, 1), conv(2, 1, same, 1, 0.2), relu(), flatten, dense}},
      {"pool 2 by 3", IMAGE(8, 7, 2), 5, {conv(3, 1, same, 1, 0), relu(), pool(2, 3), global, dense}},
      {"flatten first", IMAGE(4, 5, 3), 4, {flatten, dense, relu(), dense}},
      {"pool first", IMAGE(6, 6, 2), 5, {pool(2, 2), conv(3, 1, same, 1, 0), relu(), flatten, dense}},
      {"valid", IMAGE(6, 7, 2), 6, {conv(3, 1, valid, 1, 0.1), relu(), conv(2, 2, valid, 1, 0), relu(), global, dense}},
      {"even filter", IMAGE(5, 5, 2), 4, {conv(4, 1, same, 1, 0), relu(), global, dense}},
      {"large filter", IMAGE(3, 4, 2), 4, {conv(7, 1, same, 1, 0), relu(), global, dense}},
      {"stride 2 even",
       IMAGE(6, 8, 2),
       6,
       {conv(3, 2, same, 1, 0), relu(), conv(3, 1, same, 1, 0), relu(), global, dense}},
      {"stride 2 odd",
       IMAGE(7, 5, 2),
       6,
       {conv(3, 2, same, 1, 0.2), relu(), conv(3, 2, same, 1, 0), relu(), flatten, dense}},
      {"pixelwise dense",
       IMAGE(4, 4, 3),
       6,
       {nke_layer_dense(1, 0.1), relu(), conv(3, 1, same, 1, 0), relu(), flatten, dense}},
      {"conv conv",
       IMAGE(4, 4, 3),
       6,
       {conv(3, 1, same, 1, 0), conv(3, 1, same, 1, 0.3), relu(), conv(3, 1, same, 1, 0), flatten, dense}},
      {"signal",
       SIGNAL(9, 2),
       6,
       {conv(3, 1, same, 1.4, 0), relu(), pool(2, 2), conv(3, 2, same, 1, 0), global, dense}},
      {"no last dense", IMAGE(4, 4, 3), 3, {conv(3, 1, same, 1, 0), relu(), global}},
  };
  run_cases(sizeof cases / sizeof *cases, cases);
}

static void circular(void **state)
{
  (void)state;
  const nke_padding same = NKE_PAD_SAME, ring = NKE_PAD_CIRCULAR;
  const nke_layer flatten = simple(NKE_LAYER_FLATTEN), global = simple(NKE_LAYER_GLOBAL_AVGPOOL);
  const nke_layer dense = nke_layer_dense(1.3, 0.2);
  const case_list cases[] = {
      {"circular flatten",
       IMAGE(4, 5, 2),
       6,
       {conv(3, 1, ring, 1.4, 0), relu(), conv(3, 1, ring, 1.4, 0), relu(), flatten, dense}},
      {"circular global",
       IMAGE(4, 5, 2),
       6,
       {conv(3, 1, ring, 1.4, 0.1), relu(), conv(3, 1, ring, 1.4, 0), relu(), global, dense}},
      {"circular strided",
       IMAGE(6, 8, 2),
       6,
       {conv(3, 2, ring, 1.4, 0), relu(), conv(3, 1, ring, 1, 0), relu(), global, dense}},
      {"circular even",
       IMAGE(6, 4, 2),
       6,
       {conv(2, 2, ring, 1.4, 0), relu(), conv(2, 1, ring, 1, 0), relu(), global, dense}},
      {"circular pooled",
       IMAGE(6, 8, 2),
       7,
       {conv(3, 1, ring, 1, 0), relu(), pool(2, 2), conv(3, 1, ring, 1, 0), relu(), global, dense}},
      {"circular pooled, rest",
       IMAGE(7, 8, 1),
       7,
       {conv(3, 1, ring, 1, 0), relu(), pool(3, 2), conv(2, 1, ring, 1, 0), relu(), global, dense}},
      {"circular then same",
       IMAGE(5, 4, 2),
       6,
       {conv(3, 1, ring, 1, 0), relu(), conv(3, 1, same, 1, 0), relu(), global, dense}},
      {"same then circular",
       IMAGE(5, 4, 2),
       6,
       {conv(3, 1, same, 1, 0), relu(), conv(3, 1, ring, 1, 0.2), relu(), global, dense}},
      {"circular signal",
       SIGNAL(8, 2),
       6,
       {conv(3, 2, ring, 1, 0), relu(), conv(3, 1, ring, 1, 0), relu(), global, dense}},
  };
  run_cases(sizeof cases / sizeof *cases, cases);
}

static nke_layer residual(int nb, const nke_layer *branch, int ns, const nke_layer *shortcut)
{
  nke_layer layer = simple(NKE_LAYER_RESIDUAL);
  layer.branch = network_made_of(nb, branch);
  layer.shortcut = network_made_of(ns, shortcut);
  return layer;
}

static void residuals_and_layer_norms(void **state)
{
  (void)state;
  const nke_padding same = NKE_PAD_SAME, ring = NKE_PAD_CIRCULAR;
  const nke_layer flatten = simple(NKE_LAYER_FLATTEN), global = simple(NKE_LAYER_GLOBAL_AVGPOOL),
                  norm = simple(NKE_LAYER_LAYERNORM);
  const nke_layer dense = nke_layer_dense(1.3, 0.2), first = conv(3, 1, same, 1, 0), bent = relu();
  const nke_layer block[] = {bent, conv(3, 1, same, 1.2, 0.1), bent, conv(3, 1, same, 1, 0)};
  const nke_layer down[] = {bent, conv(3, 2, same, 1.2, 0)}, skip[] = {conv(1, 2, same, 1, 0.1)};
  const nke_layer pooled[] = {bent, conv(3, 1, same, 1, 0), pool(2, 2)}, pool_only[] = {pool(2, 2)};
  const nke_layer turned[] = {bent, conv(3, 1, ring, 1, 0)}, normed[] = {norm, bent, conv(3, 1, same, 1, 0)};
  const nke_layer flat[] = {bent, nke_layer_dense(1, 0.1)};
  const nke_layer nested[] = {residual(2, down, 1, skip), bent, conv(3, 1, same, 1, 0)};
  const case_list cases[] = {
      {"residual", IMAGE(4, 5, 2), 5, {first, residual(4, block, 0, NULL), bent, global, dense}},
      {"residual twice",
       IMAGE(4, 4, 2),
       5,
       {first, residual(4, block, 0, NULL), residual(4, block, 0, NULL), flatten, dense}},
      {"residual down", IMAGE(5, 6, 2), 5, {first, residual(2, down, 1, skip), bent, global, dense}},
      {"residual pooled", IMAGE(4, 6, 2), 5, {first, residual(3, pooled, 1, pool_only), bent, global, dense}},
      {"residual circular", IMAGE(4, 5, 2), 5, {first, residual(2, turned, 0, NULL), bent, global, dense}},
      {"residual nested", IMAGE(6, 6, 2), 5, {first, residual(3, nested, 1, skip), bent, global, dense}},
      {"residual of vectors", TABLE(6), 4, {dense, residual(2, flat, 0, NULL), bent, dense}},
      {"layer norm", IMAGE(4, 5, 2), 7, {first, norm, bent, conv(3, 1, same, 1, 0.3), norm, global, dense}},
      {"layer norm in a branch", IMAGE(4, 5, 2), 4, {first, residual(3, normed, 0, NULL), flatten, dense}},
      {"layer norm of vectors", TABLE(6), 5, {dense, norm, bent, dense, norm}},
  };
  run_cases(sizeof cases / sizeof *cases, cases);
}

static void other_activations(void **state)
{
  (void)state;
  const nke_padding same = NKE_PAD_SAME;
  const nke_layer global = simple(NKE_LAYER_GLOBAL_AVGPOOL), dense = nke_layer_dense(1.3, 0.2);
  const nke_layer acts[] = {act_of(NKE_ACT_ABRELU, 0.1, 1),         act_of(NKE_ACT_ABRELU, -1, 1),
                            act_of(NKE_ACT_ABRELU, 2, -0.5),        act_of(NKE_ACT_ABRELU, 0.5, 0.5),
                            act_of(NKE_ACT_ERF, 1.5, 0.7),          act_of(NKE_ACT_GELU, 0, 0),
                            act_of(NKE_ACT_EXP_NORMALIZED, 0.8, -1)};
  for (size_t k = 0; k < sizeof acts / sizeof *acts; k++) {
    const nke_layer a = acts[k];
    const case_list cases[] = {
        {"dense", TABLE(7), 5, {nke_layer_dense(1.4, 0), a, nke_layer_dense(1, 0.5), a, dense}},
        {"conv",
         IMAGE(6, 4, 3),
         7,
         {conv(3, 1, same, 1.4, 0), a, pool(2, 2), conv(3, 1, same, 1.4, 0.1), a, global, dense}},
        {"odd chain",
         IMAGE(9, 7, 3),
         8,
         {conv(3, 1, same, 1.4, 0), a, conv(3, 1, same, 1.2, 0), a, conv(3, 1, same, 1, 0.1), a, pool(2, 2), global}},
        {"even chain",
         IMAGE(8, 6, 3),
         6,
         {conv(3, 1, same, 1.4, 0), a, conv(3, 1, same, 1.2, 0), a, pool(2, 2), global}},
    };
    run_cases(4, cases);
  }
}

/* A network that uses most of the machinery, on small images. */
static nke_network *small_network(nke_shape shape)
{
  const nke_layer layers[] = {conv(3, 1, NKE_PAD_SAME, 1.4, 0),
                              relu(),
                              pool(2, 2),
                              conv(3, 1, NKE_PAD_SAME, 1.4, 0.1),
                              act_of(NKE_ACT_ERF, 1, 1),
                              simple(NKE_LAYER_GLOBAL_AVGPOOL),
                              nke_layer_dense(1, 0.1)};
  return shaped(7, layers, shape);
}

static void mirrored_pairs_are_averaged(void **state)
{
  (void)state;
  enum { N = 3 };
  const nke_shape shape = IMAGE(4, 6, 2);
  nke_network *network = small_network(shape);
  double *x = rows(2 * N, shape), flip[2][N * N], plain[2][N * 2 * N];
  const int64_t d = nke_shape_length(shape);
  for (int i = 0; i < N; i++)
    for (int p = 0; p < 24; p++)
      for (int c = 0; c < 2; c++) x[(N + i) * d + (p / 6 * 6 + 5 - p % 6) * 2 + c] = x[i * d + p * 2 + c];
  nke_exact *exact = NULL, *symmetric = NULL;
  assert_int_equal(nke_exact_create(network, NKE_DOUBLE, 0, &exact), NKE_OK);
  assert_int_equal(nke_exact_create(network, NKE_DOUBLE, 1, &symmetric), NKE_OK);
  double *norms = norms_of(exact, 2 * N, x);
  assert_int_equal(nke_exact_block(exact, N, x, norms, 2 * N, x, norms, plain[0], plain[1], 2 * N), NKE_OK);
  assert_int_equal(nke_exact_triangle(symmetric, N, x, norms, flip[0], flip[1], N), NKE_OK);
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++)
        close_to(flip[k][i * N + j], (plain[k][i * 2 * N + j] + plain[k][i * 2 * N + N + j]) / 2, 1e-7, "flip");
  free(norms);
  free(x);
  nke_exact_destroy(&exact);
  nke_exact_destroy(&symmetric);
  nke_network_destroy(&network);
  const nke_layer strided[] = {conv(3, 2, NKE_PAD_SAME, 1, 0), simple(NKE_LAYER_FLATTEN)};
  network = shaped(2, strided, (nke_shape)IMAGE(4, 6, 2));
  assert_int_equal(nke_exact_create(network, NKE_DOUBLE, 1, &exact), NKE_ERR_USAGE);
  assert_null(exact);
  nke_network_destroy(&network);
}

/* A pair's kernel is the same bits in any tile: alone, at any place, in a triangle. */
static void pairs_do_not_depend_on_their_tile(void **state)
{
  (void)state;
  enum { N = 37 };
  const nke_shape shapes[] = {IMAGE(4, 4, 2), TABLE(11)};
  for (int s = 0; s < 2; s++) {
    const nke_layer dense[] = {nke_layer_dense(1.4, 0), relu(), nke_layer_dense(1, 0.1)};
    nke_network *network = s == 0 ? small_network(shapes[0]) : shaped(3, dense, shapes[1]);
    const int64_t d = nke_shape_length(shapes[s]);
    double *x = rows(N, shapes[s]), all[N * N], part[N], triangle[2 * N * N];
    nke_exact *exact = NULL;
    assert_int_equal(nke_exact_create(network, NKE_SINGLE, 0, &exact), NKE_OK);
    double *norms = norms_of(exact, N, x);
    const int64_t length = nke_exact_norms_length(exact);
    assert_int_equal(nke_exact_block(exact, N, x, norms, N, x, norms, NULL, all, N), NKE_OK);
    assert_int_equal(nke_exact_triangle(exact, N, x, norms, triangle, triangle + N * N, N), NKE_OK);
    for (int i = 0; i < N; i += 7)
      for (int j = 0; j < N; j += 5) {
        const int64_t ny = N - j < 3 ? N - j : 3;
        assert_int_equal(
            nke_exact_block(exact, 1, x + i * d, norms + i * length, ny, x + j * d, norms + j * length, NULL, part, N),
            NKE_OK);
        /* Vectors go through the BLAS, whose sums depend on the shape of the product. */
        if (s == 0) assert_memory_equal(part, &all[i * N + j], sizeof *part);
        close_to(part[0], all[i * N + j], 1e-5, "tile");
        if (i > j) close_to(triangle[N * N + i * N + j], all[i * N + j], s == 0 ? 0 : 1e-5, "triangle");
        close_to(triangle[N * N + i * N + j], triangle[N * N + j * N + i], 0, "symmetry");
      }
    free(norms);
    free(x);
    nke_exact_destroy(&exact);
    nke_network_destroy(&network);
  }
}

static void bad_numbers_are_named(void **state)
{
  (void)state;
  const nke_shape shape = IMAGE(4, 4, 2);
  nke_network *network = small_network(shape);
  const int64_t d = nke_shape_length(shape);
  double *x = rows(3, shape), *norms;
  nke_exact *exact = NULL;
  assert_int_equal(nke_exact_create(network, NKE_SINGLE, 0, &exact), NKE_OK);
  norms = norms_of(exact, 3, x);
  x[d + 5] = NAN;
  assert_int_equal(nke_exact_norms(exact, 3, x, norms), NKE_ERR_NUMERIC);
  assert_non_null(strstr(nke_error_text(), "row 1"));
  x[d + 5] = 1e30; /* finite, but not its square in float */
  assert_int_equal(nke_exact_norms(exact, 3, x, norms), NKE_OK);
  double k[9];
  assert_int_equal(nke_exact_block(exact, 3, x, norms, 3, x, norms, k, NULL, 3), NKE_ERR_NUMERIC);
  assert_non_null(strstr(nke_error_text(), "rows"));
  free(norms);
  free(x);
  nke_exact_destroy(&exact);
  nke_network_destroy(&network);
}

/* Images that are zero, constant, or the same twice: correlations of exactly 0 / 0 and 1. */
static void degenerate_images(void **state)
{
  (void)state;
  enum { N = 4 };
  const nke_shape shape = IMAGE(4, 4, 2);
  nke_network *network = small_network(shape);
  const int64_t d = nke_shape_length(shape);
  double *x = rows(N, shape), tri[2][N * N];
  for (int i = 0; i < d; i++) {
    x[i] = 0;
    x[d + i] = 3;
    x[3 * d + i] = x[2 * d + i];
  }
  for (int precision = NKE_SINGLE; precision <= NKE_DOUBLE; precision++) {
    nke_exact *exact = NULL;
    assert_int_equal(nke_exact_create(network, (nke_precision)precision, 0, &exact), NKE_OK);
    double *norms = norms_of(exact, N, x);
    assert_int_equal(nke_exact_triangle(exact, N, x, norms, tri[0], tri[1], N), NKE_OK);
    for (int k = 0; k < 2; k++) {
      close_to(tri[k][2 * N + 3], tri[k][2 * N + 2], precision == NKE_SINGLE ? 5e-4 : 1e-7, "twice the same");
      assert_true(tri[k][0] > 0 && tri[k][0] < tri[k][N + 1]);
    }
    free(norms);
    nke_exact_destroy(&exact);
  }
  free(x);
  nke_network_destroy(&network);
}

/* A row and its copy at a variance of 1e10, which float tells from correlation 1 by rounding alone: kdot must not be
 * what rounding left of 1 - c^2, to the power -3/2. */
static void copies_of_large_rows_have_bounded_kernels(void **state)
{
  (void)state;
  const nke_shape shape = {.axes = 0, .height = 1, .width = 1, .channels = 7};
  const nke_activation_kind kinds[] = {NKE_ACT_GELU, NKE_ACT_ERF};
  enum { PAIRS = 40 };
  for (int a = 0; a < 2; a++) {
    const nke_layer layers[] = {nke_layer_dense(1, 0), act_of(kinds[a], 1, 1), nke_layer_dense(1, 0)};
    nke_network *network = shaped(3, layers, shape);
    nke_exact *exact = NULL;
    double *x = rows(PAIRS, shape);
    double nngp[PAIRS * PAIRS], ntk[PAIRS * PAIRS], own[PAIRS];
    for (int i = 0; i < PAIRS * 7; i++) x[i] = (float)(1e5 * x[i]);
    assert_int_equal(nke_exact_create(network, NKE_SINGLE, 0, &exact), NKE_OK);
    double *norms = norms_of(exact, PAIRS, x);
    assert_int_equal(nke_exact_block(exact, PAIRS, x, norms, PAIRS, x, norms, nngp, ntk, PAIRS), NKE_OK);
    assert_int_equal(nke_exact_diagonal(exact, PAIRS, x, norms, NULL, own), NKE_OK);
    for (int i = 0; i < PAIRS; i++) {
      const double got = ntk[i * PAIRS + i];
      const double low = kinds[a] == NKE_ACT_GELU ? 0.9997 : 0, high = kinds[a] == NKE_ACT_GELU ? 1.0003 : 1.5;
      if (!(got > low * own[i] && got < high * own[i]))
        fail_msg("activation %d: %g beside %g", (int)kinds[a], got, own[i]);
    }
    free(norms);
    free(x);
    nke_exact_destroy(&exact);
    nke_network_destroy(&network);
  }
}

static void failed_allocations(void **state)
{
  (void)state;
  const nke_shape shape = IMAGE(4, 4, 2);
  nke_network *network = small_network(shape);
  double *x = rows(2, shape), *norms = malloc(2 * 1024 * sizeof *norms), tri[8];
  int failures = 0;
  for (int k = 1;; k++) {
    nke_exact *exact = NULL;
    nke_alloc_fail_at(k);
    nke_status st = nke_exact_create(network, NKE_SINGLE, 0, &exact);
    if (st == NKE_OK) st = nke_exact_norms(exact, 2, x, norms);
    if (st == NKE_OK) st = nke_exact_triangle(exact, 2, x, norms, tri, tri + 4, 2);
    nke_alloc_fail_at(0);
    nke_exact_destroy(&exact);
    if (st == NKE_OK) break;
    assert_int_equal(st, NKE_ERR_MEMORY);
    failures++;
  }
  assert_true(failures > 40);
  free(x);
  free(norms);
  nke_network_destroy(&network);
}

static void cost_is_that_of_the_planes(void **state)
{
  (void)state;
  const nke_activation act = activation(NKE_ACT_RELU, 0, 1);
  const nke_shape cifar = IMAGE(32, 32, 3);
  nke_network *network = NULL;
  nke_exact *exact = NULL, *flip = NULL;
  assert_int_equal(nke_network_preset("myrtle5", &act, &network), NKE_OK);
  assert_int_equal(nke_network_shape(network, cifar), NKE_OK);
  assert_int_equal(nke_exact_create(network, NKE_SINGLE, 0, &exact), NKE_OK);
  assert_int_equal(nke_exact_create(network, NKE_SINGLE, 1, &flip), NKE_OK);
  const double flops = nke_exact_flops_per_pair(exact);
  assert_true(flops > 70e6 && flops < 120e6); /* 1024^2 pixel pairs twice, some 40 operations each */
  assert_true(nke_exact_flops_per_pair(flip) == 2 * flops);
  assert_true(nke_exact_block_bytes(exact, 64, 64) < 32 << 20);
  nke_exact_destroy(&exact);
  nke_exact_destroy(&flip);
  nke_network_destroy(&network);
}

static void longer_vectors_are_refused(void **state)
{
  (void)state;
  static const nke_shape longer[] = {{0, 1, 1, (int64_t)1 << 31}, {2, 1 << 10, 1 << 10, 1 << 11}};
  for (size_t k = 0; k < sizeof longer / sizeof *longer; k++) {
    const nke_layer flatten = nke_layer_simple(NKE_LAYER_FLATTEN), dense = nke_layer_dense(1, 0);
    nke_network *network = NULL;
    nke_exact *exact = NULL;
    assert_int_equal(nke_network_create(&network), NKE_OK);
    assert_int_equal(nke_network_append(network, &flatten), NKE_OK);
    assert_int_equal(nke_network_append(network, &dense), NKE_OK);
    assert_int_equal(nke_network_shape(network, longer[k]), NKE_OK);
    assert_int_equal(nke_exact_create(network, NKE_SINGLE, 0, &exact), NKE_ERR_USAGE);
    if (!strstr(nke_error_text(), "2147483648")) fail_msg("%s", nke_error_text());
    nke_network_destroy(&network);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(plain_and_pooled),
    cmocka_unit_test(circular),
    cmocka_unit_test(residuals_and_layer_norms),
    cmocka_unit_test(other_activations),
    cmocka_unit_test(mirrored_pairs_are_averaged),
    cmocka_unit_test(pairs_do_not_depend_on_their_tile),
    cmocka_unit_test(bad_numbers_are_named),
    cmocka_unit_test(degenerate_images),
    cmocka_unit_test(copies_of_large_rows_have_bounded_kernels),
    cmocka_unit_test(failed_allocations),
    cmocka_unit_test(cost_is_that_of_the_planes),
    cmocka_unit_test(longer_vectors_are_refused),
};

NKE_TEST_MAIN(tests)
