/* What a fit will need, from sizes alone: memory of a rank and work of the whole job, before anything large is allocated. */
#ifndef NKE_RUN_PLAN_H
#define NKE_RUN_PLAN_H

#include "run/fit.h"

typedef struct nke_plan {
  double program;     /* bytes: code, libraries, MPI buffers (measured once the program runs) */
  double embedding;   /* tables and work space of the feature plan */
  double preprocess;  /* fitted numbers, and at the peak of their fit */
  double preprocess_peak;
  double slab;        /* rows and features in flight */
  double matrix;      /* this rank's part of G or K; dual: kept features too */
  double solve;       /* factor, right-hand sides, exchange buffers */
  double weights;
  double peak;        /* of a rank */
  double flops_embed, flops_gram, flops_solve; /* of the whole job */
  double flops_pass;  /* of what an iteration makes anew in each pass; 0: it is kept */
  double factor_file; /* bytes that --variance adds to the model's file */
  double bytes_gram, messages_gram; /* that a rank receives of other ranks' features, and in how many messages */
} nke_plan;

/* Fill the plan of a fit whose trainer is chosen, for --ranks or the ranks there are. Local but for the communicator's size. */
nke_plan nke_plan_of(const nke_fit *fit);

/* NKE_ERR_USAGE where the peak of a rank passes run.memory_per_rank, naming the largest part and what would help, and
 * where a rank's part of a matrix passes what ScaLAPACK counts. Same status on all ranks. Sets fit->recompute where
 * only that makes an iterative trainer fit. */
nke_status nke_plan_check(nke_fit *fit);

/* --dry-run: the resolved config, the plan and its parts on stdout, by rank 0. Collective. */
nke_status nke_plan_print(const nke_fit *fit);

#endif
