#include "solve/precondition.h"

#include "base/memory.h"
#include "base/rng.h"
#include "dist/collect.h"
#include "gram/gram.h"
#include "solve/scalapack.h"

#include <string.h>

typedef struct woodbury {
  nke_kept kept;
  nke_kept_work work;
  const double *scale; /* [rows_loc], NULL: ones */
  int64_t n, first;    /* rows of all ranks; this rank's first */
  nke_gram *gram;      /* of m <= n features, else */
  nke_bcmat *outer;    /* D Z Z' D */
  nke_bcmat *factor;   /* of one of them + s I */
  nke_blacs blacs;
  double shift, floor;
  double *t, *u; /* [order, capacity], the same on every rank; [rows_loc, capacity] */
  int capacity;
} woodbury;

static const nke_bcmat *small_matrix(const woodbury *p)
{
  return p->gram ? nke_gram_matrix(p->gram) : p->outer;
}

static void destroy(void *context)
{
  woodbury *const p = context;
  nke_blacs_clear(&p->blacs);
  nke_gram_destroy(&p->gram);
  nke_bcmat_destroy(&p->outer);
  nke_bcmat_destroy(&p->factor);
  nke_kept_work_clear(&p->work);
  nke_free(p->t);
  nke_free(p->u);
  nke_free(p);
}

static nke_status factor(woodbury *p, double shift)
{
  const nke_bcmat *const from = small_matrix(p);
  p->shift = shift;
  memcpy(p->factor->a, from->a, (size_t)(from->ld * from->cols_loc) * sizeof *from->a);
  nke_bcmat_add_to_diagonal(p->factor, shift);
  return nke_scalapack_cholesky(&p->blacs, p->factor);
}

static nke_status set(void *context, double shift)
{
  woodbury *const p = context;
  return factor(p, shift + p->floor);
}

static nke_status reserve(woodbury *p, int k)
{
  nke_status st = NKE_OK;
  if (k <= p->capacity) return NKE_OK;
  nke_free(p->t);
  nke_free(p->u);
  p->t = p->u = NULL;
  p->capacity = 0;
  NKE_TRY(nke_alloc(p->factor->rows * k, sizeof *p->t, "preconditioner", &p->t));
  NKE_TRY(nke_alloc(p->kept.rows_loc * k, sizeof *p->u, "preconditioner", &p->u));
done:
  st = nke_agree(p->kept.comm, st);
  if (st == NKE_OK) p->capacity = k;
  return st;
}

/* to = D from, [rows_loc, k] */
static void scale_rows(const woodbury *p, int k, const double *from, double *to)
{
  for (int64_t i = 0; i < p->kept.rows_loc; i++)
    for (int c = 0; c < k; c++) to[i * k + c] = from[i * k + c] * (p->scale ? p->scale[i] : 1);
}

static nke_status apply_features(void *context, int k, const double *r_loc, double *z_loc)
{
  nke_status st = NKE_OK;
  woodbury *const p = context;
  NKE_TRY(reserve(p, k));
  scale_rows(p, k, r_loc, p->u);
  NKE_TRY(nke_kept_transpose(&p->kept, &p->work, k, p->u, p->t));
  NKE_TRY(nke_scalapack_backsolve(&p->blacs, p->factor, k, p->t));
  NKE_TRY(nke_kept_multiply(&p->kept, &p->work, k, p->t, p->u));
  scale_rows(p, k, p->u, p->u);
  for (int64_t i = 0; i < p->kept.rows_loc * k; i++) z_loc[i] = (r_loc[i] - p->u[i]) / p->shift;
done:
  return st;
}

static nke_status apply_outer(void *context, int k, const double *r_loc, double *z_loc)
{
  nke_status st = NKE_OK;
  woodbury *const p = context;
  NKE_TRY(reserve(p, k));
  NKE_TRY(nke_gather_rows(p->kept.comm, p->kept.rows_loc, k, r_loc, p->t));
  NKE_TRY(nke_scalapack_backsolve(&p->blacs, p->factor, k, p->t));
  if (p->kept.rows_loc > 0) memcpy(z_loc, p->t + p->first * k, (size_t)(p->kept.rows_loc * k) * sizeof *z_loc);
done:
  return st;
}

/* Z'D^2 Z in double, over panels that take the next rows of every rank. */
static nke_status add_panels(woodbury *p)
{
  nke_status st = NKE_OK;
  const nke_kept *const z = &p->kept;
  int size;
  MPI_Comm_size(z->comm, &size);
  const int64_t rows = nke_ceil_div(NKE_PANEL_ROWS, size);
  const int64_t most = (int64_t)nke_spread_over_ranks(z->comm, (double)z->rows_loc).max;
  double *panel = NULL;
  NKE_TRY(nke_agree(z->comm, nke_alloc(rows * z->m, sizeof *panel, "panel of features", &panel)));
  for (int64_t first = 0; first < most; first += rows) {
    const int64_t count = nke_max(0, nke_min(rows, z->rows_loc - first));
    nke_kept_widen(z, first, count, p->scale, panel);
    NKE_TRY(nke_gram_add(p->gram, count, panel, NULL));
  }
done:
  nke_free(panel);
  return st;
}

static nke_status form_outer(woodbury *p, nke_stats *stats)
{
  nke_status st = NKE_OK;
  const nke_kept *const z = &p->kept;
  double *scaled = NULL;
  NKE_TRY(nke_agree(z->comm, nke_alloc(z->rows_loc * z->m, sizeof *scaled, "features in double", &scaled)));
  nke_kept_widen(z, 0, z->rows_loc, p->scale, scaled);
  st = nke_gram_outer(z->comm, z->rows_loc, z->m, NKE_DOUBLE, scaled, stats, &p->outer);
done:
  nke_free(scaled);
  return st;
}

static nke_status build(woodbury *p, nke_stats *stats)
{
  nke_status st = NKE_OK;
  const nke_kept *const z = &p->kept;
  p->n = nke_rows_total(z->comm, z->rows_loc);
  p->first = nke_rows_before(z->comm, z->rows_loc);
  NKE_TRY(nke_kept_work_init(z, &p->work));
  if (z->m <= p->n) {
    NKE_TRY(nke_gram_create(z->comm, z->m, 0, NKE_DOUBLE, stats, &p->gram));
    NKE_TRY(add_panels(p));
  } else {
    NKE_TRY(form_outer(p, stats));
  }
  const nke_bcmat *const a = small_matrix(p);
  NKE_TRY(nke_bcmat_create(z->comm, a->rows, a->cols, a->nb, &p->factor));
  st = nke_agree(z->comm, nke_blacs_init(&a->grid, &p->blacs));
done:
  return st;
}

static double dot(int64_t count, const double *x, const double *y)
{
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += x[i] * y[i];
  return sum;
}

/* Rayleigh quotient of A over random vectors without what the features can see of them: with next to no shift the
 * inverse of M leaves only that, large. */
static nke_status find_floor(woodbury *p, const nke_preconditioner *m, const nke_operator *a, uint64_t seed)
{
  enum { PROBES = 8 };
  nke_status st = NKE_OK;
  const int64_t count = p->kept.rows_loc * PROBES;
  double trace, sums[2], *w = NULL, *product = NULL;
  NKE_TRY(nke_bcmat_trace(small_matrix(p), &trace));
  NKE_TRY(factor(p, 1e-6 * trace / (double)p->n));
  st = nke_alloc(count, sizeof *w, "probes", &w);
  if (st == NKE_OK) st = nke_alloc(count, sizeof *product, "probes", &product);
  NKE_TRY(nke_agree(p->kept.comm, st));
  for (int64_t i = 0; i < count; i++)
    product[i] = p->scale && p->scale[i / PROBES] == 0
                   ? 0
                   : nke_random_normal(seed, nke_stream(NKE_STREAM_SAMPLE, 3), (uint64_t)(p->first * PROBES + i));
  NKE_TRY(m->apply(m->context, PROBES, product, w));
  NKE_TRY(a->multiply(a->context, PROBES, w, product));
  sums[0] = dot(count, w, product);
  sums[1] = dot(count, w, w);
  nke_sum_over_ranks(p->kept.comm, 2, sums);
  p->floor = sums[0] / sums[1];
  if (!(p->floor >= 0)) st = nke_fail(NKE_ERR_NUMERIC, "sketch: the kernel is not finite or not positive");
done:
  nke_free(w);
  nke_free(product);
  return st;
}

nke_status nke_woodbury_create(const nke_operator *a, const nke_kept *kept, const double *scale_loc, uint64_t seed,
                               nke_stats *stats, nke_preconditioner **out)
{
  nke_status st = NKE_OK;
  woodbury *p = NULL;
  *out = NULL;
  st = nke_calloc(1, sizeof *p, "preconditioner", &p);
  if (st == NKE_OK) st = nke_alloc(1, sizeof **out, "preconditioner", out);
  NKE_TRY(nke_agree(kept->comm, st));
  p->kept = *kept;
  p->scale = scale_loc;
  NKE_TRY(build(p, stats));
  const double rows = (double)kept->rows_loc, m = (double)kept->m, order = (double)p->factor->rows;
  **out = (nke_preconditioner){.context = p, .set = set, .apply = p->gram ? apply_features : apply_outer,
                               .destroy = destroy,
                               .flops = (p->gram ? 4 * rows * m : 0) + 2 * order * order / p->factor->grid.size};
  st = find_floor(p, *out, a, seed);
done:
  if (st != NKE_OK) {
    if (p) destroy(p);
    nke_free(*out);
    *out = NULL;
  }
  return st;
}
