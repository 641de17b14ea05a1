#include "run/fit_store.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "num/gemm.h"
#include "run/progress.h"
#include "run/score.h"
#include "run/signals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void nke_fit_store_clear(nke_fit_store *s)
{
  nke_free(s->z);
  nke_free(s->y);
  nke_free(s->fitted);
  nke_slab_clear(&s->slab);
  *s = (nke_fit_store){0};
}

static int64_t row_bytes(const nke_session *s)
{
  return s->m * nke_precision_bytes(s->embedder.precision);
}

static int64_t rows_of(const nke_fit_store *s)
{
  return s->mine.end - s->mine.begin;
}

/* All but the features. */
static nke_status store_alloc(const nke_session *s, nke_fit_store *out)
{
  nke_status st = NKE_OK;
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->train));
  *out = (nke_fit_store){.mine = nke_split_mine(s->comm, all.n), .n_fitted = all.n};
  out->originals = nke_rows_originals(&all, out->mine.begin, out->mine.end, nke_dataset_originals(s->train));
  NKE_TRY(nke_alloc(rows_of(out) * s->k, sizeof *out->y, "targets of the rows", &out->y));
  NKE_TRY(nke_alloc(rows_of(out), sizeof *out->fitted, "marks of the rows", &out->fitted));
  for (int64_t i = 0; i < rows_of(out); i++) out->fitted[i] = 1;
done:
  return st;
}

/* What a slab brings, which begins at row `at` of this rank. */
static void take_slab(const nke_session *s, const nke_slab *slab, int64_t at, nke_fit_store *out)
{
  memcpy(out->y + at * s->k, slab->y, (size_t)(slab->n * s->k) * sizeof *out->y);
  memcpy((char *)out->z + at * row_bytes(s), slab->z, (size_t)(slab->n * row_bytes(s)));
}

/* Rows between two words of progress: about a second's work, whole blocks where that is as much, at most a slab. */
static int64_t rows_at_once(const nke_embedder *e)
{
  const int64_t rows = (int64_t)fmax(1, fmin((double)e->slab.own, 3e10 / e->flops_per_row));
  return rows < NKE_BLOCK_ROWS ? rows : rows / NKE_BLOCK_ROWS * NKE_BLOCK_ROWS;
}

/* This rank's rows on their way into a store. */
typedef struct filling {
  nke_session *session;
  nke_rows rows;
  const nke_kept_rows *kept; /* NULL: none */
  nke_range mine;
  double *seconds; /* [mine] of rows that are in the file, else 0 */
  nke_slab slab;
} filling;

/* Rows from `begin` on that are all in the file, or all not. */
static nke_range next_step(const filling *f, int64_t begin)
{
  const double *const seconds = f->seconds - f->mine.begin;
  const int64_t most = nke_min(f->mine.end, begin + rows_at_once(&f->session->embedder));
  int64_t end = begin + 1;
  while (end < most && (seconds[end] > 0) == (seconds[begin] > 0)) end++;
  return (nke_range){begin, end};
}

static nke_status make_step(filling *f, nke_range range, nke_fit_store *out)
{
  nke_status st = NKE_OK;
  nke_session *const s = f->session;
  const double before = s->stats.seconds[NKE_STAGE_EMBED];
  NKE_TRY(nke_slab_embed(&s->embedder, s->train, &f->rows, range, &f->slab));
  const double seconds = s->stats.seconds[NKE_STAGE_EMBED] - before, count = (double)f->slab.n;
  nke_cost_add(&out->cost, seconds, count);
  if (!f->kept) goto done;
  if (!out->lost) out->lost = nke_kept_rows_write(f->kept, range, f->slab.z, fmax(seconds / count, 1e-9)) != NKE_OK;
  if (nke_signals_here()) st = nke_fail(NKE_STOPPED, "stopped by a signal; the same command goes on with the rows left");
done:
  return st;
}

static nke_status read_step(filling *f, nke_range range, nke_fit_store *out)
{
  nke_status st = NKE_OK;
  nke_session *const s = f->session;
  NKE_TRY(nke_slab_read(&s->embedder, s->train, &f->rows, range, &f->slab));
  NKE_TRY(nke_kept_rows_read(f->kept, range, f->slab.z));
  for (int64_t i = range.begin; i < range.end; i++) nke_cost_add(&out->cost, f->seconds[i - f->mine.begin], 1);
done:
  return st;
}

static nke_status store_fill(filling *f, nke_fit_store *out)
{
  nke_status st = NKE_OK;
  nke_progress progress;
  const int64_t count = f->mine.end - f->mine.begin;
  nke_progress_begin(&progress, f->session->comm, "embedding", "rows of this rank", count);
  NKE_TRY(nke_calloc(count, sizeof *f->seconds, "seconds of the rows", &f->seconds));
  if (f->kept) NKE_TRY(nke_kept_rows_seconds(f->kept, f->mine, f->seconds));
  for (int64_t begin = f->mine.begin; begin < f->mine.end; begin += f->slab.n) {
    const nke_range range = next_step(f, begin);
    const int there = f->seconds[begin - f->mine.begin] > 0;
    NKE_TRY(there ? read_step(f, range, out) : make_step(f, range, out));
    take_slab(f->session, &f->slab, begin - f->mine.begin, out);
    nke_progress_update(&progress, range.end - f->mine.begin);
  }
done:
  nke_progress_end(&progress);
  nke_slab_clear(&f->slab);
  nke_free(f->seconds);
  return st;
}

nke_status nke_fit_store_rows(nke_session *s, const nke_kept_rows *kept, nke_fit_store *out)
{
  nke_status st = store_alloc(s, out);
  filling f = {.session = s, .rows = nke_rows_all(nke_dataset_rows(s->train)), .kept = kept, .mine = out->mine};
  const size_t size = (size_t)nke_precision_bytes(s->embedder.precision);
  int rank;
  if (st == NKE_OK) st = nke_alloc(rows_of(out) * s->m, size, "features of the rows", &out->z);
  if (st == NKE_OK) st = store_fill(&f, out);
  st = nke_agree(s->comm, st);
  if (st != NKE_OK || !kept) return st;
  /* The run goes on: nothing is lost but time, should it be stopped. */
  out->lost = nke_agree(s->comm, out->lost ? NKE_ERR_OUTPUT : NKE_OK) != NKE_OK;
  MPI_Comm_rank(s->comm, &rank);
  if (out->lost && rank == 0) fprintf(stderr, "warning: %s; rows are kept no more\n", nke_error_text());
  return NKE_OK;
}

nke_status nke_fit_store_anew(nke_session *s, nke_fit_store *out)
{
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->train));
  nke_status st = store_alloc(s, out);
  out->session = s;
  if (st == NKE_OK) st = nke_session_read_targets(s, &all, out->mine, out->y);
  return nke_agree(s->comm, st);
}

void nke_fit_store_fit(nke_fit_store *f, const nke_rows *rows, int fitted)
{
  for (int64_t p = 0; p < rows->n; p++) {
    const int64_t row = nke_rows_at(rows, p);
    if (row >= f->mine.begin && row < f->mine.end) f->fitted[row - f->mine.begin] = fitted;
  }
  f->n_fitted += fitted ? rows->n : -rows->n;
}

/* *z [count, m] <- features of rows [first, first + count), which are kept or made now. Local. */
static nke_status fetch(const nke_session *s, nke_fit_store *f, int64_t first, int64_t count, const void **z)
{
  nke_status st = NKE_OK;
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->train));
  const int64_t begin = f->mine.begin + first;
  if (!f->session) {
    *z = (const char *)f->z + first * row_bytes(s);
    return st;
  }
  NKE_TRY(nke_slab_embed(&s->embedder, s->train, &all, (nke_range){begin, begin + count}, &f->slab));
  *z = f->slab.z;
done:
  return st;
}

static nke_status make(void *context, int64_t first, int64_t count, const void **z)
{
  nke_fit_store *const f = context;
  return fetch(f->session, f, first, count, z);
}

nke_kept nke_fit_store_kept(const nke_session *s, nke_fit_store *f)
{
  const int64_t all = nke_dataset_rows(s->train);
  return (nke_kept){.comm = s->comm,
                    .rows_loc = rows_of(f),
                    .m = s->m,
                    .precision = s->embedder.precision,
                    .z = f->z,
                    .scale = f->n_fitted < all ? f->fitted : NULL,
                    .chunk = s->embedder.slab.own,
                    .make = f->session ? make : NULL,
                    .context = f};
}

/* The sums of those among `count` rows from `first` on that are asked for. */
static void add_chosen(const nke_session *s, const nke_fit_store *f, int which, int64_t first, int64_t count,
                       int n_sets, const double *scores, nke_metrics_sum **sums)
{
  for (int64_t r = 0; r < count; r++) {
    if (f->fitted[first + r] != which || (!which && first + r >= f->originals)) continue;
    for (int set = 0; set < n_sets; set++)
      nke_metrics_add(sums[set], 1, scores + (r * n_sets + set) * s->k, f->y + (first + r) * s->k);
  }
}

static nke_status add_scores(const nke_session *s, nke_fit_store *f, int which, int n_sets, const double *weights,
                             nke_metrics_sum **sums)
{
  nke_status st = NKE_OK;
  const int64_t chunk = s->embedder.slab.own;
  double *scores = NULL;
  NKE_TRY(nke_alloc(nke_min(rows_of(f), chunk) * s->k * n_sets, sizeof *scores, "scores of the rows", &scores));
  for (int64_t first = 0; first < rows_of(f); first += chunk) {
    const int64_t count = nke_min(chunk, rows_of(f) - first);
    const void *z;
    NKE_TRY(fetch(s, f, first, count, &z));
    const nke_slab slab = {.n = count, .z = (void *)z};
    NKE_TRY(nke_score_slab(&s->embedder, &slab, s->m, s->k, n_sets, weights, scores, NULL));
    add_chosen(s, f, which, first, count, n_sets, scores, sums);
  }
done:
  nke_free(scores);
  return st;
}

nke_status nke_fit_store_score(const nke_session *s, nke_fit_store *f, int which, int n_sets, const double *weights,
                               nke_metrics *metrics)
{
  nke_metrics_sum **sums = NULL;
  nke_status st = nke_score_sums_create(&s->embedder, n_sets, &sums);
  if (st == NKE_OK) st = add_scores(s, f, which, n_sets, weights, sums);
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) st = nke_score_sums_reduce(&s->embedder, n_sets, sums, metrics);
  nke_score_sums_destroy(n_sets, &sums);
  return st;
}

nke_status nke_fit_store_primal(const nke_session *s, const nke_fit_store *f, int64_t columns, const double *alpha,
                                double *w)
{
  nke_status st = NKE_OK;
  double *block = NULL;
  memset(w, 0, (size_t)(s->m * columns) * sizeof *w);
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * s->m, sizeof *block, "features of a block", &block));
  for (int64_t i = 0; i < rows_of(f); i += NKE_BLOCK_ROWS) {
    const int64_t n = nke_min(NKE_BLOCK_ROWS, rows_of(f) - i);
    nke_score_to_double(s->embedder.precision, n * s->m,
                        (const char *)f->z + i * s->m * nke_precision_bytes(s->embedder.precision), block);
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, s->m, columns, n, block, s->m,
                     alpha + (f->mine.begin + i) * columns, columns, 1, w, columns));
  }
done:
  nke_free(block);
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) nke_sum_over_ranks(s->comm, s->m * columns, w);
  return st;
}
