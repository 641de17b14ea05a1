#include "base/memory.h"
#include "kernel/polynomial.h"
#include "kernel/series.h"
#include "num/fwht.h"
#include "sketch/kernels.h"

#include <math.h>
#include <string.h>

/* Short rows are repeated up to this length: one long transform runs faster than many short ones, and mixes better. */
enum { REPEAT_UP_TO = 2048 };

typedef struct tables {
  const nke_sketch_kernels *k;
  nke_series *series;
  double c[NKE_POLYNOMIAL_MAX_DEGREE + 1], cdot[NKE_POLYNOMIAL_MAX_DEGREE + 1];
  int64_t length; /* of a transform: the row, `copies` times */
  int64_t copies;
  int64_t inner;  /* transforms that one call of pixel() makes: all of the width where taps are side by side, else 1 */
  int n_signs;    /* diagonals of one transform length: D_1 .. D_q, D of Theta, and those that spread */
  void *signs;    /* [blocks of length][n_signs][length] */
  void *x, *a, *f, *fdot, *t; /* [length] */
} tables;

static void tables_destroy(void *own)
{
  tables *const t = own;
  nke_series_destroy(&t->series);
  nke_free(t->signs);
  nke_free(t->x);
  nke_free(t->a);
  nke_free(t->f);
  nke_free(t->fdot);
  nke_free(t->t);
  nke_free(t);
}

/* out = H (diagonal `which` of this block .* in); out may be in. */
static void transform(const nke_gated_plan *plan, const tables *t, int64_t block, int which, const void *in, void *out)
{
  const void *const signs = nke_at(plan, t->signs, (block * t->n_signs + which) * t->length);
  if (plan->precision == NKE_SINGLE)
    nke_fwht_diagonal_f32(signs, in, t->length, out, t->length);
  else
    nke_fwht_diagonal_f64(signs, in, t->length, out, t->length);
}

/* f and fdot without their c_0, from the innermost factor out. */
static void expand(const nke_gated_plan *plan, const tables *t, int64_t block, int has_theta)
{
  const int q = plan->degree;
  const double shrink = 1 / sqrt((double)t->length);
  memset(t->f, 0, (size_t)(t->length * plan->real_bytes));
  memset(t->fdot, 0, (size_t)(t->length * plan->real_bytes));
  for (int j = q; j >= 1; j--) {
    const int spreads = j < q && j % NKE_TENSORSKETCH_RUN == 0;
    if (spreads) {
      transform(plan, t, block, q + j / NKE_TENSORSKETCH_RUN, t->f, t->f);
      if (has_theta) transform(plan, t, block, q + j / NKE_TENSORSKETCH_RUN, t->fdot, t->fdot);
    }
    transform(plan, t, block, j - 1, t->x, t->a);
    t->k->horner(t->length, spreads ? shrink : 1, t->c[j], t->a, t->f);
    if (has_theta) t->k->horner(t->length, spreads ? shrink : 1, t->cdot[j], t->a, t->fdot);
  }
}

/* out [length] = in, `copies` times, so scaled that its norm is `scale` times that of in. */
static void repeat(const nke_gated_plan *plan, const tables *t, double scale, const void *in, void *out)
{
  const int64_t row = t->length / t->copies;
  for (int64_t i = 0; i < t->copies; i++)
    t->k->scale(row, scale / sqrt((double)t->copies), in, nke_at(plan, out, i * row));
}

/* Features [block length, (block + 1) length) of one pixel, from t->x and t->t. */
static void features(const nke_gated_plan *plan, nke_gated_stage *stage, int64_t block, int64_t to, int fresh,
                     int has_theta)
{
  const tables *const t = stage->own;
  nke_image *const out = &stage->out;
  const int64_t first = block * t->length, n = nke_min(t->length, stage->width - first);
  const size_t cleared = fresh ? (size_t)(n * plan->real_bytes) : 0;
  const double weight = 1 / (sqrt((double)stage->width) * stage->pool_h * stage->pool_w);
  void *const s_out = nke_at(plan, out->s, to * out->stride + first);
  expand(plan, t, block, has_theta);
  memset(s_out, 0, cleared);
  t->k->add_shifted(n, 1, t->c[0], nke_at(plan, stage->out_table, first), t->f, s_out);
  if (!has_theta) return;
  void *const t_out = nke_at(plan, out->t, to * out->stride + first);
  transform(plan, t, block, plan->degree, t->t, t->a);
  memset(t_out, 0, cleared);
  t->k->add_shifted(n, weight, t->cdot[0], t->a, t->fdot, t_out);
}

static nke_status pixel(nke_gated_plan *plan, nke_gated_stage *stage, int64_t block, int64_t to, int fresh, void *s,
                        void *theta)
{
  nke_status st = NKE_OK;
  tables *const t = stage->own;
  const double norm = sqrt(plan->k->norm2(stage->w.length, s));
  NKE_TRY(nke_series_at(t->series, norm, t->c, t->cdot));
  repeat(plan, t, norm > 0 ? 1 / norm : 0, s, t->x);
  if (theta) repeat(plan, t, 1, theta, t->t);
  for (int64_t i = 0; i < t->inner; i++) features(plan, stage, block * t->inner + i, to, fresh, theta != NULL);
done:
  return st;
}

static nke_status create_tables(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  tables *t;
  NKE_TRY(nke_calloc(1, sizeof *t, "tables of a layer", &t));
  stage->own = t;
  stage->own_destroy = tables_destroy;
  t->k = nke_sketch_kernels_get(plan->precision);
  t->length = stage->w.length;
  if (stage->concat) t->length = nke_max(t->length, nke_min(nke_power_of_two(stage->width), REPEAT_UP_TO));
  t->copies = t->length / stage->w.length;
  const int64_t blocks = nke_ceil_div(stage->width, t->length);
  t->inner = stage->concat ? blocks : 1;
  stage->w.blocks = stage->concat ? 1 : blocks;
  t->n_signs = plan->degree + 1 + plan->degree / NKE_TENSORSKETCH_RUN;
  NKE_TRY(nke_series_create(&stage->layer->activation, plan->degree, 1, &t->series));
  NKE_TRY(nke_gated_alloc(plan, blocks * t->n_signs * t->length, "signs of a layer", &t->signs));
  NKE_TRY(nke_gated_signs(plan, blocks * t->n_signs * t->length, 1, t->signs));
  void **const work[] = {&t->x, &t->a, &t->f, &t->fdot, &t->t};
  for (size_t i = 0; i < sizeof work / sizeof *work; i++)
    NKE_TRY(nke_gated_alloc(plan, t->length, "work space of a layer", work[i]));
done:
  return st;
}

static double flops_per_pixel(const nke_gated_plan *plan, const nke_gated_stage *stage)
{
  const tables *const t = stage->own;
  const int gated = stage->out.theta == NKE_THETA_OWN;
  const int spreads = (plan->degree - 1) / NKE_TENSORSKETCH_RUN;
  const double transforms = plan->degree + gated + (1.0 + gated) * spreads;
  const double passes = (1.0 + gated) * (3 * plan->degree + 3);
  const double n = (double)t->length;
  return (transforms * n * log2(n) + passes * n) * (double)nke_ceil_div(stage->width, t->length);
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
  stage->w = (nke_hadamard){.length = length};
  NKE_TRY(create_tables(plan, stage));
  NKE_TRY(nke_gated_out_table(plan, stage));
  NKE_TRY(nke_gated_block_signs(plan, stage));
  stage->flops = flops_per_pixel(plan, stage) * (double)stage->taps.out_pixels;
  *out = &stage->out;
done:
  return st;
}
