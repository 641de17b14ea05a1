/* Rows in memory to features: preprocessing, then the embedding, a piece at a time. What embedding.c and predictor.c
 * share. */
#ifndef NKE_API_MAP_H
#define NKE_API_MAP_H

#include "run/slab.h"

/* out [n, d]: rows x preprocessed. Local. NKE_ERR_DATA naming the row and column of a value that is not finite. */
nke_status nke_map_prepare(const nke_preprocess *preprocess, int64_t n, int64_t d, const double *x, double *out);

/* z [n, m]: the features of rows x [n, d], in the embedder's precision. Local. */
nke_status nke_map_apply(const nke_embedder *embedder, int64_t n, int64_t d, const double *x, void *z);

#endif
