/* Rows in memory to features: preprocessing, then the embedding, a piece at a time. What embedding.c and predictor.c
 * share. */
#ifndef NKE_API_MAP_H
#define NKE_API_MAP_H

#include "data/preprocess.h"
#include "kernel/features.h"

typedef struct nke_map {
  const nke_preprocess *preprocess;
  nke_features *features;
  int64_t d, m;
  nke_precision precision;
  int64_t piece; /* rows at a time, a multiple of NKE_BLOCK_ROWS */
} nke_map;

/* out [n, d]: rows x preprocessed. Local. NKE_ERR_DATA naming the row and column of a value that is not finite. */
nke_status nke_map_prepare(const nke_map *map, int64_t n, const double *x, double *out);

/* z [n, m]: the features of rows x [n, d], in the map's precision. Local. */
nke_status nke_map_apply(const nke_map *map, int64_t n, const double *x, void *z);

#endif
