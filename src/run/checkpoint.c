#include "run/checkpoint.h"

#include "base/memory.h"
#include "run/signals.h"

#include <stdio.h>
#include <unistd.h>

static nke_status set_paths(const nke_config *config, nke_checkpoint *c)
{
  enum { SUFFIX = 16 }; /* of a file that is being written */
  const nke_status st = nke_config_out(config, "checkpoint.h5", c->path, sizeof c->path - SUFFIX);
  if (st != NKE_OK) return st;
  return nke_config_out(config, "checkpoint-previous.h5", c->previous, sizeof c->previous - SUFFIX);
}

/* The newest checkpoint that is whole. */
static nke_status resume(nke_fit *fit)
{
  nke_checkpoint *const c = fit->checkpoint;
  const MPI_Comm comm = fit->session.comm;
  const char *const candidates[2] = {c->path, c->previous};
  nke_status st = NKE_OK;
  for (int i = 0; i < 2; i++) {
    if (!nke_h5file_exists(comm, candidates[i])) continue;
    st = nke_checkpoint_read(fit, candidates[i]);
    if (st == NKE_OK) c->resumed = 1;
    if (st != NKE_ERR_DATA) break;
    snprintf(c->warning, sizeof c->warning, "%.900s", nke_error_text());
  }
  if (st == NKE_ERR_DATA)
    st = nke_fail(st, "%.800s; no whole checkpoint: remove it, or --force to start anew", c->warning);
  return st;
}

int64_t nke_checkpoint_position(const nke_fit *fit)
{
  return fit->phase == NKE_PHASE_PATH && nke_fit_by_folds(fit) ? fit->folds_done : fit->position;
}

static void say_resumed(const nke_fit *fit)
{
  const nke_checkpoint *const c = fit->checkpoint;
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (rank != 0) return;
  if (c->warning[0]) fprintf(stderr, "warning: %s; the checkpoint before it is used\n", c->warning);
  if (c->resumed)
    fprintf(stderr, "fit: goes on from a checkpoint: phase %d, position %lld\n", fit->phase,
            (long long)nke_checkpoint_position(fit));
}

nke_status nke_checkpoint_begin(nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  if (!fit->gram) return NKE_OK;
  NKE_TRY(nke_agree(s->comm, nke_calloc(1, sizeof *fit->checkpoint, "checkpoint", &fit->checkpoint)));
  NKE_TRY(set_paths(s->config, fit->checkpoint));
  nke_signals_catch();
  if (!s->invocation->force) NKE_TRY(resume(fit));
  say_resumed(fit);
  fit->checkpoint->saved = nke_seconds();
done:
  return st;
}

/* Write the next one; the last one becomes the previous, so that at every moment one is whole. */
static nke_status save(nke_fit *fit)
{
  nke_session *const s = &fit->session;
  nke_checkpoint *const c = fit->checkpoint;
  const double begun = nke_seconds();
  nke_stage_begin(&s->stats, NKE_STAGE_WRITE);
  const nke_status st = nke_checkpoint_write(fit, c->path);
  nke_stage_end(&s->stats, NKE_STAGE_WRITE);
  c->saved = nke_seconds();
  c->seconds = c->saved - begun;
  c->written += st == NKE_OK;
  if (st != NKE_OK) snprintf(c->warning, sizeof c->warning, "no checkpoint: %.900s", nke_error_text());
  return st;
}

nke_status nke_checkpoint_step(nke_fit *fit)
{
  nke_checkpoint *const c = fit->checkpoint;
  const MPI_Comm comm = fit->session.comm;
  if (!c) return nke_fit_folds_step(fit);
  int rank, due = 0;
  MPI_Comm_rank(comm, &rank);
  if (rank == 0) due = nke_seconds() - c->saved >= fit->session.config->checkpoint.seconds;
  MPI_Bcast(&due, 1, MPI_INT, 0, comm);
  const bool stop = nke_signals_agree(comm);
  if (!due && !stop) return NKE_OK;
  const bool first_failure = c->warning[0] == 0;
  const nke_status st = save(fit);
  if (st != NKE_OK && rank == 0 && first_failure) fprintf(stderr, "warning: %s\n", c->warning);
  if (!stop) return NKE_OK; /* the run goes on: nothing is lost but time, should it be stopped */
  if (st != NKE_OK && !nke_h5file_exists(comm, c->path) && !nke_h5file_exists(comm, c->previous)) return st;
  return nke_fail(NKE_STOPPED, "stopped by a signal; the same command goes on with %s", c->path);
}

void nke_checkpoint_remove(const nke_fit *fit)
{
  const nke_checkpoint *const c = fit->checkpoint;
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (!c || rank != 0) return;
  unlink(c->path);
  unlink(c->previous);
}

void nke_checkpoint_end(nke_fit *fit)
{
  if (!fit->checkpoint) return;
  nke_signals_release();
  nke_free(fit->checkpoint);
  fit->checkpoint = NULL;
}
