#include "run/fit_dual.h"

#include "base/memory.h"
#include "run/class_weights.h"
#include "run/kernel_file.h"
#include "run/kernel_score.h"
#include "run/score.h"

#include <string.h>

static nke_status rows_alloc(const nke_session *s, nke_dual_rows *e)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_alloc(e->n * s->k, sizeof *e->targets, "targets of all rows", &e->targets));
  NKE_TRY(nke_alloc(e->n * s->k, sizeof *e->right, "targets of the fitted rows", &e->right));
  if (s->class_roots) NKE_TRY(nke_alloc(e->n, sizeof *e->roots, "weights of all rows", &e->roots));
  NKE_TRY(nke_calloc(e->n, 1, "the map of fitted rows", &e->fitted));
done:
  return st;
}

/* The file that `nke kernel` made or would make of this config. */
static nke_status find_file(nke_session *s, nke_dual_rows *e)
{
  const nke_tiling tiling = nke_tiling_of(e->n, s->test ? nke_dataset_rows(s->test) : 0, s->config->kernel.tile);
  if (nke_kernel_file_path(s->config, e->path, sizeof e->path) >= (int)sizeof e->path)
    return nke_fail(NKE_ERR_OUTPUT, "kernel.file: path too long");
  if (!nke_h5file_exists(s->comm, e->path)) e->path[0] = '\0';
  return nke_kernel_identity(s->comm, s->config, &tiling, s->train, s->test, &e->identity);
}

nke_status nke_dual_rows_init(nke_session *s, nke_dual_rows *e)
{
  nke_status st = NKE_OK;
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->train));
  e->n = all.n;
  NKE_TRY(nke_agree(s->comm, rows_alloc(s, e)));
  if (s->exact) NKE_TRY(find_file(s, e));
  NKE_TRY(nke_session_targets(s, e->targets));
  nke_dual_rows_fit(s, &all, 1, e);
done:
  return st;
}

void nke_dual_rows_clear(nke_dual_rows *e)
{
  nke_free(e->targets);
  nke_free(e->right);
  nke_free(e->roots);
  nke_free(e->fitted);
  nke_free(e->identity);
}

void nke_dual_rows_fit(const nke_session *s, const nke_rows *list, int fitted, nke_dual_rows *e)
{
  for (int64_t p = 0; p < list->n; p++) e->fitted[nke_rows_at(list, p)] = fitted != 0;
  e->n_fitted += fitted ? list->n : -list->n;
  for (int64_t i = 0; i < e->n; i++)
    for (int64_t c = 0; c < s->k; c++) e->right[i * s->k + c] = e->fitted[i] ? e->targets[i * s->k + c] : 0;
  if (!e->roots) return;
  nke_class_weights_roots(s, e->n, e->targets, e->roots);
  nke_class_weights_scale(e->n, s->k, e->roots, e->right);
}

double nke_dual_rows_mean(const nke_dual_rows *e, const double *diagonal)
{
  double mean = 0;
  for (int64_t i = 0; i < e->n; i++)
    if (e->fitted[i]) mean += diagonal[i] * (e->roots ? e->roots[i] * e->roots[i] : 1) / (double)e->n_fitted;
  return mean;
}

/* Each rank adds its share. */
static nke_status add_metrics(const nke_session *s, const nke_dual_rows *e, int which, int n_sets, const double *scores,
                              nke_metrics_sum **sums)
{
  nke_status st = NKE_OK;
  int rank, size;
  MPI_Comm_rank(s->comm, &rank);
  MPI_Comm_size(s->comm, &size);
  double *one = NULL;
  NKE_TRY(nke_alloc(s->k, sizeof *one, "scores of a row", &one));
  for (int64_t i = rank; i < e->n; i += size)
    for (int set = 0; set < n_sets && e->fitted[i] == which; set++) {
      memcpy(one, scores + (i * n_sets + set) * s->k, (size_t)s->k * sizeof *one);
      nke_metrics_add(sums[set], 1, one, e->targets + i * s->k);
    }
done:
  nke_free(one);
  return st;
}

nke_status nke_dual_rows_metrics(nke_session *s, const nke_dual_rows *e, const nke_symmetric_matrix *kernel, int which,
                                 int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  double *scores = NULL;
  nke_metrics_sum **sums = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(e->n * s->k * n_sets, sizeof *scores, "scores of the rows", &scores)));
  NKE_TRY(nke_agree(s->comm, nke_score_sums_create(&s->embedder, n_sets, &sums)));
  nke_stage_begin(&s->stats, NKE_STAGE_PREDICT);
  st = kernel->product(kernel->context, (int)(s->k * n_sets), weights, scores);
  nke_stage_end(&s->stats, NKE_STAGE_PREDICT);
  if (st != NKE_OK) goto done;
  NKE_TRY(nke_agree(s->comm, add_metrics(s, e, which, n_sets, scores, sums)));
  st = nke_score_sums_reduce(&s->embedder, n_sets, sums, metrics);
done:
  nke_free(scores);
  nke_score_sums_destroy(n_sets, &sums);
  return st;
}

nke_status nke_dual_rows_score(nke_fit *fit, const nke_dual_rows *e, nke_dataset *dataset, const char *what, int n_sets,
                               const double *weights, nke_metrics *metrics)
{
  nke_session *const s = &fit->session;
  if (dataset == s->test && n_sets == 1 && e->path[0]) return nke_kernel_score_test(s, e->path, weights, metrics);
  return nke_fit_score(fit, NULL, dataset, what, n_sets, weights, metrics);
}
