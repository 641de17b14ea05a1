/* Features and targets of rows, spread over the ranks, for trainers that go over them again: kept in memory, or features
 * made anew in every pass. */
#ifndef NKE_RUN_FIT_STORE_H
#define NKE_RUN_FIT_STORE_H

#include "run/cost.h"
#include "run/fit.h"
#include "run/kept_rows.h"
#include "solve/kept.h"

/* Consecutive positions of a row list on this rank. */
typedef struct nke_fit_store {
  int64_t n;         /* this rank's rows */
  int64_t originals; /* of them, before a join, the first: the others are copies */
  int64_t all;       /* of all ranks */
  double *y;         /* [n, k] */
  void *z;           /* [n, m] in the embedder's precision; NULL: made anew from */
  nke_session *session;
  const nke_rows *list;
  int64_t begin; /* position of this rank's first row */
  nke_slab slab; /* those made last */
  nke_cost cost; /* seconds of this rank for a row's features, where they were kept */
  int lost;      /* the file of kept rows took not all of this rank's */
} nke_fit_store;

/* Embed the rows of a list of the training set, a slab's worth at a time, and keep them. kept: NULL, or a file that has
 * some of them and takes the others as they are made (that it cannot is a warning); a signal then stops it (NKE_STOPPED).
 * Collective. Memory: the features. */
nke_status nke_fit_store_rows(nke_session *session, const nke_rows *rows, const nke_kept_rows *kept,
                              nke_fit_store *store);

/* The same without keeping features; the list is borrowed. Collective. Memory: a slab. */
nke_status nke_fit_store_list(nke_session *session, const nke_rows *rows, nke_fit_store *store);

void nke_fit_store_clear(nke_fit_store *store);

/* The features as the solvers see them; valid as long as the store stays where it is. Local. */
nke_kept nke_fit_store_kept(const nke_session *session, nke_fit_store *store);

/* joined <- a, then b, which are kept; both are emptied. Collective. */
nke_status nke_fit_store_join(const nke_session *session, nke_fit_store *a, nke_fit_store *b, nke_fit_store *joined);

/* Metrics [n_sets] of the first n rows of each rank by weights [m, k n_sets]. Collective. */
nke_status nke_fit_store_score(const nke_session *session, nke_fit_store *store, int64_t n, int n_sets,
                               const double *weights, nke_metrics *metrics);

/* w [m, columns] <- Z'A for A = alpha [all, columns], the same on every rank before and after; features are kept.
 * Collective. */
nke_status nke_fit_store_primal(const nke_session *session, const nke_fit_store *store, int64_t columns,
                                const double *alpha, double *w);

#endif
