/* Weights through the kernel matrix of the features: (Z Z' + shift I) A = Y, W = Z'A, for more features than rows. The
 * features of the training rows are kept, spread over the ranks. */
#include "run/fit_keep.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "gram/gram.h"
#include "run/class_weights.h"
#include "run/score.h"

#include <math.h>
#include <string.h>

typedef struct dual {
  nke_fit_store kept, held_out;
  nke_fit_store *fitted; /* kept, then both joined */
  nke_fit_store joined;
  nke_bcmat *kernel;
  double *targets; /* [all, k] of the fitted rows, on every rank: the right-hand side of a direct solver */
  double *roots;   /* [all], with class weights: kernel and targets are scaled by them; else NULL */
} dual;

static void dual_destroy(void *state)
{
  dual *const d = state;
  if (!d) return;
  nke_fit_store_clear(&d->kept);
  nke_fit_store_clear(&d->held_out);
  nke_fit_store_clear(&d->joined);
  nke_bcmat_destroy(&d->kernel);
  nke_free(d->targets);
  nke_free(d->roots);
  nke_free(d);
}

static nke_status dual_create(nke_fit *fit, void **state)
{
  return nke_agree(fit->session.comm, nke_calloc(1, sizeof(dual), "the solver", state));
}

/* The kernel matrix and the gathered targets of the fitted rows. */
static nke_status form_kernel(nke_session *s, dual *d)
{
  nke_status st = NKE_OK;
  const nke_fit_store *const f = d->fitted;
  nke_bcmat_destroy(&d->kernel);
  nke_free(d->targets);
  nke_free(d->roots);
  d->targets = d->roots = NULL;
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  st = nke_gram_outer(s->comm, f->n, s->m, s->embedder.precision, f->z, &s->stats, &d->kernel);
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
  if (st != NKE_OK) goto done;
  NKE_TRY(nke_alloc(f->all * s->k, sizeof *d->targets, "targets of all rows", &d->targets));
  if (s->class_roots) NKE_TRY(nke_alloc(f->all, sizeof *d->roots, "weights of all rows", &d->roots));
done:
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) st = nke_gather_rows(s->comm, f->n, s->k, f->y, d->targets);
  if (st == NKE_OK && d->roots) {
    nke_class_weights_roots(s, f->all, d->targets, d->roots);
    nke_class_weights_scale(f->all, s->k, d->roots, d->targets);
    nke_class_weights_matrix(d->roots, d->kernel);
  }
  return st;
}

static nke_status dual_add(nke_fit *fit, void *state, const nke_rows *rows)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  NKE_TRY(nke_fit_keep_rows(fit, rows, &d->kept));
  d->fitted = &d->kept;
  st = form_kernel(s, d);
done:
  return st;
}

static nke_status dual_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  const int64_t columns = s->k * n_points;
  double trace, *alpha = NULL;
  NKE_TRY(nke_bcmat_trace(d->kernel, &trace));
  NKE_TRY(nke_agree(s->comm, nke_alloc(d->fitted->all * columns, sizeof *alpha, "dual weights", &alpha)));
  NKE_TRY(nke_fit_path(fit, d->kernel, trace / (double)d->fitted->all, d->targets, n_points, points, alpha));
  if (d->roots) nke_class_weights_scale(d->fitted->all, columns, d->roots, alpha);
  st = nke_fit_store_primal(s, d->fitted, columns, alpha, weights);
done:
  nke_free(alpha);
  return st;
}

static nke_status dual_criterion(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights)
{
  (void)weights;
  return nke_fit_criterion_dual(fit, ((dual *)state)->targets, n_points, points);
}

static nke_status dual_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  NKE_TRY(nke_fit_keep_rows(fit, &fit->held_out, &d->held_out));
  NKE_TRY(nke_fit_store_score(s, &d->held_out, d->held_out.originals, n_sets, weights, metrics));
  NKE_TRY(nke_fit_store_join(s, &d->kept, &d->held_out, &d->joined));
  d->fitted = &d->joined;
  st = form_kernel(s, d);
done:
  return st;
}

static nke_status dual_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  nke_fit_store *const fitted = ((const dual *)state)->fitted;
  return nke_fit_store_score(&fit->session, fitted, fitted->n, 1, weights, metrics);
}

const nke_trainer nke_trainer_dual = {
  .name = "dual",
  .create = dual_create,
  .destroy = dual_destroy,
  .add = dual_add,
  .solve = dual_solve,
  .criterion = dual_criterion,
  .validate = dual_validate,
  .score = nke_fit_score,
  .training_metrics = dual_training_metrics,
};
