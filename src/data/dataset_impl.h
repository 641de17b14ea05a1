/* The open data set that dataset.c and dataset_sparse.c share. Inside src/data. */
#ifndef NKE_DATA_DATASET_IMPL_H
#define NKE_DATA_DATASET_IMPL_H

#include "data/source.h"

struct nke_dataset {
  nke_source source;
  char *path, *x, *y; /* x, y: names for error lines */
  nke_range rows;     /* of the file */
  int64_t named;      /* what error lines call the first one */
  nke_row_map map;    /* length 0: none */
  nke_augment augment; /* copies 0: only what the file has */
  double *scratch;     /* [d] of a copy */
  bool fingerprinted;
  nke_fingerprint fingerprint;
  nke_sparse sparse;  /* rows in flight, where the file stores them so */
};

/* NKE_ERR_DATA naming file, data set, row and column where one of values[width] is NaN or infinite. Local. */
nke_status nke_dataset_check_finite(const nke_dataset *dataset, nke_part part, int64_t row, int64_t width,
                                    const double *values);

/* nke_dataset_read() of rows that the file stores sparse. */
nke_status nke_dataset_read_sparse(nke_dataset *dataset, int64_t n, const int64_t *rows, double *x, double *y);

#endif
