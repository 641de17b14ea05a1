#include "solve/kept.h"

#include "dist/collect.h"
#include "solve/scratch.h"

typedef struct outer {
  nke_kept kept;
  nke_kept_work work;
  const double *scale; /* [rows_loc], NULL: ones */
  nke_scratch both;    /* t [m, k], the same on every rank; u [rows_loc, k] */
} outer;

static void destroy(void *context)
{
  outer *const a = context;
  nke_kept_work_clear(&a->work);
  nke_scratch_clear(&a->both);
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
  NKE_TRY(nke_scratch_reserve(a->kept.comm, a->kept.m + a->kept.rows_loc, k, &a->both));
  double *const t = a->both.at, *const u = t + a->kept.m * k;
  for (int64_t i = 0; i < count; i++) u[i] = x_loc[i] * scale_of(a, i / k);
  NKE_TRY(nke_kept_transpose(&a->kept, &a->work, k, u, t));
  NKE_TRY(nke_kept_multiply(&a->kept, &a->work, k, t, y_loc));
  for (int64_t i = 0; i < count; i++) y_loc[i] *= scale_of(a, i / k);
done:
  return st;
}

nke_status nke_outer_operator(const nke_kept *kept, const double *scale_loc, nke_operator **out)
{
  nke_status st = NKE_OK;
  const nke_operator methods = {.multiply = multiply, .destroy = destroy,
                                .flops = 4.0 * (double)kept->rows_loc * (double)kept->m};
  NKE_TRY(nke_operator_create(&methods, kept->comm, nke_rows_total(kept->comm, kept->rows_loc), nke_split_blocks,
                              sizeof(outer), out));
  outer *const o = (*out)->context;
  *o = (outer){.kept = *kept, .scale = scale_loc};
  st = nke_kept_work_init(kept, &o->work);
done:
  if (st != NKE_OK) nke_operator_destroy(out);
  return st;
}
