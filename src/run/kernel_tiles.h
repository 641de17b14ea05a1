/* The tiles of a kernel: numbers, places, costs, and who computes which. All local.
 *
 * Training rows are cut into blocks of `tile`; tile (I, J) of the lower triangle has number I (I + 1) / 2 + J, then
 * come the tiles of test block I with training block J, row-major:
 *
 *        0                 test block 0:  6  7  8
 *        1 2               test block 1:  9 10 11
 *        3 4 5 */
#ifndef NKE_RUN_KERNEL_TILES_H
#define NKE_RUN_KERNEL_TILES_H

#include "dist/split.h"

#include <stdint.h>

typedef struct nke_tiling {
  int64_t n, n_test, tile;
  int64_t blocks, test_blocks;
  int64_t lower, total; /* tiles of the lower triangle, of all */
} nke_tiling;

typedef struct nke_tile {
  int test; /* the rows are test rows */
  int64_t row_block, col_block;
  nke_range rows, cols;
} nke_tile;

/* Whether there are no more tiles than can be counted: then nke_tiling_of() may be asked. */
int nke_tiling_fits(int64_t n, int64_t n_test, int64_t tile);
nke_tiling nke_tiling_of(int64_t n, int64_t n_test, int64_t tile);
nke_tile nke_tile_at(const nke_tiling *tiling, int64_t number);

/* Whether the tile lies on the diagonal of the training kernel. */
int nke_tile_is_diagonal(const nke_tile *tile);

/* Pairs to compute in all tiles. */
double nke_tiling_pairs(const nke_tiling *tiling);

/* Pairs to compute: all, or those with i >= j on the diagonal. */
double nke_tile_pairs(const nke_tile *tile);

/* Pairs that are computed, those beside the point too: second images go 16 side by side, so a diagonal tile of 16 rows
 * takes nearly as long as a whole one. (Narrower vectors waste less: an estimate for them.) */
double nke_tile_work(const nke_tile *tile);

/* Deal the first tiles of open[n_open] out to the ranks, largest first, each to the rank that would be done with it
 * soonest, until all ranks have at least about `seconds` of work and, where there are enough, as many tiles; speed[ranks] in work a
 * second. owner[k] is set for the tiles
 * [0, count) of the list, and count >= 1 returned. Depends on its arguments alone. */
int64_t nke_tiles_deal(const nke_tiling *tiling, int64_t n_open, const int64_t *open, int ranks, const double *speed,
                       double seconds, double *load, int *owner);

#endif
