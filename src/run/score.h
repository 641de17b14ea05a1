/* Scores of embedded rows, and their metrics. */
#ifndef NKE_RUN_SCORE_H
#define NKE_RUN_SCORE_H

#include "data/metrics.h"
#include "run/slab.h"

/* to [n] = from [n], which is of `precision`. Local. */
void nke_score_to_double(nke_precision precision, int64_t n, const void *from, double *to);

/* scores [n, k] = z [n, m] weights [m, k], in double, in blocks of NKE_BLOCK_ROWS rows. Local; 2 n m k flops. */
nke_status nke_score_rows(nke_precision precision, int64_t n, int64_t m, int64_t k, const void *z, const double *weights,
                          double *scores);

/* The running metrics of n_sets solutions; NULL where the embedder has no targets. create and destroy are local. */
nke_status nke_score_sums_create(const nke_embedder *embedder, int n_sets, nke_metrics_sum ***sums);
void nke_score_sums_destroy(int n_sets, nke_metrics_sum ***sums);
nke_status nke_score_sums_reduce(const nke_embedder *embedder, int n_sets, nke_metrics_sum **sums, nke_metrics *metrics);

/* Score this rank's rows of a slab by weights [m, k * n_sets] (column block s: solution s) into scores
 * [n, k * n_sets], and add those of rows that are no copies to the sums where there are targets. Local. */
nke_status nke_score_slab(const nke_embedder *embedder, const nke_slab *slab, int64_t m, int64_t k, int n_sets,
                          const double *weights, double *scores, nke_metrics_sum **sums);

/* Called for each slab, on all ranks together, with this rank's rows and their scores; returns the same status on all
 * ranks. NULL: not called. */
typedef nke_status nke_score_sink(void *context, const nke_slab *slab, const double *scores);

/* Embed and score the rows of a list from position `begin` on, and add them to the sums (NULL: not). Collective; same
 * status on all ranks. `what` names the pass to the progress line. */
nke_status nke_score_dataset(const nke_embedder *embedder, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                             const char *what, int64_t m, int64_t k, int n_sets, const double *weights,
                             nke_metrics_sum **sums, nke_score_sink *sink, void *context);

/* Metrics of the left-out predictions targets - residuals of n rows, both [n, k] and the same on every rank. Collective. */
nke_status nke_score_left_out(const nke_embedder *embedder, int64_t n, const double *targets, const double *residuals,
                              nke_metrics *metrics);

#endif
