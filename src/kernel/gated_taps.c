#include "base/memory.h"
#include "kernel/gated.h"

#include <math.h>
#include <string.h>

/* Distinct cyclic shifts whose differences are all distinct too, by greedy search (a Sidon set): then no two pairs of
 * taps meet under the same products of signs, and the cross terms of a sum of taps average out as with independent
 * signs. Returns 0 where `positions` are too few for n taps. */
static int find_shifts(int n, int positions, int32_t *shift)
{
  uint8_t used[1 << 12] = {0};
  if (positions > (int)sizeof used) positions = (int)sizeof used;
  int found = 0;
  for (int s = 0; s < positions && found < n; s++) {
    uint8_t taken[sizeof used];
    memcpy(taken, used, (size_t)positions);
    int fits = 1;
    for (int i = 0; i < found && fits; i++) {
      const int up = s - shift[i], down = positions - up;
      fits = !taken[up]++ && (down == up || !taken[down]++);
    }
    if (!fits) continue;
    memcpy(used, taken, (size_t)positions);
    shift[found++] = s;
  }
  for (int i = 0; i < found; i++) shift[i] *= NKE_GATED_LANES;
  return found == n;
}

/* Independent signs for each tap, where shifts do not suffice. */
static nke_status tap_signs(nke_gated_plan *plan, int64_t stride, nke_taps *taps)
{
  nke_status st = NKE_OK;
  memset(taps->shift, 0, (size_t)taps->n * sizeof *taps->shift);
  NKE_TRY(nke_gated_alloc(plan, taps->n * stride, "signs of the taps", &taps->sign_data));
  NKE_TRY(nke_gated_signs(plan, taps->n * stride, 1, taps->sign_data));
  NKE_TRY(nke_calloc(taps->n, sizeof *taps->sign, "signs of the taps", &taps->sign));
  for (int t = 0; t < taps->n; t++) taps->sign[t] = nke_at(plan, taps->sign_data, t * stride);
done:
  return st;
}

/* Window and stride of a layer as a filter over the image; dense and the identity look at one pixel. */
typedef struct window {
  int h, w, stride_h, stride_w;
  int64_t pad_h, pad_w;
  int wraps;
  double gain, bias; /* variances add up over the taps, or, for pooling, the vectors themselves are averaged */
} window;

static window layer_window(const nke_layer *layer, nke_shape in)
{
  window v = {.h = 1, .w = 1, .stride_h = 1, .stride_w = 1, .gain = 1};
  if (!layer) return v;
  switch (layer->kind) {
    case NKE_LAYER_CONV:
      v.h = layer->filter_h, v.w = layer->filter_w;
      v.stride_h = layer->stride_h, v.stride_w = layer->stride_w;
      v.wraps = layer->padding == NKE_PAD_CIRCULAR;
      v.pad_h = nke_conv_pad_before(layer->padding, in.height, v.h, v.stride_h);
      v.pad_w = nke_conv_pad_before(layer->padding, in.width, v.w, v.stride_w);
      v.gain = layer->w_std / sqrt((double)v.h * v.w);
      v.bias = layer->b_std;
      break;
    case NKE_LAYER_DENSE:
      v.gain = layer->w_std;
      v.bias = layer->b_std;
      break;
    case NKE_LAYER_AVGPOOL:
      v.h = v.stride_h = layer->filter_h, v.w = v.stride_w = layer->filter_w;
      v.gain = 1.0 / ((double)v.h * v.w);
      break;
    case NKE_LAYER_GLOBAL_AVGPOOL:
      v.h = (int)in.height, v.w = (int)in.width;
      v.gain = 1.0 / ((double)v.h * v.w);
      break;
    case NKE_LAYER_FLATTEN:
      v.h = (int)in.height, v.w = (int)in.width;
      v.gain = 1.0 / sqrt((double)v.h * v.w);
      break;
    default: break;
  }
  return v;
}

/* The input pixel along one axis, -1 outside. */
static int64_t source(int64_t out, int stride, int64_t pad, int tap, int64_t n, int wraps)
{
  const int64_t i = out * stride - pad + tap;
  if (wraps) return ((i % n) + n) % n;
  return i >= 0 && i < n ? i : -1;
}

static void fill_pixels(const window *v, nke_shape in, nke_shape out, nke_taps *taps)
{
  int32_t *p = taps->pixel;
  for (int64_t y = 0; y < out.height; y++)
    for (int64_t x = 0; x < out.width; x++)
      for (int dy = 0; dy < v->h; dy++)
        for (int dx = 0; dx < v->w; dx++) {
          const int64_t row = source(y, v->stride_h, v->pad_h, dy, in.height, v->wraps);
          const int64_t column = source(x, v->stride_w, v->pad_w, dx, in.width, v->wraps);
          *p++ = row < 0 || column < 0 ? -1 : (int32_t)(row * in.width + column);
        }
}

static int shifts_do(nke_taps_mix mix, int64_t stride, const nke_taps *taps)
{
  if (mix == NKE_TAPS_SUMMED_IN_PLACE && taps->n > 1) return 0;
  return find_shifts(taps->n, (int)nke_min(stride / NKE_GATED_LANES, 1 << 12), taps->shift);
}

nke_status nke_taps_create(nke_gated_plan *plan, const nke_layer *layer, nke_shape in, nke_shape out, int64_t stride,
                           int64_t width, nke_taps_mix mix, nke_taps *taps)
{
  nke_status st = NKE_OK;
  const window v = layer_window(layer, in);
  taps->n = v.h * v.w;
  taps->out_pixels = nke_shape_pixels(out);
  taps->scale = v.gain;
  taps->bias = v.bias;
  NKE_TRY(nke_alloc(taps->n * taps->out_pixels, sizeof *taps->pixel, "filter taps", &taps->pixel));
  NKE_TRY(nke_calloc(taps->n, sizeof *taps->shift, "filter taps", &taps->shift));
  fill_pixels(&v, in, out, taps);
  if (mix != NKE_TAPS_APART && !shifts_do(mix, stride, taps)) NKE_TRY(tap_signs(plan, stride, taps));
  if (mix != NKE_TAPS_APART && v.bias != 0) {
    NKE_TRY(nke_gated_alloc(plan, stride, "the bias", &taps->bias_table));
    NKE_TRY(nke_gated_signs(plan, width, v.bias / sqrt((double)width), taps->bias_table));
  }
done:
  return st;
}

void nke_taps_clear(nke_taps *taps)
{
  nke_free(taps->pixel);
  nke_free(taps->shift);
  nke_free(taps->sign_data);
  nke_free(taps->sign);
  nke_free(taps->bias_table);
}

void nke_taps_sum(const nke_gated_plan *plan, const nke_taps *taps, int64_t stride, const void *data, const void *signs,
                  int64_t pixel, void *out)
{
  enum { CHUNK = 64 };
  const void *in[CHUNK];
  const int32_t *const source_pixel = taps->pixel + pixel * taps->n;
  for (int first = 0; first < taps->n; first += CHUNK) {
    const int count = (int)nke_min(CHUNK, taps->n - first);
    for (int t = 0; t < count; t++) {
      const int32_t p = source_pixel[first + t];
      in[t] = p < 0 ? NULL : nke_at(plan, data, p * stride);
    }
    const void *const *const sign = taps->sign ? taps->sign + first : NULL;
    void *const sum = first == 0 ? out : plan->work;
    plan->k->gather(stride, count, in, taps->shift + first, sign, signs, taps->scale, sum);
    if (first > 0) plan->k->add(stride, sum, out);
  }
}

int64_t nke_taps_concat_width(const nke_taps *taps, int64_t width)
{
  return taps->n * width + (taps->bias != 0);
}

void nke_taps_concat(const nke_gated_plan *plan, const nke_taps *taps, int64_t stride, int64_t width, const void *data,
                     int64_t pixel, void *out)
{
  const int32_t *const source_pixel = taps->pixel + pixel * taps->n;
  char *to = out;
  for (int t = 0; t < taps->n; t++, to += width * plan->real_bytes) {
    if (source_pixel[t] < 0)
      memset(to, 0, (size_t)(width * plan->real_bytes));
    else
      plan->k->scale(width, taps->scale, nke_at(plan, data, source_pixel[t] * stride), to);
  }
  if (taps->bias != 0) plan->k->from_double(1, 1, &taps->bias, to);
}

int64_t nke_taps_concat_theta_width(const nke_taps *taps, const nke_image *in, int adds_sigma, int64_t width_s)
{
  return taps->n * nke_image_theta_width(in) + (adds_sigma ? width_s : 0);
}

void nke_taps_concat_theta(const nke_gated_plan *plan, const nke_taps *taps, const nke_image *in, int adds_sigma,
                           int64_t pixel, const void *s, int64_t width_s, void *t)
{
  const int64_t width = nke_image_theta_width(in);
  /* The bias is Sigma's alone: what concat leaves in its place is written over, or cut off by the width. */
  nke_taps_concat(plan, taps, in->stride, width, nke_image_theta(in), pixel, t);
  if (adds_sigma) memcpy(nke_at(plan, t, taps->n * width), s, (size_t)(width_s * plan->real_bytes));
}
