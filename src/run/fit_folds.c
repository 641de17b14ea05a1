/* k-fold cross-validation: the path is fitted once without each fold and scored on it, by whatever trainer. */
#include "run/checkpoint.h"

#include "base/memory.h"
#include "run/fold_file.h"
#include "run/signals.h"

#include <math.h>
#include <stdio.h>

typedef struct folds {
  int64_t count;
  int64_t *fold_of;       /* of each original row */
  nke_path_point *points; /* [n_path], of the fold in hand */
  nke_metrics *metrics;   /* [n_path], of it */
  double saved;           /* when the finished ones were last written, or the run began */
  int failed;             /* they could not be, and that was said */
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

/* A point that failed once stays unsolved. */
static void take_fold(nke_fit *fit, const folds *f)
{
  for (int i = 0; i < fit->n_path; i++) {
    nke_path_point point = f->points[i];
    point.solved = point.solved && (fit->folds_done == 0 || fit->path[i].solved);
    point.validation = fit->path[i].validation;
    merge(&point.validation, &f->metrics[i]);
    fit->path[i] = point;
  }
  fit->folds_done++;
}

static nke_status run_fold(nke_fit *fit, void *state, folds *f)
{
  nke_status st = NKE_OK;
  const nke_dataset *const train = fit->session.train;
  NKE_TRY(nke_agree(fit->session.comm, nke_rows_fold(nke_dataset_rows(train), nke_dataset_originals(train), f->fold_of,
                                                     fit->folds_done, &fit->kept, &fit->held_out)));
  for (int i = 0; i < fit->n_path; i++) f->points[i] = (nke_path_point){.lambda = fit->path[i].lambda};
  NKE_TRY(fit->trainer->hold_out(fit, state));
  fit->position = 0;
  NKE_TRY(fit->trainer->solve(fit, state, fit->n_path, f->points, fit->path_weights));
  NKE_TRY(fit->trainer->validate(fit, state, fit->n_path, fit->path_weights, f->metrics));
  take_fold(fit, f);
done:
  fit->position = 0;
  nke_rows_clear(&fit->held_out);
  nke_rows_clear(&fit->kept);
  fit->kept = nke_rows_all(nke_dataset_rows(train));
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
  const nke_status st = nke_fold_file_write(fit);
  if (st != NKE_OK && rank == 0 && !f->failed) fprintf(stderr, "warning: %s; folds are not kept\n", nke_error_text());
  f->failed = st != NKE_OK;
  f->saved = nke_seconds();
  return st;
}

/* After a fold: written where checkpoint.seconds have passed. */
static nke_status step(nke_fit *fit, folds *f)
{
  if (fit->checkpoint) return nke_checkpoint_step(fit);
  const nke_status st = nke_fit_folds_step(fit);
  if (st != NKE_OK) return st;
  int due = nke_seconds() - f->saved >= fit->session.config->checkpoint.seconds;
  MPI_Bcast(&due, 1, MPI_INT, 0, fit->session.comm);
  if (due) keep(fit, f);
  return NKE_OK;
}

static nke_status stopped(const nke_fit *fit, folds *f)
{
  char text[256];
  snprintf(text, sizeof text, "%.200s", nke_error_text());
  if (fit->folds_done > 0 && keep(fit, f) == NKE_OK)
    return nke_fail(NKE_STOPPED, "%s; the same command goes on after %lld of %lld", text, (long long)fit->folds_done,
                    (long long)f->count);
  if (!fit->part.h5) return nke_fail(NKE_STOPPED, "%s; the same command starts anew", text);
  return nke_fail(NKE_STOPPED, "%s; the same command goes on with the features of %s/features.part.h5", text,
                  fit->session.config->run.out);
}

static nke_status resume(nke_fit *fit, const folds *f)
{
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (fit->checkpoint) return NKE_OK; /* which has said so */
  const nke_status st = nke_fold_file_read(fit);
  fit->resumed_folds = fit->folds_done;
  if (st == NKE_OK && fit->folds_done > 0 && rank == 0)
    fprintf(stderr, "fit: goes on after %lld of %lld folds\n", (long long)fit->folds_done, (long long)f->count);
  return st;
}

static nke_status run_folds(nke_fit *fit, void *state, folds *f)
{
  nke_status st = NKE_OK;
  f->saved = nke_seconds();
  NKE_TRY(resume(fit, f));
  while (fit->folds_done < f->count) {
    NKE_TRY(run_fold(fit, state, f));
    NKE_TRY(step(fit, f));
  }
done:
  return st == NKE_STOPPED && !fit->checkpoint ? stopped(fit, f) : st;
}

nke_status nke_fit_folds(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  const int catches = !fit->checkpoint && !fit->part.h5; /* else they are caught already */
  folds f = {.count = s->config->solver.folds};
  st = nke_rows_deal(nke_dataset_originals(s->train), f.count, s->config->run.seed, &f.fold_of);
  if (st == NKE_OK) st = nke_calloc(fit->n_path, sizeof *f.points, "the path", &f.points);
  if (st == NKE_OK) st = nke_calloc(fit->n_path, sizeof *f.metrics, "metrics", &f.metrics);
  NKE_TRY(nke_agree(s->comm, st));
  fit->in_folds = 1;
  if (catches) nke_signals_catch();
  st = run_folds(fit, state, &f);
  if (catches) nke_signals_release();
  fit->in_folds = 0;
  for (int i = 0; i < fit->n_path; i++)
    if (!fit->path[i].solved) fit->path[i].validation = NKE_METRICS_UNKNOWN;
done:
  nke_free(f.fold_of);
  nke_free(f.points);
  nke_free(f.metrics);
  return st;
}
