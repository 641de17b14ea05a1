/* What a command will need, from sizes alone: memory of a rank, work of the whole job and the size of its file. Printed
 * by --dry-run, and checked before anything large is read or allocated; every command goes through here. */
#ifndef NKE_RUN_PLAN_H
#define NKE_RUN_PLAN_H

#include "run/session.h"

#include <stdbool.h>

typedef struct nke_plan {
  char what[512]; /* rows, features and the like, in words */
  /* bytes of a rank */
  double program;        /* resident when planned: code, libraries, MPI buffers, tables of the embedding */
  double embedding;      /* of it, the tables and work space of the embedding */
  double data;           /* that open data sets hold: chunks, indices; lists of rows */
  double preprocess;     /* fitted numbers, */
  double preprocess_fit; /* and the peak of their fit, before what comes below */
  double slab;           /* rows and features in flight */
  double matrix;         /* this rank's part of G or K; kept features */
  double solve;          /* factor, right-hand sides, exchange buffers */
  double weights;
  const char *advice; /* what makes it fit, for the error line */
  /* flops of the whole job */
  double flops_embed, flops_gram, flops_solve; /* rows through a network; G, or pairs of K; factors and the like */
  double flops_pass;                           /* of what an iteration makes anew in each pass; 0: it is kept */
  double bytes_gram, messages_gram; /* that a rank receives of other ranks' features, and in how many messages */
  const char *file;                 /* the name of the largest file that is written, */
  double file_bytes;
  double factor_bytes; /* of them, the factor for the posterior variance */
} nke_plan;

/* A plan of a program as it is now, with the data sets that are open (NULL: none). Local. */
nke_plan nke_plan_begin(const nke_dataset *train, const nke_dataset *validation, const nke_dataset *test);

/* Add the preprocessing to be fitted. Local. */
void nke_plan_preprocess(const nke_config *config, nke_shape shape, nke_plan *plan);

/* The slabs that so many ranks would make of the session's rows. Local. */
nke_slab_size nke_plan_slab_size(const nke_session *session, int ranks);

/* Bytes of a row in flight besides its features: in double, its number, its targets as they come and encoded. Local. */
double nke_plan_row(const nke_session *session);

/* Add a slab of the session's rows and what is cached of the exact kernel's; and the scores of a slab by n_sets
 * solutions. Local. */
void nke_plan_slab(const nke_session *session, int ranks, nke_plan *plan);
void nke_plan_scores(const nke_session *session, int ranks, int n_sets, nke_plan *plan);

/* Whether every rank's peak is within run.memory_per_rank. Collective. */
bool nke_plan_fits(MPI_Comm comm, const nke_config *config, const nke_plan *plan);

/* With --dry-run print the resolved config and the plan, by rank 0; then NKE_ERR_USAGE where the peak of a rank passes
 * run.memory_per_rank, naming the parts and what would help. Collective. */
nke_status nke_plan_settle(const nke_invocation *invocation, const nke_config *config, const nke_plan *plan);

/* Settle the plan of a session with training rows, as `make` says. Only a plan that fits with as many targets as the
 * data has columns is worth the pass over the rows that counts their classes; it is then made again. Fits the targets.
 * Collective. Statuses of nke_plan_settle() and nke_session_fit_targets(). */
typedef void nke_planner(void *context, nke_plan *plan);
nke_status nke_plan_session(nke_session *session, nke_planner *make, void *context);

#endif
