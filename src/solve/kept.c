#include "solve/kept.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "num/gemm.h"

#include <string.h>

nke_status nke_kept_work_init(const nke_kept *kept, nke_kept_work *work)
{
  int narrow;
  *work = (nke_kept_work){0};
  nke_status st = nke_to_int(kept->m, "number of features", &narrow);
  if (st == NKE_OK) st = nke_alloc(NKE_KEPT_ROWS * kept->m, sizeof *work->wide, "features in double", &work->wide);
  return nke_agree(kept->comm, st);
}

void nke_kept_work_clear(nke_kept_work *work)
{
  nke_free(work->wide);
  work->wide = NULL;
}

/* Rows [first, first + count) of Z from features z [count, m]: where they are, or widened, to stay in the cache between
 * being widened and being used. */
static const double *as_double(const nke_kept *kept, const nke_kept_work *work, int64_t first, int64_t count,
                               const void *z)
{
  const float *const narrow = z;
  const double *const wide = z;
  const int64_t m = kept->m;
  if (kept->precision == NKE_DOUBLE && !kept->scale) return z;
  for (int64_t r = 0; r < count; r++) {
    const double scale = kept->scale ? kept->scale[first + r] : 1;
    for (int64_t i = r * m; i < (r + 1) * m; i++)
      work->wide[i] = scale * (kept->precision == NKE_DOUBLE ? wide[i] : (double)narrow[i]);
  }
  return work->wide;
}

/* What a product does with rows [first, first + count), at most NKE_KEPT_ROWS of them. */
typedef nke_status rows_visit(void *product, int64_t first, int64_t count, const double *rows);

/* count rows at z, that begin with row `first`. */
static nke_status visit_chunk(const nke_kept *kept, const nke_kept_work *work, int64_t first, int64_t count,
                              const void *z, rows_visit *visit, void *product)
{
  nke_status st = NKE_OK;
  const int64_t row_bytes = kept->m * nke_precision_bytes(kept->precision);
  for (int64_t i = 0; i < count; i += NKE_KEPT_ROWS) {
    const int64_t rows = nke_min(NKE_KEPT_ROWS, count - i);
    NKE_TRY(visit(product, first + i, rows, as_double(kept, work, first + i, rows, (const char *)z + i * row_bytes)));
  }
done:
  return st;
}

static nke_status make_and_visit(const nke_kept *kept, const nke_kept_work *work, rows_visit *visit, void *product)
{
  nke_status st = NKE_OK;
  for (int64_t first = 0; first < kept->rows_loc; first += kept->chunk) {
    const int64_t count = nke_min(kept->chunk, kept->rows_loc - first);
    const void *z;
    NKE_TRY(kept->make(kept->context, first, count, &z));
    NKE_TRY(visit_chunk(kept, work, first, count, z, visit, product));
  }
done:
  return st;
}

static nke_status for_rows(const nke_kept *kept, const nke_kept_work *work, rows_visit *visit, void *product)
{
  if (!kept->make) return visit_chunk(kept, work, 0, kept->rows_loc, kept->z, visit, product);
  return nke_agree(kept->comm, make_and_visit(kept, work, visit, product));
}

/* k columns: of m rows x and y, of this rank's rows t. */
typedef struct product {
  int64_t m;
  int k;
  const double *x, *t_in;
  double *t, *y;
} product;

static nke_status multiply_rows(void *context, int64_t first, int64_t count, const double *rows)
{
  const product *const p = context;
  return nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, count, p->k, p->m, rows, p->m, p->x, p->k, 0.0, p->t + first * p->k,
                  p->k);
}

static nke_status transpose_rows(void *context, int64_t first, int64_t count, const double *rows)
{
  const product *const p = context;
  return nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, p->m, p->k, count, rows, p->m, p->t_in + first * p->k, p->k,
                  1.0, p->y, p->k);
}

static nke_status normal_rows(void *context, int64_t first, int64_t count, const double *rows)
{
  nke_status st = NKE_OK;
  product p = *(const product *)context;
  (void)first;
  NKE_TRY(multiply_rows(&p, 0, count, rows));
  p.t_in = p.t;
  st = transpose_rows(&p, 0, count, rows);
done:
  return st;
}

static nke_status add_squares(void *context, int64_t first, int64_t count, const double *rows)
{
  const product *const p = context;
  (void)first;
  for (int64_t i = 0; i < count; i++)
    for (int64_t j = 0; j < p->m; j++) p->y[j] += rows[i * p->m + j] * rows[i * p->m + j];
  return NKE_OK;
}

/* p->y [m, k] <- the sum over all rows of what is added to it. */
static nke_status sum_rows(const nke_kept *kept, const nke_kept_work *work, rows_visit *visit, product *p)
{
  memset(p->y, 0, (size_t)(kept->m * p->k) * sizeof *p->y);
  const nke_status st = for_rows(kept, work, visit, p);
  if (st == NKE_OK) nke_sum_over_ranks(kept->comm, kept->m * p->k, p->y);
  return st;
}

nke_status nke_kept_multiply(const nke_kept *kept, const nke_kept_work *work, int k, const double *x, double *t_loc)
{
  return for_rows(kept, work, multiply_rows, &(product){.m = kept->m, .k = k, .x = x, .t = t_loc});
}

nke_status nke_kept_transpose(const nke_kept *kept, const nke_kept_work *work, int k, const double *t_loc, double *y)
{
  return sum_rows(kept, work, transpose_rows, &(product){.m = kept->m, .k = k, .t_in = t_loc, .y = y});
}

nke_status nke_kept_normal(const nke_kept *kept, const nke_kept_work *work, int k, const double *x, double *t, double *y)
{
  return sum_rows(kept, work, normal_rows, &(product){.m = kept->m, .k = k, .x = x, .t = t, .y = y});
}

nke_status nke_kept_squares(const nke_kept *kept, const nke_kept_work *work, double *squares)
{
  return sum_rows(kept, work, add_squares, &(product){.m = kept->m, .k = 1, .y = squares});
}
