/* Which rows of a data set take part in a pass: all of them, those held out for validation, or the rest. */
#ifndef NKE_RUN_ROWS_H
#define NKE_RUN_ROWS_H

#include "base/status.h"

#include <stdint.h>

/* An ascending list of row numbers: those of index, the rows 0 .. n-1, or rows without some that are left out. Every
 * rank holds the whole list, so that slabs can be cut from it without communication: 8 bytes a row that is held out. */
typedef struct nke_rows {
  int64_t n;
  int64_t *index;     /* [n]; owned. NULL: all rows, or */
  int64_t n_out;      /* all but */
  const int64_t *out; /* [n_out] these, of the list of the others */
} nke_rows;

nke_rows nke_rows_all(int64_t n);

/* The row at a position of the list. Without some rows: O(log n_out). */
int64_t nke_rows_at(const nke_rows *rows, int64_t position);

/* Split rows 0 .. n-1 of which row r is a copy of row r mod originals (dataset.h): it is held out, with all its copies,
 * where the uniform number (seed, NKE_STREAM_VALIDATION, r mod originals) is below `part`. Depends on nothing else.
 * kept reads held_out, which has to stay as long. NKE_ERR_USAGE where one of the two parts would be empty. Local. */
nke_status nke_rows_split(int64_t n, int64_t originals, double part, uint64_t seed, nke_rows *kept, nke_rows *held_out);

/* Whether there is a row for each fold: NKE_ERR_USAGE. Local. */
nke_status nke_rows_check_folds(int64_t originals, int64_t folds);

/* *fold_of [originals] (the caller frees it) <- floor(folds p / originals), p the place of an original in the order of
 * their uniform numbers (seed, NKE_STREAM_SAMPLE, row), ties by row: folds differ by one original at most.
 * NKE_ERR_USAGE where there are more folds than originals; NKE_ERR_MEMORY: NKE_FOLD_BYTES an original during the call,
 * 8 after it. Local. */
nke_status nke_rows_deal(int64_t originals, int64_t folds, uint64_t seed, int64_t **fold_of);
enum { NKE_FOLD_BYTES = 24 };

/* Split rows 0 .. n-1 as nke_rows_split() does: those of a fold are held out. Local. */
nke_status nke_rows_fold(int64_t n, int64_t originals, const int64_t *fold_of, int64_t fold, nke_rows *kept,
                         nke_rows *held_out);

/* How many of the positions [begin, end), from the first on, hold rows below `originals`: copies come last. Local. */
int64_t nke_rows_originals(const nke_rows *rows, int64_t begin, int64_t end, int64_t originals);

void nke_rows_clear(nke_rows *rows);

#endif
