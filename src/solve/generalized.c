#include "solve/generalized.h"

#include "base/memory.h"
#include "base/rng.h"
#include "num/blas.h"
#include "solve/scalapack.h"
#include "solve/symmetric.h"

#include <math.h>
#include <string.h>

struct nke_generalized {
  const nke_bcmat *b;
  nke_bcmat *factor;
  double shift;
  nke_blacs blacs;
};

/* *out = (d_i a_ij d_j) + shift I. Collective. */
static nke_status shifted_copy(const nke_bcmat *a, const double *d, double shift, nke_bcmat **out)
{
  const nke_status st = nke_bcmat_create(a->grid.comm, a->rows, a->cols, a->nb, out);
  if (st != NKE_OK) return st;
  const nke_grid *const g = &a->grid;
  for (int64_t j = 0; j < a->cols_loc; j++) {
    const int64_t col = nke_bc_global(j, a->nb, g->npcol, g->mycol);
    for (int64_t i = 0; i < a->rows_loc; i++) {
      const int64_t row = nke_bc_global(i, a->nb, g->nprow, g->myrow);
      const double value = a->a[i + j * a->ld] * (d ? d[row] * d[col] : 1);
      (*out)->a[i + j * a->ld] = value + (row == col ? shift : 0);
    }
  }
  return NKE_OK;
}

nke_status nke_generalized_create(const nke_bcmat *b, double shift, nke_generalized **out)
{
  nke_status st = NKE_OK;
  nke_generalized *g = NULL;
  double norm;
  *out = NULL;
  NKE_TRY(nke_symmetric_norm1(b, &norm));
  NKE_TRY(nke_agree(b->grid.comm, nke_calloc(1, sizeof *g, "generalised eigenproblem", &g)));
  g->b = b;
  g->shift = shift;
  NKE_TRY(nke_agree(b->grid.comm, nke_blacs_init(&b->grid, &g->blacs)));
  NKE_TRY(shifted_copy(b, NULL, shift, &g->factor));
  st = nke_scalapack_cholesky(&g->blacs, g->factor);
done:
  if (st != NKE_OK) nke_generalized_destroy(&g);
  *out = g;
  return st;
}

void nke_generalized_destroy(nke_generalized **g)
{
  if (!*g) return;
  nke_bcmat_destroy(&(*g)->factor);
  nke_blacs_clear(&(*g)->blacs);
  nke_free(*g);
  *g = NULL;
}

nke_status nke_generalized_values(const nke_generalized *g, const nke_bcmat *a, const double *d, double *values)
{
  nke_status st = NKE_OK;
  nke_bcmat *reduced = NULL, *vectors = NULL;
  double norm;
  NKE_TRY(nke_symmetric_norm1(a, &norm)); /* divide and conquer may loop on NaN */
  NKE_TRY(shifted_copy(a, d, g->shift, &reduced));
  NKE_TRY(nke_scalapack_reduce(&g->blacs, g->factor, reduced));
  NKE_TRY(nke_bcmat_create(a->grid.comm, a->rows, a->cols, a->nb, &vectors));
  st = nke_scalapack_eigen(reduced, values, vectors);
done:
  nke_bcmat_destroy(&vectors);
  nke_bcmat_destroy(&reduced);
  return st;
}

/* ---- Lanczos ---- */

typedef struct lanczos {
  int64_t n;
  int steps, most;
  double *v, *w;         /* [most + 1, n]: orthonormal in the inner product of B + s I; w = (B + s I) v */
  double *alpha, *beta;  /* [most] */
  double *t, *ritz;      /* [most, most], [most] */
} lanczos;

static double dot(int64_t n, const double *x, const double *y)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

static void subtract(int64_t n, double factor, const double *x, double *y)
{
  for (int64_t i = 0; i < n; i++) y[i] -= factor * x[i];
}

static nke_status lanczos_alloc(int64_t n, int most, lanczos *l)
{
  nke_status st = NKE_OK;
  *l = (lanczos){.n = n, .most = most};
  NKE_TRY(nke_alloc(n * (most + 1), sizeof *l->v, "Lanczos vectors", &l->v));
  NKE_TRY(nke_alloc(n * (most + 1), sizeof *l->w, "Lanczos vectors", &l->w));
  NKE_TRY(nke_alloc(most, sizeof *l->alpha, "Lanczos coefficients", &l->alpha));
  NKE_TRY(nke_alloc(most, sizeof *l->beta, "Lanczos coefficients", &l->beta));
  NKE_TRY(nke_alloc(most, sizeof *l->ritz, "Lanczos coefficients", &l->ritz));
  NKE_TRY(nke_alloc((int64_t)most * most, sizeof *l->t, "Lanczos coefficients", &l->t));
done:
  return st;
}

static void lanczos_clear(lanczos *l)
{
  nke_free(l->v);
  nke_free(l->w);
  nke_free(l->alpha);
  nke_free(l->beta);
  nke_free(l->ritz);
  nke_free(l->t);
}

/* Make v[j] of norm 1, given w[j] = (B + s I) v[j]; the norm it had. */
static double normalise(lanczos *l, int j)
{
  double *const v = l->v + j * l->n, *const w = l->w + j * l->n;
  const double norm = sqrt(fmax(dot(l->n, v, w), 0));
  for (int64_t i = 0; i < l->n && norm > 0; i++) {
    v[i] /= norm;
    w[i] /= norm;
  }
  return norm;
}

/* v[j + 1] from v[j]: one product with each matrix and one solve. Collective. */
static nke_status lanczos_step(const nke_generalized *g, const nke_bcmat *a, lanczos *l)
{
  nke_status st = NKE_OK;
  const int j = l->steps;
  const double *const v = l->v + j * l->n, *const w = l->w + j * l->n;
  double *const next = l->v + (j + 1) * l->n;
  NKE_TRY(nke_symmetric_product(a, g->shift, 1, v, next));
  subtract(l->n, 1, w, next); /* (A - B) v */
  l->alpha[j] = dot(l->n, v, next);
  NKE_TRY(nke_scalapack_backsolve(&g->blacs, g->factor, 1, next));
  for (int pass = 0; pass < 2; pass++) /* twice is enough [Parlett, ch. 6.9] */
    for (int i = 0; i <= j; i++) subtract(l->n, dot(l->n, l->w + i * l->n, next), l->v + i * l->n, next);
  NKE_TRY(nke_symmetric_product(g->b, g->shift, 1, next, l->w + (j + 1) * l->n));
  l->beta[j] = normalise(l, j + 1);
  l->steps = j + 1;
done:
  return st;
}

/* The ends of the projected problem, and the residuals of their vectors. Local. */
static nke_status ritz_ends(lanczos *l, nke_generalized_range *range)
{
  const int k = l->steps;
  memset(l->t, 0, (size_t)(k * k) * sizeof *l->t);
  for (int i = 0; i < k; i++) {
    l->t[i + i * k] = l->alpha[i];
    if (i + 1 < k) l->t[i + 1 + i * k] = l->t[i + (i + 1) * k] = l->beta[i];
  }
  const nke_status st = nke_dsyevd(k, l->t, l->ritz);
  if (st != NKE_OK) return st;
  const double last = l->beta[k - 1], low = fabs(l->t[k - 1]), high = fabs(l->t[k - 1 + (k - 1) * k]);
  *range = (nke_generalized_range){1 + l->ritz[0], 1 + l->ritz[k - 1], last * fmax(low, high), k};
  return NKE_OK;
}

nke_status nke_generalized_ends(const nke_generalized *g, const nke_bcmat *a, double tolerance, int iterations,
                                nke_generalized_range *range)
{
  nke_status st = NKE_OK;
  lanczos l;
  const int most = (int)nke_min(iterations, a->rows), between = 5;
  NKE_TRY(nke_agree(a->grid.comm, lanczos_alloc(a->rows, most, &l)));
  for (int64_t i = 0; i < l.n; i++) l.v[i] = nke_random_normal(0, nke_stream(NKE_STREAM_SAMPLE, 1), (uint64_t)i);
  NKE_TRY(nke_symmetric_product(g->b, g->shift, 1, l.v, l.w));
  normalise(&l, 0);
  while (l.steps < most) {
    NKE_TRY(lanczos_step(g, a, &l));
    const int exhausted = l.beta[l.steps - 1] <= 1e-14;
    if (l.steps % between != 0 && l.steps < most && !exhausted) continue;
    NKE_TRY(nke_agree(a->grid.comm, ritz_ends(&l, range)));
    if (exhausted || range->error <= tolerance * fmax(fabs(range->min - 1), fabs(range->max - 1))) break;
  }
done:
  lanczos_clear(&l);
  return st;
}
