#include "run/kernel_tiles.h"

#include "base/checked.h"

#include <math.h>

int nke_tiling_fits(int64_t n, int64_t n_test, int64_t tile)
{
  static const double most = 9007199254740992; /* a double counts them one by one */
  const double blocks = ceil((double)n / (double)tile), test = ceil((double)n_test / (double)tile);
  return blocks * ((blocks + 1) / 2 + test) < most;
}

nke_tiling nke_tiling_of(int64_t n, int64_t n_test, int64_t tile)
{
  nke_tiling t = {.n = n, .n_test = n_test, .tile = tile};
  t.blocks = nke_ceil_div(n, tile);
  t.test_blocks = nke_ceil_div(n_test, tile);
  t.lower = t.blocks * (t.blocks + 1) / 2;
  t.total = t.lower + t.test_blocks * t.blocks;
  return t;
}

static nke_range block_range(int64_t block, int64_t tile, int64_t n)
{
  return (nke_range){block * tile, nke_min((block + 1) * tile, n)};
}

nke_tile nke_tile_at(const nke_tiling *tiling, int64_t number)
{
  nke_tile t = {.test = number >= tiling->lower};
  if (t.test) {
    t.row_block = (number - tiling->lower) / tiling->blocks;
    t.col_block = (number - tiling->lower) % tiling->blocks;
  } else {
    int64_t i = (int64_t)((sqrt(8.0 * (double)number + 1) - 1) / 2);
    while (i * (i + 1) / 2 > number) i--; /* the root may be off by one */
    while ((i + 1) * (i + 2) / 2 <= number) i++;
    t.row_block = i;
    t.col_block = number - i * (i + 1) / 2;
  }
  t.rows = block_range(t.row_block, tiling->tile, t.test ? tiling->n_test : tiling->n);
  t.cols = block_range(t.col_block, tiling->tile, tiling->n);
  return t;
}

int nke_tile_is_diagonal(const nke_tile *tile) { return !tile->test && tile->row_block == tile->col_block; }

double nke_tiling_pairs(const nke_tiling *tiling)
{
  const double n = (double)tiling->n;
  return n * ((n + 1) / 2 + (double)tiling->n_test);
}

double nke_tile_pairs(const nke_tile *tile)
{
  const double rows = (double)(tile->rows.end - tile->rows.begin), cols = (double)(tile->cols.end - tile->cols.begin);
  return nke_tile_is_diagonal(tile) ? rows * (rows + 1) / 2 : rows * cols;
}

double nke_tile_work(const nke_tile *tile)
{
  enum { LANES = 16 };
  const int64_t rows = tile->rows.end - tile->rows.begin, cols = tile->cols.end - tile->cols.begin;
  if (!nke_tile_is_diagonal(tile)) return (double)(rows * nke_ceil_div(cols, LANES) * LANES);
  int64_t work = rows; /* the diagonal itself, apart */
  for (int64_t j = 0; j < cols; j += LANES) work += (rows - j - 1) * LANES;
  return (double)work;
}

/* The rank that would finish a tile of so much work first; the lowest of several. */
static int soonest(int ranks, const double *speed, const double *load, double work)
{
  int best = 0;
  for (int r = 1; r < ranks; r++)
    if ((load[r] + work) / speed[r] < (load[best] + work) / speed[best]) best = r;
  return best;
}

/* Tiles are of few sizes: whole ones, those at the lower and right edges, then, of about half the work, those on the
 * diagonal. */
enum { KINDS = 3 };

static int kind_of(const nke_tiling *tiling, const nke_tile *tile)
{
  if (nke_tile_is_diagonal(tile)) return 2;
  return nke_tile_pairs(tile) < (double)tiling->tile * (double)tiling->tile;
}

/* The tiles of one kind, in the order of their numbers. */
static void deal_kind(const nke_tiling *tiling, int64_t count, const int64_t *open, int ranks, const double *speed,
                      int kind, double *load, int *owner)
{
  for (int64_t k = 0; k < count; k++) {
    const nke_tile tile = nke_tile_at(tiling, open[k]);
    const double work = nke_tile_work(&tile);
    if (kind_of(tiling, &tile) != kind) continue;
    owner[k] = soonest(ranks, speed, load, work);
    load[owner[k]] += work;
  }
}

int64_t nke_tiles_deal(const nke_tiling *tiling, int64_t n_open, const int64_t *open, int ranks, const double *speed,
                       double seconds, double *load, int *owner)
{
  double budget = 0;
  int64_t count = 0;
  for (int r = 0; r < ranks; r++) {
    budget += speed[r] * seconds;
    load[r] = 0;
  }
  while (count < n_open && (count < ranks || count % ranks > 0 || budget > 0)) {
    const nke_tile tile = nke_tile_at(tiling, open[count++]);
    budget -= nke_tile_work(&tile);
  }
  for (int kind = 0; kind < KINDS; kind++) deal_kind(tiling, count, open, ranks, speed, kind, load, owner);
  return count;
}
