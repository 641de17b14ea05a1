/* From rows on their owners to the parts that a block-cyclic product needs.
 *
 * A rank of the grid owns tiles (I, J) of a square matrix of order n, I in its grid row's blocks, J in its grid
 * column's. To add to them it needs, of every row vector (or of every column), only the entries in blocks I or J:
 *
 *   rank r has its rows, all n entries        rank q gets all rows, entries of its blocks only
 *   [ 0 1 2 3 4 5 ]  rows of rank 0           [ 0 . 2 . 4 . ]
 *   [ 0 1 2 3 4 5 ]  rows of rank 1           [ 0 . 2 . 4 . ]     packed, ascending
 *
 * Volume received by a rank: about 2 n / sqrt(ranks) entries a row; messages: one a call from each rank that has some.
 * No rank packs or holds more than what it gets. */
#ifndef NKE_DIST_EXCHANGE_H
#define NKE_DIST_EXCHANGE_H

#include "base/checked.h"
#include "base/status.h"
#include "base/timer.h"
#include "dist/blockcyclic.h"

typedef struct nke_exchange nke_exchange;

/* What a rank got: index block b starts at entry offset[b] * step of data (offset -1: not needed here). */
typedef struct nke_panel {
  const void *data; /* row-major with leading dimension ld; the exchange's, valid until its next call */
  int64_t ld, step;
  int64_t depth; /* length of the other direction: rows of the panel, or columns of the chunk */
  const int64_t *offset;
} nke_panel;

/* An exchange of entries of the given precision for the tiles of the square matrix a (read here only). Collective.
 * stats (may be NULL, is kept) gets the bytes and messages sent to other ranks. */
nke_status nke_exchange_create(const nke_bcmat *a, nke_precision precision, nke_stats *stats, nke_exchange **out);
void nke_exchange_destroy(nke_exchange **x);

/* Send columns: z_loc is this rank's [rows_loc, n] row-major part of a panel whose rows are concatenated in rank order.
 * Collective. panel: depth = rows of all ranks, step = 1, row p of the panel is row p of data. */
nke_status nke_exchange_columns(nke_exchange *x, int64_t rows_loc, const void *z_loc, nke_panel *panel);

/* Send rows: the n rows are dealt to the ranks in rank order; z_loc is this rank's [rows_loc, ld] row-major part, of
 * which columns [first, first + width) are sent. Collective. panel: depth = ld = step = width.
 * NKE_ERR_INTERNAL where the rows do not add up to n. */
nke_status nke_exchange_rows(nke_exchange *x, int64_t rows_loc, int64_t ld, int64_t first, int64_t width,
                             const void *z_loc, nke_panel *panel);

/* Everyone's small array: all[sum of counts] <- the ranks' mine[count] in rank order. Collective; counted in stats. */
nke_status nke_exchange_gather(nke_exchange *x, int64_t count, const double *mine, double *all);

/* Entries a row that the rank of the grid which needs most of them needs, to a block; for plans of memory and volume.
 * Local. */
int64_t nke_exchange_most(const nke_grid *grid, int64_t n, int64_t nb);

#endif
