/* The parts of `fit`: a session, the rows it trains on, and how the weights are found. */
#ifndef NKE_RUN_FIT_H
#define NKE_RUN_FIT_H

#include "data/metrics.h"
#include "dist/blockcyclic.h"
#include "gram/gram.h"
#include "run/certificate.h"
#include "run/kept_rows.h"
#include "run/session.h"
#include "solve/eigen.h"

/* One regularisation of the path. */
typedef struct nke_path_point {
  double lambda;    /* relative to the mean diagonal of the kernel */
  double shift;     /* absolute */
  int solved;       /* 0: the matrix plus shift was not positive definite */
  double residual;  /* |(A + shift I) X - B| / |B| */
  double condition; /* estimate, 0 if not known */
  int iterations;   /* of a Krylov method, the most of any target; else 0 */
  nke_metrics validation;
} nke_path_point;

typedef struct nke_fit nke_fit;

/* How weights are found: one file each. All collective, same status on all ranks. Weights of n solutions stand side by
 * side, [m, n k]: solution i is column block i. */
typedef struct nke_trainer {
  const char *name;
  nke_status (*create)(nke_fit *fit, void **state);
  void (*destroy)(void *state);
  /* Take in the training rows, to fit fit->kept. */
  nke_status (*add)(nke_fit *fit, void *state);
  /* fit->held_out, of rows that are fitted, are so no more, until validate(). */
  nke_status (*hold_out)(nke_fit *fit, void *state);
  /* Weights for every point of a path. A point that cannot be solved (lambda too small for the precision) keeps solved 0
   * and zero weights; NKE_ERR_NUMERIC where none can. */
  nke_status (*solve)(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights);
  /* select loo and gcv: point->validation, from fit->eigen of the solve() just done. */
  nke_status (*criterion)(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights);
  /* Scores of fit->held_out for all solutions; afterwards these rows are fitted too. */
  nke_status (*validate)(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics);
  /* Scores of all rows of another data set; `what` names the pass for the progress line. */
  nke_status (*score)(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                      const double *weights, nke_metrics *metrics);
  /* A of the last solve(), whose A + shift I has a factor; NULL where the trainer has none. Local. */
  const nke_bcmat *(*matrix)(const void *state);
  /* Metrics on all fitted rows; what is not known without another pass stays NaN. */
  nke_status (*training_metrics)(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics);
} nke_trainer;

extern const nke_trainer nke_trainer_primal, nke_trainer_dual, nke_trainer_cg, nke_trainer_lsqr,
                         nke_trainer_exact, nke_trainer_exact_cg;

/* The parts of a fit, one after the other. What a checkpoint holds is whole at the end of a slab or a solution. */
typedef enum nke_fit_phase {
  NKE_PHASE_ADD,      /* the rows to fit */
  NKE_PHASE_PATH,     /* solutions of the path, or folds of it */
  NKE_PHASE_VALIDATE, /* scores of the validation rows */
  NKE_PHASE_FINAL,    /* the solution of all rows */
  NKE_PHASE_TEST      /* scores of the test rows */
} nke_fit_phase;

struct nke_fit {
  nke_session session;
  const nke_trainer *trainer;
  char *made; /* the file of `nke embed` that the training rows are in; NULL: they are rows as any */
  nke_rows kept, held_out;
  int n_path;
  nke_path_point *path;
  int best;
  nke_path_point final;
  double *weights;      /* [m, k], the same on every rank */
  bool with_variance;   /* the model keeps what predict needs for the posterior variance: */
  nke_bcmat *factor;    /* the factor of the final A + shift I, once it is solved; else NULL */
  double *path_weights; /* [m, k n_path], where there is a path */
  nke_fit_phase phase;
  int64_t position;       /* rows of the phase's list, or solutions of the path, that are done */
  nke_metrics_sum **sums; /* of the phase's scores so far, n_sums sets; NULL outside a pass */
  int n_sums;
  double *resumed_sums;   /* where a pass goes on from a checkpoint: what it had summed, [sets, resumed_length] */
  int64_t resumed_length;
  nke_eigen *eigen;       /* of the path, where the criterion needs it */
  nke_gram *gram;         /* the trainer's; NULL: this trainer keeps nothing that a checkpoint could hold */
  struct nke_checkpoint *checkpoint; /* NULL: none are written */
  nke_kept_rows part;     /* the file that finished features go to */
  nke_metrics train, validation, test;
  nke_status test_status; /* of test rows that could not be scored, and its text; NULL: none */
  char *test_error;
  nke_certificate certificate;
  int in_folds;          /* within nke_fit_folds(): */
  int64_t folds_done;    /* whose scores the path's validation metrics have */
  int64_t resumed_folds; /* that a run before had done, and kept in fold_file.h's file */
  int keeps_fold;        /* the primal has a fold's features in memory from its Gram matrix to its scores */
  int recompute;        /* what an iteration passes over is made anew each time, as memory does not hold it */
  double failed_lambda; /* the relative lambda that was chosen, where a larger one had to be taken; else -1 */
};

/* Whether solver.select is loo or gcv: no rows are held out, and what is chosen is final. Local. */
int nke_fit_by_criterion(const nke_fit *fit);

/* Whether some of the training rows are held out to choose by: there is something to choose, and nothing else to choose
 * by. Local. */
int nke_fit_holds_out(const nke_fit *fit);

/* Whether solver.select is kfold. Local. */
int nke_fit_by_folds(const nke_fit *fit);

/* Whether lambdas are judged before the last solution: there are several, or the config says what a lone one is judged
 * by: loo, gcv, folds, a file of validation rows. For a lone one no rows are held out. Local. */
int nke_fit_selects(const nke_fit *fit);

/* solver.select kfold: fill the path's validation metrics, each row scored by the fit without its fold, from
 * fit->folds_done on. The trainer has taken in all rows, and fits them all afterwards. What is done is kept, in a
 * checkpoint or, where the trainer has none, by fold_file.h, every checkpoint.seconds and on a signal. Collective.
 * NKE_STOPPED after a signal, by the end of the fold at the latest. Cost: k solutions of the path; of the primal, one
 * more Gram matrix and two more passes over the rows, one where memory holds a fold, and one without a fold that has
 * nearly all of the trace. */
nke_status nke_fit_folds(nke_fit *fit, void *state);

/* At the end of every solution and fold: NKE_STOPPED where this is within nke_fit_folds() and a signal came.
 * Collective. */
nke_status nke_fit_folds_step(const nke_fit *fit);

/* Criteria of a path by fit->eigen. dual: A = K, targets [n, k] on every rank. primal: A = Z'Z of all training rows; loo
 * takes another pass over them, n m^2 flops. Collective. */
nke_status nke_fit_criterion_dual(nke_fit *fit, const double *targets, int n_points, nke_path_point *points);
nke_status nke_fit_criterion_primal(nke_fit *fit, const nke_gram *gram, int n_points, nke_path_point *points,
                                    const double *weights);

/* Solve (A + shift I) X = B, b [rows, k], for shift = lambda * mean_diagonal of every point of a path: by one
 * eigendecomposition for solver.type eigen and for criteria (kept as fit->eigen), else, and for a lone lambda, by a Cholesky
 * factor each. Notes in the points how it went. weights [rows, k n_points]. Collective; NKE_ERR_NUMERIC where no point can be
 * solved. */
nke_status nke_fit_path(nke_fit *fit, const nke_bcmat *a, double mean_diagonal, const double *b, int n_points,
                        nke_path_point *points, double *weights);

/* Scores of a list of rows by features, from fit->position on: metrics [n_sets]. `gram`, if not NULL, takes in the rows
 * once they are scored. Collective. */
nke_status nke_fit_score_rows(nke_fit *fit, nke_dataset *dataset, const nke_rows *rows, const char *what, int n_sets,
                              const double *weights, nke_gram *gram, nke_metrics *metrics);

/* The same of slabs that are embedded already and not scaled by class weights. Collective. */
nke_status nke_fit_score_slabs(nke_fit *fit, int64_t count, const nke_slab *slabs, int n_sets, const double *weights,
                               nke_metrics *metrics);

/* Add the features of a slab to a Gram matrix, as stage gram. With class weights the slab is scaled. Collective. */
nke_status nke_fit_add_slab(nke_session *session, nke_gram *gram, const nke_slab *slab);

/* Scores by features: nke_trainer.score of the trainers whose weights are one a feature. */
nke_status nke_fit_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                         const double *weights, nke_metrics *metrics);

/* Weights times n_sets side by side: copy x [m, k] into columns [set k, (set + 1) k) of out [m, n_sets k]. Local. */
void nke_fit_place(int64_t m, int64_t k, int set, int n_sets, const double *x, double *out);

#endif
