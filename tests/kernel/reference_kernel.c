#include "kernel/reference_kernel.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Kernels of the three pairs (x, x), (x, y), (y, y): s[k][i * pixels + j], and the NTK t. */
typedef struct state {
  int h, w;
  double *s[3], *t[3];
} state;

static state make(int h, int w)
{
  state z = {.h = h, .w = w};
  for (int k = 0; k < 3; k++) {
    z.s[k] = calloc((size_t)(h * w * h * w), sizeof(double));
    z.t[k] = calloc((size_t)(h * w * h * w), sizeof(double));
  }
  return z;
}

static void clear(state *z)
{
  for (int k = 0; k < 3; k++) {
    free(z->s[k]);
    free(z->t[k]);
  }
}

static state copy(const state *z)
{
  state c = make(z->h, z->w);
  const size_t bytes = sizeof(double) * (size_t)(z->h * z->w) * (size_t)(z->h * z->w);
  for (int k = 0; k < 3; k++) {
    memcpy(c.s[k], z->s[k], bytes);
    memcpy(c.t[k], z->t[k], bytes);
  }
  return c;
}

/* Pixel i (row, column; outside: -1, or wrapped around). */
static int pixel(const state *z, int row, int column, int circular)
{
  if (circular) {
    row = ((row % z->h) + z->h) % z->h;
    column = ((column % z->w) + z->w) % z->w;
  }
  return row < 0 || row >= z->h || column < 0 || column >= z->w ? -1 : row * z->w + column;
}

/* out(i, j) = factor * sum over window offsets a of i and b of j (same: a = b only) of in. */
static void window(const state *in, state *out, const nke_layer *l, const int pad[2], int same, double factor)
{
  const int n = in->h * in->w, m = out->h * out->w, taps = l->filter_h * l->filter_w;
  const int circular = l->kind == NKE_LAYER_CONV && l->padding == NKE_PAD_CIRCULAR;
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < m; i++)
      for (int j = 0; j < m; j++)
        for (int a = 0; a < taps; a++)
          for (int b = same ? a : 0; b < (same ? a + 1 : taps); b++) {
            const int p = pixel(in, i / out->w * l->stride_h - pad[0] + a / l->filter_w,
                                i % out->w * l->stride_w - pad[1] + a % l->filter_w, circular);
            const int q = pixel(in, j / out->w * l->stride_h - pad[0] + b / l->filter_w,
                                j % out->w * l->stride_w - pad[1] + b % l->filter_w, circular);
            if (p < 0 || q < 0) continue;
            out->s[k][i * m + j] += factor * in->s[k][p * n + q];
            out->t[k][i * m + j] += factor * in->t[k][p * n + q];
          }
}

static void linear(state *z, double w2, double b2)
{
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < z->h * z->w * z->h * z->w; i++) {
      z->s[k][i] = w2 * z->s[k][i] + b2;
      z->t[k][i] = w2 * z->t[k][i] + z->s[k][i];
    }
}

static void dual(const nke_activation *act, double qx, double qy, double s, double *k, double *kdot)
{
  const double w = sqrt(qx * qy), c = w > 0 ? fmax(-1, fmin(1, s / w)) : 0;
  if (act->kind == NKE_ACT_ERF) {
    const double a = act->param[0], b2 = 2 * act->param[1] * act->param[1];
    const double det = (1 + b2 * qx) * (1 + b2 * qy);
    *k = a * a * M_2_PI * asin(b2 * s / sqrt(det)) + act->param[2] * act->param[2];
    *kdot = a * a * 2 * b2 / M_PI / sqrt(det - b2 * b2 * s * s);
    return;
  }
  if (act->kind == NKE_ACT_GELU) {
    const double scale = (1 + qx) * (1 + qy), det = scale - s * s, turn = asin(s / sqrt(scale)) / (2 * M_PI) + 0.25;
    *k = (s * s / sqrt(det) + qx * qy * sqrt(det)) / scale / (2 * M_PI) + s * turn;
    *kdot = s / sqrt(det) * (1 / det + (1 - qx * qy) / scale + 1) / (2 * M_PI) + turn;
    return;
  }
  if (act->kind == NKE_ACT_EXP_NORMALIZED) {
    *kdot = act->param[0] * exp(act->param[0] * (c + act->param[1]));
    *k = w * exp(act->param[0] * (c + act->param[1]));
    return;
  }
  assert(act->kind == NKE_ACT_RELU || act->kind == NKE_ACT_ABRELU);
  const double a = act->kind == NKE_ACT_RELU ? 0 : act->param[0], b = act->kind == NKE_ACT_RELU ? 1 : act->param[1];
  const double angle = acos(c), bend = (a - b) * (a - b) / (2 * M_PI);
  *k = w * (bend * (sqrt(1 - c * c) + (M_PI - angle) * c) + a * b * c);
  *kdot = bend * (M_PI - angle) + a * b;
}

/* Layer norm and activations need the variances: the diagonals of (x, x) and (y, y). */
static void pointwise(state *z, const nke_layer *l)
{
  const int n = z->h * z->w;
  double *q[2];
  for (int k = 0; k < 2; k++) {
    q[k] = malloc((size_t)n * sizeof(double));
    for (int i = 0; i < n; i++) q[k][i] = z->s[2 * k][i * n + i];
  }
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        const double qx = q[k == 2][i], qy = q[k > 0][j];
        double *s = &z->s[k][i * n + j], *t = &z->t[k][i * n + j], kernel, kdot;
        if (l->kind == NKE_LAYER_LAYERNORM) {
          const double norm = sqrt((1e-12 + qx) * (1e-12 + qy));
          *s /= norm;
          *t /= norm;
        } else {
          dual(&l->activation, qx, qy, k != 1 && i == j ? qx : *s, &kernel, &kdot);
          *s = kernel;
          *t *= kdot;
        }
      }
  free(q[0]);
  free(q[1]);
}

static void run_list(const nke_network *network, state *z);

static void residual(const nke_layer *l, state *z)
{
  state other = copy(z);
  if (l->branch) run_list(l->branch, z);
  if (l->shortcut) run_list(l->shortcut, &other);
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < z->h * z->w * z->h * z->w; i++) {
      z->s[k][i] += other.s[k][i];
      z->t[k][i] += other.t[k][i];
    }
  clear(&other);
}

static void flatten(state *z)
{
  state out = make(1, 1);
  const int n = z->h * z->w;
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < n; i++) {
      out.s[k][0] += z->s[k][i * n + i] / n;
      out.t[k][0] += z->t[k][i * n + i] / n;
    }
  clear(z);
  *z = out;
}

static void windowed(const nke_layer *given, state *z)
{
  nke_layer l = *given;
  const int conv = l.kind == NKE_LAYER_CONV;
  int pad[2] = {0, 0};
  if (conv) {
    pad[0] = (int)nke_conv_pad_before(l.padding, z->h, l.filter_h, l.stride_h);
    pad[1] = (int)nke_conv_pad_before(l.padding, z->w, l.filter_w, l.stride_w);
  } else if (l.kind == NKE_LAYER_GLOBAL_AVGPOOL) {
    l.filter_h = z->h;
    l.filter_w = z->w;
  }
  const double taps = l.filter_h * l.filter_w;
  state out = make((int)l.out.height, (int)l.out.width);
  window(z, &out, &l, pad, conv, conv ? 1 / taps : 1 / (taps * taps));
  clear(z);
  *z = out;
  if (conv) linear(z, l.w_std * l.w_std, l.b_std * l.b_std);
}

static void run_list(const nke_network *network, state *z)
{
  for (int k = 0; k < network->n_layers; k++) {
    const nke_layer *l = &network->layers[k];
    switch (l->kind) {
      case NKE_LAYER_DENSE: linear(z, l->w_std * l->w_std, l->b_std * l->b_std); break;
      case NKE_LAYER_CONV:
      case NKE_LAYER_AVGPOOL:
      case NKE_LAYER_GLOBAL_AVGPOOL: windowed(l, z); break;
      case NKE_LAYER_ACTIVATION:
        if (l->activation.kind != NKE_ACT_IDENTITY) pointwise(z, l);
        break;
      case NKE_LAYER_LAYERNORM: pointwise(z, l); break;
      case NKE_LAYER_FLATTEN: flatten(z); break;
      case NKE_LAYER_RESIDUAL: residual(l, z); break;
      case NKE_LAYER_IDENTITY: break;
    }
  }
}

void reference_kernel(const nke_network *network, const double *x, const double *y, double *nngp, double *ntk)
{
  const int h = (int)network->input.height, w = (int)network->input.width, c = (int)network->input.channels;
  const double *const first[3] = {x, x, y}, *const second[3] = {x, y, y};
  const int n = h * w;
  state z = make(h, w);
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++)
        for (int a = 0; a < c; a++) z.s[k][i * n + j] += first[k][i * c + a] * second[k][j * c + a] / c;
  run_list(network, &z);
  *nngp = z.s[1][0];
  *ntk = z.t[1][0];
  clear(&z);
}
