/* Weights by a Krylov method on the features, no matrix of m x m or n x n. The features are kept, spread over the ranks,
 * or, where memory does not allow that (fit->recompute), made anew in every pass. */
#include "run/fit_cg.h"

#include "base/memory.h"
#include "run/fit_keep.h"
#include "solve/ridge.h"

#include <string.h>

/* Where the iteration stops, unless PETSc's options say otherwise (-nke_ksp_rtol, -nke_ksp_max_it). */
static const double tolerance = 1e-10;

/* The state is the store of the rows. */
static void krylov_destroy(void *state)
{
  nke_fit_store *const store = state;
  if (!store) return;
  nke_fit_store_clear(store);
  nke_free(store);
}

static nke_status krylov_create(nke_fit *fit, void **state)
{
  return nke_agree(fit->session.comm, nke_calloc(1, sizeof(nke_fit_store), "the solver", state));
}

static nke_status krylov_hold_out(nke_fit *fit, void *state)
{
  nke_fit_store_fit(state, &fit->held_out, 0);
  return NKE_OK;
}

static nke_status krylov_add(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  NKE_TRY(fit->recompute ? nke_fit_store_anew(&fit->session, state) : nke_fit_keep_rows(fit, state));
  st = krylov_hold_out(fit, state);
done:
  return st;
}

/* trace(Z Z') / n. Collective. */
static nke_status mean_diagonal(const nke_kept *kept, int64_t n, double *mean)
{
  nke_status st = NKE_OK;
  nke_kept_work work = {0};
  double *squares = NULL;
  *mean = 0;
  NKE_TRY(nke_kept_work_init(kept, &work));
  NKE_TRY(nke_agree(kept->comm, nke_alloc(kept->m, sizeof *squares, "squares of the features", &squares)));
  NKE_TRY(nke_kept_squares(kept, &work, squares));
  for (int64_t j = 0; j < kept->m; j++) *mean += squares[j] / (double)n;
done:
  nke_free(squares);
  nke_kept_work_clear(&work);
  return st;
}

/* *b_loc, new, <- this rank's rows of Z'Y. */
static nke_status right_side(const nke_session *s, const nke_kept *kept, const double *y, const nke_parts *parts,
                             double **b_loc)
{
  nke_status st = NKE_OK;
  nke_kept_work work = {0};
  double *b = NULL;
  const nke_range mine = parts->mine;
  NKE_TRY(nke_kept_work_init(kept, &work));
  st = nke_alloc(s->m * s->k, sizeof *b, "right-hand side", &b);
  if (st == NKE_OK) st = nke_alloc((mine.end - mine.begin) * s->k, sizeof **b_loc, "right-hand side", b_loc);
  NKE_TRY(nke_agree(s->comm, st));
  NKE_TRY(nke_kept_transpose(kept, &work, (int)s->k, y, b));
  for (int64_t i = mine.begin * s->k; i < mine.end * s->k; i++) (*b_loc)[i - mine.begin * s->k] = b[i];
done:
  nke_free(b);
  nke_kept_work_clear(&work);
  return st;
}

static nke_status solve_cg(nke_fit *fit, const nke_kept *kept, const double *y, double mean, int n_points,
                           nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  nke_operator *a = NULL;
  nke_preconditioner *p = NULL;
  double *b = NULL;
  NKE_TRY(nke_normal_operator(kept, &a));
  NKE_TRY(nke_fit_preconditioner(fit, a, NULL, &p));
  NKE_TRY(right_side(s, kept, y, &a->parts, &b));
  st = nke_fit_cg_path(fit, a, p, mean, tolerance, b, n_points, points, weights);
done:
  nke_free(b);
  nke_preconditioner_destroy(&p);
  nke_operator_destroy(&a);
  return st;
}

static nke_status solve_lsqr(nke_fit *fit, const nke_kept *kept, const double *y, double mean, int n_points,
                             nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  nke_parts parts = {0};
  double *x = NULL;
  int solved = 0;
  memset(weights, 0, (size_t)(s->m * s->k * n_points) * sizeof *weights);
  NKE_TRY(nke_parts_init(s->comm, s->m, nke_split, &parts));
  NKE_TRY(nke_agree(s->comm, nke_alloc((parts.mine.end - parts.mine.begin) * s->k, sizeof *x, "weights", &x)));
  for (int i = 0; i < n_points; i++) {
    nke_krylov_info info = {0};
    points[i].shift = points[i].lambda * mean;
    st = nke_lsqr_solve(kept, points[i].shift, (int)s->k, y, tolerance, NKE_KRYLOV_ITERATIONS, &s->stats, x,
                        &info);
    solved += st == NKE_OK;
    NKE_TRY(nke_fit_take(fit, &parts, st, &info, x, i, n_points, points, weights));
  }
  if (!solved) st = NKE_ERR_NUMERIC; /* with the text of the last */
done:
  nke_free(x);
  nke_parts_clear(&parts);
  return st;
}

/* *y, new, <- the targets, those of rows that are held out as zeros. */
static nke_status fitted_targets(const nke_session *s, const nke_fit_store *store, double **y)
{
  nke_status st = NKE_OK;
  const int64_t n = (store->mine.end - store->mine.begin) * s->k;
  NKE_TRY(nke_agree(s->comm, nke_alloc(n, sizeof **y, "targets of the fitted rows", y)));
  for (int64_t i = 0; i < n; i++) (*y)[i] = store->fitted[i / s->k] * store->y[i];
done:
  return st;
}

typedef nke_status path_solver(nke_fit *fit, const nke_kept *kept, const double *y, double mean, int n_points,
                               nke_path_point *points, double *weights);

static nke_status solve_by(path_solver *solver, nke_fit *fit, nke_fit_store *store, int n_points,
                           nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const nke_kept kept = nke_fit_store_kept(s, store);
  double mean, *y = NULL;
  NKE_TRY(mean_diagonal(&kept, store->n_fitted, &mean));
  NKE_TRY(nke_ridge_check_mean(mean));
  NKE_TRY(fitted_targets(s, store, &y));
  nke_stage_begin(&s->stats, NKE_STAGE_SOLVE);
  st = solver(fit, &kept, y, mean, n_points, points, weights);
  nke_stage_end(&s->stats, NKE_STAGE_SOLVE);
done:
  nke_free(y);
  return st;
}

static nke_status cg_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  return solve_by(solve_cg, fit, state, n_points, points, weights);
}

static nke_status lsqr_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  return solve_by(solve_lsqr, fit, state, n_points, points, weights);
}

static nke_status krylov_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_fit_store_score(&fit->session, state, 0, n_sets, weights, metrics));
  nke_fit_store_fit(state, &fit->held_out, 1);
done:
  return st;
}

static nke_status krylov_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  return nke_fit_store_score(&fit->session, state, 1, 1, weights, metrics);
}

const nke_trainer nke_trainer_cg = {
  .name = "cg",
  .create = krylov_create,
  .destroy = krylov_destroy,
  .add = krylov_add,
  .hold_out = krylov_hold_out,
  .solve = cg_solve,
  .validate = krylov_validate,
  .score = nke_fit_score,
  .training_metrics = krylov_training_metrics,
};

const nke_trainer nke_trainer_lsqr = {
  .name = "lsqr",
  .create = krylov_create,
  .destroy = krylov_destroy,
  .add = krylov_add,
  .hold_out = krylov_hold_out,
  .solve = lsqr_solve,
  .validate = krylov_validate,
  .score = nke_fit_score,
  .training_metrics = krylov_training_metrics,
};
