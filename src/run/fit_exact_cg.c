/* Weights of the exact kernel, (K + shift I) A = Y, by conjugate gradients: K is seen by its products alone. */
#include "run/fit_cg.h"
#include "run/fit_dual.h"

#include "base/memory.h"
#include "run/class_weights.h"
#include "run/fit_store.h"
#include "run/kernel_store.h"
#include "solve/ridge.h"

/* Where the iteration stops, unless PETSc's options say otherwise: -nke_ksp_rtol, -nke_ksp_max_it. */
static const double tolerance = 1e-6;

typedef struct exact_cg {
  nke_dual_rows rows;
  nke_kernel_store *kernel;
  nke_fit_store sketch; /* of all rows, with solver.precondition sketch */
} exact_cg;

static void exact_cg_destroy(void *state)
{
  exact_cg *const e = state;
  if (!e) return;
  nke_kernel_store_destroy(&e->kernel);
  nke_dual_rows_clear(&e->rows);
  nke_fit_store_clear(&e->sketch);
  nke_free(e);
}

static nke_status exact_cg_create(nke_fit *fit, void **state)
{
  return nke_agree(fit->session.comm, nke_calloc(1, sizeof(exact_cg), "the solver", state));
}

/* Features of all rows by the sketch, in place of the kernel. */
static nke_status embed_sketch(nke_session *s, nke_fit_store *out)
{
  nke_session view = *s;
  view.kernel = NULL;
  view.features = s->sketch;
  view.m = nke_features_length(s->sketch);
  nke_session_ready(&view);
  view.embedder.stats = &s->stats;
  return nke_fit_store_rows(&view, NULL, out);
}

static nke_status exact_cg_hold_out(nke_fit *fit, void *state)
{
  nke_dual_rows_fit(&fit->session, &fit->held_out, 0, &((exact_cg *)state)->rows);
  return NKE_OK;
}

static nke_status exact_cg_add(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  exact_cg *const e = state;
  NKE_TRY(nke_dual_rows_init(s, &e->rows));
  NKE_TRY(exact_cg_hold_out(fit, state));
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  st = nke_kernel_store_create(s, e->rows.path[0] ? e->rows.path : NULL, e->rows.identity, !fit->recompute, &e->kernel);
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
  if (st == NKE_OK && s->sketch) st = embed_sketch(s, &e->sketch);
done:
  return st;
}

/* *scale, new: what a row of the system is scaled by, 0 where it is held out; NULL where all are 1. */
static nke_status make_scale(const nke_session *s, const nke_dual_rows *e, double **scale)
{
  nke_status st = NKE_OK;
  if (e->n_fitted == s->m && !e->roots) return NKE_OK;
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m, sizeof **scale, "scales of the rows", scale)));
  for (int64_t i = 0; i < s->m; i++) (*scale)[i] = e->fitted[i] ? (e->roots ? e->roots[i] : 1) : 0;
done:
  return st;
}

static nke_status make_preconditioner(nke_fit *fit, exact_cg *e, const nke_operator *a, const double *scale,
                                      nke_preconditioner **out)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  nke_operator *guide = NULL;
  if (!s->sketch) return nke_fit_preconditioner(fit, a, NULL, out);
  const nke_kept kept = {.comm = s->comm,
                         .rows_loc = e->sketch.mine.end - e->sketch.mine.begin,
                         .m = nke_features_length(s->sketch),
                         .precision = s->config->run.precision,
                         .scale = scale ? scale + e->sketch.mine.begin : NULL,
                         .z = e->sketch.z};
  NKE_TRY(nke_outer_operator(&kept, &guide));
  st = nke_fit_preconditioner(fit, a, guide, out);
done:
  nke_operator_destroy(&guide);
  return st;
}

static nke_status exact_cg_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  exact_cg *const e = state;
  const nke_symmetric_matrix kernel = nke_kernel_store_matrix(e->kernel);
  const double mean = nke_dual_rows_mean(&e->rows, kernel.diagonal);
  double *scale = NULL;
  nke_operator *a = NULL;
  nke_preconditioner *p = NULL;
  nke_stage_begin(&s->stats, NKE_STAGE_SOLVE);
  NKE_TRY(nke_ridge_check_mean(mean));
  NKE_TRY(make_scale(s, &e->rows, &scale));
  NKE_TRY(nke_kernel_operator(&kernel, scale, &a));
  NKE_TRY(make_preconditioner(fit, e, a, scale, &p));
  NKE_TRY(nke_fit_cg_path(fit, a, p, mean, tolerance, e->rows.right + a->parts.mine.begin * s->k, n_points, points,
                          weights));
  if (e->rows.roots) nke_class_weights_scale(s->m, s->k * n_points, e->rows.roots, weights);
done:
  nke_stage_end(&s->stats, NKE_STAGE_SOLVE);
  nke_preconditioner_destroy(&p);
  nke_operator_destroy(&a);
  nke_free(scale);
  return st;
}

static nke_status score_rows(nke_session *s, const exact_cg *e, int which, int n_sets, const double *weights,
                             nke_metrics *metrics)
{
  const nke_symmetric_matrix kernel = nke_kernel_store_matrix(e->kernel);
  return nke_dual_rows_metrics(s, &e->rows, &kernel, which, n_sets, weights, metrics);
}

static nke_status exact_cg_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  exact_cg *const e = state;
  const nke_status st = score_rows(&fit->session, e, 0, n_sets, weights, metrics);
  if (st == NKE_OK) nke_dual_rows_fit(&fit->session, &fit->held_out, 1, &e->rows);
  return st;
}

static nke_status exact_cg_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                                 const double *weights, nke_metrics *metrics)
{
  return nke_dual_rows_score(fit, &((const exact_cg *)state)->rows, dataset, what, n_sets, weights, metrics);
}

static nke_status exact_cg_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  return score_rows(&fit->session, state, 1, 1, weights, metrics);
}

const nke_trainer nke_trainer_exact_cg = {
  .name = "exact cg",
  .create = exact_cg_create,
  .destroy = exact_cg_destroy,
  .add = exact_cg_add,
  .hold_out = exact_cg_hold_out,
  .solve = exact_cg_solve,
  .validate = exact_cg_validate,
  .score = exact_cg_score,
  .training_metrics = exact_cg_training_metrics,
};
