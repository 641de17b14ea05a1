#include "base/memory.h"
#include "kernel/polynomial.h"
#include "kernel/series.h"
#include "sketch/kernels.h"
#include "sketch/polysketch.h"
#include "sketch/tensor_srht.h"

#include <math.h>
#include <string.h>

typedef struct tables {
  const nke_sketch_kernels *k;
  nke_series *series;
  double c[NKE_POLYNOMIAL_MAX_DEGREE + 1], cdot[NKE_POLYNOMIAL_MAX_DEGREE + 1];
  nke_polysketch *powers;       /* d -> [q][m] */
  nke_sketch *sigma, *dot;      /* 1 + q m -> m: R1, R2 */
  nke_sketch *theta;            /* used_t -> m: R3 */
  nke_tensor_srht *product;     /* m x m -> m */
  void *p, *weighted;           /* [q][m]; [1 + q m] */
  void *f, *fdot, *g;           /* [m] */
} tables;

static void tables_destroy(void *own)
{
  tables *const t = own;
  nke_series_destroy(&t->series);
  nke_polysketch_destroy(&t->powers);
  nke_sketch_destroy(&t->sigma);
  nke_sketch_destroy(&t->dot);
  nke_sketch_destroy(&t->theta);
  nke_tensor_srht_destroy(&t->product);
  nke_free(t->p);
  nke_free(t->weighted);
  nke_free(t->f);
  nke_free(t->fdot);
  nke_free(t->g);
  nke_free(t);
}

/* out [m] = R [c_0 ; c_1 P_1 ; ... ; c_q P_q]. */
static void compress_powers(const nke_gated_plan *plan, const tables *t, int64_t m, const double *c, nke_sketch *r,
                            void *out)
{
  plan->k->from_double(1, 1, c, t->weighted);
  for (int l = 1; l <= plan->degree; l++)
    t->k->scale(m, c[l], nke_at(plan, t->p, (l - 1) * m), nke_at(plan, t->weighted, 1 + (l - 1) * m));
  nke_sketch_apply(r, t->weighted, out);
}

/* to = x / pool where it is fresh, else to += it. */
static void deliver(const nke_gated_plan *plan, const nke_gated_stage *stage, int fresh, const void *x, void *to)
{
  const double weight = 1.0 / (stage->pool_h * stage->pool_w);
  if (fresh)
    plan->k->scale(stage->width, weight, x, to);
  else
    plan->k->add_scaled(stage->width, weight, x, to);
}

static nke_status pixel(nke_gated_plan *plan, nke_gated_stage *stage, int64_t block, int64_t to, int fresh, void *s,
                        void *theta)
{
  nke_status st = NKE_OK;
  tables *const t = stage->own;
  nke_image *const out = &stage->out;
  const int64_t m = stage->width;
  const double norm = sqrt(plan->k->norm2(stage->used_s, s));
  (void)block;
  NKE_TRY(nke_series_at(t->series, norm, t->c, t->cdot));
  t->k->scale(stage->used_s, norm > 0 ? 1 / norm : 0, s, s);
  nke_polysketch_apply(t->powers, s, t->p);
  compress_powers(plan, t, m, t->c, t->sigma, t->f);
  deliver(plan, stage, fresh, t->f, nke_at(plan, out->s, to * out->stride));
  if (!theta) return st;
  compress_powers(plan, t, m, t->cdot, t->dot, t->fdot);
  nke_sketch_apply(t->theta, theta, t->g);
  nke_tensor_srht_apply(t->product, t->g, t->fdot, t->f);
  deliver(plan, stage, fresh, t->f, nke_at(plan, out->t, to * out->stride));
done:
  return st;
}

static nke_status create_theta(nke_gated_plan *plan, nke_gated_stage *stage, tables *t, nke_draws *draws)
{
  nke_status st = NKE_OK;
  const int64_t m = stage->width, weighted = 1 + plan->degree * m;
  NKE_TRY(nke_sketch_create(&nke_sketch_srht, plan->precision, weighted, m, draws, &t->dot));
  NKE_TRY(nke_sketch_create(&nke_sketch_srht, plan->precision, stage->used_t, m, draws, &t->theta));
  NKE_TRY(nke_tensor_srht_create(plan->precision, m, m, m, draws, &t->product));
  plan->bytes += nke_sketch_bytes(t->dot) + nke_sketch_bytes(t->theta) + nke_tensor_srht_bytes(t->product);
done:
  return st;
}

/* At least as many entries as have the transform of the padded patch. */
static int64_t theta_length(const nke_gated_stage *stage, int64_t d)
{
  const int is_sigma = nke_gated_theta_is_sigma(stage);
  const int64_t width =
    is_sigma ? d : nke_taps_concat_theta_width(&stage->taps, stage->in, stage->adds_sigma, d);
  return nke_max(width, stage->w.length / 2 + 1);
}

static nke_status create_tables(nke_gated_plan *plan, nke_gated_stage *stage, int64_t d)
{
  nke_status st = NKE_OK;
  tables *t;
  const int64_t m = stage->width, weighted = 1 + plan->degree * m;
  nke_draws draws = {plan->seed, plan->next_stream};
  NKE_TRY(nke_calloc(1, sizeof *t, "tables of a layer", &t));
  stage->own = t;
  stage->own_destroy = tables_destroy;
  t->k = nke_sketch_kernels_get(plan->precision);
  NKE_TRY(nke_series_create(&stage->layer->activation, plan->degree, 0, &t->series));
  NKE_TRY(nke_polysketch_create(&nke_sketch_srht, plan->precision, plan->degree, d, m, &draws, &t->powers));
  NKE_TRY(nke_sketch_create(&nke_sketch_srht, plan->precision, weighted, m, &draws, &t->sigma));
  plan->bytes += nke_polysketch_bytes(t->powers) + nke_sketch_bytes(t->sigma);
  if (stage->out.theta == NKE_THETA_OWN) NKE_TRY(create_theta(plan, stage, t, &draws));
  plan->next_stream = draws.next;
  NKE_TRY(nke_gated_alloc(plan, plan->degree * m, "powers of a layer", &t->p));
  NKE_TRY(nke_gated_alloc(plan, weighted, "powers of a layer", &t->weighted));
  NKE_TRY(nke_gated_alloc(plan, m, "work space of a layer", &t->f));
  NKE_TRY(nke_gated_alloc(plan, m, "work space of a layer", &t->fdot));
  NKE_TRY(nke_gated_alloc(plan, m, "work space of a layer", &t->g));
done:
  return st;
}

static double flops_per_pixel(const nke_gated_stage *stage)
{
  const tables *const t = stage->own;
  double flops = nke_polysketch_flops(t->powers) + nke_sketch_flops(t->sigma);
  if (t->product)
    flops += nke_sketch_flops(t->dot) + nke_sketch_flops(t->theta) + nke_tensor_srht_flops(t->product, 0) +
             nke_tensor_srht_flops(t->product, 1);
  return flops;
}

nke_status nke_polysketch_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                     int pool_h, int pool_w, nke_shape out_shape, const nke_image *in,
                                     const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  int64_t d, length;
  NKE_TRY(nke_gated_activation_begin(plan, linear, activation, pool_h, pool_w, out_shape, in, 1, &stage, &d, &length));
  stage->forward = nke_gated_forward;
  stage->pixel = pixel;
  stage->w = (nke_hadamard){.length = length, .blocks = 1};
  NKE_TRY(nke_gated_block_signs(plan, stage));
  stage->used_s = d;
  stage->used_t = theta_length(stage, d);
  NKE_TRY(create_tables(plan, stage, d));
  stage->flops = flops_per_pixel(stage) * (double)stage->taps.out_pixels;
  *out = &stage->out;
done:
  return st;
}
