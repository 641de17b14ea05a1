/* Weights by a Krylov method on the features, which are kept, spread over the ranks: no matrix of m x m or n x n. */
#include "run/fit_store.h"

#include "base/memory.h"
#include "run/score.h"
#include "solve/krylov.h"

#include <string.h>

/* Where a target's iteration stops, unless PETSc's options say otherwise (-nke_ksp_rtol, -nke_ksp_max_it). */
static const double tolerance = 1e-10;
enum { ITERATIONS = 10000 };

typedef struct krylov {
  const nke_krylov_method *method;
  nke_fit_store kept, held_out;
} krylov;

static void krylov_destroy(void *state)
{
  krylov *const d = state;
  if (!d) return;
  nke_fit_store_clear(&d->kept);
  nke_fit_store_clear(&d->held_out);
  nke_free(d);
}

static nke_status krylov_create(nke_fit *fit, void **state)
{
  krylov *d = NULL;
  const nke_status st = nke_agree(fit->session.comm, nke_calloc(1, sizeof *d, "the solver", &d));
  if (st == NKE_OK) d->method = nke_krylov_find(fit->trainer->name);
  *state = d;
  return st;
}

static nke_status krylov_add(nke_fit *fit, void *state, const nke_rows *rows)
{
  return nke_fit_store_rows(&fit->session, rows, &((krylov *)state)->kept);
}

/* trace(Z Z') / n: the sum of squares, block by block in double. Collective. */
static nke_status mean_diagonal(const nke_session *s, const nke_fit_store *f, double *mean)
{
  nke_status st = NKE_OK;
  double *row = NULL, squares = 0;
  NKE_TRY(nke_alloc(s->m, sizeof *row, "features of a row", &row));
  for (int64_t i = 0; i < f->n; i++) {
    nke_score_to_double(s->embedder.precision, s->m,
                        (const char *)f->z + i * s->m * nke_precision_bytes(s->embedder.precision), row);
    for (int64_t j = 0; j < s->m; j++) squares += row[j] * row[j];
  }
done:
  nke_free(row);
  st = nke_agree(s->comm, st);
  *mean = nke_spread_over_ranks(s->comm, squares).sum / (double)f->all;
  return st;
}

static nke_status krylov_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const krylov *const d = state;
  const nke_kept kept = {.comm = s->comm, .rows_loc = d->kept.n, .m = s->m, .precision = s->embedder.precision,
                         .z = d->kept.z};
  double mean, *x = NULL;
  int solved = 0;
  memset(weights, 0, (size_t)(s->m * s->k * n_points) * sizeof *weights);
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m * s->k, sizeof *x, "weights", &x)));
  NKE_TRY(mean_diagonal(s, &d->kept, &mean));
  for (int i = 0; i < n_points; i++) {
    nke_krylov_info info = {0};
    points[i].shift = points[i].lambda * mean;
    nke_stage_begin(&s->stats, NKE_STAGE_SOLVE);
    st = d->method->solve(&kept, points[i].shift, (int)s->k, d->kept.y, tolerance, ITERATIONS, &s->stats, x, &info);
    nke_stage_end(&s->stats, NKE_STAGE_SOLVE);
    if (st != NKE_OK && st != NKE_ERR_NUMERIC) goto done;
    points[i].solved = st == NKE_OK;
    points[i].residual = info.residual;
    points[i].iterations = info.iterations;
    if (st == NKE_OK) nke_fit_place(s->m, s->k, i, n_points, x, weights);
    solved += st == NKE_OK;
  }
  if (solved) st = NKE_OK;
done:
  nke_free(x);
  return st;
}

static nke_status krylov_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  krylov *const d = state;
  nke_fit_store joined = {0};
  NKE_TRY(nke_fit_store_rows(s, &fit->held_out, &d->held_out));
  NKE_TRY(nke_fit_store_score(s, &d->held_out, n_sets, weights, metrics));
  st = nke_fit_store_join(s, &d->kept, &d->held_out, &joined);
  d->kept = joined;
done:
  return st;
}

static nke_status krylov_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  return nke_fit_store_score(&fit->session, &((const krylov *)state)->kept, 1, weights, metrics);
}

const nke_trainer nke_trainer_cg = {
  .name = "cg",
  .create = krylov_create,
  .destroy = krylov_destroy,
  .add = krylov_add,
  .solve = krylov_solve,
  .validate = krylov_validate,
  .score = nke_fit_score,
  .training_metrics = krylov_training_metrics,
};

const nke_trainer nke_trainer_lsqr = {
  .name = "lsqr",
  .create = krylov_create,
  .destroy = krylov_destroy,
  .add = krylov_add,
  .solve = krylov_solve,
  .validate = krylov_validate,
  .score = nke_fit_score,
  .training_metrics = krylov_training_metrics,
};
