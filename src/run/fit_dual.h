/* What the trainers of an n x n system share: which of the training rows are fitted, and how they are scored.
 *
 * K, the exact kernel or that of the features, is always that of all training rows. While rows are held out, the system
 * is that of the others in the same numbering: their rows and columns stand apart and their targets are zero, so their
 * weights are zero and the others' as if they had never been there. */
#ifndef NKE_RUN_FIT_DUAL_H
#define NKE_RUN_FIT_DUAL_H

#include "run/fit.h"
#include "solve/operator.h"

typedef struct nke_dual_rows {
  int64_t n;
  double *targets;       /* [n, k], on every rank */
  double *right;         /* [n, k]: of the fitted rows, else 0; times roots */
  double *roots;         /* [n], with class weights; else NULL */
  unsigned char *fitted; /* [n] */
  int64_t n_fitted;
  char path[4096]; /* of the file of the exact kernel, where there is one; else empty */
  char *identity;  /* that it has to have */
} nke_dual_rows;

/* Read the targets of all rows, all of them fitted, and look for a kernel file. Collective. clear is local. */
nke_status nke_dual_rows_init(nke_session *session, nke_dual_rows *rows);
void nke_dual_rows_clear(nke_dual_rows *rows);

/* Rows of a list, all of them fitted or all not, are fitted from now on (1), or held out (0). Local. */
void nke_dual_rows_fit(const nke_session *session, const nke_rows *list, int fitted, nke_dual_rows *rows);

/* The mean diagonal of the system, from the diagonal [n] of K. Local. */
double nke_dual_rows_mean(const nke_dual_rows *rows, const double *diagonal);

/* Metrics [n_sets] of the rows whose `fitted` is `which`, scored by K weights, weights [n, k n_sets]. Collective. */
nke_status nke_dual_rows_metrics(nke_session *session, const nke_dual_rows *rows, const nke_symmetric_matrix *kernel,
                                 int which, int n_sets, const double *weights, nke_metrics *metrics);

/* Scores of all rows of a data set; the test rows' kernel is in the file too. Collective. */
nke_status nke_dual_rows_score(nke_fit *fit, const nke_dual_rows *rows, nke_dataset *dataset, const char *what,
                               int n_sets, const double *weights, nke_metrics *metrics);

#endif
