#include "solve/operator.h"

#include "solve/scratch.h"
#include "solve/symmetric.h"

typedef struct kernel {
  const nke_bcmat *matrix;
  const double *scale; /* NULL: ones */
  const nke_parts *parts;
  nke_scratch both; /* x, y [n, k], the same on every rank */
} kernel;

static void destroy(void *context)
{
  nke_scratch_clear(&((kernel *)context)->both);
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  kernel *const a = context;
  const int64_t n = a->matrix->rows;
  const nke_range mine = a->parts->mine;
  NKE_TRY(nke_scratch_reserve(a->parts->comm, 2 * n, k, &a->both));
  double *const x = a->both.at, *const y = x + n * k;
  NKE_TRY(nke_parts_gather(a->parts, k, x_loc, x));
  for (int64_t i = 0; a->scale && i < n; i++)
    for (int c = 0; c < k; c++) x[i * k + c] *= a->scale[i];
  NKE_TRY(nke_symmetric_product(a->matrix, 0, k, x, y));
  for (int64_t i = mine.begin; i < mine.end; i++)
    for (int c = 0; c < k; c++) y_loc[(i - mine.begin) * k + c] = y[i * k + c] * (a->scale ? a->scale[i] : 1);
done:
  return st;
}

static nke_status diagonal(void *context, double *diagonal_loc)
{
  nke_status st = NKE_OK;
  kernel *const a = context;
  NKE_TRY(nke_scratch_reserve(a->parts->comm, 2 * a->matrix->rows, 1, &a->both));
  NKE_TRY(nke_bcmat_diagonal(a->matrix, a->both.at));
  const nke_range mine = a->parts->mine;
  for (int64_t i = mine.begin; i < mine.end; i++)
    diagonal_loc[i - mine.begin] = a->both.at[i] * (a->scale ? a->scale[i] * a->scale[i] : 1);
done:
  return st;
}

nke_status nke_kernel_operator(const nke_bcmat *matrix, const double *scale, nke_operator **out)
{
  const nke_operator methods = {.multiply = multiply, .diagonal = diagonal, .destroy = destroy,
                                .flops = 2.0 * (double)(matrix->rows_loc * matrix->cols_loc)};
  const nke_status st =
    nke_operator_create(&methods, matrix->grid.comm, matrix->rows, nke_split_blocks, sizeof(kernel), out);
  if (st == NKE_OK) *(kernel *)(*out)->context = (kernel){.matrix = matrix, .scale = scale, .parts = &(*out)->parts};
  return st;
}
