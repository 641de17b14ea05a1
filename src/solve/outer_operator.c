#include "solve/kept.h"

#include "base/memory.h"
#include "dist/collect.h"

typedef struct outer {
  nke_kept kept;
  nke_kept_work work;
  const double *scale; /* [rows_loc], NULL: ones */
  double *t, *u;       /* [m, capacity], the same on every rank; [rows_loc, capacity] */
  int capacity;
} outer;

static void destroy(void *context)
{
  outer *const a = context;
  nke_kept_work_clear(&a->work);
  nke_free(a->t);
  nke_free(a->u);
  nke_free(a);
}

static nke_status reserve(outer *a, int k)
{
  nke_status st = NKE_OK;
  if (k <= a->capacity) return NKE_OK;
  nke_free(a->t);
  nke_free(a->u);
  a->t = a->u = NULL;
  a->capacity = 0;
  NKE_TRY(nke_alloc(a->kept.m * k, sizeof *a->t, "vectors of a product", &a->t));
  NKE_TRY(nke_alloc(a->kept.rows_loc * k, sizeof *a->u, "vectors of a product", &a->u));
done:
  st = nke_agree(a->kept.comm, st);
  if (st == NKE_OK) a->capacity = k;
  return st;
}

static double scale_of(const outer *a, int64_t row)
{
  return a->scale ? a->scale[row] : 1;
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  outer *const a = context;
  const int64_t count = a->kept.rows_loc * k;
  NKE_TRY(reserve(a, k));
  for (int64_t i = 0; i < count; i++) a->u[i] = x_loc[i] * scale_of(a, i / k);
  NKE_TRY(nke_kept_transpose(&a->kept, &a->work, k, a->u, a->t));
  NKE_TRY(nke_kept_multiply(&a->kept, &a->work, k, a->t, y_loc));
  for (int64_t i = 0; i < count; i++) y_loc[i] *= scale_of(a, i / k);
done:
  return st;
}

nke_status nke_outer_operator(const nke_kept *kept, const double *scale_loc, nke_operator **out)
{
  nke_status st = NKE_OK;
  outer *o = NULL;
  nke_operator *a = NULL;
  st = nke_calloc(1, sizeof *o, "operator", &o);
  if (st == NKE_OK) st = nke_calloc(1, sizeof *a, "operator", &a);
  NKE_TRY(nke_agree(kept->comm, st));
  NKE_TRY(nke_parts_init(kept->comm, nke_rows_total(kept->comm, kept->rows_loc), nke_split_blocks, &a->parts));
  *o = (outer){.kept = *kept, .scale = scale_loc};
  NKE_TRY(nke_kept_work_init(kept, &o->work));
  a->context = o;
  a->multiply = multiply;
  a->destroy = destroy;
  a->flops = 4.0 * (double)kept->rows_loc * (double)kept->m;
done:
  if (st != NKE_OK) {
    if (a) nke_parts_clear(&a->parts);
    nke_free(o);
    nke_free(a);
    a = NULL;
  }
  *out = a;
  return st;
}
