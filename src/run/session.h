/* What `fit`, `embed` and `predict` set up alike: open data sets, the shaped network, fitted preprocessing and targets,
 * the embedding. */
#ifndef NKE_RUN_SESSION_H
#define NKE_RUN_SESSION_H

#include "run/commands.h"
#include "run/slab.h"

typedef struct nke_session {
  MPI_Comm comm;
  const nke_invocation *invocation;
  nke_config *config;
  nke_dataset *train, *validation, *test; /* NULL where the config has none */
  nke_shape shape;
  nke_preprocess *preprocess;
  nke_targets *targets;
  nke_features *features;  /* NULL with method none, then */
  nke_exact *exact;        /* the exact kernel, */
  nke_kernel_rows *kernel; /* its rows once preprocessing is fitted, and m = n */
  nke_features *sketch;    /* with solver.precondition sketch: features that stand in for the exact kernel */
  double *class_roots; /* [k] square roots of the class weights; NULL: all one */
  int64_t m, k;
  bool exchanged; /* the slabs' panels go into a Gram matrix */
  nke_embedder embedder;
  nke_stats stats;
} nke_session;

/* Open the config's data sets, check that their rows have one shape, shape the network, plan the embedding. Collective. */
nke_status nke_session_open(const nke_invocation *invocation, nke_session *session);

/* Whether the other data sets' targets, where they have any, have the columns of the training rows'. NKE_ERR_DATA.
 * Local. */
nke_status nke_session_check_targets(const nke_session *session);

/* The rows of data.train as they will be seen by the kernel: a file of preprocessed rows, or data.train itself. Local. */
nke_status nke_session_kernel(nke_session *session, nke_dataset *train, const nke_preprocess *preprocess);

/* NKE_ERR_USAGE for method none, where a command needs features. Local. */
nke_status nke_session_need_features(const nke_session *session, const char *command);

/* Plan the embedding of the shaped network: features, or the exact kernel with n_train rows. Collective. */
nke_status nke_session_embedding(nke_session *session, int64_t n_train);

/* Fit the targets on the training rows, where they have any: the session's k, which plans of memory need. Collective.
 * Cost: one pass over y. */
nke_status nke_session_fit_targets(nke_session *session);

/* Fit preprocessing, and targets unless they are, on the training rows. Collective. */
nke_status nke_session_fit(nke_session *session);

/* y [count, k] <- the encoded targets of positions `range` of a list of training rows. Local. */
nke_status nke_session_read_targets(nke_session *session, const nke_rows *list, nke_range range, double *y);

/* targets [n_train, k] of all training rows, encoded, on every rank. Collective. */
nke_status nke_session_targets(nke_session *session, double *targets);

/* Fill session->embedder from the parts above. Local. */
void nke_session_ready(nke_session *session);

/* NKE_ERR_USAGE where a file to be written into run.out is one of the data sets'. Collective. */
nke_status nke_session_spare(const nke_session *session, const char *path);

void nke_session_close(nke_session *session);

/* Shape a network for data rows and check what the embedding asks of it (flips). Local. */
nke_status nke_session_shape(nke_config *config, nke_shape shape);

#endif
