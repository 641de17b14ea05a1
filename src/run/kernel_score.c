#include "run/kernel_score.h"

#include "base/memory.h"
#include "data/h5file.h"
#include "num/gemm.h"

/* This rank's test rows [mine), a block at a time. Local. */
static nke_status add_rows(nke_session *s, nke_h5file *h5, nke_range mine, const double *alpha, nke_metrics_sum *sum)
{
  nke_status st = NKE_OK;
  const char *const name = s->config->embedding.kernel == NKE_KERNEL_NTK ? "/test/ntk" : "/test/nngp";
  const int64_t n_train = nke_dataset_rows(s->train);
  double *block = NULL, *scores = NULL, *raw = NULL, *y = NULL;
  int64_t rows[NKE_BLOCK_ROWS];
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * n_train, sizeof *block, "rows of the kernel", &block));
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * s->k, sizeof *scores, "scores", &scores));
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * nke_targets_columns(s->targets), sizeof *raw, "targets", &raw));
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * s->k, sizeof *y, "targets", &y));
  for (int64_t first = mine.begin; first < mine.end; first += NKE_BLOCK_ROWS) {
    const int64_t n = nke_min(NKE_BLOCK_ROWS, mine.end - first), start[2] = {first, 0}, count[2] = {n, n_train};
    for (int64_t i = 0; i < n; i++) rows[i] = first + i;
    NKE_TRY(nke_h5file_read(h5, name, NKE_H5_F64, 2, start, count, block));
    NKE_TRY(nke_dataset_read(s->test, n, rows, NULL, raw));
    NKE_TRY(nke_targets_encode(s->targets, s->test, n, rows, raw, y));
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, n, s->k, n_train, block, n_train, alpha, s->k, 0, scores, s->k));
    nke_metrics_add(sum, n, scores, y);
  }
done:
  nke_free(y);
  nke_free(raw);
  nke_free(scores);
  nke_free(block);
  return st;
}

nke_status nke_kernel_score_test(nke_session *s, const char *path, const double *alpha, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  nke_metrics_sum *sum = NULL;
  NKE_TRY(nke_h5file_open(s->comm, path, &h5));
  nke_stage_begin(&s->stats, NKE_STAGE_PREDICT);
  st = nke_metrics_sum_create(s->targets, &sum);
  if (st == NKE_OK) st = add_rows(s, h5, nke_split_mine(s->comm, nke_dataset_rows(s->test)), alpha, sum);
  nke_stage_end(&s->stats, NKE_STAGE_PREDICT);
  NKE_TRY(nke_agree(s->comm, st));
  st = nke_metrics_reduce(s->comm, sum, metrics);
done:
  nke_metrics_sum_destroy(&sum);
  nke_h5file_close(&h5);
  return st;
}
