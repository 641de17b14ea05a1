/* The parts of `fit`: a session, the rows it trains on, and how the weights are found. */
#ifndef NKE_RUN_FIT_H
#define NKE_RUN_FIT_H

#include "data/metrics.h"
#include "dist/blockcyclic.h"
#include "run/session.h"

/* One regularisation of the path. */
typedef struct nke_path_point {
  double lambda;    /* relative to the mean diagonal of the kernel */
  double shift;     /* absolute */
  int solved;       /* 0: the matrix plus shift was not positive definite */
  double residual;  /* |(A + shift I) X - B| / |B| */
  double condition; /* estimate, 0 if not known */
  nke_metrics validation;
} nke_path_point;

typedef struct nke_fit nke_fit;

/* How weights are found: one file each. All collective, same status on all ranks. Weights of n solutions stand side by
 * side, [m, n k]: solution i is column block i. */
typedef struct nke_trainer {
  const char *name;
  nke_status (*create)(nke_fit *fit, void **state);
  void (*destroy)(void *state);
  /* Take in the rows to fit. */
  nke_status (*add)(nke_fit *fit, void *state, const nke_rows *rows);
  /* Weights for every point of a path. A point that cannot be solved (lambda too small for the precision) keeps solved 0
   * and zero weights; NKE_ERR_NUMERIC where none can. */
  nke_status (*solve)(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights);
  /* Scores of the validation rows of the training set for all solutions; afterwards these rows are fitted too. */
  nke_status (*validate)(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics);
  /* Scores of all rows of another data set; `what` names the pass for the progress line. */
  nke_status (*score)(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                      const double *weights, nke_metrics *metrics);
  /* Metrics on all fitted rows; what is not known without another pass stays NaN. */
  nke_status (*training_metrics)(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics);
} nke_trainer;

extern const nke_trainer nke_trainer_primal, nke_trainer_dual;

struct nke_fit {
  nke_session session;
  const nke_trainer *trainer;
  nke_rows kept, held_out;
  int n_path;
  nke_path_point *path;
  int best;
  nke_path_point final;
  double *weights; /* [m, k], the same on every rank */
  nke_metrics train, validation, test;
  double failed_lambda; /* the relative lambda that was chosen, where a larger one had to be taken; else 0 */
};

/* Solve (A + shift I) X = B, b [rows, k], for shift = lambda * mean_diagonal of every point of a path, by solver.type,
 * and note in the points how it went. weights [rows, k n_points]. Collective; NKE_ERR_NUMERIC where no point can be
 * solved. */
nke_status nke_fit_path(nke_session *session, const nke_bcmat *a, double mean_diagonal, const double *b, int n_points,
                        nke_path_point *points, double *weights);

/* Scores by features: nke_trainer.score of the trainers whose weights are one a feature. */
nke_status nke_fit_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                         const double *weights, nke_metrics *metrics);

/* Weights times n_sets side by side: copy x [m, k] into columns [set k, (set + 1) k) of out [m, n_sets k]. Local. */
void nke_fit_place(int64_t m, int64_t k, int set, int n_sets, const double *x, double *out);

#endif
