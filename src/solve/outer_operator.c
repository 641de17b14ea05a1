#include "solve/kept.h"

#include "dist/collect.h"
#include "solve/scratch.h"

typedef struct outer {
  nke_kept kept;
  nke_kept_work work;
  nke_scratch all; /* t [m, k], the same on every rank */
} outer;

static void destroy(void *context)
{
  outer *const a = context;
  nke_kept_work_clear(&a->work);
  nke_scratch_clear(&a->all);
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  outer *const a = context;
  NKE_TRY(nke_scratch_reserve(a->kept.comm, a->kept.m, k, &a->all));
  NKE_TRY(nke_kept_transpose(&a->kept, &a->work, k, x_loc, a->all.at));
  st = nke_kept_multiply(&a->kept, &a->work, k, a->all.at, y_loc);
done:
  return st;
}

nke_status nke_outer_operator(const nke_kept *kept, nke_operator **out)
{
  nke_status st = NKE_OK;
  const nke_operator methods = {.multiply = multiply, .destroy = destroy,
                                .flops = 4.0 * (double)kept->rows_loc * (double)kept->m};
  NKE_TRY(nke_operator_create(&methods, kept->comm, nke_rows_total(kept->comm, kept->rows_loc), nke_split_blocks,
                              sizeof(outer), out));
  outer *const o = (*out)->context;
  *o = (outer){.kept = *kept};
  st = nke_kept_work_init(kept, &o->work);
done:
  if (st != NKE_OK) nke_operator_destroy(out);
  return st;
}
