/* Scores by features, pass by pass, each slab a place to stop at: what the trainers share. */
#include "base/memory.h"
#include "run/checkpoint.h"
#include "run/class_weights.h"
#include "run/score.h"

typedef struct pass {
  nke_fit *fit;
  nke_gram *gram;
} pass;

nke_status nke_fit_add_slab(nke_session *s, nke_gram *gram, const nke_slab *slab)
{
  nke_status st = s->class_roots ? nke_agree(s->comm, nke_class_weights_slab(s, slab)) : NKE_OK;
  if (st != NKE_OK) return st;
  const int64_t row_bytes = s->m * nke_precision_bytes(s->embedder.precision);
  nke_gram_set_step(gram, s->embedder.slab.step);
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  /* Panels and their steps are cut from the list, as single precision rounds the sum over a step: the same rows, the
   * same bits, at any number of ranks. Of a slab of several panels only the ranks whose rows are in one send then; all
   * receive and multiply. */
  for (int64_t at = slab->begin; at < slab->end && st == NKE_OK; at += s->embedder.slab.panel) {
    const int64_t end = nke_min(slab->end, at + s->embedder.slab.panel);
    const int64_t first = nke_min(nke_max(at - slab->first, 0), slab->n);
    const int64_t last = nke_min(nke_max(end - slab->first, 0), slab->n);
    st = nke_gram_add(gram, last - first, (const char *)slab->z + first * row_bytes, slab->y + first * s->k);
  }
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
  return st;
}

static nke_status scored(void *context, const nke_slab *slab, const double *scores)
{
  nke_status st = NKE_OK;
  const pass *const p = context;
  (void)scores;
  if (p->gram) NKE_TRY(nke_fit_add_slab(&p->fit->session, p->gram, slab));
  p->fit->position = slab->end;
  st = nke_checkpoint_step(p->fit);
done:
  return st;
}

/* Empty sums, or those that the checkpoint had, on one rank. */
static nke_status begin_sums(nke_fit *fit, int n_sets)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  NKE_TRY(nke_score_sums_create(&fit->session.embedder, n_sets, &fit->sums));
  fit->n_sums = n_sets;
  if (!fit->resumed_sums) return NKE_OK;
  if (fit->resumed_length != nke_metrics_sum_length(fit->sums[0]))
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: /sums has %lld columns", fit->checkpoint->path,
                     (long long)fit->resumed_length));
  for (int i = 0; i < n_sets && rank == 0; i++)
    nke_metrics_sum_restore(fit->sums[i], fit->resumed_sums + i * fit->resumed_length);
  nke_free(fit->resumed_sums);
  fit->resumed_sums = NULL;
done:
  return st;
}

nke_status nke_fit_score_rows(nke_fit *fit, nke_dataset *dataset, const nke_rows *rows, const char *what, int n_sets,
                              const double *weights, nke_gram *gram, nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  pass context = {.fit = fit, .gram = gram};
  NKE_TRY(nke_agree(s->comm, begin_sums(fit, n_sets)));
  NKE_TRY(nke_score_dataset(&s->embedder, dataset, rows, fit->position, what, s->m, s->k, n_sets, weights, fit->sums,
                            scored, &context));
  st = nke_score_sums_reduce(&s->embedder, n_sets, fit->sums, metrics);
done:
  nke_score_sums_destroy(n_sets, &fit->sums);
  fit->n_sums = 0;
  return st;
}

nke_status nke_fit_score_slabs(nke_fit *fit, int64_t count, const nke_slab *slabs, int n_sets, const double *weights,
                               nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  nke_metrics_sum **sums = NULL;
  double *scores = NULL;
  st = nke_score_sums_create(&s->embedder, n_sets, &sums);
  if (st == NKE_OK) st = nke_alloc(s->embedder.slab.own * s->k * n_sets, sizeof *scores, "scores of a slab", &scores);
  for (int64_t i = 0; i < count && st == NKE_OK; i++)
    st = nke_score_slab(&s->embedder, &slabs[i], s->m, s->k, n_sets, weights, scores, sums);
  NKE_TRY(nke_agree(s->comm, st));
  st = nke_score_sums_reduce(&s->embedder, n_sets, sums, metrics);
done:
  nke_score_sums_destroy(n_sets, &sums);
  nke_free(scores);
  return st;
}

nke_status nke_fit_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                         const double *weights, nke_metrics *metrics)
{
  (void)state;
  const nke_rows all = nke_rows_all(nke_dataset_rows(dataset));
  return nke_fit_score_rows(fit, dataset, &all, what, n_sets, weights, NULL, metrics);
}
