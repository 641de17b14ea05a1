/* Weights from the normal equations: (Z'Z + shift I) W = Z'Y, for more rows than features. Features are not kept, but
 * for those of a fold until it is scored, where memory holds them. */
#include "run/checkpoint.h"

#include "base/memory.h"
#include "run/progress.h"

#include <math.h>

/* Of the trace without a fold: a digit is lost where it is no more. */
static const double least_left = 0.1;

typedef struct primal {
  nke_gram *gram;
  nke_gram *left; /* without a fold; NULL: none is held out of `gram` */
  double *cross;  /* [m, k] */
  nke_slab *fold; /* [n_fold] slabs of the fold in hand, where fit->keeps_fold */
  int64_t n_fold;
} primal;

static void clear_fold(primal *p)
{
  for (int64_t i = 0; i < p->n_fold; i++) nke_slab_clear(&p->fold[i]);
  p->n_fold = 0;
  nke_free(p->fold);
  p->fold = NULL;
}

static void primal_destroy(void *state)
{
  primal *const p = state;
  if (!p) return;
  nke_gram_destroy(&p->gram);
  nke_gram_destroy(&p->left);
  clear_fold(p);
  nke_free(p->cross);
  nke_free(p);
}

static nke_status primal_create(nke_fit *fit, void **state)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  primal *p = NULL;
  NKE_TRY(nke_agree(s->comm, nke_calloc(1, sizeof *p, "the solver", &p)));
  NKE_TRY(nke_gram_create(s->comm, s->m, (int)s->k, s->config->run.precision, &s->stats, &p->gram));
  NKE_TRY(nke_alloc(s->m * s->k, sizeof *p->cross, "the cross products", &p->cross));
done:
  st = nke_agree(s->comm, st);
  if (st != NKE_OK) {
    primal_destroy(p);
    p = NULL;
  }
  fit->gram = p ? p->gram : NULL;
  *state = p;
  return st;
}

/* The slab moves to the fold's; of its rows only the features are wanted from here on. */
static void keep_slab(primal *p, nke_slab *slab)
{
  nke_free(slab->x);
  slab->x = NULL;
  p->fold[p->n_fold++] = *slab;
  *slab = (nke_slab){.begin = slab->begin, .end = slab->end};
}

/* keep: whose fold the rows are, if it is kept; else NULL. */
static nke_status add_rows(nke_fit *fit, const nke_rows *rows, const char *what, nke_gram *gram, primal *keep)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  nke_slab slab = {0};
  nke_progress progress;
  nke_progress_begin(&progress, s->comm, what, "rows", rows->n);
  while (fit->position < rows->n) {
    NKE_TRY(nke_slab_make(&s->embedder, s->train, rows, fit->position, &slab));
    NKE_TRY(nke_fit_add_slab(s, gram, &slab));
    fit->position = slab.end;
    nke_progress_update(&progress, fit->position);
    if (keep) keep_slab(keep, &slab);
    NKE_TRY(nke_checkpoint_step(fit));
  }
done:
  nke_progress_end(&progress);
  nke_slab_clear(&slab);
  return st;
}

static nke_status primal_add(nke_fit *fit, void *state)
{
  return add_rows(fit, &fit->kept, "fit: embedding and Gram matrix", ((primal *)state)->gram, NULL);
}

/* *gram, new, <- the Gram matrix of these rows. */
static nke_status sum_rows(nke_fit *fit, const nke_rows *rows, const char *what, nke_gram **gram, primal *keep)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  nke_gram_destroy(gram);
  fit->position = 0;
  NKE_TRY(nke_gram_create(s->comm, s->m, (int)s->k, s->config->run.precision, &s->stats, gram));
  st = add_rows(fit, rows, what, *gram, keep);
done:
  return st;
}

/* A Gram matrix of the fold's own, of which it becomes that of the others: the whole one stays as it is, to the bit.
 * The difference has the rounding of the whole: where a fold has nearly all of it, as with a row that is far out, the
 * others are summed by themselves. */
static nke_status primal_hold_out(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  primal *const p = state;
  double all, left;
  if (fit->keeps_fold) {
    const int64_t slabs = nke_ceil_div(fit->held_out.n, fit->session.embedder.slab.all);
    NKE_TRY(nke_agree(fit->session.comm, nke_calloc(slabs, sizeof *p->fold, "the slabs of a fold", &p->fold)));
  }
  NKE_TRY(sum_rows(fit, &fit->held_out, "fit: Gram matrix of a fold", &p->left, fit->keeps_fold ? p : NULL));
  nke_gram_complement(p->gram, p->left);
  NKE_TRY(nke_gram_trace(p->gram, &all));
  NKE_TRY(nke_gram_trace(p->left, &left));
  if (left < least_left * all) NKE_TRY(sum_rows(fit, &fit->kept, "fit: Gram matrix without a fold", &p->left, NULL));
done:
  return st;
}

static nke_status primal_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  primal *const p = state;
  nke_gram *const gram = p->left ? p->left : p->gram;
  double trace;
  NKE_TRY(nke_gram_trace(gram, &trace));
  NKE_TRY(nke_gram_cross(gram, p->cross));
  st = nke_fit_path(fit, nke_gram_matrix(gram), trace / (double)nke_gram_rows(gram), p->cross, n_points, points,
                    weights);
done:
  return st;
}

static const nke_bcmat *primal_matrix(const void *state)
{
  return nke_gram_matrix(((const primal *)state)->gram);
}

static nke_status primal_criterion(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights)
{
  return nke_fit_criterion_primal(fit, ((primal *)state)->gram, n_points, points, weights);
}

static nke_status primal_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  /* One embedding serves both: rows that are in no Gram matrix yet join it for the final solve once they are scored. */
  primal *const p = state;
  nke_status st;
  if (p->n_fold > 0)
    st = nke_fit_score_slabs(fit, p->n_fold, p->fold, n_sets, weights, metrics);
  else
    st = nke_fit_score_rows(fit, fit->session.train, &fit->held_out, "fit: validation rows", n_sets, weights,
                            p->left ? NULL : p->gram, metrics);
  clear_fold(p);
  nke_gram_destroy(&p->left);
  return st;
}

/* With (G + shift I) W = C: |Z W - Y|^2 = W'G W - 2 W'C + y'y = y'y - W'C - shift |W|^2. Accuracy would need another pass
 * over the rows. */
static nke_status primal_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  const nke_session *const s = &fit->session;
  const primal *const p = state;
  double squares = 0, error;
  for (int64_t j = 0; j < s->k; j++) squares += nke_gram_squares(p->gram)[j];
  error = squares;
  for (int64_t i = 0; i < s->m * s->k; i++) error -= weights[i] * (p->cross[i] + fit->final.shift * weights[i]);
  const int64_t n = nke_gram_rows(p->gram);
  error = fmax(error, 0);
  *metrics = (nke_metrics){.n = n, .accuracy = NAN, .mse = NAN, .rmse = NAN, .r2 = NAN};
  if (s->class_roots) return NKE_OK; /* the sums are weighted */
  metrics->mse = error / ((double)n * (double)s->k);
  metrics->rmse = sqrt(metrics->mse);
  if (nke_targets_task(s->targets) == NKE_TASK_REGRESSION && squares > 0) metrics->r2 = 1 - error / squares;
  return NKE_OK;
}

const nke_trainer nke_trainer_primal = {
  .name = "cholesky",
  .create = primal_create,
  .destroy = primal_destroy,
  .add = primal_add,
  .hold_out = primal_hold_out,
  .solve = primal_solve,
  .criterion = primal_criterion,
  .matrix = primal_matrix,
  .validate = primal_validate,
  .score = nke_fit_score,
  .training_metrics = primal_training_metrics,
};
