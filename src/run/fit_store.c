#include "run/fit_store.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "num/gemm.h"
#include "run/score.h"

#include <string.h>

void nke_fit_store_clear(nke_fit_store *s)
{
  nke_free(s->z);
  nke_free(s->y);
  *s = (nke_fit_store){0};
}

static nke_status store_alloc(const nke_session *s, int64_t n, nke_fit_store *out)
{
  nke_status st = NKE_OK;
  out->n = n;
  NKE_TRY(nke_alloc(n * s->m, (size_t)nke_precision_bytes(s->embedder.precision), "features of the rows", &out->z));
  NKE_TRY(nke_alloc(n * s->k, sizeof *out->y, "targets of the rows", &out->y));
done:
  return st;
}

/* Embed this rank's part of the list, a slab's worth of rows at a time. */
static nke_status store_fill(nke_session *s, const nke_rows *rows, nke_range mine, nke_fit_store *out)
{
  nke_status st = NKE_OK;
  nke_slab slab = {0};
  const size_t row_bytes = (size_t)(s->m * nke_precision_bytes(s->embedder.precision));
  NKE_TRY(store_alloc(s, mine.end - mine.begin, out));
  for (int64_t begin = mine.begin; begin < mine.end; begin += s->embedder.slab.own) {
    const nke_range range = {begin, nke_min(mine.end, begin + s->embedder.slab.own)};
    NKE_TRY(nke_slab_embed(&s->embedder, s->train, rows, range, &slab));
    memcpy((char *)out->z + (size_t)(begin - mine.begin) * row_bytes, slab.z, (size_t)slab.n * row_bytes);
    out->originals += slab.originals;
    memcpy(out->y + (begin - mine.begin) * s->k, slab.y, (size_t)(slab.n * s->k) * sizeof *out->y);
  }
done:
  nke_slab_clear(&slab);
  return st;
}

nke_status nke_fit_store_rows(nke_session *s, const nke_rows *rows, nke_fit_store *out)
{
  int rank, size;
  MPI_Comm_rank(s->comm, &rank);
  MPI_Comm_size(s->comm, &size);
  out->all = rows->n;
  return nke_agree(s->comm, store_fill(s, rows, nke_split_blocks(rows->n, size, rank), out));
}

static nke_status join(const nke_session *s, const nke_fit_store *a, const nke_fit_store *b, nke_fit_store *j)
{
  nke_status st = NKE_OK;
  const size_t bytes = (size_t)(s->m * nke_precision_bytes(s->embedder.precision));
  j->all = a->all + b->all;
  NKE_TRY(store_alloc(s, a->n + b->n, j));
  memcpy(j->z, a->z, (size_t)a->n * bytes);
  memcpy((char *)j->z + (size_t)a->n * bytes, b->z, (size_t)b->n * bytes);
  memcpy(j->y, a->y, (size_t)(a->n * s->k) * sizeof *j->y);
  memcpy(j->y + a->n * s->k, b->y, (size_t)(b->n * s->k) * sizeof *j->y);
done:
  return st;
}

nke_status nke_fit_store_join(const nke_session *s, nke_fit_store *a, nke_fit_store *b, nke_fit_store *joined)
{
  const nke_status st = nke_agree(s->comm, join(s, a, b, joined));
  nke_fit_store_clear(a);
  nke_fit_store_clear(b);
  return st;
}

nke_status nke_fit_store_score(const nke_session *s, const nke_fit_store *from, int64_t n, int n_sets,
                               const double *weights, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_slab slab = {.n = n, .originals = n, .z = from->z, .y = from->y};
  nke_metrics_sum **sums = NULL;
  double *scores = NULL;
  NKE_TRY(nke_score_sums_create(&s->embedder, n_sets, &sums));
  NKE_TRY(nke_alloc(n * s->k * n_sets, sizeof *scores, "scores of the rows", &scores));
  st = nke_score_slab(&s->embedder, &slab, s->m, s->k, n_sets, weights, scores, sums);
done:
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) st = nke_score_sums_reduce(&s->embedder, n_sets, sums, metrics);
  nke_score_sums_destroy(n_sets, &sums);
  nke_free(scores);
  return st;
}

nke_status nke_fit_store_primal(const nke_session *s, const nke_fit_store *f, int64_t columns, const double *alpha,
                                double *w)
{
  nke_status st = NKE_OK;
  const int64_t first = nke_rows_before(s->comm, f->n);
  double *block = NULL;
  memset(w, 0, (size_t)(s->m * columns) * sizeof *w);
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * s->m, sizeof *block, "features of a block", &block));
  for (int64_t i = 0; i < f->n; i += NKE_BLOCK_ROWS) {
    const int64_t n = nke_min(NKE_BLOCK_ROWS, f->n - i);
    nke_score_to_double(s->embedder.precision, n * s->m,
                        (const char *)f->z + i * s->m * nke_precision_bytes(s->embedder.precision), block);
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, s->m, columns, n, block, s->m, alpha + (first + i) * columns,
                     columns, 1, w, columns));
  }
done:
  nke_free(block);
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) nke_sum_over_ranks(s->comm, s->m * columns, w);
  return st;
}
