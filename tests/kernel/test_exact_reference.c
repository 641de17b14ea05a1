/* Agreement with neural-tangents on every activation that it has in closed form and seven networks: results of
 * tools/reference/neural_tangents.py in data/neural_tangents.txt, whose networks and inputs are made again here. */
#include "kernel/exact.h"

#include "support/mpi_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 3, SECOND = 4, ROWS = FIRST + SECOND, MAX_D = 128, LINE = 4096 };

typedef struct builder {
  nke_network *network;
  nke_activation act;
  int unit; /* the activation is defined for unit variance: a layer norm goes before it */
} builder;

static void add(builder *b, nke_layer layer)
{
  assert_int_equal(nke_network_append(b->network, &layer), NKE_OK);
}
static void add_norm(builder *b)
{
  add(b, nke_layer_simple(NKE_LAYER_LAYERNORM));
}

static void add_act(builder *b)
{
  if (b->unit) add_norm(b);
  add(b, nke_layer_activation(&b->act));
}

static void add_conv(builder *b, int filter, nke_padding padding, int stride, double bias)
{
  nke_layer layer = nke_layer_conv(filter, 1.2, bias);
  layer.padding = padding;
  layer.stride_h = layer.stride_w = stride;
  add(b, layer);
}

static void add_pool(builder *b, int window, int stride)
{
  nke_layer layer = nke_layer_avgpool(window);
  layer.stride_h = layer.stride_w = stride;
  add(b, layer);
}

static void finish(builder *b, nke_layer_kind kind)
{
  add(b, nke_layer_simple(kind));
  add(b, nke_layer_dense(1.1, 0.2));
}

static nke_shape build_dense(builder *b)
{
  add(b, nke_layer_dense(1.1, 0.2));
  add_act(b);
  add(b, nke_layer_dense(1.3, 0));
  add_act(b);
  add(b, nke_layer_dense(1.1, 0.2));
  add_act(b);
  add(b, nke_layer_dense(1.1, 0.2));
  return (nke_shape){.axes = 0, .height = 1, .width = 1, .channels = 7};
}

static nke_shape build_pooled(builder *b)
{
  add_conv(b, 3, NKE_PAD_SAME, 1, 0);
  add_act(b);
  add_pool(b, 2, 2);
  add_conv(b, 3, NKE_PAD_SAME, 1, 0.1);
  add_act(b);
  finish(b, NKE_LAYER_GLOBAL_AVGPOOL);
  return (nke_shape){.axes = 2, .height = 6, .width = 6, .channels = 2};
}

static nke_shape build_flat(builder *b)
{
  add_conv(b, 3, NKE_PAD_SAME, 1, 0.1);
  add_act(b);
  finish(b, NKE_LAYER_FLATTEN);
  return (nke_shape){.axes = 2, .height = 4, .width = 5, .channels = 3};
}

static nke_shape build_turned(builder *b)
{
  add_conv(b, 3, NKE_PAD_CIRCULAR, 1, 0.1);
  add_act(b);
  add_conv(b, 3, NKE_PAD_CIRCULAR, 2, 0.1);
  add_act(b);
  add_conv(b, 3, NKE_PAD_SAME, 2, 0.1);
  add_act(b);
  add_conv(b, 2, NKE_PAD_VALID, 1, 0);
  add_act(b);
  finish(b, NKE_LAYER_GLOBAL_AVGPOOL);
  return (nke_shape){.axes = 2, .height = 6, .width = 8, .channels = 2};
}

static nke_shape build_residual(builder *b)
{
  builder branch = *b;
  nke_layer sum = nke_layer_simple(NKE_LAYER_RESIDUAL);
  assert_int_equal(nke_network_create(&branch.network), NKE_OK);
  add_act(&branch);
  add_conv(&branch, 3, NKE_PAD_SAME, 1, 0.1);
  add_act(&branch);
  add_conv(&branch, 3, NKE_PAD_SAME, 1, 0);
  sum.branch = branch.network;
  add_conv(b, 3, NKE_PAD_SAME, 1, 0.1);
  add(b, sum);
  add_act(b);
  finish(b, NKE_LAYER_GLOBAL_AVGPOOL);
  return (nke_shape){.axes = 2, .height = 4, .width = 4, .channels = 2};
}

static nke_shape build_normed(builder *b)
{
  b->unit = 1;
  add_conv(b, 3, NKE_PAD_SAME, 1, 0.1);
  add_act(b);
  add_conv(b, 3, NKE_PAD_SAME, 1, 0.1);
  add_act(b);
  finish(b, NKE_LAYER_FLATTEN);
  return (nke_shape){.axes = 2, .height = 4, .width = 4, .channels = 2};
}

static nke_shape build_signal(builder *b)
{
  add_conv(b, 3, NKE_PAD_VALID, 1, 0.1);
  add_act(b);
  add_pool(b, 3, 2);
  add_conv(b, 2, NKE_PAD_SAME, 1, 0.1);
  add_act(b);
  finish(b, NKE_LAYER_FLATTEN);
  return (nke_shape){.axes = 1, .height = 1, .width = 9, .channels = 2};
}

static const struct {
  const char *name;
  nke_shape (*build)(builder *b);
} networks[] = {{"dense", build_dense},   {"pooled", build_pooled}, {"flat", build_flat},
                {"turned", build_turned}, {"normed", build_normed}, {"residual", build_residual},
                {"signal", build_signal}};

static void make_rows(nke_shape shape, double x[ROWS * MAX_D])
{
  const int64_t d = nke_shape_length(shape);
  assert_true(d <= MAX_D);
  for (int64_t r = 0; r < ROWS; r++)
    for (int64_t k = 0; k < d; k++) x[r * d + k] = (double)((7919 * (r * d + k) + 104729 * r) % 1009) / 504.5 - 1;
}

/* "name count (parameter value)*" into an activation. */
static void parse_activation(char *text, nke_activation *act)
{
  const char *names[NKE_ACT_MAX_PARAMS];
  double values[NKE_ACT_MAX_PARAMS];
  char *rest, *name = strtok_r(text, " \n", &rest);
  const int n = atoi(strtok_r(NULL, " \n", &rest));
  assert_true(n <= NKE_ACT_MAX_PARAMS);
  for (int k = 0; k < n; k++) {
    names[k] = strtok_r(NULL, " \n", &rest);
    values[k] = atof(strtok_r(NULL, " \n", &rest));
  }
  if (nke_activation_init(act, name, n, names, values) != NKE_OK) fail_msg("%s", nke_error_text());
}

static void read_numbers(FILE *file, int n, double *out)
{
  for (int k = 0; k < n; k++) assert_int_equal(fscanf(file, "%lf", &out[k]), 1);
}

/* Largest relative error; entries below `least` of the largest, left by cancellation, count as that. */
static double worst(const double *a, const double *b, int n, double least)
{
  double most = 0, largest = 0;
  for (int k = 0; k < n; k++) largest = fmax(largest, fabs(b[k]));
  for (int k = 0; k < n; k++) most = fmax(most, fabs(a[k] - b[k]) / fmax(fmax(fabs(b[k]), least * largest), 1e-300));
  return most;
}

/* The largest relative errors of the block and of the diagonal, NNGP or NTK, in one precision. */
static void compare(const nke_network *network, nke_shape shape, nke_precision precision, const double *expected,
                    double *block, double *diagonal)
{
  static double x[ROWS * MAX_D], norms[ROWS * 1024];
  double nngp[FIRST * SECOND], ntk[FIRST * SECOND], own[2 * FIRST];
  const int64_t d = nke_shape_length(shape);
  nke_exact *exact = NULL;
  make_rows(shape, x);
  if (nke_exact_create(network, precision, 0, &exact) != NKE_OK) fail_msg("%s", nke_error_text());
  const int64_t length = nke_exact_norms_length(exact);
  assert_true(length <= 1024);
  if (nke_exact_norms(exact, ROWS, x, norms) != NKE_OK ||
      nke_exact_block(exact, FIRST, x, norms, SECOND, x + FIRST * d, norms + FIRST * length, nngp, ntk, SECOND) !=
          NKE_OK ||
      nke_exact_diagonal(exact, FIRST, x, norms, own, own + FIRST) != NKE_OK)
    fail_msg("%s", nke_error_text());
  const int n = FIRST * SECOND;
  const double least = precision == NKE_SINGLE ? 0.1 : 0;
  *block = fmax(worst(nngp, expected, n, least), worst(ntk, expected + n, n, least));
  *diagonal = worst(own, expected + 2 * n, 2 * FIRST, 0);
  nke_exact_destroy(&exact);
}

static void agree(char *line, const double *expected, int *failures)
{
  char title[LINE];
  builder b = {.unit = strstr(line, " hermite ") != NULL};
  nke_shape shape = {0};
  double block, diagonal;
  snprintf(title, sizeof title, "%.*s", (int)strcspn(line, "\n"), line);
  char *rest = strchr(line, ' ');
  *rest++ = 0;
  parse_activation(rest, &b.act);
  assert_int_equal(nke_network_create(&b.network), NKE_OK);
  for (size_t k = 0; k < sizeof networks / sizeof *networks; k++)
    if (strcmp(networks[k].name, line) == 0) shape = networks[k].build(&b);
  if (nke_network_shape(b.network, shape) != NKE_OK) fail_msg("%s: %s", title, nke_error_text());
  /* On the diagonal neural-tangents itself is only good to the square root of rounding where correlations are 1. */
  const double own = b.act.kind == NKE_ACT_SIGN ? 1e-4 : 1e-7; /* of sign: to its fourth root after two layers */
  const double tolerance[2][2] = {[NKE_SINGLE] = {2e-5, own}, [NKE_DOUBLE] = {1e-9, own}};
  for (int precision = NKE_SINGLE; precision <= NKE_DOUBLE; precision++) {
    compare(b.network, shape, (nke_precision)precision, expected, &block, &diagonal);
    if (block <= tolerance[precision][0] && diagonal <= tolerance[precision][1]) continue;
    print_error("%s, %s: relative error %.2e, on the diagonal %.2e\n", title,
                precision == NKE_SINGLE ? "float" : "double", block, diagonal);
    ++*failures;
  }
  nke_network_destroy(&b.network);
}

static void neural_tangents(void **state)
{
  (void)state;
  char line[LINE];
  double expected[2 * FIRST * SECOND + 2 * FIRST];
  int cases = 0, failures = 0;
  FILE *file = fopen(NKE_TEST_DATA "/neural_tangents.txt", "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file)) {
    if (line[0] == '#' || line[0] == '\n') continue;
    read_numbers(file, 2 * FIRST * SECOND + 2 * FIRST, expected);
    agree(line, expected, &failures);
    cases++;
  }
  fclose(file);
  assert_int_equal(failures, 0);
  assert_int_equal(cases, 27 * 7 - 2); /* two of Sign, which that library has wrong, are left out */
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(neural_tangents)};

NKE_TEST_MAIN(tests)
