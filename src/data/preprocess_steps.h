/* What preprocess.c (the object), preprocess_fit.c and preprocess_file.c share. Inside src/data. */
#ifndef NKE_DATA_PREPROCESS_STEPS_H
#define NKE_DATA_PREPROCESS_STEPS_H

#include "data/preprocess.h"

/* Longest row for zca: 2 d^2 + 6 d + 1, the work space of LAPACK's dsyevd, must fit 32 bits. */
enum { NKE_ZCA_MAX_LENGTH = 32000 };

typedef struct nke_fitted_step {
  nke_preprocess_step step;
  int64_t length; /* of mean: channels or features (standardize), d (zca), 0 (layernorm) */
  double *mean;   /* [length] */
  double *scale;  /* standardize: 1 / deviation, 0 for a constant column [length] */
  double *matrix; /* zca: (C + r tr(C)/d I)^(-1/2), symmetric [d, d] */
  double unseen;  /* zca, on rank 0 of the fit: nke_preprocess_unseen(); else 0 */
} nke_fitted_step;

struct nke_preprocess {
  nke_shape shape;
  int n_steps; /* steps fitted so far */
  nke_fitted_step steps[NKE_PREPROCESS_MAX_STEPS];
};

/* Columns that standardize treats alike: the channels of images and signals, the features of tables. */
static inline int64_t nke_standardize_length(nke_shape shape)
{
  return shape.channels; /* = d for tables */
}

nke_status nke_preprocess_create(nke_shape shape, nke_preprocess **out);

/* Allocate the arrays of the next step; it counts once *n_steps is raised. */
nke_status nke_fitted_step_alloc(nke_preprocess *p, const nke_preprocess_step *step);

#endif
