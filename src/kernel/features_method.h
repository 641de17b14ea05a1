/* What an embedding method provides. features.c picks one by name and adds what all methods share: the average over
 * mirrored images, the scaling to the exact diagonal, the check for non-finite values. */
#ifndef NKE_KERNEL_FEATURES_METHOD_H
#define NKE_KERNEL_FEATURES_METHOD_H

#include "kernel/features.h"

typedef struct nke_features_method {
  const char *name;
  /* The plan for a shaped network; widths in use go to options->widths (n_widths of them) and the feature length to
   * options->features where they were 0. Local. */
  nke_status (*create)(const nke_network *network, nke_embedding_options *options, void **plan);
  void (*destroy)(void *plan);
  double (*flops_per_row)(const void *plan);
  int64_t (*bytes)(const void *plan);
  /* z [m] of one row x [d], in options->precision. Local. */
  nke_status (*apply)(void *plan, const double *x, void *z);
} nke_features_method;

extern const nke_features_method nke_features_random;       /* gated random features, gated.c */
extern const nke_features_method nke_features_tensorsketch; /* polynomial.c */
extern const nke_features_method nke_features_polysketch;   /* polynomial.c */

#endif
