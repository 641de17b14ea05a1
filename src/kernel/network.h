/* Networks: a list of layers with the shapes that flow through them. Exact kernels and features both walk this list. */
#ifndef NKE_KERNEL_NETWORK_H
#define NKE_KERNEL_NETWORK_H

#include "base/shape.h"
#include "base/status.h"
#include "num/activation.h"

#include <stdint.h>

typedef enum nke_layer_kind {
  NKE_LAYER_DENSE,
  NKE_LAYER_CONV,
  NKE_LAYER_ACTIVATION,
  NKE_LAYER_AVGPOOL,
  NKE_LAYER_GLOBAL_AVGPOOL,
  NKE_LAYER_FLATTEN,
  NKE_LAYER_LAYERNORM,
  NKE_LAYER_RESIDUAL, /* sum of branch(x) and shortcut(x); an empty list is the identity */
  NKE_LAYER_IDENTITY
} nke_layer_kind;

typedef enum nke_padding { NKE_PAD_SAME, NKE_PAD_VALID, NKE_PAD_CIRCULAR } nke_padding;

typedef struct nke_network nke_network;

typedef struct nke_layer {
  nke_layer_kind kind;
  double w_std, b_std;      /* dense, conv */
  int filter_h, filter_w;   /* conv (1 x k on signals), avgpool window */
  int stride_h, stride_w;   /* conv, avgpool */
  nke_padding padding;      /* conv: as JAX's SAME, VALID, CIRCULAR; avgpool is VALID */
  nke_activation activation;
  nke_network *branch, *shortcut; /* residual; owned */
  nke_shape in, out;        /* set by nke_network_shape() */
  int line;                 /* config line, 0 if none; used in error texts */
} nke_layer;

struct nke_network {
  int n_layers;
  nke_layer *layers; /* owned */
  nke_shape input;   /* set by nke_network_shape() */
};

/* An empty network. Local. */
nke_status nke_network_create(nke_network **out);
void nke_network_destroy(nke_network **network);

/* Append a layer (copied; takes over branch and shortcut). Local. */
nke_status nke_network_append(nke_network *network, const nke_layer *layer);

/* Layers with the defaults of the config reference: w_std 1, b_std 0, stride 1, padding same. Local. */
nke_layer nke_layer_dense(double w_std, double b_std);
nke_layer nke_layer_conv(int filter, double w_std, double b_std);
nke_layer nke_layer_activation(const nke_activation *activation);
nke_layer nke_layer_avgpool(int window);
nke_layer nke_layer_simple(nke_layer_kind kind);

/* A preset: myrtle5, myrtle7, myrtle10 (w_std sqrt 2, no bias), or fc1, fc2, ... (that many hidden layers).
 * NKE_ERR_USAGE on an unknown name. Local. */
nke_status nke_network_preset(const char *name, const nke_activation *activation, nke_network **out);

/* Set the shapes of every layer for data of shape `input`. NKE_ERR_USAGE, naming layer, config line and sizes, where
 * the network is impossible: a filter larger than a valid-padded image, an output that still has spatial axes, a
 * spatial layer on vectors, residual parts of different shape, stride on circular padding that does not divide, more
 * than 2^31 - 1 pixels; or where its kernel is not defined by these rules (neural-tangents' too): an activation,
 * layernorm or sum on channels that are not Gaussian. On signals windows become 1 x k. Local. */
nke_status nke_network_shape(nke_network *network, nke_shape input);

/* NKE_ERR_USAGE, naming the layer, unless mirroring the images (left-right) mirrors what every layer of the shaped
 * network gives, as averaging a kernel or features over mirrored images needs. Local. */
nke_status nke_network_check_flip(const nke_network *network);

/* Padding before the first pixel along one axis for the output size given by JAX's rule
 * (same: ceil(n / s); valid: ceil((n - k + 1) / s); circular: as same). Local. */
int64_t nke_conv_out(nke_padding padding, int64_t n, int filter, int stride);
int64_t nke_conv_pad_before(nke_padding padding, int64_t n, int filter, int stride);

#endif
