/* Features and targets of the training rows, spread over the ranks, for trainers that go over them again: kept in
 * memory, or features made anew in every pass. */
#ifndef NKE_RUN_FIT_STORE_H
#define NKE_RUN_FIT_STORE_H

#include "run/cost.h"
#include "run/fit.h"
#include "run/kept_rows.h"
#include "solve/kept.h"

typedef struct nke_fit_store {
  nke_range mine;       /* this rank's rows */
  int64_t originals;    /* of them, the first: the others are copies */
  int64_t n_fitted;     /* of all ranks */
  double *y;            /* [mine, k] */
  double *fitted;       /* [mine]: 1; 0 for rows that are held out */
  void *z;              /* [mine, m] in the embedder's precision; NULL: made anew, by */
  nke_session *session; /* NULL: they are kept */
  nke_slab slab;        /* those made last */
  nke_cost cost;        /* seconds of this rank for a row's features, where they were kept */
  int lost;             /* the file of kept rows took not all of a rank's */
} nke_fit_store;

/* Embed the training rows, a slab's worth at a time, and keep them; all are fitted. kept: NULL, or a file that has some
 * of them and takes the others as they are made (that it cannot is a warning); a signal then stops it (NKE_STOPPED).
 * Collective. Memory: the features. */
nke_status nke_fit_store_rows(nke_session *session, const nke_kept_rows *kept, nke_fit_store *store);

/* The same without keeping features. Collective. Memory: a slab. */
nke_status nke_fit_store_anew(nke_session *session, nke_fit_store *store);

void nke_fit_store_clear(nke_fit_store *store);

/* Rows of a list, all of them fitted or all not, are fitted from now on (1), or held out (0). Local. */
void nke_fit_store_fit(nke_fit_store *store, const nke_rows *rows, int fitted);

/* The features as the solvers see them, those of rows that are held out as zeros; valid as long as the store stays
 * where it is. Local. */
nke_kept nke_fit_store_kept(const nke_session *session, nke_fit_store *store);

/* Metrics [n_sets], by weights [m, k n_sets], of the rows whose `fitted` is `which`: of the held-out ones without their
 * copies, who are not what is to be predicted. Collective. Cost: a pass over all rows. */
nke_status nke_fit_store_score(const nke_session *session, nke_fit_store *store, int which, int n_sets,
                               const double *weights, nke_metrics *metrics);

/* w [m, columns] <- Z'A for A = alpha [all rows, columns], the same on every rank before and after; features are kept.
 * Collective. */
nke_status nke_fit_store_primal(const nke_session *session, const nke_fit_store *store, int64_t columns,
                                const double *alpha, double *w);

#endif
