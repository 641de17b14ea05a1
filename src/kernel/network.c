#include "kernel/network.h"

#include "base/checked.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HIDDEN = 64, LARGEST_FILTER = 1 << 20 };

static const char *const layer_names[] = {
    [NKE_LAYER_DENSE] = "dense",
    [NKE_LAYER_CONV] = "conv",
    [NKE_LAYER_ACTIVATION] = "activation",
    [NKE_LAYER_AVGPOOL] = "avgpool",
    [NKE_LAYER_GLOBAL_AVGPOOL] = "global_avgpool",
    [NKE_LAYER_FLATTEN] = "flatten",
    [NKE_LAYER_LAYERNORM] = "layernorm",
    [NKE_LAYER_RESIDUAL] = "residual",
    [NKE_LAYER_IDENTITY] = "identity",
};

nke_status nke_network_create(nke_network **out)
{
  return nke_calloc(1, sizeof **out, "a network", out);
}

void nke_network_destroy(nke_network **network)
{
  if (!network || !*network) return;
  for (int l = 0; l < (*network)->n_layers; l++) {
    nke_network_destroy(&(*network)->layers[l].branch);
    nke_network_destroy(&(*network)->layers[l].shortcut);
  }
  nke_free((*network)->layers);
  nke_free(*network);
  *network = NULL;
}

nke_status nke_network_append(nke_network *network, const nke_layer *layer)
{
  nke_layer *layers;
  const nke_status st = nke_alloc(network->n_layers + 1, sizeof *layers, "the layers of a network", &layers);
  if (st != NKE_OK) return st;
  if (network->n_layers > 0) memcpy(layers, network->layers, (size_t)network->n_layers * sizeof *layers);
  layers[network->n_layers] = *layer;
  nke_free(network->layers);
  network->layers = layers;
  network->n_layers++;
  return NKE_OK;
}

nke_layer nke_layer_simple(nke_layer_kind kind)
{
  nke_layer layer;
  memset(&layer, 0, sizeof layer);
  layer.kind = kind;
  layer.w_std = 1;
  layer.filter_h = layer.filter_w = 1;
  layer.stride_h = layer.stride_w = 1;
  layer.padding = NKE_PAD_SAME;
  return layer;
}

nke_layer nke_layer_dense(double w_std, double b_std)
{
  nke_layer layer = nke_layer_simple(NKE_LAYER_DENSE);
  layer.w_std = w_std;
  layer.b_std = b_std;
  return layer;
}

nke_layer nke_layer_conv(int filter, double w_std, double b_std)
{
  nke_layer layer = nke_layer_simple(NKE_LAYER_CONV);
  layer.filter_h = layer.filter_w = filter;
  layer.w_std = w_std;
  layer.b_std = b_std;
  return layer;
}

nke_layer nke_layer_activation(const nke_activation *activation)
{
  nke_layer layer = nke_layer_simple(NKE_LAYER_ACTIVATION);
  layer.activation = *activation;
  return layer;
}

nke_layer nke_layer_avgpool(int window)
{
  nke_layer layer = nke_layer_simple(NKE_LAYER_AVGPOOL);
  layer.filter_h = layer.filter_w = window;
  layer.stride_h = layer.stride_w = window;
  layer.padding = NKE_PAD_VALID;
  return layer;
}

static nke_status append_hidden(nke_network *network, const nke_layer *linear, const nke_activation *activation)
{
  const nke_layer act = nke_layer_activation(activation);
  const nke_status st = nke_network_append(network, linear);
  return st == NKE_OK ? nke_network_append(network, &act) : st;
}

/* conv, act; `repeats` x (conv, act), pool 2 at each of three resolutions; two more pools leave one pixel of 32. */
static nke_status append_myrtle(nke_network *network, const int repeats[3], const nke_activation *activation)
{
  nke_status st = NKE_OK;
  const nke_layer conv = nke_layer_conv(3, sqrt(2.0), 0);
  const nke_layer pool = nke_layer_avgpool(2);
  for (int stage = 0; stage < 3; stage++) {
    for (int k = 0; k < repeats[stage]; k++) NKE_TRY(append_hidden(network, &conv, activation));
    NKE_TRY(nke_network_append(network, &pool));
  }
  for (int k = 0; k < 2; k++) NKE_TRY(nke_network_append(network, &pool));
  const nke_layer flatten = nke_layer_simple(NKE_LAYER_FLATTEN);
  NKE_TRY(nke_network_append(network, &flatten));
done:
  return st;
}

static nke_status append_preset(nke_network *network, const char *name, const nke_activation *activation)
{
  static const struct {
    const char *name;
    int repeats[3];
  } myrtles[] = {{"myrtle5", {2, 1, 1}}, {"myrtle7", {2, 2, 2}}, {"myrtle10", {3, 3, 3}}};
  for (size_t k = 0; k < sizeof myrtles / sizeof *myrtles; k++)
    if (strcmp(name, myrtles[k].name) == 0) return append_myrtle(network, myrtles[k].repeats, activation);
  char *end = NULL;
  const long hidden = strncmp(name, "fc", 2) == 0 ? strtol(name + 2, &end, 10) : 0;
  if (hidden < 1 || hidden > MAX_HIDDEN || *end || name[2] < '1' || name[2] > '9')
    return nke_fail(NKE_ERR_USAGE,
                    "network.preset: '%s' is unknown; expected myrtle5, myrtle7, myrtle10 or fc1 .. fc%d", name,
                    MAX_HIDDEN);
  const nke_layer dense = nke_layer_dense(sqrt(2.0), 0);
  nke_status st = NKE_OK;
  for (long k = 0; k < hidden && st == NKE_OK; k++) st = append_hidden(network, &dense, activation);
  return st;
}

nke_status nke_network_preset(const char *name, const nke_activation *activation, nke_network **out)
{
  nke_status st = NKE_OK;
  nke_network *network = NULL;
  const nke_layer dense = nke_layer_dense(sqrt(2.0), 0);
  *out = NULL;
  NKE_TRY(nke_network_create(&network));
  NKE_TRY(append_preset(network, name, activation));
  NKE_TRY(nke_network_append(network, &dense));
  *out = network;
  network = NULL;
done:
  nke_network_destroy(&network);
  return st;
}

int64_t nke_conv_out(nke_padding padding, int64_t n, int filter, int stride)
{
  if (padding != NKE_PAD_VALID) return nke_ceil_div(n, stride);
  return n < filter ? 0 : (n - filter) / stride + 1;
}

int64_t nke_conv_pad_before(nke_padding padding, int64_t n, int filter, int stride)
{
  if (padding == NKE_PAD_VALID) return 0;
  const int64_t out = nke_conv_out(padding, n, filter, stride);
  return nke_max((out - 1) * stride + filter - n, 0) / 2;
}

/* One line: the layer's number in its list, its name and config line, then what is wrong. */
static nke_status refuse(const nke_layer *layer, int index, const char *what)
{
  char line[32] = "";
  if (layer->line > 0) snprintf(line, sizeof line, "line %d: ", layer->line);
  return nke_fail(NKE_ERR_USAGE, "network: %slayer %d (%s): %s", line, index + 1, layer_names[layer->kind], what);
}

/* "32 x 32 pixels", "signals of 100 points", "vectors". */
static const char *shape_text(nke_shape s, char *text, size_t size)
{
  if (s.axes == 0)
    snprintf(text, size, "a vector");
  else if (s.axes == 1)
    snprintf(text, size, "a signal of %lld points", (long long)s.width);
  else
    snprintf(text, size, "an image of %lld x %lld pixels", (long long)s.height, (long long)s.width);
  return text;
}

/* Also makes the window 1 x k on signals, whatever was asked along the missing axis. */
static nke_status check_window(nke_layer *layer, int index)
{
  char what[256];
  if (layer->in.axes == 1) layer->filter_h = layer->stride_h = 1;
  if (layer->filter_h < 1 || layer->filter_w < 1 || layer->stride_h < 1 || layer->stride_w < 1) {
    snprintf(what, sizeof what, "window %d x %d with stride %d x %d; expected all at least 1", layer->filter_h,
             layer->filter_w, layer->stride_h, layer->stride_w);
    return refuse(layer, index, what);
  }
  if (layer->filter_h <= LARGEST_FILTER && layer->filter_w <= LARGEST_FILTER) return NKE_OK;
  snprintf(what, sizeof what, "window %d x %d; expected at most %d a side", layer->filter_h, layer->filter_w,
           LARGEST_FILTER);
  return refuse(layer, index, what);
}

static nke_status shape_conv(nke_layer *layer, int index)
{
  char what[256], text[64];
  const nke_shape in = layer->in;
  if (in.axes == 0) return refuse(layer, index, "needs a signal or an image, but its input is a vector; use dense");
  const nke_status st = check_window(layer, index);
  if (st != NKE_OK) return st;
  shape_text(in, text, sizeof text);
  const int too_large = layer->filter_w > in.width || layer->filter_h > in.height;
  if (too_large && layer->padding != NKE_PAD_SAME) {
    snprintf(what, sizeof what, "filter %d x %d is larger than its input, %s", layer->filter_h, layer->filter_w, text);
    return refuse(layer, index, what);
  }
  const int divides = in.width % layer->stride_w == 0 && in.height % layer->stride_h == 0;
  if (layer->padding == NKE_PAD_CIRCULAR && !divides) {
    snprintf(what, sizeof what, "circular padding with stride %d x %d needs sizes that the stride divides; got %s",
             layer->stride_h, layer->stride_w, text);
    return refuse(layer, index, what);
  }
  layer->out.width = nke_conv_out(layer->padding, in.width, layer->filter_w, layer->stride_w);
  layer->out.height = nke_conv_out(layer->padding, in.height, layer->filter_h, layer->stride_h);
  return NKE_OK;
}

static nke_status shape_avgpool(nke_layer *layer, int index)
{
  char what[256], text[64];
  const nke_shape in = layer->in;
  if (in.axes == 0) return refuse(layer, index, "needs a signal or an image, but its input is a vector");
  const nke_status st = check_window(layer, index);
  if (st != NKE_OK) return st;
  if (layer->filter_w > in.width || layer->filter_h > in.height) {
    snprintf(what, sizeof what, "window %d x %d is larger than its input, %s", layer->filter_h, layer->filter_w,
             shape_text(in, text, sizeof text));
    return refuse(layer, index, what);
  }
  layer->out.width = nke_conv_out(NKE_PAD_VALID, in.width, layer->filter_w, layer->stride_w);
  layer->out.height = nke_conv_out(NKE_PAD_VALID, in.height, layer->filter_h, layer->stride_h);
  return NKE_OK;
}

/* What the kernel of a layer may rest on: channels that are centred Gaussians (fresh weights just before, not yet bent
 * by an activation), and whether this list has weights of its own at all. */
typedef struct flow {
  int gaussian, weights;
} flow;

static nke_status shape_list(nke_network *network, nke_shape input, flow *state, nke_shape *output);

static nke_status shape_residual(nke_layer *layer, int index, flow *state)
{
  nke_shape out[2] = {layer->in, layer->in};
  flow part[2];
  nke_network *const parts[2] = {layer->branch, layer->shortcut};
  for (int k = 0; k < 2; k++) {
    part[k] = (flow){.gaussian = state->gaussian, .weights = 0};
    const nke_status st = parts[k] ? shape_list(parts[k], layer->in, &part[k], &out[k]) : NKE_OK;
    if (st != NKE_OK) return st;
  }
  if (!part[0].gaussian || !part[1].gaussian)
    return refuse(layer, index, "a sum needs parts that end in dense or conv (or pass on such an input)");
  if (!part[0].weights && !part[1].weights)
    return refuse(layer, index, "neither part has a dense or conv of its own, so they are not independent");
  /* A sum of Gaussians is one, whatever came before its parts. */
  *state = (flow){.gaussian = 1, .weights = 1};
  layer->out = out[0];
  if (out[0].axes == out[1].axes && out[0].height == out[1].height && out[0].width == out[1].width) return NKE_OK;
  char what[256], text[2][64];
  snprintf(what, sizeof what, "the branch gives %s, the shortcut %s; expected the same",
           shape_text(out[0], text[0], sizeof text[0]), shape_text(out[1], text[1], sizeof text[1]));
  return refuse(layer, index, what);
}

/* Dense and conv make Gaussian channels; activation, layernorm and sums need them. */
static nke_status check_gaussian(const nke_layer *layer, int index, flow *state)
{
  switch (layer->kind) {
    case NKE_LAYER_DENSE:
    case NKE_LAYER_CONV:
      *state = (flow){.gaussian = 1, .weights = 1};
      return NKE_OK;
    case NKE_LAYER_ACTIVATION:
      if (!state->gaussian) return refuse(layer, index, "an activation needs a dense or conv before it");
      state->gaussian = layer->activation.kind == NKE_ACT_IDENTITY;
      return NKE_OK;
    case NKE_LAYER_LAYERNORM:
      return state->gaussian ? NKE_OK : refuse(layer, index, "a layer norm needs a dense or conv before it");
    case NKE_LAYER_FLATTEN:
      if (layer->in.axes > 0) state->gaussian = 0;
      return NKE_OK;
    case NKE_LAYER_AVGPOOL:
    case NKE_LAYER_GLOBAL_AVGPOOL:
    case NKE_LAYER_RESIDUAL:
    case NKE_LAYER_IDENTITY:
      return NKE_OK;
  }
  return NKE_OK;
}

static nke_status shape_layer(nke_layer *layer, int index, flow *state)
{
  layer->out = layer->in;
  layer->out.channels = 0;
  const int finite = isfinite(layer->w_std) && isfinite(layer->b_std);
  if (!finite || layer->w_std < 0 || layer->b_std < 0) {
    char what[128];
    snprintf(what, sizeof what, "w_std %g, b_std %g; expected finite and not negative", layer->w_std, layer->b_std);
    return refuse(layer, index, what);
  }
  const nke_status st = check_gaussian(layer, index, state);
  if (st != NKE_OK) return st;
  switch (layer->kind) {
    case NKE_LAYER_CONV:
      return shape_conv(layer, index);
    case NKE_LAYER_AVGPOOL:
      return shape_avgpool(layer, index);
    case NKE_LAYER_RESIDUAL:
      return shape_residual(layer, index, state);
    case NKE_LAYER_GLOBAL_AVGPOOL:
    case NKE_LAYER_FLATTEN:
      layer->out = (nke_shape){.axes = 0, .height = 1, .width = 1};
      return NKE_OK;
    case NKE_LAYER_DENSE:
    case NKE_LAYER_ACTIVATION:
    case NKE_LAYER_LAYERNORM:
    case NKE_LAYER_IDENTITY:
      return NKE_OK;
  }
  return nke_fail(NKE_ERR_INTERNAL, "network: layer %d has kind %d", index + 1, (int)layer->kind);
}

static nke_status shape_list(nke_network *network, nke_shape input, flow *state, nke_shape *output)
{
  network->input = input;
  for (int l = 0; l < network->n_layers; l++) {
    nke_layer *layer = &network->layers[l];
    layer->in = l == 0 ? input : network->layers[l - 1].out;
    const nke_status st = shape_layer(layer, l, state);
    if (st != NKE_OK) return st;
  }
  *output = network->n_layers > 0 ? network->layers[network->n_layers - 1].out : input;
  return NKE_OK;
}

/* Pixels are numbered, and those of a window counted, in 32 bits. */
static nke_status check_pixels(nke_shape input)
{
  if (input.width <= INT32_MAX && input.height <= INT32_MAX && nke_shape_pixels(input) <= INT32_MAX) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "network: rows of %lld x %lld pixels; expected at most 2^31 - 1 of them",
                  (long long)input.height, (long long)input.width);
}

nke_status nke_network_shape(nke_network *network, nke_shape input)
{
  nke_shape output;
  char what[256], text[64];
  const nke_status fits = check_pixels(input);
  if (fits != NKE_OK) return fits;
  if (network->n_layers == 0) return nke_fail(NKE_ERR_USAGE, "network: no layers; expected at least one");
  flow state = {.gaussian = 0, .weights = 0};
  const nke_status st = shape_list(network, input, &state, &output);
  if (st != NKE_OK || output.axes == 0) return st;
  const nke_layer *const last = &network->layers[network->n_layers - 1];
  snprintf(what, sizeof what, "the network ends with %s; expected a vector: %s", shape_text(output, text, sizeof text),
           last->line > 0 ? "add flatten or global_avgpool" /* else a preset, most often one for rows [n, d] */
                          : "reshape rows to [n, d], or write layers with flatten or global_avgpool among them");
  return refuse(last, network->n_layers - 1, what);
}

/* Whether mirroring the input of one axis mirrors the output: the windows must lie symmetrically. */
static int windows_mirror(nke_padding padding, int64_t n, int64_t out, int filter, int stride)
{
  const int64_t last = (out - 1) * stride + filter - 1 - 2 * nke_conv_pad_before(padding, n, filter, stride);
  return padding == NKE_PAD_CIRCULAR ? (last - (n - 1)) % n == 0 : last == n - 1;
}

nke_status nke_network_check_flip(const nke_network *network)
{
  if (network->input.axes == 0) return nke_fail(NKE_ERR_USAGE, "symmetrize: flip needs signals or images, not vectors");
  for (int l = 0; l < network->n_layers; l++) {
    const nke_layer *layer = &network->layers[l];
    nke_status st = NKE_OK;
    if (layer->kind == NKE_LAYER_CONV || layer->kind == NKE_LAYER_AVGPOOL) {
      const nke_padding padding = layer->kind == NKE_LAYER_CONV ? layer->padding : NKE_PAD_VALID;
      if (!windows_mirror(padding, layer->in.width, layer->out.width, layer->filter_w, layer->stride_w))
        st = refuse(layer, l, "does not mirror its output when its input is mirrored; symmetrize: flip cannot be used");
    }
    if (st == NKE_OK && layer->branch && layer->in.axes > 0) st = nke_network_check_flip(layer->branch);
    if (st == NKE_OK && layer->shortcut && layer->in.axes > 0) st = nke_network_check_flip(layer->shortcut);
    if (st != NKE_OK) return st;
  }
  return NKE_OK;
}
