#include "solve/kept.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "num/gemm.h"

#include <string.h>

/* Rows widened at a time: they stay in the cache between being widened and being used. */
enum { ROWS = 32 };

nke_status nke_kept_work_init(const nke_kept *kept, nke_kept_work *work)
{
  int narrow;
  *work = (nke_kept_work){0};
  nke_status st = nke_to_int(kept->m, "number of features", &narrow);
  if (st == NKE_OK) st = nke_alloc(ROWS * kept->m, sizeof *work->wide, "features in double", &work->wide);
  return nke_agree(kept->comm, st);
}

void nke_kept_work_clear(nke_kept_work *work)
{
  nke_free(work->wide);
  work->wide = NULL;
}

static double entry(const nke_kept *kept, int64_t at)
{
  return kept->precision == NKE_SINGLE ? (double)((const float *)kept->z)[at] : ((const double *)kept->z)[at];
}

/* Rows [first, first + ROWS) as double: where they are, or widened. */
static const double *rows_from(const nke_kept *kept, const nke_kept_work *work, int64_t first, int64_t count)
{
  if (kept->precision == NKE_DOUBLE) return (const double *)kept->z + first * kept->m;
  const float *from = (const float *)kept->z + first * kept->m;
  for (int64_t i = 0; i < count * kept->m; i++) work->wide[i] = (double)from[i];
  return work->wide;
}

nke_status nke_kept_multiply(const nke_kept *kept, const nke_kept_work *work, int k, const double *x, double *t_loc)
{
  nke_status st = NKE_OK;
  for (int64_t first = 0; first < kept->rows_loc; first += ROWS) {
    const int64_t count = nke_min(ROWS, kept->rows_loc - first);
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, count, k, kept->m, rows_from(kept, work, first, count), kept->m,
                     x, k, 0.0, t_loc + first * k, k));
  }
done:
  return st;
}

nke_status nke_kept_transpose(const nke_kept *kept, const nke_kept_work *work, int k, const double *t_loc, double *y)
{
  nke_status st = NKE_OK;
  memset(y, 0, (size_t)(kept->m * k) * sizeof *y);
  for (int64_t first = 0; st == NKE_OK && first < kept->rows_loc; first += ROWS) {
    const int64_t count = nke_min(ROWS, kept->rows_loc - first);
    st = nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, kept->m, k, count, rows_from(kept, work, first, count),
                  kept->m, t_loc + first * k, k, 1.0, y, k);
  }
  if (st == NKE_OK) nke_sum_over_ranks(kept->comm, kept->m * k, y);
  return st;
}

void nke_kept_squares(const nke_kept *kept, double *squares)
{
  memset(squares, 0, (size_t)kept->m * sizeof *squares);
  for (int64_t i = 0; i < kept->rows_loc; i++)
    for (int64_t j = 0; j < kept->m; j++) squares[j] += entry(kept, i * kept->m + j) * entry(kept, i * kept->m + j);
  nke_sum_over_ranks(kept->comm, kept->m, squares);
}
