#include "solve/eigen.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "solve/condition.h"
#include "solve/dense.h"
#include "solve/scalapack.h"
#include "solve/symmetric.h"

#include <math.h>
#include <string.h>

struct nke_eigen {
  int64_t n;
  int k;
  double norm; /* of A, for the condition number */
  nke_bcmat *vectors;
  double *values;    /* [n] */
  double *projected; /* q = V' b [n, k] */
};

/* pdsyevd can return wrong vectors without a word; one product tells: |A b - V diag(w) V' b| against |A b|. Collective.
 */
static nke_status verify(const nke_eigen *e, const nke_bcmat *a, const double *b)
{
  nke_status st = NKE_OK;
  double *scaled = NULL, *again = NULL, *direct = NULL, error = 0, size = 0;
  const int64_t count = e->n * e->k;
  st = nke_alloc(count, sizeof *scaled, "check of eigenvectors", &scaled);
  if (st == NKE_OK) st = nke_alloc(count, sizeof *again, "check of eigenvectors", &again);
  if (st == NKE_OK) st = nke_alloc(count, sizeof *direct, "check of eigenvectors", &direct);
  NKE_TRY(nke_agree(a->grid.comm, st));
  for (int64_t j = 0; j < e->n; j++)
    for (int c = 0; c < e->k; c++) scaled[j * e->k + c] = e->values[j] * e->projected[j * e->k + c];
  NKE_TRY(nke_dense_product(e->vectors, NKE_PLAIN, e->k, scaled, again));
  NKE_TRY(nke_symmetric_product(a, 0, e->k, b, direct));
  for (int64_t i = 0; i < count; i++) {
    error += (again[i] - direct[i]) * (again[i] - direct[i]);
    size += b[i] * b[i];
  }
  const double norm = fmax(fabs(e->values[0]), fabs(e->values[e->n - 1]));
  if (!(sqrt(error) <= 1e-10 * norm * sqrt(size)))
    st = nke_fail(NKE_ERR_INTERNAL, "eigenvectors of order %lld are wrong by %.1e relative", (long long)e->n,
                  sqrt(error / size) / norm);
done:
  nke_free(direct);
  nke_free(again);
  nke_free(scaled);
  return st;
}

nke_status nke_eigen_create(const nke_bcmat *a, int k, const double *b, nke_stats *stats, nke_eigen **out)
{
  nke_status st = NKE_OK;
  nke_eigen *e = NULL;
  const MPI_Comm comm = a->grid.comm;
  const double n = (double)a->rows;
  double norm;
  *out = NULL;
  NKE_TRY(nke_symmetric_norm1(a, &norm)); /* divide and conquer may loop on NaN */
  NKE_TRY(nke_agree(comm, nke_calloc(1, sizeof *e, "eigendecomposition", &e)));
  *e = (nke_eigen){.n = a->rows, .k = k, .norm = norm};
  st = nke_alloc(a->rows, sizeof(double), "eigenvalues", &e->values);
  if (st == NKE_OK) st = nke_alloc(a->rows * k, sizeof(double), "eigenvalues", &e->projected);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(nke_bcmat_create(comm, a->rows, a->cols, a->nb, &e->vectors));
  NKE_TRY(nke_scalapack_eigen(a, e->values, e->vectors));
  NKE_TRY(nke_dense_product(e->vectors, NKE_TRANSPOSED, k, b, e->projected));
  NKE_TRY(nke_agree(comm, verify(e, a, b)));
  if (stats) stats->flops[NKE_STAGE_SOLVE] += 9 * n * n * n / a->grid.size;
done:
  if (st != NKE_OK) nke_eigen_destroy(&e);
  *out = e;
  return st;
}

void nke_eigen_destroy(nke_eigen **e)
{
  if (!*e) return;
  nke_bcmat_destroy(&(*e)->vectors);
  nke_free((*e)->projected);
  nke_free((*e)->values);
  nke_free(*e);
  *e = NULL;
}

int64_t nke_eigen_bytes(const nke_grid *grid, int64_t rows, int k)
{
  const int64_t nb = nke_bc_block_size(rows), part = nke_bc_largest_part(grid, rows, rows, nb);
  /* The vectors, the copy that is destroyed, and the two of divide and conquer's work space. */
  return 8 * (4 * part + nke_bc_panels(grid, rows, nb) + 3 * rows * k + 12 * rows);
}

nke_status nke_eigen_check(const nke_grid *grid, int64_t rows)
{
  return nke_scalapack_eigen_check(grid, rows, nke_bc_block_size(rows));
}

const double *nke_eigen_values(const nke_eigen *e)
{
  return e->values;
}

nke_status nke_eigen_solve(const nke_eigen *e, double shift, double *x)
{
  nke_status st = NKE_OK;
  double *scaled = NULL;
  if (e->values[0] + shift <= 0)
    return nke_fail(NKE_ERR_NUMERIC, "not positive definite: the smallest eigenvalue is %g, the shift %g", e->values[0],
                    shift);
  NKE_TRY(nke_agree(e->vectors->grid.comm, nke_alloc(e->n * e->k, sizeof *scaled, "solution", &scaled)));
  for (int64_t j = 0; j < e->n; j++)
    for (int c = 0; c < e->k; c++) scaled[j * e->k + c] = e->projected[j * e->k + c] / (e->values[j] + shift);
  NKE_TRY(nke_dense_product(e->vectors, NKE_PLAIN, e->k, scaled, x));
done:
  nke_free(scaled);
  return st;
}

typedef struct inverse {
  const nke_eigen *e;
  double shift;
  double *rotated; /* [n] */
} inverse;

/* y <- V diag(1 / (w + shift)) V' y. */
static nke_status invert(void *context, double *y)
{
  nke_status st = NKE_OK;
  const inverse *const i = context;
  NKE_TRY(nke_dense_product(i->e->vectors, NKE_TRANSPOSED, 1, y, i->rotated));
  for (int64_t j = 0; j < i->e->n; j++) i->rotated[j] /= i->e->values[j] + i->shift;
  st = nke_dense_product(i->e->vectors, NKE_PLAIN, 1, i->rotated, y);
done:
  return st;
}

nke_status nke_eigen_condition(const nke_eigen *e, double shift, double *condition)
{
  nke_status st = NKE_OK;
  const MPI_Comm comm = e->vectors->grid.comm;
  double inverse_norm;
  inverse i = {.e = e, .shift = shift};
  NKE_TRY(nke_agree(comm, nke_alloc(e->n, sizeof *i.rotated, "condition", &i.rotated)));
  NKE_TRY(nke_norm1_estimate(comm, e->n, invert, &i, &inverse_norm));
  *condition = (e->norm + shift) * inverse_norm;
done:
  nke_free(i.rotated);
  return st;
}

double nke_eigen_dimension(const nke_eigen *e, double shift)
{
  double sum = 0;
  for (int64_t j = 0; j < e->n; j++) sum += fmax(e->values[j], 0) / (fmax(e->values[j], 0) + shift);
  return sum;
}

static double gcv(double rss, double dimension, double n)
{
  const double left = 1 - dimension / n;
  return left > 0 ? rss / n / (left * left) : INFINITY;
}

double nke_eigen_gcv_primal(const nke_eigen *e, double shift, int64_t n, const double *squares)
{
  double rss = 0;
  for (int c = 0; c < e->k; c++) rss += squares[c];
  for (int64_t j = 0; j < e->n; j++) {
    const double w = fmax(e->values[j], 0), d = w + shift;
    for (int c = 0; c < e->k; c++) {
      const double q = e->projected[j * e->k + c];
      rss -= q * q * (w + 2 * shift) / (d * d);
    }
  }
  return gcv(fmax(rss, 0), nke_eigen_dimension(e, shift), (double)n);
}

double nke_eigen_gcv_dual(const nke_eigen *e, double shift)
{
  double rss = 0;
  for (int64_t j = 0; j < e->n; j++)
    for (int c = 0; c < e->k; c++) {
      const double r = shift * e->projected[j * e->k + c] / (fmax(e->values[j], 0) + shift);
      rss += r * r;
    }
  return gcv(rss, nke_eigen_dimension(e, shift), (double)e->n);
}

/* diagonal[i] <- [(A + shift I)^-1]_ii = sum_j V_ij^2 / (w_j + shift). Collective. */
static void inverse_diagonal(const nke_eigen *e, double shift, double *diagonal)
{
  const nke_bcmat *v = e->vectors;
  const nke_grid *g = &v->grid;
  memset(diagonal, 0, (size_t)e->n * sizeof *diagonal);
  for (int64_t j = 0; j < v->cols_loc; j++) {
    const double weight = 1 / (e->values[nke_bc_global(j, v->nb, g->npcol, g->mycol)] + shift);
    for (int64_t i = 0; i < v->rows_loc; i++)
      diagonal[nke_bc_global(i, v->nb, g->nprow, g->myrow)] += v->a[i + j * v->ld] * v->a[i + j * v->ld] * weight;
  }
  nke_sum_over_ranks(g->comm, e->n, diagonal);
}

nke_status nke_eigen_loo_dual(const nke_eigen *e, double shift, double *residuals)
{
  nke_status st = NKE_OK;
  double *diagonal = NULL;
  NKE_TRY(nke_agree(e->vectors->grid.comm, nke_alloc(e->n, sizeof *diagonal, "diagonal", &diagonal)));
  NKE_TRY(nke_eigen_solve(e, shift, residuals));
  inverse_diagonal(e, shift, diagonal);
  for (int64_t i = 0; i < e->n; i++)
    for (int c = 0; c < e->k; c++) residuals[i * e->k + c] /= diagonal[i];
done:
  nke_free(diagonal);
  return st;
}

nke_status nke_eigen_leverage(const nke_eigen *e, int64_t rows, const double *z, int count, const double *shifts,
                              double *leverage)
{
  nke_status st = NKE_OK;
  const MPI_Comm comm = e->vectors->grid.comm;
  double *columns = NULL, *rotated = NULL;
  st = nke_alloc(e->n * rows, sizeof *columns, "rotated rows", &columns);
  if (st == NKE_OK) st = nke_alloc(e->n * rows, sizeof *rotated, "rotated rows", &rotated);
  NKE_TRY(nke_agree(comm, st));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < e->n; j++) columns[j * rows + r] = z[r * e->n + j];
  NKE_TRY(nke_dense_product(e->vectors, NKE_TRANSPOSED, rows, columns, rotated));
  memset(leverage, 0, (size_t)(rows * count) * sizeof *leverage);
  for (int64_t j = 0; j < e->n; j++)
    for (int s = 0; s < count; s++) {
      const double weight = 1 / (e->values[j] + shifts[s]);
      for (int64_t r = 0; r < rows; r++)
        leverage[r * count + s] += rotated[j * rows + r] * rotated[j * rows + r] * weight;
    }
done:
  nke_free(rotated);
  nke_free(columns);
  return st;
}
