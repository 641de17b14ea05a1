#include "run/score.h"

#include "base/memory.h"
#include "num/gemm.h"
#include "run/progress.h"

#include <string.h>

void nke_score_to_double(nke_precision precision, int64_t n, const void *from, double *to)
{
  if (precision == NKE_DOUBLE) {
    memcpy(to, from, (size_t)n * sizeof *to);
    return;
  }
  const float *const x = from;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) to[i] = (double)x[i];
}

nke_status nke_score_rows(nke_precision precision, int64_t n, int64_t m, int64_t k, const void *z, const double *weights,
                          double *scores)
{
  nke_status st = NKE_OK;
  double *block = NULL;
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * m, sizeof *block, "features of a block", &block));
  for (int64_t first = 0; first < n; first += NKE_BLOCK_ROWS) {
    const int64_t rows = nke_min(NKE_BLOCK_ROWS, n - first);
    nke_score_to_double(precision, rows * m, (const char *)z + first * m * nke_precision_bytes(precision), block);
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, rows, k, m, block, m, weights, k, 0, scores + first * k, k));
  }
done:
  nke_free(block);
  return st;
}

/* Columns of solution `set` of scores [n, k * n_sets], packed [n, k]. */
static void take_set(int64_t n, int64_t k, int n_sets, int set, const double *scores, double *out)
{
  for (int64_t i = 0; i < n; i++)
    memcpy(out + i * k, scores + (i * n_sets + set) * k, (size_t)k * sizeof *out);
}

nke_status nke_score_sums_create(const nke_embedder *e, int n_sets, nke_metrics_sum ***sums)
{
  nke_status st = NKE_OK;
  *sums = NULL;
  if (!e->targets) return st;
  NKE_TRY(nke_calloc(n_sets, sizeof **sums, "metrics", sums));
  for (int s = 0; s < n_sets; s++) NKE_TRY(nke_metrics_sum_create(e->targets, &(*sums)[s]));
done:
  return st;
}

void nke_score_sums_destroy(int n_sets, nke_metrics_sum ***sums)
{
  for (int s = 0; *sums && s < n_sets; s++) nke_metrics_sum_destroy(&(*sums)[s]);
  nke_free(*sums);
  *sums = NULL;
}

nke_status nke_score_sums_reduce(const nke_embedder *e, int n_sets, nke_metrics_sum **sums, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  for (int s = 0; sums && s < n_sets; s++) NKE_TRY(nke_metrics_reduce(e->comm, sums[s], &metrics[s]));
done:
  return st;
}

nke_status nke_score_slab(const nke_embedder *e, const nke_slab *slab, int64_t m, int64_t k, int n_sets,
                          const double *weights, double *scores, nke_metrics_sum **sums)
{
  nke_status st = NKE_OK;
  double *one = NULL;
  NKE_TRY(nke_alloc(slab->n * k, sizeof *one, "scores of a slab", &one));
  nke_stage_begin(e->stats, NKE_STAGE_PREDICT);
  st = nke_score_rows(e->precision, slab->n, m, k * n_sets, slab->z, weights, scores);
  nke_stage_end(e->stats, NKE_STAGE_PREDICT);
  if (st != NKE_OK) goto done;
  for (int s = 0; s < n_sets && sums; s++) {
    take_set(slab->n, k, n_sets, s, scores, one);
    nke_metrics_add(sums[s], slab->originals, one, slab->y);
  }
done:
  nke_free(one);
  return st;
}

nke_status nke_score_dataset(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                             const char *what, int64_t m, int64_t k, int n_sets, const double *weights,
                             nke_metrics_sum **sums, nke_score_sink *sink, void *context)
{
  nke_status st = NKE_OK;
  nke_slab slab = {0};
  double *scores = NULL;
  nke_progress progress;
  nke_progress_begin(&progress, e->comm, what, "rows", rows->n);
  NKE_TRY(nke_agree(e->comm, nke_alloc(e->slab.own * k * n_sets, sizeof *scores, "scores of a slab", &scores)));
  for (; begin < rows->n; begin = slab.end) {
    NKE_TRY(nke_slab_make(e, dataset, rows, begin, &slab));
    NKE_TRY(nke_agree(e->comm, nke_score_slab(e, &slab, m, k, n_sets, weights, scores, sums)));
    if (sink) NKE_TRY(sink(context, &slab, scores));
    nke_progress_update(&progress, slab.end);
  }
done:
  nke_progress_end(&progress);
  nke_free(scores);
  nke_slab_clear(&slab);
  return st;
}

nke_status nke_score_left_out(const nke_embedder *e, int64_t n, const double *targets, const double *residuals,
                              nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  const int64_t k = nke_targets_count(e->targets);
  nke_metrics_sum *sum = NULL;
  double *score = NULL;
  int rank, size;
  MPI_Comm_rank(e->comm, &rank);
  MPI_Comm_size(e->comm, &size);
  NKE_TRY(nke_metrics_sum_create(e->targets, &sum));
  NKE_TRY(nke_alloc(k, sizeof *score, "scores of a row", &score));
  for (int64_t i = rank; i < n; i += size) {
    for (int64_t c = 0; c < k; c++) score[c] = targets[i * k + c] - residuals[i * k + c];
    nke_metrics_add(sum, 1, score, targets + i * k);
  }
done:
  st = nke_agree(e->comm, st);
  if (st == NKE_OK) st = nke_metrics_reduce(e->comm, sum, metrics);
  nke_metrics_sum_destroy(&sum);
  nke_free(score);
  return st;
}
