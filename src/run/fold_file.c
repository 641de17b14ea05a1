#include "run/fold_file.h"

#include "run/checkpoint.h"
#include "run/path_file.h"

#include <unistd.h>

static nke_status path_of(const nke_fit *fit, char *path, size_t size)
{
  return nke_config_out(fit->session.config, "folds.part.h5", path, size);
}

static nke_status read_all(nke_h5file *file, nke_fit *fit)
{
  nke_status st = NKE_OK;
  int64_t count;
  NKE_TRY(nke_checkpoint_check(file, fit, "folds"));
  NKE_TRY(nke_h5file_get_int(file, "/", "folds", &count));
  if (count < 1 || count > fit->session.config->solver.folds)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: %lld folds", nke_h5file_path(file), (long long)count));
  NKE_TRY(nke_path_file_read(file, "/path", fit->n_path, fit->path));
  fit->folds_done = count;
done:
  return st;
}

nke_status nke_fold_file_read(nke_fit *fit)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  nke_h5file *file = NULL;
  char path[4096];
  NKE_TRY(path_of(fit, path, sizeof path));
  if (s->invocation->force || !nke_h5file_exists(s->comm, path)) return NKE_OK;
  NKE_TRY(nke_h5file_open(s->comm, path, &file));
  st = read_all(file, fit);
done:
  nke_h5file_close(&file);
  return st == NKE_ERR_DATA ? nke_fail(st, "%s; remove it, or --force to start anew", nke_error_text()) : st;
}

static nke_status write_all(nke_h5file *file, const nke_fit *fit)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_checkpoint_mark(file, fit, "folds"));
  NKE_TRY(nke_h5file_put_int(file, "/", "folds", fit->folds_done));
  st = nke_path_file_write(file, "/path", fit->n_path, fit->path);
done:
  return st;
}

nke_status nke_fold_file_write(const nke_fit *fit)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  char path[4096];
  NKE_TRY(path_of(fit, path, sizeof path));
  NKE_TRY(nke_h5file_create(fit->session.comm, path, true, &file));
  NKE_TRY(write_all(file, fit));
  st = nke_h5file_commit(&file);
done:
  nke_h5file_close(&file);
  return st;
}

void nke_fold_file_remove(const nke_fit *fit)
{
  char path[4096];
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (rank == 0 && nke_fit_by_folds(fit) && path_of(fit, path, sizeof path) == NKE_OK) unlink(path);
}
