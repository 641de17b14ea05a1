#include "solve/symmetric.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "num/gemm.h"
#include "solve/petsc_status.h"

#include <math.h>
#include <string.h>

/* A block of this rank on or below the diagonal: `at` its first entry, [rows x cols] at global (top, left). */
typedef struct block {
  const double *at;
  int64_t top, left, rows, cols;
} block;

typedef nke_status block_visit(const nke_bcmat *a, const block *b, void *context);

static nke_status for_each_block(const nke_bcmat *a, block_visit *visit, void *context)
{
  nke_status st = NKE_OK;
  const nke_grid *g = &a->grid;
  for (int64_t col = 0; col < a->cols_loc; col += a->nb)
    for (int64_t row = 0; row < a->rows_loc; row += a->nb) {
      block b = {.at = a->a + row + col * a->ld,
                 .top = nke_bc_global(row, a->nb, g->nprow, g->myrow),
                 .left = nke_bc_global(col, a->nb, g->npcol, g->mycol)};
      if (b.top < b.left) continue;
      b.rows = nke_min(a->nb, a->rows - b.top);
      b.cols = nke_min(a->nb, a->cols - b.left);
      NKE_TRY(visit(a, &b, context));
    }
done:
  return st;
}

typedef struct product {
  int k;
  const double *x;
  double *y;
} product;

/* A block is column-major, so to the row-major product it is its own transpose. Diagonal blocks are stored whole. */
static nke_status multiply_block(const nke_bcmat *a, const block *b, void *context)
{
  const product *p = context;
  nke_status st = nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, b->rows, p->k, b->cols, b->at, a->ld,
                           p->x + b->left * p->k, p->k, 1.0, p->y + b->top * p->k, p->k);
  if (st == NKE_OK && b->top > b->left)
    st = nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, b->cols, p->k, b->rows, b->at, a->ld, p->x + b->top * p->k, p->k,
                  1.0, p->y + b->left * p->k, p->k);
  return st;
}

nke_status nke_symmetric_product(const nke_bcmat *a, double shift, int k, const double *x, double *y)
{
  nke_status st = NKE_OK;
  product p = {k, x, y};
  nke_event_begin(NKE_EVENT_PRODUCT);
  memset(y, 0, (size_t)(a->rows * k) * sizeof *y);
  NKE_TRY(nke_agree(a->grid.comm, for_each_block(a, multiply_block, &p)));
  nke_sum_over_ranks(a->grid.comm, a->rows * k, y);
  for (int64_t i = 0; i < a->rows * k; i++) y[i] += shift * x[i];
done:
  nke_event_end(NKE_EVENT_PRODUCT, 2.0 * (double)(a->rows_loc * a->cols_loc) * k);
  return st;
}

static nke_status add_column_sums(const nke_bcmat *a, const block *b, void *context)
{
  double *sums = context;
  for (int64_t j = 0; j < b->cols; j++)
    for (int64_t i = 0; i < b->rows; i++) {
      const double size = fabs(b->at[i + j * a->ld]);
      sums[b->left + j] += size;
      if (b->top > b->left) sums[b->top + i] += size;
    }
  return NKE_OK;
}

nke_status nke_symmetric_norm1(const nke_bcmat *a, double *norm)
{
  nke_status st = NKE_OK;
  double *sums = NULL;
  *norm = 0;
  NKE_TRY(nke_agree(a->grid.comm, nke_calloc(a->rows, sizeof *sums, "column sums", &sums)));
  NKE_TRY(for_each_block(a, add_column_sums, sums));
  nke_sum_over_ranks(a->grid.comm, a->rows, sums);
  for (int64_t j = 0; j < a->rows; j++)
    if (sums[j] > *norm || isnan(sums[j])) *norm = sums[j]; /* NaN wins, and stays */
  if (!isfinite(*norm))
    st = nke_fail(NKE_ERR_NUMERIC, "a matrix of order %lld has entries that are not finite", (long long)a->rows);
done:
  nke_free(sums);
  return st;
}

nke_status nke_symmetric_residual(const nke_bcmat *a, double shift, int k, const double *b, const double *x,
                                  double *residual)
{
  nke_status st = NKE_OK;
  double *y = NULL, error = 0, size = 0;
  *residual = 0;
  NKE_TRY(nke_agree(a->grid.comm, nke_alloc(a->rows * k, sizeof *y, "residual", &y)));
  NKE_TRY(nke_symmetric_product(a, shift, k, x, y));
  for (int64_t i = 0; i < a->rows * k; i++) {
    error += (y[i] - b[i]) * (y[i] - b[i]);
    size += b[i] * b[i];
  }
  if (size > 0) *residual = sqrt(error / size);
done:
  nke_free(y);
  return st;
}
