#include "base/memory.h"
#include "base/rng.h"
#include "kernel/gated.h"
#include "num/fwht.h"

#include <math.h>
#include <string.h>

/* The largest input of a dense projection, the length that shorter patches are filled up to for others, and the scratch
 * vectors of one pixel after the first that nke_taps_sum uses. */
enum { DENSE_INPUT = 128, FILL_UP_TO = 1024 };
enum { SLOT_S = 1, SLOT_T, SLOT_PHI, SLOT_DPHI, SLOTS };

/* Scratch vector of `length` entries; slot 0 belongs to the taps. */
static void *slot(const nke_gated_plan *plan, int64_t length, int which)
{
  return nke_at(plan, plan->work, which * length);
}

/* phi of the kernel that has none: z = |S| e^(gamma (1 + shift) / 2) sqrt 2 cos(sqrt(gamma) W S / |S| + phase), whose
 * mean product is |S||S'| exp(gamma (rho + shift)) [Rahimi and Recht 2007]; the derivative dual is gamma times that
 * without the norms. */
static nke_gated_wave normalised_wave(const nke_gated_plan *plan, const nke_gated_stage *stage, int64_t first,
                                      double norm)
{
  const double gamma = stage->layer->activation.param[0], shift = stage->layer->activation.param[1];
  const double gain = sqrt(2 * exp(gamma * (1 + shift)));
  return (nke_gated_wave){.step = norm > 0 ? sqrt(gamma) / norm : 0, .size = gain * norm, .slope = gain * sqrt(gamma),
                          .phase = nke_at(plan, stage->phase, first)};
}

/* Activations without vector code. A formula is parsed once, when it is first met. */
static nke_status eval_slow(const nke_gated_plan *plan, nke_gated_stage *stage, int64_t n, const void *a, void *phi,
                            void *dphi)
{
  nke_status st = NKE_OK;
  double *x = NULL;
  if (!stage->phi) NKE_TRY(nke_phi_create(&stage->layer->activation, &stage->phi));
  NKE_TRY(nke_alloc(3 * n, sizeof *x, "an activation", &x));
  plan->k->to_double(n, a, x);
  NKE_TRY(nke_phi_eval(stage->phi, n, x, x + n, x + 2 * n));
  plan->k->from_double(n, 1, x + n, phi);
  plan->k->from_double(n, 1, x + 2 * n, dphi);
done:
  nke_free(x);
  return st;
}

/* Where the pixel is kept that pixel (y, x) before pooling is averaged into, and whether it is the first one there. */
typedef struct pooled {
  int64_t to;
  int fresh;
} pooled;

static pooled pool(const nke_gated_stage *stage, int64_t y, int64_t x)
{
  return (pooled){.to = nke_image_place(&stage->out, y / stage->pool_h, x / stage->pool_w),
                  .fresh = y % stage->pool_h == 0 && x % stage->pool_w == 0};
}

/* Write to output pixel `to`, or add to it, phi(a) and phi'(a) .* g of features [first, first + n). `norm` is |S|. */
static nke_status gate(const nke_gated_plan *plan, nke_gated_stage *stage, int64_t to, int fresh, int64_t first,
                       int64_t n, double norm, const void *a, const void *g)
{
  nke_status st = NKE_OK;
  nke_image *const out = &stage->out;
  const nke_activation *const act = &stage->layer->activation;
  const void *const table = nke_at(plan, stage->out_table, first);
  const double c = 1 / (sqrt((double)stage->width) * stage->pool_h * stage->pool_w);
  void *const s = nke_at(plan, out->s, to * out->stride + first);
  void *const t = g ? nke_at(plan, out->t, to * out->stride + first) : NULL;
  if (act->kind == NKE_ACT_RELU) {
    plan->k->gate_relu(n, fresh, table, c, a, g, s, t);
    return NKE_OK;
  }
  if (act->kind == NKE_ACT_EXP_NORMALIZED) {
    const nke_gated_wave wave = normalised_wave(plan, stage, first, norm);
    plan->k->gate_wave(n, fresh, table, c, &wave, a, g, s, t);
    return NKE_OK;
  }
  const int64_t length = stage->w.length;
  void *const phi = slot(plan, length, SLOT_PHI), *const dphi = slot(plan, length, SLOT_DPHI);
  for (int64_t i = 0; i < n; i += length) {
    const int64_t count = nke_min(length, n - i);
    void *const ai = nke_at(plan, a, i);
    if (!plan->k->eval(act, count, ai, phi, dphi))
      NKE_TRY(eval_slow(plan, stage, count, ai, phi, dphi));
    plan->k->gate(count, fresh, nke_at(plan, table, i), c, phi, dphi, g ? nke_at(plan, g, i) : NULL, nke_at(plan, s, i),
                  g ? nke_at(plan, t, i) : NULL);
  }
done:
  return st;
}

int nke_gated_theta_is_sigma(const nke_gated_stage *stage)
{
  return stage->in->theta == NKE_THETA_ZERO || (stage->in->theta == NKE_THETA_IS_SIGMA && !stage->adds_sigma);
}

static void clear_from(const nke_gated_plan *plan, int64_t first, int64_t n, void *x)
{
  memset(nke_at(plan, x, first), 0, (size_t)((n - first) * plan->real_bytes));
}

/* The signs by which block `block` of rows sees S or T: an independent sum of the taps. T's own also make T + S'
 * another in every block, so that its cross terms average out. NULL: as they are. */
static const void *block_sign(const nke_gated_plan *plan, const nke_gated_stage *stage, int64_t block, int of_t)
{
  if (block == 0 || !stage->other_sign) return NULL;
  const int64_t at = of_t && stage->in->theta == NKE_THETA_OWN ? stage->w.blocks + block : block;
  return nke_at(plan, stage->other_sign, at * stage->w.length);
}

/* Pre-activation features of one pixel for a block of rows: s, and t = T' for the gate. */
static void pre_activation(const nke_gated_plan *plan, const nke_gated_stage *stage, int64_t block, int64_t pixel,
                           void *s, void *t)
{
  const nke_image *const in = stage->in;
  const int64_t length = stage->w.length;
  if (stage->concat) {
    nke_taps_concat(plan, &stage->taps, in->stride, in->width_s, in->s, pixel, s);
    /* t may be a copy of s. */
    clear_from(plan, nke_taps_concat_width(&stage->taps, in->width_s), nke_max(stage->used_s, stage->used_t), s);
  } else {
    nke_taps_sum(plan, &stage->taps, length, in->s, block_sign(plan, stage, block, 0), pixel, s);
    if (stage->taps.bias_table) plan->k->add(length, stage->taps.bias_table, s);
  }
  if (!t) return;
  if (nke_gated_theta_is_sigma(stage)) {
    memcpy(t, s, (size_t)(stage->used_t * plan->real_bytes));
    return;
  }
  if (stage->concat) {
    const int64_t width_s = nke_taps_concat_width(&stage->taps, in->width_s);
    nke_taps_concat_theta(plan, &stage->taps, in, stage->adds_sigma, pixel, s, width_s, t);
    clear_from(plan, nke_taps_concat_theta_width(&stage->taps, in, stage->adds_sigma, width_s), stage->used_t, t);
    return;
  }
  nke_taps_sum(plan, &stage->taps, length, nke_image_theta(in), block_sign(plan, stage, block, 1), pixel, t);
  const void *const sign = stage->sigma_sign ? nke_at(plan, stage->sigma_sign, block * length) : NULL;
  if (stage->adds_sigma) nke_gated_add_sigma(plan, length, sign, s, t);
}

static nke_status forward_pixel(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y, int64_t x)
{
  nke_status st = NKE_OK;
  const int64_t length = stage->w.length;
  void *const s = slot(plan, length, SLOT_S);
  void *const t = stage->out.theta == NKE_THETA_OWN ? slot(plan, length, SLOT_T) : NULL;
  const pooled out = pool(stage, y, x);
  for (int64_t b = 0; b < stage->w.blocks; b++) {
    pre_activation(plan, stage, b, y * stage->layer->in.width + x, s, t);
    NKE_TRY(stage->pixel(plan, stage, b, out.to, out.fresh, s, t));
  }
done:
  return st;
}

/* Random projections, in place, then the gate. */
static nke_status project_pixel(nke_gated_plan *plan, nke_gated_stage *stage, int64_t block, int64_t to, int fresh,
                                void *s, void *t)
{
  const int64_t length = stage->w.length, first = block * length, n = nke_min(length, stage->out.stride - first);
  const double norm = stage->phase ? sqrt(plan->k->norm2(length, s)) : 0;
  nke_hadamard_apply(plan, &stage->w, block, s, s);
  if (t) nke_hadamard_apply(plan, &stage->g, block, t, t);
  return gate(plan, stage, to, fresh, first, n, norm, s, t);
}

/* Entries from the width on stay 0: the last block of rows may reach beyond it. */
static void clear_tails(const nke_gated_plan *plan, const nke_gated_stage *stage, int64_t y)
{
  const nke_image *const out = &stage->out;
  const int64_t tail = out->stride - stage->width;
  for (int64_t x = 0; x < out->shape.width && tail > 0; x++) {
    const int64_t at = nke_image_place(out, y / stage->pool_h, x) * out->stride;
    clear_from(plan, at + stage->width, at + out->stride, out->s);
    if (out->t) clear_from(plan, at + stage->width, at + out->stride, out->t);
  }
}

/* Pixels that a pooling leaves over at the right and at the bottom are not looked at. */
nke_status nke_gated_forward(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  nke_status st = NKE_OK;
  const int64_t width = stage->out.shape.width * stage->pool_w;
  for (int64_t x = 0; x < width; x++) NKE_TRY(forward_pixel(plan, stage, y, x));
  clear_tails(plan, stage, y);
done:
  return st;
}

/* `count` pixels from (y, x) on, whose raw patches go through a matrix product together. */
static nke_status forward_tile(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y, int64_t x, int64_t count)
{
  nke_status st = NKE_OK;
  const int64_t length = stage->w.length, m = stage->out.stride;
  void *const patches = slot(plan, length, SLOTS);
  void *const a = nke_at(plan, patches, NKE_GATED_TILE * length), *const g = nke_at(plan, a, NKE_GATED_TILE * m);
  const int gated = stage->out.theta == NKE_THETA_OWN;
  for (int64_t i = 0; i < count; i++)
    pre_activation(plan, stage, 0, y * stage->layer->in.width + x + i, nke_at(plan, patches, i * length), NULL);
  plan->k->patches(stage->patch, m, patches, length, stage->w_dense, a);
  if (gated) plan->k->patches(stage->patch, m, patches, length, stage->g_dense, g);
  for (int64_t i = 0; i < count; i++) {
    const pooled out = pool(stage, y, x + i);
    const double norm = stage->phase ? sqrt(plan->k->norm2(length, nke_at(plan, patches, i * length))) : 0;
    NKE_TRY(gate(plan, stage, out.to, out.fresh, 0, m, norm, nke_at(plan, a, i * m),
                 gated ? nke_at(plan, g, i * m) : NULL));
  }
done:
  return st;
}

static nke_status forward_dense(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  nke_status st = NKE_OK;
  const int64_t width = stage->out.shape.width * stage->pool_w;
  for (int64_t x = 0; x < width; x += NKE_GATED_TILE)
    NKE_TRY(forward_tile(plan, stage, y, x, nke_min(NKE_GATED_TILE, width - x)));
  clear_tails(plan, stage, y);
done:
  return st;
}

/* Random signs with the weights of the average: 1 / (sqrt m pool_h pool_w), zero from the width on. */
nke_status nke_gated_out_table(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  const double c = 1 / (sqrt((double)stage->width) * stage->pool_h * stage->pool_w);
  NKE_TRY(nke_gated_alloc(plan, stage->out.stride, "signs of the features", &stage->out_table));
  NKE_TRY(nke_gated_signs(plan, stage->width, c, stage->out_table));
done:
  return st;
}

static nke_status create_tables(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_gated_out_table(plan, stage));
  if (stage->layer->activation.kind == NKE_ACT_EXP_NORMALIZED) {
    const uint64_t stream = nke_stream(NKE_STREAM_PHASE, plan->next_stream++);
    NKE_TRY(nke_gated_alloc(plan, stage->out.stride, "phases of the features", &stage->phase));
    for (int64_t i = 0; i < stage->out.stride; i++) {
      const double phase = 6.283185307179586 * nke_random_uniform(plan->seed, stream, (uint64_t)i);
      plan->k->from_double(1, 1, &phase, nke_at(plan, stage->phase, i));
    }
  }
done:
  return st;
}

nke_status nke_gated_block_signs(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  const int64_t length = stage->w.length;
  nke_gated_need_work(plan, SLOTS * length);
  const int sums = stage->taps.n > 1 || (stage->adds_sigma && stage->in->theta == NKE_THETA_OWN);
  if (stage->w.blocks > 1 && !stage->concat && sums) {
    NKE_TRY(nke_gated_alloc(plan, 2 * stage->w.blocks * length, "signs of the blocks", &stage->other_sign));
    NKE_TRY(nke_gated_signs(plan, 2 * stage->w.blocks * length, 1, stage->other_sign));
  }
  /* Signs of its own for each block here too. */
  if (stage->adds_sigma && !stage->concat && stage->out.theta == NKE_THETA_OWN && nke_image_entwined(stage->in)) {
    NKE_TRY(nke_gated_alloc(plan, stage->w.blocks * length, "signs of a sum", &stage->sigma_sign));
    NKE_TRY(nke_gated_signs(plan, stage->w.blocks * length, 1, stage->sigma_sign));
  }
done:
  return st;
}

static nke_status create_projections(nke_gated_plan *plan, nke_gated_stage *stage, int64_t d, int64_t length)
{
  nke_status st = NKE_OK;
  const int64_t m = stage->width, stride = stage->out.stride;
  const int gated = stage->out.theta == NKE_THETA_OWN;
  if (stage->concat && d <= DENSE_INPUT && stage->taps.out_pixels > 1 && nke_gated_theta_is_sigma(stage)) {
    stage->forward = forward_dense;
    stage->w = (nke_hadamard){.length = length};
    stage->patch = d;
    NKE_TRY(nke_orthogonal_create(plan, stride, d, &stage->w_dense));
    if (gated) NKE_TRY(nke_orthogonal_create(plan, stride, d, &stage->g_dense));
    nke_gated_need_work(plan, (SLOTS + NKE_GATED_TILE) * length + 2 * NKE_GATED_TILE * stride);
    stage->flops = (2.0 * (double)d * (1 + gated) + 6) * (double)(stage->taps.out_pixels * m);
    return st;
  }
  stage->forward = nke_gated_forward;
  stage->pixel = project_pixel;
  /* The rows of a short transform are few and far from Gaussian, a bias that no width reduces; long ones run faster too. */
  if (stage->concat) length = nke_max(length, nke_min(nke_power_of_two(m), FILL_UP_TO));
  stage->used_s = stage->used_t = length;
  NKE_TRY(nke_hadamard_create(plan, length, m, 3, &stage->w));
  if (gated) NKE_TRY(nke_hadamard_create(plan, length, m, 2, &stage->g));
  NKE_TRY(nke_gated_block_signs(plan, stage));
  const double pixel = nke_hadamard_flops(&stage->w) + (gated ? nke_hadamard_flops(&stage->g) : 0) + 6.0 * (double)m +
                       (1.0 + gated) * stage->taps.n * (double)(length * stage->w.blocks);
  stage->flops = pixel * (double)stage->taps.out_pixels;
done:
  return st;
}

nke_status nke_gated_activation_begin(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                      int pool_h, int pool_w, nke_shape out_shape, const nke_image *in, int concat,
                                      nke_gated_stage **out, int64_t *d, int64_t *length)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  NKE_TRY(nke_gated_stage_add(plan, in, &stage));
  stage->layer = activation;
  stage->pool_h = pool_h;
  stage->pool_w = pool_w;
  stage->width = plan->widths[plan->used_widths++];
  stage->adds_sigma = linear != NULL;
  stage->concat = concat;
  NKE_TRY(nke_taps_create(plan, linear, in->shape, activation->in, in->stride, in->width_s,
                          concat ? NKE_TAPS_APART : NKE_TAPS_SUMMED, &stage->taps));
  const nke_theta before = linear && in->theta == NKE_THETA_ZERO ? NKE_THETA_IS_SIGMA : in->theta;
  const nke_theta after = plan->kernel == NKE_KERNEL_NTK && before != NKE_THETA_ZERO ? NKE_THETA_OWN : NKE_THETA_ZERO;
  if (plan->ends && after == NKE_THETA_OWN) {
    stage->width += stage->width * 3 / 4; /* the rest of twice the width is for S, see gated.c */
    plan->widened = 1;
  }
  nke_image *const o = &stage->out;
  *o = (nke_image){.shape = out_shape, .width_s = stage->width, .width_t = stage->width, .theta = after};
  o->stride = nke_power_of_two(nke_max(NKE_GATED_LANES, stage->width));
  *d = concat ? nke_taps_concat_width(&stage->taps, in->width_s) : in->width_s;
  *length = in->stride;
  if (concat) {
    /* One entry more: concat may write a bias behind the features of Theta. */
    const int64_t d_t =
      nke_gated_theta_is_sigma(stage) ? 0 : nke_taps_concat_theta_width(&stage->taps, in, stage->adds_sigma, *d) + 1;
    *length = nke_power_of_two(nke_max(NKE_GATED_LANES, nke_max(*d, d_t)));
  }
  stage->used_s = stage->used_t = *length;
  *out = stage;
done:
  return st;
}

nke_status nke_gated_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation, int pool_h,
                                int pool_w, nke_shape out_shape, const nke_image *in, const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  int64_t d, length;
  NKE_TRY(nke_gated_activation_begin(plan, linear, activation, pool_h, pool_w, out_shape, in, in->raw, &stage, &d,
                                     &length));
  NKE_TRY(create_tables(plan, stage));
  NKE_TRY(create_projections(plan, stage, d, length));
  *out = &stage->out;
done:
  return st;
}
