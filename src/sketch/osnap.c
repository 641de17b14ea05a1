/* CountSketch and OSNAP: `copies` signed entries in each column, one in each part of the output. */
#include "sketch/plan.h"

#include <math.h>
#include <string.h>

static nke_status plan(nke_sketch *s, nke_draws *draws)
{
  nke_status st = NKE_OK;
  s->copies = (int)nke_min(s->kind->copies, s->m);
  s->scale = 1 / sqrt((double)s->copies);
  NKE_TRY(nke_sketch_alloc(s, s->n * s->copies, sizeof *s->index, &s->index));
  nke_draw_buckets(draws, 0, s->n, s->copies, s->m, s->index);
done:
  return st;
}

static void clear(const nke_sketch *s, void *y)
{
  memset(y, 0, (size_t)(s->m * nke_precision_bytes(s->precision)));
}

static void apply(nke_sketch *s, const void *x, void *y)
{
  clear(s, y);
  s->k->scatter(s->n, s->copies, s->index, s->scale, x, y);
}

static void apply_sparse(nke_sketch *s, int64_t nnz, const int64_t *index, const void *value, void *y)
{
  clear(s, y);
  s->k->scatter_sparse(nnz, index, s->copies, s->index, s->scale, value, y);
}

static double flops(const nke_sketch *s)
{
  return (double)s->n * (s->copies + 1);
}

const nke_sketch_kind nke_sketch_countsketch = {"countsketch", 1, plan, apply, apply_sparse, flops};
const nke_sketch_kind nke_sketch_osnap = {"osnap", 4, plan, apply, apply_sparse, flops};
