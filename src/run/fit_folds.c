/* k-fold cross-validation: the path is fitted once without each fold and scored on it, by whatever trainer. */
#include "run/checkpoint.h"

#include "base/memory.h"
#include "run/signals.h"

#include <math.h>

/* The means over all left-out rows. */
static void merge(nke_metrics *sum, const nke_metrics *fold)
{
  const double n = (double)sum->n, k = (double)fold->n, all = n + k;
  sum->mse = ((n > 0 ? n * sum->mse : 0) + k * fold->mse) / all;
  sum->accuracy = ((n > 0 ? n * sum->accuracy : 0) + k * fold->accuracy) / all;
  sum->rmse = sqrt(sum->mse);
  sum->r2 = NAN;
  sum->n += fold->n;
}

/* One fold; its numbers of the path are merged into `all` [n_path], and a point that failed once stays unsolved. */
static nke_status run_fold(nke_fit *fit, const int64_t *fold_of, int64_t fold, nke_path_point *all,
                           nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  void *state = NULL;
  NKE_TRY(nke_agree(s->comm, nke_rows_fold(nke_dataset_rows(s->train), nke_dataset_originals(s->train), fold_of, fold,
                                           &fit->kept, &fit->held_out)));
  NKE_TRY(fit->trainer->create(fit, &state));
  NKE_TRY(fit->trainer->add(fit, state, &fit->kept));
  fit->position = 0;
  for (int i = 0; i < fit->n_path; i++) fit->path[i].solved = 0;
  NKE_TRY(fit->trainer->solve(fit, state, fit->n_path, fit->path, fit->path_weights));
  NKE_TRY(fit->trainer->validate(fit, state, fit->n_path, fit->path_weights, metrics));
  for (int i = 0; i < fit->n_path; i++) {
    nke_path_point point = fit->path[i];
    point.solved = fit->path[i].solved && (fold == 0 || all[i].solved);
    point.validation = all[i].validation;
    merge(&point.validation, &metrics[i]);
    all[i] = point;
  }
done:
  if (state) fit->trainer->destroy(state);
  fit->gram = NULL;
  fit->position = 0;
  nke_rows_clear(&fit->kept);
  nke_rows_clear(&fit->held_out);
  return st;
}

nke_status nke_fit_folds_step(const nke_fit *fit)
{
  if (!fit->in_folds || !nke_signals_agree(fit->session.comm)) return NKE_OK;
  return nke_fail(NKE_STOPPED,
                  "stopped by a signal within the folds of solver.select, of which nothing is kept; the same "
                  "command starts anew");
}

nke_status nke_fit_folds(nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  const MPI_Comm comm = s->comm;
  const int64_t folds = s->config->solver.folds;
  int64_t *fold_of = NULL;
  nke_path_point *all = NULL;
  nke_metrics *metrics = NULL;
  st = nke_rows_deal(nke_dataset_originals(s->train), folds, s->config->run.seed, &fold_of);
  if (st == NKE_OK) st = nke_calloc(fit->n_path, sizeof *all, "the path", &all);
  if (st == NKE_OK) st = nke_calloc(fit->n_path, sizeof *metrics, "metrics", &metrics);
  NKE_TRY(nke_agree(comm, st));
  fit->in_folds = 1;
  nke_signals_catch();
  for (int64_t fold = 0; fold < folds; fold++) {
    NKE_TRY(run_fold(fit, fold_of, fold, all, metrics));
    NKE_TRY(nke_fit_folds_step(fit));
  }
  for (int i = 0; i < fit->n_path; i++) {
    if (!all[i].solved) all[i].validation = fit->path[i].validation; /* unknown, as the path begins */
    fit->path[i] = all[i];
  }
done:
  fit->in_folds = 0;
  nke_signals_release(); /* what comes next catches them again, if it asks for them */
  nke_free(fold_of);
  nke_free(all);
  nke_free(metrics);
  fit->kept = nke_rows_all(nke_dataset_rows(s->train));
  return st;
}
