#include "solve/kept.h"

#include "base/memory.h"

typedef struct normal {
  nke_kept kept;
  nke_kept_work work;
  const nke_parts *parts;
  double *x, *y, *t; /* [m, capacity] twice, the same on every rank; [rows_loc, capacity] */
  int capacity;
} normal;

static void clear_vectors(normal *a)
{
  nke_free(a->x);
  nke_free(a->y);
  nke_free(a->t);
  a->x = a->y = a->t = NULL;
  a->capacity = 0;
}

static void destroy(void *context)
{
  normal *const a = context;
  nke_kept_work_clear(&a->work);
  clear_vectors(a);
  nke_free(a);
}

static nke_status reserve(normal *a, int k)
{
  nke_status st = NKE_OK;
  if (k <= a->capacity) return NKE_OK;
  clear_vectors(a);
  NKE_TRY(nke_alloc(a->kept.m * k, sizeof *a->x, "vectors of a product", &a->x));
  NKE_TRY(nke_alloc(a->kept.m * k, sizeof *a->y, "vectors of a product", &a->y));
  NKE_TRY(nke_alloc(a->kept.rows_loc * k, sizeof *a->t, "vectors of a product", &a->t));
done:
  st = nke_agree(a->kept.comm, st);
  if (st == NKE_OK) a->capacity = k;
  return st;
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  normal *const a = context;
  const nke_range mine = a->parts->mine;
  NKE_TRY(reserve(a, k));
  NKE_TRY(nke_parts_gather(a->parts, k, x_loc, a->x));
  NKE_TRY(nke_kept_multiply(&a->kept, &a->work, k, a->x, a->t));
  NKE_TRY(nke_kept_transpose(&a->kept, &a->work, k, a->t, a->y));
  for (int64_t i = mine.begin * k; i < mine.end * k; i++) y_loc[i - mine.begin * k] = a->y[i];
done:
  return st;
}

static nke_status diagonal(void *context, double *diagonal_loc)
{
  nke_status st = NKE_OK;
  normal *const a = context;
  NKE_TRY(reserve(a, 1));
  nke_kept_squares(&a->kept, a->y);
  const nke_range mine = a->parts->mine;
  for (int64_t i = mine.begin; i < mine.end; i++) diagonal_loc[i - mine.begin] = a->y[i];
done:
  return st;
}

nke_status nke_normal_operator(const nke_kept *kept, nke_operator **out)
{
  nke_status st = NKE_OK;
  normal *n = NULL;
  nke_operator *a = NULL;
  st = nke_calloc(1, sizeof *n, "operator", &n);
  if (st == NKE_OK) st = nke_calloc(1, sizeof *a, "operator", &a);
  NKE_TRY(nke_agree(kept->comm, st));
  NKE_TRY(nke_parts_init(kept->comm, kept->m, nke_split, &a->parts));
  *n = (normal){.kept = *kept, .parts = &a->parts};
  NKE_TRY(nke_kept_work_init(kept, &n->work));
  a->context = n;
  a->multiply = multiply;
  a->diagonal = diagonal;
  a->destroy = destroy;
  a->flops = 4.0 * (double)kept->rows_loc * (double)kept->m;
done:
  if (st != NKE_OK) {
    if (a) nke_parts_clear(&a->parts);
    nke_free(n);
    nke_free(a);
    a = NULL;
  }
  *out = a;
  return st;
}
