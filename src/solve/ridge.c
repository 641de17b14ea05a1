#include "solve/ridge.h"

#include "base/memory.h"
#include "gram/gram.h"
#include "solve/condition.h"
#include "solve/scalapack.h"
#include "solve/symmetric.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* What the shifts of a path share. */
typedef struct ridge {
  const nke_bcmat *a;
  nke_bcmat *factor;
  nke_blacs blacs;
  double norm; /* of A, for the condition number */
  nke_stats *stats;
} ridge;

static nke_status ridge_init(const nke_bcmat *a, nke_stats *stats, ridge *r)
{
  nke_status st = NKE_OK;
  *r = (ridge){.a = a, .stats = stats};
  NKE_TRY(nke_symmetric_norm1(a, &r->norm)); /* the factorization would not notice NaN */
  NKE_TRY(nke_bcmat_create(a->grid.comm, a->rows, a->cols, a->nb, &r->factor));
  NKE_TRY(nke_agree(a->grid.comm, nke_blacs_init(&a->grid, &r->blacs)));
done:
  return st;
}

static void ridge_clear(ridge *r)
{
  nke_blacs_clear(&r->blacs);
  nke_bcmat_destroy(&r->factor);
}

/* The factor solves for the condition estimate: y <- (L L')^-1 y. */
static nke_status invert(void *context, double *y)
{
  const ridge *r = context;
  return nke_scalapack_backsolve(&r->blacs, r->factor, 1, y);
}

static void count_flops(const ridge *r, int k)
{
  const double n = (double)r->a->rows;
  if (r->stats) r->stats->flops[NKE_STAGE_SOLVE] += (n * n * n / 3 + 4 * n * n * k) / r->a->grid.size;
}

/* r->factor <- that of A + shift I. */
static nke_status factor_shift(ridge *r, double shift)
{
  memcpy(r->factor->a, r->a->a, (size_t)(r->a->ld * r->a->cols_loc) * sizeof *r->a->a);
  nke_bcmat_add_to_diagonal(r->factor, shift);
  return nke_scalapack_cholesky(&r->blacs, r->factor);
}

nke_status nke_ridge_check_mean(double mean_diagonal)
{
  if (mean_diagonal > 0) return NKE_OK;
  return nke_fail(NKE_ERR_NUMERIC, "the kernel's mean diagonal, which lambda is relative to, is %g: all training rows are "
                                   "zero, in the file or after preprocessing", mean_diagonal);
}

double nke_ridge_condition_limit(nke_precision precision, int64_t rows, int64_t terms)
{
  const double in_double = 1e10, sums = fmax((double)terms / NKE_PANEL_ROWS, 1);
  return precision == NKE_SINGLE ? fmin(sqrt((double)rows * sums) / FLT_EPSILON, in_double) : in_double;
}

nke_status nke_ridge_factor(const nke_bcmat *a, double shift, nke_stats *stats, nke_bcmat **factor)
{
  nke_status st = NKE_OK;
  ridge r;
  *factor = NULL;
  NKE_TRY(ridge_init(a, stats, &r));
  NKE_TRY(factor_shift(&r, shift));
  count_flops(&r, 0);
  *factor = r.factor;
  r.factor = NULL;
done:
  ridge_clear(&r);
  return st;
}

static nke_status solve_shift(ridge *r, double shift, int k, const double *b, double *x, nke_ridge_info *info)
{
  nke_status st = NKE_OK;
  double inverse_norm;
  *info = (nke_ridge_info){.shift = shift};
  NKE_TRY(factor_shift(r, shift));
  memcpy(x, b, (size_t)(r->a->rows * k) * sizeof *x);
  NKE_TRY(nke_scalapack_backsolve(&r->blacs, r->factor, k, x));
  NKE_TRY(nke_symmetric_residual(r->a, shift, k, b, x, &info->residual));
  NKE_TRY(nke_norm1_estimate(r->a->grid.comm, r->a->rows, invert, r, &inverse_norm));
  info->condition = (r->norm + shift) * inverse_norm;
  count_flops(r, k);
done:
  return st;
}

nke_status nke_ridge_solve(const nke_bcmat *a, double shift, int k, const double *b, nke_stats *stats, double *x,
                           nke_ridge_info *info)
{
  nke_status st = NKE_OK;
  ridge r;
  NKE_TRY(ridge_init(a, stats, &r));
  NKE_TRY(solve_shift(&r, shift, k, b, x, info));
done:
  ridge_clear(&r);
  return st;
}

nke_status nke_ridge_path(const nke_bcmat *a, double scale, int count, const double *lambda, int k, const double *b,
                          nke_stats *stats, nke_ridge_visit *visit, void *context)
{
  nke_status st = NKE_OK;
  ridge r;
  nke_ridge_info info;
  double *x = NULL;
  NKE_TRY(ridge_init(a, stats, &r));
  NKE_TRY(nke_agree(a->grid.comm, nke_alloc(a->rows * k, sizeof *x, "solution", &x)));
  for (int i = 0; i < count; i++) {
    const nke_status solved = solve_shift(&r, lambda[i] * scale, k, b, x, &info);
    if (solved != NKE_OK && solved != NKE_ERR_NUMERIC) NKE_TRY(solved);
    NKE_TRY(visit(context, i, solved, solved == NKE_OK ? "" : nke_error_text(), x, &info));
  }
done:
  nke_free(x);
  ridge_clear(&r);
  return st;
}

int64_t nke_ridge_bytes(const nke_grid *grid, int64_t rows, int k)
{
  const int64_t nb = nke_bc_block_size(rows), part = nke_bc_largest_part(grid, rows, rows, nb);
  return 8 * (part + nke_bc_panels(grid, rows, nb) + 2 * rows * k + 4 * rows);
}
