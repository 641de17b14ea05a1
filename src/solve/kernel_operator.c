#include "solve/operator.h"

#include "base/memory.h"
#include "solve/symmetric.h"

#include <string.h>

typedef struct kernel {
  const nke_bcmat *matrix;
  const double *scale; /* NULL: ones */
  const nke_parts *parts;
  double *x, *y; /* [n, capacity], the same on every rank */
  int capacity;
} kernel;

static void destroy(void *context)
{
  kernel *const k = context;
  nke_free(k->x);
  nke_free(k->y);
  nke_free(k);
}

static nke_status reserve(kernel *a, int k)
{
  nke_status st = NKE_OK;
  if (k <= a->capacity) return NKE_OK;
  nke_free(a->x);
  nke_free(a->y);
  a->x = a->y = NULL;
  a->capacity = 0;
  NKE_TRY(nke_alloc(a->matrix->rows * k, sizeof *a->x, "vectors of a product", &a->x));
  NKE_TRY(nke_alloc(a->matrix->rows * k, sizeof *a->y, "vectors of a product", &a->y));
done:
  st = nke_agree(a->matrix->grid.comm, st);
  if (st == NKE_OK) a->capacity = k;
  return st;
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  kernel *const a = context;
  const int64_t n = a->matrix->rows;
  const nke_range mine = a->parts->mine;
  NKE_TRY(reserve(a, k));
  NKE_TRY(nke_parts_gather(a->parts, k, x_loc, a->x));
  for (int64_t i = 0; a->scale && i < n; i++)
    for (int c = 0; c < k; c++) a->x[i * k + c] *= a->scale[i];
  NKE_TRY(nke_symmetric_product(a->matrix, 0, k, a->x, a->y));
  for (int64_t i = mine.begin; i < mine.end; i++)
    for (int c = 0; c < k; c++) y_loc[(i - mine.begin) * k + c] = a->y[i * k + c] * (a->scale ? a->scale[i] : 1);
done:
  return st;
}

static nke_status diagonal(void *context, double *diagonal_loc)
{
  nke_status st = NKE_OK;
  kernel *const a = context;
  NKE_TRY(reserve(a, 1));
  NKE_TRY(nke_bcmat_diagonal(a->matrix, a->x));
  const nke_range mine = a->parts->mine;
  for (int64_t i = mine.begin; i < mine.end; i++)
    diagonal_loc[i - mine.begin] = a->x[i] * (a->scale ? a->scale[i] * a->scale[i] : 1);
done:
  return st;
}

nke_status nke_kernel_operator(const nke_bcmat *matrix, const double *scale, nke_operator **out)
{
  nke_status st = NKE_OK;
  const nke_grid *const grid = &matrix->grid;
  kernel *k = NULL;
  nke_operator *a = NULL;
  st = nke_calloc(1, sizeof *k, "operator", &k);
  if (st == NKE_OK) st = nke_calloc(1, sizeof *a, "operator", &a);
  NKE_TRY(nke_agree(grid->comm, st));
  NKE_TRY(nke_parts_init(grid->comm, matrix->rows, nke_split_blocks, &a->parts));
  *k = (kernel){.matrix = matrix, .scale = scale, .parts = &a->parts};
  a->context = k;
  a->multiply = multiply;
  a->diagonal = diagonal;
  a->destroy = destroy;
  a->flops = 2.0 * (double)(matrix->rows_loc * matrix->cols_loc);
done:
  if (st != NKE_OK) {
    if (a) nke_parts_clear(&a->parts);
    nke_free(k);
    nke_free(a);
    a = NULL;
  }
  *out = a;
  return st;
}
