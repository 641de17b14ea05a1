#include "kernel/network.h"

#include "base/memory.h"
#include "support/mpi_main.h"

#include <math.h>
#include <string.h>

static const nke_shape cifar = {.axes = 2, .height = 32, .width = 32, .channels = 3};

static nke_activation relu(void)
{
  nke_activation act;
  memset(&act, 0, sizeof act);
  act.kind = NKE_ACT_RELU;
  return act;
}

static void append(nke_network *network, nke_layer layer)
{
  assert_int_equal(nke_network_append(network, &layer), NKE_OK);
}

static nke_layer conv(int filter, int stride, nke_padding padding)
{
  nke_layer layer = nke_layer_conv(filter, 1, 0);
  layer.stride_h = layer.stride_w = stride;
  layer.padding = padding;
  return layer;
}

/* Shape a network of one given layer and flatten; the refusal must name every word. */
static void refused(nke_layer layer, nke_shape input, const char *word1, const char *word2)
{
  nke_network *network = NULL;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  layer.line = 17;
  append(network, nke_layer_dense(1, 0));
  append(network, layer);
  append(network, nke_layer_simple(NKE_LAYER_FLATTEN));
  assert_int_equal(nke_network_shape(network, input), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "line 17"));
  if (!strstr(nke_error_text(), word1) || !strstr(nke_error_text(), word2)) fail_msg("%s", nke_error_text());
  nke_network_destroy(&network);
  assert_null(network);
}

static void pixels_are_counted_in_32_bits(void **state)
{
  (void)state;
  static const nke_shape larger[] = {{2, 65536, 65536, 1}, {2, 65536, 32768, 1}, {1, 1, (int64_t)1 << 32, 1}};
  for (size_t k = 0; k < sizeof larger / sizeof *larger; k++) {
    nke_network *network = NULL;
    assert_int_equal(nke_network_create(&network), NKE_OK);
    append(network, nke_layer_simple(NKE_LAYER_GLOBAL_AVGPOOL));
    assert_int_equal(nke_network_shape(network, larger[k]), NKE_ERR_USAGE);
    if (!strstr(nke_error_text(), "at most 2^31 - 1")) fail_msg("%s", nke_error_text());
    assert_int_equal(nke_network_shape(network, (nke_shape){2, 65536, 32767, 1}), NKE_OK);
    nke_network_destroy(&network);
  }
}

static void conv_sizes_follow_jax(void **state)
{
  (void)state;
  /* jax.lax.padtype_to_pads((n,), (k,), (s,), 'SAME') gives (before, after); sizes by conv_general_shape_tuple. */
  static const int same[][5] = {{32, 3, 1, 32, 1}, {32, 3, 2, 16, 0}, {31, 3, 2, 16, 1}, {32, 4, 1, 32, 1},
                                {32, 5, 3, 11, 1}, {7, 2, 1, 7, 0},   {3, 5, 1, 3, 2},   {2, 1, 4, 1, 0}};
  for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
    const int *c = same[k];
    assert_int_equal(nke_conv_out(NKE_PAD_SAME, c[0], c[1], c[2]), c[3]);
    assert_int_equal(nke_conv_pad_before(NKE_PAD_SAME, c[0], c[1], c[2]), c[4]);
  }
  assert_int_equal(nke_conv_out(NKE_PAD_VALID, 32, 3, 1), 30);
  assert_int_equal(nke_conv_out(NKE_PAD_VALID, 32, 3, 2), 15);
  assert_int_equal(nke_conv_out(NKE_PAD_VALID, 2, 3, 1), 0);
  assert_int_equal(nke_conv_pad_before(NKE_PAD_VALID, 32, 3, 1), 0);
}

static void myrtle_presets_end_in_one_vector(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    int layers, convs;
  } cases[] = {{"myrtle5", 15, 4}, {"myrtle7", 19, 6}, {"myrtle10", 25, 9}};
  const nke_activation act = relu();
  for (size_t k = 0; k < 3; k++) {
    nke_network *network = NULL;
    int convs = 0;
    assert_int_equal(nke_network_preset(cases[k].name, &act, &network), NKE_OK);
    assert_int_equal(nke_network_shape(network, cifar), NKE_OK);
    assert_int_equal(network->n_layers, cases[k].layers);
    for (int l = 0; l < network->n_layers; l++) {
      const nke_layer *layer = &network->layers[l];
      if (layer->kind == NKE_LAYER_CONV) {
        convs++;
        assert_true(layer->w_std == sqrt(2.0) && layer->b_std == 0 && layer->filter_h == 3);
      }
      if (l > 0) assert_int_equal(layer->in.height, network->layers[l - 1].out.height);
    }
    assert_int_equal(convs, cases[k].convs);
    const nke_layer *flatten = &network->layers[network->n_layers - 2];
    assert_int_equal(flatten->kind, NKE_LAYER_FLATTEN);
    assert_int_equal(flatten->in.height, 1);
    assert_int_equal(flatten->out.axes, 0);
    nke_network_destroy(&network);
  }
}

static void fully_connected_presets(void **state)
{
  (void)state;
  const nke_activation act = relu();
  const nke_shape table = {.axes = 0, .height = 1, .width = 1, .channels = 90};
  nke_network *network = NULL;
  assert_int_equal(nke_network_preset("fc3", &act, &network), NKE_OK);
  assert_int_equal(network->n_layers, 7);
  assert_int_equal(nke_network_shape(network, table), NKE_OK);
  assert_int_equal(network->layers[0].in.channels, 90);
  nke_network_destroy(&network);
  const char *const bad[] = {"fc", "fc0", "fc-1", "fc+1", "fc65", "fc3x", "myrtle6", ""};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
    assert_int_equal(nke_network_preset(bad[k], &act, &network), NKE_ERR_USAGE);
    assert_null(network);
    assert_non_null(strstr(nke_error_text(), "myrtle10"));
  }
}

static void signals_have_windows_of_one_row(void **state)
{
  (void)state;
  nke_network *network = NULL;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  append(network, conv(5, 2, NKE_PAD_VALID));
  append(network, nke_layer_avgpool(3));
  append(network, nke_layer_simple(NKE_LAYER_GLOBAL_AVGPOOL));
  const nke_shape signal = {.axes = 1, .height = 1, .width = 50, .channels = 2};
  assert_int_equal(nke_network_shape(network, signal), NKE_OK);
  assert_int_equal(network->layers[0].out.width, 23);
  assert_int_equal(network->layers[0].out.height, 1);
  assert_int_equal(network->layers[0].filter_h, 1);
  assert_int_equal(network->layers[1].out.width, 7);
  assert_int_equal(network->layers[2].out.axes, 0);
  nke_network_destroy(&network);
}

static nke_layer residual_of(nke_layer in_branch)
{
  nke_layer layer = nke_layer_simple(NKE_LAYER_RESIDUAL);
  assert_int_equal(nke_network_create(&layer.branch), NKE_OK);
  append(layer.branch, in_branch);
  return layer;
}

static void residual_parts_must_agree(void **state)
{
  (void)state;
  nke_network *network = NULL;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  append(network, nke_layer_dense(1, 0));
  append(network, residual_of(conv(3, 1, NKE_PAD_SAME)));
  append(network, nke_layer_simple(NKE_LAYER_FLATTEN));
  assert_int_equal(nke_network_shape(network, cifar), NKE_OK);
  assert_int_equal(network->layers[1].branch->layers[0].in.width, 32);
  assert_int_equal(network->layers[1].out.width, 32);
  nke_network_destroy(&network);
  refused(residual_of(conv(3, 2, NKE_PAD_SAME)), cifar, "16 x 16", "32 x 32");
  nke_layer to_vector = residual_of(nke_layer_simple(NKE_LAYER_FLATTEN));
  append(to_vector.branch, nke_layer_dense(1, 0));
  refused(to_vector, cifar, "a vector", "32 x 32");
  refused(residual_of(nke_layer_simple(NKE_LAYER_IDENTITY)), cifar, "neither part", "independent");
}

static void layers_that_need_gaussian_channels_are_refused_others(void **state)
{
  (void)state;
  const nke_activation act = relu();
  const nke_layer bent[] = {nke_layer_activation(&act), nke_layer_simple(NKE_LAYER_LAYERNORM)};
  for (size_t k = 0; k < 2; k++) {
    nke_network *network = NULL;
    assert_int_equal(nke_network_create(&network), NKE_OK);
    append(network, bent[k]);
    append(network, nke_layer_simple(NKE_LAYER_FLATTEN));
    assert_int_equal(nke_network_shape(network, cifar), NKE_ERR_USAGE);
    assert_non_null(strstr(nke_error_text(), "needs a dense or conv"));
    nke_network_destroy(&network);
  }
  refused(residual_of(nke_layer_activation(&act)), cifar, "residual", "dense or conv");
  /* A sum is Gaussian if its parts are, whatever came before them. */
  for (size_t k = 0; k < 2; k++) {
    nke_layer sum = residual_of(conv(3, 1, NKE_PAD_SAME));
    assert_int_equal(nke_network_create(&sum.shortcut), NKE_OK);
    append(sum.shortcut, conv(1, 1, NKE_PAD_SAME));
    nke_network *network = NULL;
    assert_int_equal(nke_network_create(&network), NKE_OK);
    append(network, conv(3, 1, NKE_PAD_SAME));
    append(network, nke_layer_activation(&act));
    append(network, sum);
    append(network, bent[k]);
    append(network, nke_layer_simple(NKE_LAYER_FLATTEN));
    assert_int_equal(nke_network_shape(network, cifar), NKE_OK);
    nke_network_destroy(&network);
  }
}

static void only_symmetric_windows_can_be_flipped(void **state)
{
  (void)state;
  const struct {
    nke_layer layer;
    int mirrors;
  } cases[] = {{conv(3, 1, NKE_PAD_SAME), 1}, {conv(3, 2, NKE_PAD_SAME), 0},     {conv(4, 1, NKE_PAD_SAME), 0},
               {conv(5, 3, NKE_PAD_VALID), 1}, {conv(3, 3, NKE_PAD_VALID), 0},   {conv(4, 2, NKE_PAD_SAME), 1},
               {nke_layer_avgpool(2), 1},      {nke_layer_avgpool(3), 0},        {conv(3, 1, NKE_PAD_CIRCULAR), 1},
               {conv(3, 2, NKE_PAD_CIRCULAR), 0}, {conv(2, 2, NKE_PAD_CIRCULAR), 1}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    nke_network *network = NULL;
    assert_int_equal(nke_network_create(&network), NKE_OK);
    append(network, cases[k].layer);
    append(network, nke_layer_simple(NKE_LAYER_FLATTEN));
    assert_int_equal(nke_network_shape(network, cifar), NKE_OK);
    assert_int_equal(nke_network_check_flip(network), cases[k].mirrors ? NKE_OK : NKE_ERR_USAGE);
    nke_network_destroy(&network);
  }
}

static void impossible_networks_are_refused(void **state)
{
  (void)state;
  const nke_shape table = {.axes = 0, .height = 1, .width = 1, .channels = 9};
  const nke_shape signal = {.axes = 1, .height = 1, .width = 9, .channels = 2};
  refused(conv(33, 1, NKE_PAD_VALID), cifar, "33 x 33", "32 x 32");
  refused(conv(33, 1, NKE_PAD_CIRCULAR), cifar, "33 x 33", "32 x 32");
  refused(conv(3, 3, NKE_PAD_CIRCULAR), cifar, "circular", "3 x 3");
  refused(conv(0, 1, NKE_PAD_SAME), cifar, "window 0", "at least 1");
  refused(conv(3, 0, NKE_PAD_SAME), cifar, "stride 0", "at least 1");
  refused(conv(1 << 21, 1, NKE_PAD_SAME), cifar, "2097152", "at most");
  refused(conv(3, 1, NKE_PAD_SAME), table, "conv", "vector");
  refused(nke_layer_avgpool(33), cifar, "33 x 33", "32 x 32");
  refused(nke_layer_avgpool(10), signal, "10", "9 points");
  refused(nke_layer_avgpool(2), table, "avgpool", "vector");
  refused(nke_layer_dense(-1, 0), cifar, "w_std -1", "not negative");
  refused(nke_layer_dense(NAN, 0), cifar, "w_std", "finite");
  refused(nke_layer_dense(1, INFINITY), cifar, "b_std inf", "finite");
}

static void the_output_must_be_a_vector(void **state)
{
  (void)state;
  nke_network *network = NULL;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  assert_int_equal(nke_network_shape(network, cifar), NKE_ERR_USAGE);
  append(network, conv(3, 1, NKE_PAD_SAME));
  assert_int_equal(nke_network_shape(network, cifar), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "flatten or global_avgpool"));
  nke_network_destroy(&network);
}

static void failed_allocations_leave_the_network_whole(void **state)
{
  (void)state;
  const nke_activation act = relu();
  for (int k = 1; k <= 17; k++) {
    nke_network *network = NULL;
    nke_alloc_fail_at(k);
    const nke_status st = nke_network_preset("myrtle5", &act, &network);
    nke_alloc_fail_at(0);
    assert_int_equal(st, k <= 16 ? NKE_ERR_MEMORY : NKE_OK);
    assert_true((network == NULL) == (st != NKE_OK));
    nke_network_destroy(&network);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pixels_are_counted_in_32_bits),
    cmocka_unit_test(conv_sizes_follow_jax),
    cmocka_unit_test(myrtle_presets_end_in_one_vector),
    cmocka_unit_test(fully_connected_presets),
    cmocka_unit_test(signals_have_windows_of_one_row),
    cmocka_unit_test(residual_parts_must_agree),
    cmocka_unit_test(layers_that_need_gaussian_channels_are_refused_others),
    cmocka_unit_test(only_symmetric_windows_can_be_flipped),
    cmocka_unit_test(impossible_networks_are_refused),
    cmocka_unit_test(the_output_must_be_a_vector),
    cmocka_unit_test(failed_allocations_leave_the_network_whole),
};

NKE_TEST_MAIN(tests)
