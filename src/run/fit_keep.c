#include "run/fit_keep.h"

#include "run/checkpoint.h"
#include "run/signals.h"

#include <stdio.h>
#include <unistd.h>

static nke_status path_of(const nke_fit *fit, char *path, size_t size)
{
  return nke_config_out(fit->session.config, "features.part.h5", path, size);
}

static void drop(const nke_fit *fit)
{
  char path[4096];
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (rank == 0 && path_of(fit, path, sizeof path) == NKE_OK) unlink(path);
}

/* There is no room for the file, or no right to it: the fit does not need it. */
static nke_status go_without(const nke_fit *fit)
{
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (rank == 0) fprintf(stderr, "warning: %s; rows are not kept\n", nke_error_text());
  return NKE_OK;
}

nke_status nke_fit_keep_begin(nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  const int64_t n = nke_dataset_rows(s->train);
  char path[4096], identity[NKE_CHECKPOINT_IDENTITY];
  if (fit->gram || s->exact || fit->recompute) return st;
  if (!nke_kept_rows_pay(s->comm, (double)n * s->embedder.flops_per_row, s->config->checkpoint.seconds)) return st;
  NKE_TRY(path_of(fit, path, sizeof path));
  NKE_TRY(nke_checkpoint_identity(fit, identity, sizeof identity));
  if (s->invocation->force) drop(fit);
  nke_signals_catch();
  st = nke_kept_rows_open(s->comm, path, identity, false, s->embedder.precision, n, s->m, &fit->part);
  if (st == NKE_ERR_OUTPUT) st = go_without(fit);
  if (!fit->part.h5) nke_signals_release();
done:
  return st;
}

void nke_fit_keep_end(nke_fit *fit)
{
  if (!fit->part.h5) return;
  nke_signals_release();
  nke_kept_rows_close(&fit->part);
}

void nke_fit_keep_remove(nke_fit *fit)
{
  if (!fit->part.h5) return;
  nke_fit_keep_end(fit);
  drop(fit);
}

nke_status nke_fit_keep_rows(nke_fit *fit, nke_fit_store *store)
{
  if (!fit->part.h5) return nke_fit_store_rows(&fit->session, NULL, store);
  const nke_status st = nke_fit_store_rows(&fit->session, &fit->part, store);
  if (st != NKE_OK) return st;
  if (store->lost) nke_fit_keep_remove(fit); /* it may be what fills the disk, and the model needs room */
  return st;
}

nke_status nke_fit_keep_step(const nke_fit *fit)
{
  if (!fit->part.h5 || !nke_signals_agree(fit->session.comm)) return NKE_OK;
  return nke_fail(NKE_STOPPED, "stopped by a signal; the same command goes on with the features of %s/features.part.h5",
                  fit->session.config->run.out);
}
