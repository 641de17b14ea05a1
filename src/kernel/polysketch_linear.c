#include "base/memory.h"
#include "kernel/polynomial.h"
#include "sketch/sketch.h"

#include <string.h>

typedef struct tables {
  nke_sketch *sigma, *theta; /* concatenation -> width */
  void *s, *t;               /* the concatenations */
  int64_t d, d_t;
} tables;

static void tables_destroy(void *own)
{
  tables *const t = own;
  nke_sketch_destroy(&t->sigma);
  nke_sketch_destroy(&t->theta);
  nke_free(t->s);
  nke_free(t->t);
  nke_free(t);
}

static nke_status forward(nke_gated_plan *plan, nke_gated_stage *stage, int64_t y)
{
  const nke_image *const in = stage->in, *const out = &stage->out;
  tables *const t = stage->own;
  for (int64_t x = 0; x < out->shape.width; x++) {
    const int64_t p = y * out->shape.width + x, to = nke_image_place(out, y, x) * out->stride;
    nke_taps_concat(plan, &stage->taps, in->stride, in->width_s, in->s, p, t->s);
    nke_sketch_apply(t->sigma, t->s, nke_at(plan, out->s, to));
    if (out->theta != NKE_THETA_OWN) continue;
    nke_taps_concat_theta(plan, &stage->taps, in, stage->adds_sigma, p, t->s, t->d, t->t);
    nke_sketch_apply(t->theta, t->t, nke_at(plan, out->t, to));
  }
  return NKE_OK;
}

static nke_status create_tables(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  tables *t;
  const nke_image *const in = stage->in;
  nke_draws draws = {plan->seed, plan->next_stream};
  NKE_TRY(nke_calloc(1, sizeof *t, "tables of a layer", &t));
  stage->own = t;
  stage->own_destroy = tables_destroy;
  t->d = nke_taps_concat_width(&stage->taps, in->width_s);
  t->d_t = nke_taps_concat_theta_width(&stage->taps, in, stage->adds_sigma, t->d);
  NKE_TRY(nke_sketch_create(&nke_sketch_srht, plan->precision, t->d, stage->out.width_s, &draws, &t->sigma));
  NKE_TRY(nke_sketch_create(&nke_sketch_srht, plan->precision, t->d_t, stage->out.width_t, &draws, &t->theta));
  plan->next_stream = draws.next;
  plan->bytes += nke_sketch_bytes(t->sigma) + nke_sketch_bytes(t->theta);
  /* That of Theta is drawn in any case, but applied to a Theta of its own only. */
  const double theta = stage->out.theta == NKE_THETA_OWN ? nke_sketch_flops(t->theta) : 0;
  stage->flops = (nke_sketch_flops(t->sigma) + theta) * (double)stage->taps.out_pixels;
  NKE_TRY(nke_gated_alloc(plan, t->d, "work space of a layer", &t->s));
  /* One entry more: concat may write a bias behind the features of Theta. */
  NKE_TRY(nke_gated_alloc(plan, t->d_t + 1, "work space of a layer", &t->t));
done:
  return st;
}

nke_status nke_polysketch_linear(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in, int is_last,
                                 const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  (void)is_last;
  if (in->raw || layer->kind == NKE_LAYER_AVGPOOL || layer->kind == NKE_LAYER_GLOBAL_AVGPOOL)
    return nke_gated_linear(plan, layer, in, 0, out);
  NKE_TRY(nke_gated_stage_add(plan, in, &stage));
  stage->forward = forward;
  stage->adds_sigma = nke_gated_has_weights(layer);
  NKE_TRY(nke_taps_create(plan, layer, in->shape, layer->out, in->stride, in->width_s, NKE_TAPS_APART, &stage->taps));
  stage->out = (nke_image){.shape = layer->out, .width_s = in->width_s, .width_t = in->width_s, .stride = in->stride,
                           .theta = nke_gated_theta_after(plan, layer, in->theta)};
  NKE_TRY(create_tables(plan, stage));
  *out = &stage->out;
done:
  return st;
}
