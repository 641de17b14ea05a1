#include "solve/kept.h"

#include "solve/scratch.h"

typedef struct normal {
  nke_kept kept;
  nke_kept_work work;
  const nke_parts *parts;
  nke_scratch all; /* x, y [m, k], the same on every rank; t [NKE_KEPT_ROWS, k] */
} normal;

static void destroy(void *context)
{
  normal *const a = context;
  nke_kept_work_clear(&a->work);
  nke_scratch_clear(&a->all);
}

static nke_status reserve(normal *a, int k)
{
  return nke_scratch_reserve(a->kept.comm, 2 * a->kept.m + NKE_KEPT_ROWS, k, &a->all);
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  normal *const a = context;
  const nke_range mine = a->parts->mine;
  NKE_TRY(reserve(a, k));
  double *const x = a->all.at, *const y = x + a->kept.m * k, *const t = y + a->kept.m * k;
  NKE_TRY(nke_parts_gather(a->parts, k, x_loc, x));
  NKE_TRY(nke_kept_normal(&a->kept, &a->work, k, x, t, y));
  for (int64_t i = mine.begin * k; i < mine.end * k; i++) y_loc[i - mine.begin * k] = y[i];
done:
  return st;
}

static nke_status diagonal(void *context, double *diagonal_loc)
{
  nke_status st = NKE_OK;
  normal *const a = context;
  NKE_TRY(reserve(a, 1));
  NKE_TRY(nke_kept_squares(&a->kept, &a->work, a->all.at));
  const nke_range mine = a->parts->mine;
  for (int64_t i = mine.begin; i < mine.end; i++) diagonal_loc[i - mine.begin] = a->all.at[i];
done:
  return st;
}

nke_status nke_normal_operator(const nke_kept *kept, nke_operator **out)
{
  nke_status st = NKE_OK;
  const nke_operator methods = {.multiply = multiply, .diagonal = diagonal, .destroy = destroy,
                                .dear = kept->make != NULL,
                                .flops = 4.0 * (double)kept->rows_loc * (double)kept->m};
  NKE_TRY(nke_operator_create(&methods, kept->comm, kept->m, nke_split, sizeof(normal), out));
  normal *const n = (*out)->context;
  *n = (normal){.kept = *kept, .parts = &(*out)->parts};
  st = nke_kept_work_init(kept, &n->work);
done:
  if (st != NKE_OK) nke_operator_destroy(out);
  return st;
}
