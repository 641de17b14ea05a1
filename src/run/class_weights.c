#include "run/class_weights.h"

#include "base/memory.h"
#include "dist/collect.h"

#include <math.h>

/* counts [k] of this rank's part of the training rows. */
static nke_status count_mine(nke_session *s, int64_t k, double *counts)
{
  nke_status st = NKE_OK;
  double *y = NULL;
  const nke_rows all = nke_rows_all(nke_dataset_originals(s->train));
  const nke_range mine = nke_split_mine(s->comm, all.n);
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * k, sizeof *y, "targets", &y));
  for (int64_t begin = mine.begin; begin < mine.end; begin += NKE_BLOCK_ROWS) {
    const int64_t n = nke_min(NKE_BLOCK_ROWS, mine.end - begin);
    NKE_TRY(nke_session_read_targets(s, &all, (nke_range){begin, begin + n}, y));
    for (int64_t i = 0; i < n; i++) counts[nke_targets_largest(k, y + i * k)] += 1;
  }
done:
  nke_free(y);
  return st;
}

static nke_status balance(nke_session *s, int64_t k)
{
  nke_status st = NKE_OK;
  double *counts = NULL;
  NKE_TRY(nke_agree(s->comm, nke_calloc(k, sizeof *counts, "class counts", &counts)));
  NKE_TRY(nke_agree(s->comm, count_mine(s, k, counts)));
  nke_sum_over_ranks(s->comm, k, counts); /* whole numbers: exact */
  for (int64_t c = 0; c < k; c++)
    s->class_roots[c] = sqrt((double)nke_dataset_originals(s->train) / ((double)k * counts[c]));
done:
  nke_free(counts);
  return st;
}

nke_status nke_class_weights_fit(nke_session *s)
{
  nke_status st = NKE_OK;
  const nke_config_data *const data = &s->config->data;
  if (data->class_weighting == NKE_CLASS_WEIGHTS_NONE || !s->targets) return NKE_OK;
  const int64_t k = nke_targets_count(s->targets);
  if (nke_targets_task(s->targets) != NKE_TASK_CLASSIFICATION)
    return nke_fail(NKE_ERR_USAGE, "%s: data.class_weights: regression has no classes", s->config->name);
  NKE_TRY(nke_agree(s->comm, nke_alloc(k, sizeof *s->class_roots, "class weights", &s->class_roots)));
  if (data->class_weighting == NKE_CLASS_WEIGHTS_BALANCED) return balance(s, k);
  if (data->class_weights.n != k)
    return nke_fail(NKE_ERR_USAGE, "%s: data.class_weights: expected %lld weights, one a class, got %d", s->config->name,
                    (long long)k, data->class_weights.n);
  for (int64_t c = 0; c < k; c++) s->class_roots[c] = sqrt(data->class_weights.at[c]);
done:
  return st;
}

void nke_class_weights_roots(const nke_session *s, int64_t n, const double *y, double *roots)
{
  for (int64_t i = 0; i < n; i++) roots[i] = s->class_roots[nke_targets_largest(s->k, y + i * s->k)];
}

void nke_class_weights_scale(int64_t n, int64_t columns, const double *roots, double *x)
{
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < columns; j++) x[i * columns + j] *= roots[i];
}

void nke_class_weights_matrix(const double *roots, nke_bcmat *a)
{
  for (int64_t j = 0; j < a->cols_loc; j++)
    for (int64_t i = 0; i < a->rows_loc; i++)
      a->a[i + j * a->ld] *= roots[nke_bc_global(i, a->nb, a->grid.nprow, a->grid.myrow)] *
                             roots[nke_bc_global(j, a->nb, a->grid.npcol, a->grid.mycol)];
}

nke_status nke_class_weights_slab(const nke_session *s, const nke_slab *slab)
{
  nke_status st = NKE_OK;
  double *roots = NULL;
  NKE_TRY(nke_alloc(slab->n, sizeof *roots, "weights of a slab", &roots));
  nke_class_weights_roots(s, slab->n, slab->y, roots);
  nke_class_weights_scale(slab->n, s->k, roots, slab->y);
  if (s->embedder.precision == NKE_DOUBLE) {
    nke_class_weights_scale(slab->n, s->m, roots, slab->z);
  } else {
    float *const z = slab->z;
    for (int64_t i = 0; i < slab->n; i++)
      for (int64_t j = 0; j < s->m; j++) z[i * s->m + j] *= (float)roots[i];
  }
done:
  nke_free(roots);
  return st;
}
