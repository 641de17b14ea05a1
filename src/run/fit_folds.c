/* k-fold cross-validation: the path is fitted once without each fold and scored on it, by whatever trainer. */
#include "run/checkpoint.h"

#include "base/memory.h"
#include "run/fold_file.h"
#include "run/signals.h"

#include <math.h>
#include <stdio.h>

/* The folds that are done, and their numbers of the path. */
typedef struct folds {
  int64_t count, done;
  int64_t *fold_of;     /* of each original row */
  nke_path_point *path; /* [n_path] */
  nke_metrics *metrics; /* [n_path], of one fold */
  double saved;         /* when they were last written, or the run began */
  int failed;           /* they could not be, and that was said */
} folds;

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

/* The next fold; a point that failed once stays unsolved. */
static nke_status run_fold(nke_fit *fit, folds *f)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  void *state = NULL;
  NKE_TRY(nke_agree(s->comm, nke_rows_fold(nke_dataset_rows(s->train), nke_dataset_originals(s->train), f->fold_of,
                                           f->done, &fit->kept, &fit->held_out)));
  NKE_TRY(fit->trainer->create(fit, &state));
  NKE_TRY(fit->trainer->add(fit, state, &fit->kept));
  fit->position = 0;
  for (int i = 0; i < fit->n_path; i++) fit->path[i].solved = 0;
  NKE_TRY(fit->trainer->solve(fit, state, fit->n_path, fit->path, fit->path_weights));
  NKE_TRY(fit->trainer->validate(fit, state, fit->n_path, fit->path_weights, f->metrics));
  for (int i = 0; i < fit->n_path; i++) {
    nke_path_point point = fit->path[i];
    point.solved = fit->path[i].solved && (f->done == 0 || f->path[i].solved);
    point.validation = f->path[i].validation;
    merge(&point.validation, &f->metrics[i]);
    f->path[i] = point;
  }
  f->done++;
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
  return nke_fail(NKE_STOPPED, "stopped by a signal within the folds of solver.select");
}

/* That they cannot be kept is a warning: the run goes on. */
static nke_status keep(const nke_fit *fit, folds *f)
{
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  const nke_status st = nke_fold_file_write(fit, f->done, f->path);
  if (st != NKE_OK && rank == 0 && !f->failed) fprintf(stderr, "warning: %s; folds are not kept\n", nke_error_text());
  f->failed = st != NKE_OK;
  f->saved = nke_seconds();
  return st;
}

/* After a fold: written where checkpoint.seconds have passed. */
static void keep_if_due(const nke_fit *fit, folds *f)
{
  int due = nke_seconds() - f->saved >= fit->session.config->checkpoint.seconds;
  MPI_Bcast(&due, 1, MPI_INT, 0, fit->session.comm);
  if (due) keep(fit, f);
}

static nke_status stopped(const nke_fit *fit, folds *f)
{
  char text[256];
  snprintf(text, sizeof text, "%.200s", nke_error_text());
  if (f->done == 0 || keep(fit, f) != NKE_OK) return nke_fail(NKE_STOPPED, "%s; the same command starts anew", text);
  return nke_fail(NKE_STOPPED, "%s; the same command goes on after %lld of %lld", text, (long long)f->done,
                  (long long)f->count);
}

static nke_status run_folds(nke_fit *fit, folds *f)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  NKE_TRY(nke_fold_file_read(fit, &f->done, f->path));
  fit->resumed_folds = f->done;
  if (f->done > 0 && rank == 0)
    fprintf(stderr, "fit: goes on after %lld of %lld folds\n", (long long)f->done, (long long)f->count);
  f->saved = nke_seconds();
  while (f->done < f->count) {
    NKE_TRY(run_fold(fit, f));
    NKE_TRY(nke_fit_folds_step(fit));
    keep_if_due(fit, f);
  }
done:
  return st == NKE_STOPPED ? stopped(fit, f) : st;
}

nke_status nke_fit_folds(nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  folds f = {.count = s->config->solver.folds};
  st = nke_rows_deal(nke_dataset_originals(s->train), f.count, s->config->run.seed, &f.fold_of);
  if (st == NKE_OK) st = nke_calloc(fit->n_path, sizeof *f.path, "the path", &f.path);
  if (st == NKE_OK) st = nke_calloc(fit->n_path, sizeof *f.metrics, "metrics", &f.metrics);
  NKE_TRY(nke_agree(s->comm, st));
  fit->in_folds = 1;
  nke_signals_catch();
  NKE_TRY(run_folds(fit, &f));
  for (int i = 0; i < fit->n_path; i++) {
    if (!f.path[i].solved) f.path[i].validation = fit->path[i].validation; /* unknown, as the path begins */
    fit->path[i] = f.path[i];
  }
done:
  fit->in_folds = 0;
  nke_signals_release(); /* what comes next catches them again, if it asks for them */
  nke_free(f.fold_of);
  nke_free(f.path);
  nke_free(f.metrics);
  fit->kept = nke_rows_all(nke_dataset_rows(s->train));
  return st;
}
