#include "kernel/gated.h"
#include "num/fwht.h"

#include <math.h>
#include <string.h>

static int averages(const nke_layer *layer)
{
  return layer->kind == NKE_LAYER_AVGPOOL || layer->kind == NKE_LAYER_GLOBAL_AVGPOOL;
}

static nke_status forward_sum(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  const nke_image *const in = stage->in, *const out = &stage->out;
  const int64_t stride = in->stride, width = out->shape.width;
  for (int64_t x = 0; x < width; x++) {
    const int64_t p = y * width + x, to = nke_image_place(out, y, x);
    void *const s = nke_at(plan, out->s, to * stride);
    nke_taps_sum(plan, &stage->taps, stride, in->s, NULL, p, s);
    if (stage->taps.bias_table) plan->k->add(stride, stage->taps.bias_table, s);
    if (out->theta != NKE_THETA_OWN) continue;
    void *const t = nke_at(plan, out->t, to * stride);
    nke_taps_sum(plan, &stage->taps, stride, nke_image_theta(in), NULL, p, t);
    if (stage->adds_sigma && !stage->split) nke_gated_add_sigma(plan, stride, stage->sigma_sign, s, t);
  }
  return NKE_OK;
}

static nke_status forward_concat(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  const nke_image *const in = stage->in, *const out = &stage->out;
  const int64_t width = out->shape.width;
  for (int64_t x = 0; x < width; x++) {
    const int64_t p = y * width + x, to = nke_image_place(out, y, x);
    void *const s = nke_at(plan, out->s, to * out->stride);
    nke_taps_concat(plan, &stage->taps, in->stride, in->width_s, in->s, p, s);
    if (out->theta != NKE_THETA_OWN) continue;
    nke_taps_concat_theta(plan, &stage->taps, in, stage->adds_sigma, p, s, out->width_s,
                          nke_at(plan, out->t, to * out->stride));
  }
  return NKE_OK;
}

static nke_status create_sigma_sign(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  if (stage->out.theta != NKE_THETA_OWN || !nke_image_entwined(stage->in)) return st;
  NKE_TRY(nke_gated_alloc(plan, stage->out.stride, "signs of a sum", &stage->sigma_sign));
  NKE_TRY(nke_gated_signs(plan, stage->out.stride, 1, stage->sigma_sign));
done:
  return st;
}

/* Signs, not shifts, tell the taps apart: what follows reads the widths, and may shift in its turn. Taps t, then u see the
 * pixel that u, then t see, and the sum of their shifts is the same: the two would add up as one vector. */
static nke_taps_mix taps_mix(const nke_image *in, const nke_layer *layer)
{
  return in->raw || averages(layer) ? NKE_TAPS_APART : NKE_TAPS_SUMMED_IN_PLACE;
}

nke_status nke_gated_linear(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, int is_last,
                            const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  NKE_TRY(nke_gated_stage_add(plan, in, &stage));
  nke_image *const o = &stage->out;
  stage->concat = in->raw && !averages(layer);
  stage->adds_sigma = nke_gated_has_weights(layer);
  stage->forward = stage->concat ? forward_concat : forward_sum;
  NKE_TRY(nke_taps_create(plan, layer, in->shape, layer->out, in->stride, in->width_s, taps_mix(in, layer),
                          &stage->taps));
  *o = (nke_image){.shape = layer->out, .raw = in->raw, .width_s = in->width_s, .width_t = nke_image_width(in),
                   .stride = in->stride, .theta = nke_gated_theta_after(plan, layer, in->theta)};
  if (stage->concat) {
    o->width_s = nke_taps_concat_width(&stage->taps, in->width_s);
    o->width_t = nke_taps_concat_theta_width(&stage->taps, in, stage->adds_sigma, o->width_s);
    o->stride = nke_power_of_two(nke_max(NKE_GATED_LANES, o->theta == NKE_THETA_OWN ? o->width_t + 1 : o->width_s));
  }
  /* A last linear layer on one pixel needs no sum of T and S': the features are both, side by side. */
  stage->split = is_last && !in->raw && o->theta == NKE_THETA_OWN && stage->adds_sigma;
  plan->split = plan->split || stage->split;
  o->holds_sigma = o->theta == NKE_THETA_OWN && (stage->adds_sigma || in->holds_sigma);
  if (stage->adds_sigma && !stage->concat && !stage->split) NKE_TRY(create_sigma_sign(plan, stage));
  nke_gated_need_work(plan, in->stride);
  stage->flops = 2.0 * (double)(stage->taps.out_pixels * stage->taps.n * in->stride);
  *out = o;
done:
  return st;
}

/* Of exact kernels too: what is zero but for rounding does not become as large as the others. */
static const double layernorm_eps = 1e-12;

static nke_status forward_layernorm(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  const nke_image *const in = stage->in, *const out = &stage->out;
  const int64_t stride = in->stride;
  for (int64_t x = 0; x < in->shape.width; x++) {
    const int64_t p = nke_image_place(in, y, x), to = nke_image_place(out, y, x);
    const void *const s = nke_at(plan, in->s, p * stride);
    const double inverse = 1 / sqrt(layernorm_eps + plan->k->norm2(stride, s));
    memset(nke_at(plan, out->s, to * stride), 0, (size_t)(stride * plan->real_bytes));
    plan->k->add_scaled(stride, inverse, s, nke_at(plan, out->s, to * stride));
    if (in->theta != NKE_THETA_OWN) continue;
    memset(nke_at(plan, out->t, to * stride), 0, (size_t)(stride * plan->real_bytes));
    plan->k->add_scaled(stride, inverse, nke_at(plan, in->t, p * stride), nke_at(plan, out->t, to * stride));
  }
  return NKE_OK;
}

nke_status nke_gated_layernorm(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  NKE_TRY(nke_gated_stage_add(plan, in, &stage));
  stage->forward = forward_layernorm;
  stage->out = *in;
  stage->out.shape = layer->out;
  stage->flops = 4.0 * (double)(nke_shape_pixels(in->shape) * in->stride);
  *out = &stage->out;
done:
  return st;
}

/* Features of one summand's Theta at a pixel, NULL where it is 0. */
static const void *theta_at(const nke_gated_plan *plan, const nke_image *image, int64_t pixel)
{
  if (image->theta == NKE_THETA_ZERO) return NULL;
  return nke_at(plan, nke_image_theta(image), pixel * image->stride);
}

/* out [stride] += the features x of one summand. Raw ones are spread over the width of the other summand's: a sum of taps
 * keeps features apart by shifts and signs, which takes many entries, of which raw features have few. (Should they have
 * more than the width, it is the width that was asked for.) */
static void add_summand(const nke_gated_plan *plan, const nke_gated_stage *stage, const nke_image *image, const void *x,
                        void *out)
{
  const int64_t width = stage->out.width_s;
  if (!image->raw) {
    plan->k->add(image->stride, x, out);
    return;
  }
  memset(plan->work, 0, (size_t)(stage->w.length * plan->real_bytes));
  memcpy(plan->work, x, (size_t)(image->stride * plan->real_bytes));
  nke_hadamard_apply(plan, &stage->w, 0, plan->work, plan->work);
  plan->k->add_scaled(width, 1 / sqrt((double)width), plan->work, out);
}

static void sum_vectors(const nke_gated_plan *plan, const nke_gated_stage *stage, const void *a, const void *b, void *out)
{
  const int64_t stride = stage->out.stride;
  memset(out, 0, (size_t)(stride * plan->real_bytes));
  if (stage->concat) {
    if (a) memcpy(out, a, (size_t)(nke_image_width(stage->in) * plan->real_bytes));
    if (b) memcpy(nke_at(plan, out, stage->other_at), b, (size_t)(nke_image_width(stage->other) * plan->real_bytes));
    return;
  }
  if (b) {
    add_summand(plan, stage, stage->other, b, out);
    plan->k->scale_by(stride, stage->other_sign, out, out);
  }
  if (a) add_summand(plan, stage, stage->in, a, out);
}

static nke_status forward_residual(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  const nke_image *const a = stage->in, *const b = stage->other, *const out = &stage->out;
  for (int64_t x = 0; x < out->shape.width; x++) {
    const int64_t to = nke_image_place(out, y, x) * out->stride;
    const int64_t at_a = nke_image_place(a, y, x), at_b = nke_image_place(b, y, x);
    sum_vectors(plan, stage, nke_at(plan, a->s, at_a * a->stride), nke_at(plan, b->s, at_b * b->stride),
                nke_at(plan, out->s, to));
    if (out->theta == NKE_THETA_OWN)
      sum_vectors(plan, stage, theta_at(plan, a, at_a), theta_at(plan, b, at_b), nke_at(plan, out->t, to));
  }
  return NKE_OK;
}

/* A sum in one vector: its widths, signs that tell the summands apart, and what spreads a raw one. */
static nke_status init_sum(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  nke_image *const o = &stage->out;
  const nke_image *const a = stage->in, *const b = stage->other, *const raw = a->raw ? a : b->raw ? b : NULL;
  o->width_s = o->width_t = nke_max(a->raw ? 0 : nke_image_width(a), b->raw ? 0 : nke_image_width(b));
  o->stride = nke_max(a->raw ? 0 : a->stride, b->raw ? 0 : b->stride);
  NKE_TRY(nke_gated_alloc(plan, o->stride, "signs of a residual sum", &stage->other_sign));
  NKE_TRY(nke_gated_signs(plan, o->stride, 1, stage->other_sign));
  if (!raw) return st;
  const int64_t length = nke_max(o->stride, raw->stride);
  NKE_TRY(nke_hadamard_create(plan, length, length, 2, &stage->w));
  nke_gated_need_work(plan, length);
  stage->flops = 2 * nke_hadamard_flops(&stage->w) * (double)nke_shape_pixels(o->shape);
done:
  return st;
}

/* Raw summands side by side: exact. */
static void init_concat(nke_gated_stage *stage)
{
  nke_image *const o = &stage->out;
  stage->concat = o->raw = 1;
  stage->other_at = nke_image_width(stage->in);
  o->width_s = o->width_t = stage->other_at + nke_image_width(stage->other);
  o->stride = nke_power_of_two(nke_max(NKE_GATED_LANES, o->width_s));
}

nke_status nke_gated_sum(nke_gated_plan *plan, const nke_layer *layer, const nke_image *a, const nke_image *b,
                         const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  NKE_TRY(nke_gated_stage_add(plan, a, &stage));
  stage->forward = forward_residual;
  stage->other = b;
  nke_image *const o = &stage->out;
  *o = (nke_image){.shape = layer->out, .theta = a->theta == b->theta ? a->theta : NKE_THETA_OWN};
  o->holds_sigma = o->theta == NKE_THETA_OWN && (nke_image_entwined(a) || nke_image_entwined(b));
  if (a->raw && b->raw)
    init_concat(stage);
  else
    NKE_TRY(init_sum(plan, stage));
  stage->flops += 3.0 * (double)(nke_shape_pixels(o->shape) * o->stride);
  *out = o;
done:
  return st;
}
