#include "solve/operator.h"

#include "solve/scratch.h"

typedef struct kernel {
  nke_symmetric_matrix matrix;
  const double *scale; /* NULL: ones */
  const nke_parts *parts;
  nke_scratch both; /* x, y [n, k], the same on every rank */
} kernel;

static void destroy(void *context)
{
  nke_scratch_clear(&((kernel *)context)->both);
}

static double scale_of(const kernel *a, int64_t row)
{
  return a->scale ? a->scale[row] : 1;
}

static nke_status multiply(void *context, int k, const double *x_loc, double *y_loc)
{
  nke_status st = NKE_OK;
  kernel *const a = context;
  const int64_t n = a->matrix.n;
  const nke_range mine = a->parts->mine;
  NKE_TRY(nke_scratch_reserve(a->parts->comm, 2 * n, k, &a->both));
  double *const x = a->both.at, *const y = x + n * k;
  NKE_TRY(nke_parts_gather(a->parts, k, x_loc, x));
  for (int64_t i = 0; a->scale && i < n; i++)
    for (int c = 0; c < k; c++) x[i * k + c] *= a->scale[i];
  NKE_TRY(a->matrix.product(a->matrix.context, k, x, y));
  for (int64_t i = mine.begin; i < mine.end; i++)
    for (int c = 0; c < k; c++) y_loc[(i - mine.begin) * k + c] = y[i * k + c] * scale_of(a, i);
done:
  return st;
}

static nke_status diagonal(void *context, double *diagonal_loc)
{
  const kernel *const a = context;
  const nke_range mine = a->parts->mine;
  for (int64_t i = mine.begin; i < mine.end; i++)
    diagonal_loc[i - mine.begin] = a->matrix.diagonal[i] * scale_of(a, i) * scale_of(a, i);
  return NKE_OK;
}

nke_status nke_kernel_operator(const nke_symmetric_matrix *matrix, const double *scale, nke_operator **out)
{
  const nke_operator methods = {.multiply = multiply, .diagonal = diagonal, .destroy = destroy, .flops = matrix->flops,
                                .dear = matrix->dear};
  const nke_status st =
    nke_operator_create(&methods, matrix->comm, matrix->n, nke_split_blocks, sizeof(kernel), out);
  if (st == NKE_OK) *(kernel *)(*out)->context = (kernel){.matrix = *matrix, .scale = scale, .parts = &(*out)->parts};
  return st;
}
