/* Rows given by their non-zeros, as the formats that store them so are read. */
#ifndef NKE_DATA_SPARSE_H
#define NKE_DATA_SPARSE_H

#include "base/status.h"

#include <stdint.h>

/* Row i has entries [start[i], start[i + 1]) of index and value. Zero-initialise; buffers only ever grow. */
typedef struct nke_sparse {
  int64_t rows;
  int64_t *start;  /* [rows + 1] */
  int64_t *index;  /* columns from 0 */
  double *value;
  int64_t rows_room, room;
} nke_sparse;

/* No rows; room for so many rows and entries, what was there is lost. Local. NKE_ERR_MEMORY. */
nke_status nke_sparse_begin(nke_sparse *sparse, int64_t rows, int64_t entries);

/* Append an entry to the row that nke_sparse_end_row() will end. Local. NKE_ERR_MEMORY. */
nke_status nke_sparse_add(nke_sparse *sparse, int64_t index, double value);
void nke_sparse_end_row(nke_sparse *sparse);

/* Row i filled in: out [d]; entries of one column are added up. Local. */
void nke_sparse_fill(const nke_sparse *sparse, int64_t i, int64_t d, double *out);

void nke_sparse_clear(nke_sparse *sparse);

#endif
