/* Weights through the kernel matrix of the features: (Z Z' + shift I) A = Y, W = Z'A, for more features than rows. The
 * features of the training rows are kept, spread over the ranks. */
#include "run/fit.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "gram/gram.h"
#include "num/gemm.h"
#include "run/score.h"

#include <math.h>
#include <string.h>

/* Features and targets of consecutive positions of a row list on this rank. */
typedef struct store {
  int64_t n;   /* this rank's rows */
  int64_t all; /* of all ranks */
  void *z;     /* [n, m] */
  double *y;   /* [n, k] */
} store;

typedef struct dual {
  store kept, held_out;
  const store *fitted; /* kept, then both joined */
  store joined;
  nke_bcmat *kernel;
  double *targets; /* [all, k] of the fitted rows, on every rank: the right-hand side of a direct solver */
} dual;

static void store_clear(store *s)
{
  nke_free(s->z);
  nke_free(s->y);
  *s = (store){0};
}

static void dual_destroy(void *state)
{
  dual *const d = state;
  if (!d) return;
  store_clear(&d->kept);
  store_clear(&d->held_out);
  store_clear(&d->joined);
  nke_bcmat_destroy(&d->kernel);
  nke_free(d->targets);
  nke_free(d);
}

static nke_status dual_create(nke_fit *fit, void **state)
{
  return nke_agree(fit->session.comm, nke_calloc(1, sizeof(dual), "the solver", state));
}

static nke_status store_alloc(const nke_session *s, int64_t n, store *out)
{
  nke_status st = NKE_OK;
  out->n = n;
  NKE_TRY(nke_alloc(n * s->m, (size_t)nke_precision_bytes(s->embedder.precision), "features of the rows", &out->z));
  NKE_TRY(nke_alloc(n * s->k, sizeof *out->y, "targets of the rows", &out->y));
done:
  return st;
}

/* Embed this rank's part of the list, a slab's worth of rows at a time. */
static nke_status store_fill(nke_session *s, const nke_rows *rows, nke_range mine, store *out)
{
  nke_status st = NKE_OK;
  nke_slab slab = {0};
  const size_t row_bytes = (size_t)(s->m * nke_precision_bytes(s->embedder.precision));
  NKE_TRY(store_alloc(s, mine.end - mine.begin, out));
  for (int64_t begin = mine.begin; begin < mine.end; begin += s->embedder.slab_rows) {
    const nke_range range = {begin, nke_min(mine.end, begin + s->embedder.slab_rows)};
    NKE_TRY(nke_slab_embed(&s->embedder, s->train, rows, range, &slab));
    memcpy((char *)out->z + (size_t)(begin - mine.begin) * row_bytes, slab.z, (size_t)slab.n * row_bytes);
    memcpy(out->y + (begin - mine.begin) * s->k, slab.y, (size_t)(slab.n * s->k) * sizeof *out->y);
  }
done:
  nke_slab_clear(&slab);
  return st;
}

static nke_status store_rows(nke_session *s, const nke_rows *rows, store *out)
{
  int rank, size;
  MPI_Comm_rank(s->comm, &rank);
  MPI_Comm_size(s->comm, &size);
  out->all = rows->n;
  return nke_agree(s->comm, store_fill(s, rows, nke_split_blocks(rows->n, size, rank), out));
}

/* The kernel matrix and the gathered targets of the fitted rows. */
static nke_status form_kernel(nke_session *s, dual *d)
{
  nke_status st = NKE_OK;
  const store *const f = d->fitted;
  nke_bcmat_destroy(&d->kernel);
  nke_free(d->targets);
  d->targets = NULL;
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  st = nke_gram_outer(s->comm, f->n, s->m, s->embedder.precision, f->z, &s->stats, &d->kernel);
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
  if (st != NKE_OK) goto done;
  NKE_TRY(nke_alloc(f->all * s->k, sizeof *d->targets, "targets of all rows", &d->targets));
done:
  st = nke_agree(s->comm, st);
  return st == NKE_OK ? nke_gather_rows(s->comm, f->n, s->k, f->y, d->targets) : st;
}

static nke_status dual_add(nke_fit *fit, void *state, const nke_rows *rows)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  NKE_TRY(store_rows(s, rows, &d->kept));
  d->fitted = &d->kept;
  st = form_kernel(s, d);
done:
  return st;
}

/* W = Z'A for alpha [all, columns]: each rank's rows contribute, then the sum over ranks. */
static nke_status primal_weights(const nke_session *s, const dual *d, int64_t columns, const double *alpha, double *w)
{
  nke_status st = NKE_OK;
  const store *const f = d->fitted;
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

static nke_status dual_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  const int64_t columns = s->k * n_points;
  double trace, *alpha = NULL;
  NKE_TRY(nke_bcmat_trace(d->kernel, &trace));
  NKE_TRY(nke_agree(s->comm, nke_alloc(d->fitted->all * columns, sizeof *alpha, "dual weights", &alpha)));
  NKE_TRY(nke_fit_path(fit, d->kernel, trace / (double)d->fitted->all, d->targets, n_points, points, alpha));
  st = primal_weights(s, d, columns, alpha, weights);
done:
  nke_free(alpha);
  return st;
}

static nke_status join(const nke_session *s, dual *d)
{
  nke_status st = NKE_OK;
  const store *const a = &d->kept, *const b = &d->held_out;
  store *const j = &d->joined;
  const size_t bytes = (size_t)(s->m * nke_precision_bytes(s->embedder.precision));
  j->all = a->all + b->all;
  NKE_TRY(store_alloc(s, a->n + b->n, j));
  memcpy(j->z, a->z, (size_t)a->n * bytes);
  memcpy((char *)j->z + (size_t)a->n * bytes, b->z, (size_t)b->n * bytes);
  memcpy(j->y, a->y, (size_t)(a->n * s->k) * sizeof *j->y);
  memcpy(j->y + a->n * s->k, b->y, (size_t)(b->n * s->k) * sizeof *j->y);
  store_clear(&d->kept);
  store_clear(&d->held_out);
  d->fitted = j;
done:
  return st;
}

static nke_status score_store(const nke_session *s, const store *from, int n_sets, const double *weights,
                              nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_slab slab = {.n = from->n, .z = from->z, .y = from->y};
  nke_metrics_sum **sums = NULL;
  double *scores = NULL;
  NKE_TRY(nke_score_sums_create(&s->embedder, n_sets, &sums));
  NKE_TRY(nke_alloc(from->n * s->k * n_sets, sizeof *scores, "scores of the rows", &scores));
  st = nke_score_slab(&s->embedder, &slab, s->m, s->k, n_sets, weights, scores, sums);
done:
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) st = nke_score_sums_reduce(&s->embedder, n_sets, sums, metrics);
  nke_score_sums_destroy(n_sets, &sums);
  nke_free(scores);
  return st;
}

static nke_status dual_criterion(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights)
{
  (void)weights;
  return nke_fit_criterion_dual(fit, ((dual *)state)->targets, n_points, points);
}

static nke_status dual_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  NKE_TRY(store_rows(s, &fit->held_out, &d->held_out));
  NKE_TRY(score_store(s, &d->held_out, n_sets, weights, metrics));
  NKE_TRY(nke_agree(s->comm, join(s, d)));
  st = form_kernel(s, d);
done:
  return st;
}

static nke_status dual_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  return score_store(&fit->session, ((const dual *)state)->fitted, 1, weights, metrics);
}

const nke_trainer nke_trainer_dual = {
  .name = "dual",
  .create = dual_create,
  .destroy = dual_destroy,
  .add = dual_add,
  .solve = dual_solve,
  .criterion = dual_criterion,
  .validate = dual_validate,
  .score = nke_fit_score,
  .training_metrics = dual_training_metrics,
};
