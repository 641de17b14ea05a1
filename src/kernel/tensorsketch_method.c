#include "base/memory.h"
#include "kernel/polynomial.h"
#include "kernel/series.h"
#include "num/fwht.h"
#include "sketch/kernels.h"

#include <math.h>
#include <string.h>

typedef struct tables {
  const nke_sketch_kernels *k;
  nke_series *series;
  double c[NKE_POLYNOMIAL_MAX_DEGREE + 1], cdot[NKE_POLYNOMIAL_MAX_DEGREE + 1];
  void *signs;            /* [blocks][q + 1][length]: D_1 .. D_q, and D of Theta */
  void *a, *f, *fdot, *g; /* [length] */
} tables;

static void tables_destroy(void *own)
{
  tables *const t = own;
  nke_series_destroy(&t->series);
  nke_free(t->signs);
  nke_free(t->a);
  nke_free(t->f);
  nke_free(t->fdot);
  nke_free(t->g);
  nke_free(t);
}

static void transform(const nke_gated_plan *plan, const void *signs, const void *in, void *out, int64_t n)
{
  if (plan->precision == NKE_SINGLE)
    nke_fwht_diagonal_f32(signs, in, out, n);
  else
    nke_fwht_diagonal_f64(signs, in, out, n);
}

/* Horner's rule from the innermost factor: f = c_0 + a_1 (c_1 + a_2 (c_2 + ...)), without c_0. */
static void expand(const nke_gated_plan *plan, const nke_gated_stage *stage, int64_t block, const void *x, int has_theta)
{
  const tables *const t = stage->own;
  const int64_t length = stage->w.length;
  const int q = plan->degree;
  memset(t->f, 0, (size_t)(length * plan->real_bytes));
  memset(t->fdot, 0, (size_t)(length * plan->real_bytes));
  for (int j = q; j >= 1; j--) {
    transform(plan, nke_at(plan, t->signs, (block * (q + 1) + j - 1) * length), x, t->a, length);
    t->k->horner(length, t->c[j], t->a, t->f);
    if (has_theta) t->k->horner(length, t->cdot[j], t->a, t->fdot);
  }
}

static nke_status pixel(nke_gated_plan *plan, nke_gated_stage *stage, int64_t block, int64_t to, void *s, void *theta)
{
  nke_status st = NKE_OK;
  tables *const t = stage->own;
  nke_image *const out = &stage->out;
  const int64_t length = stage->w.length, first = block * length, n = nke_min(length, stage->width - first);
  const double weight = 1 / (sqrt((double)stage->width) * stage->pool_h * stage->pool_w);
  const double norm = sqrt(plan->k->norm2(length, s));
  const size_t bytes = (size_t)(n * plan->real_bytes);
  void *const so = nke_at(plan, out->s, to * out->stride + first);
  NKE_TRY(nke_series_at(t->series, norm, t->c, t->cdot));
  t->k->scale(length, norm > 0 ? 1 / norm : 0, s, s);
  expand(plan, stage, block, s, theta != NULL);
  if (!nke_gated_pools(stage)) memset(so, 0, bytes);
  t->k->add_shifted(n, 1, t->c[0], nke_at(plan, stage->out_table, first), t->f, so);
  if (!theta) return st;
  void *const to_theta = nke_at(plan, out->t, to * out->stride + first);
  transform(plan, nke_at(plan, t->signs, (block * (plan->degree + 1) + plan->degree) * length), theta, t->g, length);
  if (!nke_gated_pools(stage)) memset(to_theta, 0, bytes);
  t->k->add_shifted(n, weight, t->cdot[0], t->g, t->fdot, to_theta);
done:
  return st;
}

static nke_status create_tables(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  tables *t;
  const int64_t length = stage->w.length, entries = stage->w.blocks * (plan->degree + 1) * length;
  NKE_TRY(nke_calloc(1, sizeof *t, "tables of a layer", &t));
  stage->own = t;
  stage->own_destroy = tables_destroy;
  t->k = nke_sketch_kernels_get(plan->precision);
  NKE_TRY(nke_series_create(&stage->layer->activation, plan->degree, 1, &t->series));
  NKE_TRY(nke_gated_alloc(plan, entries, "signs of a layer", &t->signs));
  NKE_TRY(nke_gated_signs(plan, entries, 1, t->signs));
  NKE_TRY(nke_gated_alloc(plan, length, "work space of a layer", &t->a));
  NKE_TRY(nke_gated_alloc(plan, length, "work space of a layer", &t->f));
  NKE_TRY(nke_gated_alloc(plan, length, "work space of a layer", &t->fdot));
  NKE_TRY(nke_gated_alloc(plan, length, "work space of a layer", &t->g));
done:
  return st;
}

nke_status nke_tensorsketch_activation(nke_gated_plan *plan, const nke_layer *linear, const nke_layer *activation,
                                       int pool_h, int pool_w, nke_shape out_shape, const nke_image *in,
                                       const nke_image **out)
{
  nke_status st = NKE_OK;
  nke_gated_stage *stage;
  int64_t d, length;
  NKE_TRY(nke_gated_activation_begin(plan, linear, activation, pool_h, pool_w, out_shape, in, in->raw, &stage, &d,
                                     &length));
  stage->forward = nke_gated_forward;
  stage->pixel = pixel;
  stage->w = (nke_hadamard){.length = length, .blocks = nke_ceil_div(stage->width, length)};
  NKE_TRY(nke_gated_out_table(plan, stage));
  NKE_TRY(nke_gated_block_signs(plan, stage));
  NKE_TRY(create_tables(plan, stage));
  const int gated = stage->out.theta == NKE_THETA_OWN;
  const double factor = (double)length * log2((double)length) + (2.0 + 2.0 * gated) * (double)length;
  stage->flops = (double)(stage->taps.out_pixels * stage->w.blocks) * (plan->degree + gated) * factor;
  *out = &stage->out;
done:
  return st;
}
