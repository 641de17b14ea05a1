#include "run/slab.h"

#include "base/memory.h"
#include "dist/blockcyclic.h"
#include "gram/gram.h"

#include <math.h>

/* `most` rows, or as many (halved, at least a block) as fit into the budget. */
static int64_t fitting(int64_t most, double row_bytes, double budget)
{
  int64_t rows = most;
  while (rows > NKE_BLOCK_ROWS && (double)rows * row_bytes > budget) rows /= 2;
  return rows;
}

/* Of ranks: panel p of a slab is dealt to ranks p, p + groups, p + 2 groups, ... */
static int groups_of(const nke_slab_size *size, int64_t rows)
{
  return (int)nke_max(1, nke_ceil_div(rows, size->panel));
}

nke_range nke_slab_share(const nke_slab_size *size, int64_t rows, int ranks, int rank)
{
  const int groups = groups_of(size, rows), panel = rank % groups;
  const int64_t begin = panel * size->panel, end = nke_min(rows, begin + size->panel);
  const nke_range mine = nke_split_blocks(end - begin, (ranks - panel + groups - 1) / groups, rank / groups);
  return (nke_range){begin + mine.begin, begin + mine.end};
}

int64_t nke_slab_most(const nke_slab_size *size, int64_t rows, int ranks)
{
  const int fewest = ranks / groups_of(size, rows); /* ranks of a panel */
  const nke_range first = nke_split_blocks(nke_min(rows, size->panel), fewest, 0);
  return first.end;
}

nke_slab_size nke_slab_size_of(int64_t d, int64_t m, nke_precision precision, int64_t memory_per_rank, int ranks,
                               bool exchanged)
{
  const nke_grid grid = nke_grid_first(ranks);
  const double features = (double)(m * nke_precision_bytes(precision)), row = 8 * (double)d + features;
  const double needed = fmin(1, 1.0 / grid.nprow + 1.0 / grid.npcol) * features; /* of a row, by the tiles of a rank */
  const double memory = (double)memory_per_rank;
  const double fewest = fmax(1, ceil(8 * (double)m * (double)m / memory)); /* ranks that the Gram matrix fits into */
  nke_slab_size best, size;
  size.panel = fitting(NKE_PANEL_ROWS, row / ranks + needed, memory / 8);
  size.step = fitting(NKE_PANEL_ROWS, row / fewest + features, memory / 8); /* no more than a panel of those or more */
  const int64_t least = fitting(8 * NKE_BLOCK_ROWS, row, memory / 16);
  const int64_t most = nke_min(ranks, nke_ceil_div(least * ranks, size.panel));
  for (int64_t panels = 1; panels <= most; panels++) {
    size.all = panels * size.panel;
    size.own = nke_slab_most(&size, size.all, ranks);
    const int64_t idle = panels == 1 ? -1 : size.own * best.all - best.own * size.all; /* against the best so far */
    if (idle < 0 || (idle == 0 && !exchanged)) best = size;
  }
  return best;
}

/* Buffers for n rows; they only ever grow. */
static nke_status reserve(const nke_embedder *e, const nke_dataset *dataset, int64_t n, nke_slab *slab)
{
  nke_status st = NKE_OK;
  if (n <= slab->capacity) return st;
  nke_slab_clear(slab);
  const int64_t d = nke_dataset_length(dataset), m = e->m;
  NKE_TRY(nke_alloc(n, sizeof *slab->row_buffer, "row numbers of a slab", &slab->row_buffer));
  NKE_TRY(nke_alloc(n * d, sizeof *slab->x, "rows of a slab", &slab->x));
  NKE_TRY(nke_alloc(n * m, (size_t)nke_precision_bytes(e->precision), "features of a slab", &slab->z));
  if (e->targets) {
    /* What the file has: only the encoding refuses other columns than in training. */
    NKE_TRY(nke_alloc(n * nke_dataset_targets(dataset), sizeof *slab->raw_y, "targets of a slab", &slab->raw_y));
    NKE_TRY(nke_alloc(n * nke_targets_count(e->targets), sizeof *slab->y, "targets of a slab", &slab->y));
  }
  slab->capacity = n;
done:
  return st;
}

nke_status nke_slab_read(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                         nke_slab *slab)
{
  nke_status st = NKE_OK;
  const int64_t n = range.end - range.begin;
  NKE_TRY(reserve(e, dataset, n, slab));
  for (int64_t i = 0; i < n; i++)
    slab->row_buffer[i] = nke_rows_at(rows, range.begin + i);
  slab->rows = slab->row_buffer;
  slab->originals = nke_rows_originals(rows, range.begin, range.end, nke_dataset_originals(dataset));
  slab->first = range.begin;
  slab->n = n;
  nke_stage_begin(e->stats, NKE_STAGE_READ);
  st = nke_dataset_read(dataset, n, slab->rows, slab->x, slab->raw_y);
  nke_stage_end(e->stats, NKE_STAGE_READ);
  if (st != NKE_OK) goto done;
  if (e->targets) NKE_TRY(nke_targets_encode(e->targets, dataset, n, slab->rows, slab->raw_y, slab->y));
  nke_stage_begin(e->stats, NKE_STAGE_PREPROCESS);
  st = nke_preprocess_apply(e->preprocess, n, slab->x);
  nke_stage_end(e->stats, NKE_STAGE_PREPROCESS);
done:
  return st;
}

nke_status nke_embedder_apply(const nke_embedder *e, int64_t n, const double *x, void *z)
{
  return e->kernel ? nke_kernel_rows_apply(e->kernel, n, x, z) : nke_features_apply(e->features, n, x, z);
}

/* z of the rows that were read. */
static nke_status embed(const nke_embedder *e, nke_slab *slab)
{
  nke_stage_begin(e->stats, NKE_STAGE_EMBED);
  const nke_status st = nke_embedder_apply(e, slab->n, slab->x, slab->z);
  nke_stage_end(e->stats, NKE_STAGE_EMBED);
  if (st == NKE_OK && e->stats) e->stats->flops[NKE_STAGE_EMBED] += e->flops_per_row * (double)slab->n;
  return st;
}

nke_status nke_slab_embed(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                          nke_slab *slab)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_slab_read(e, dataset, rows, range, slab));
  st = embed(e, slab);
done:
  return st;
}

/* Where the slab that begins at `begin` ends, and this rank's positions in it. */
static nke_range share(const nke_embedder *e, const nke_rows *rows, int64_t begin, int64_t *end)
{
  int rank, ranks;
  MPI_Comm_rank(e->comm, &rank);
  MPI_Comm_size(e->comm, &ranks);
  *end = nke_min(rows->n, begin + e->slab.all);
  const nke_range mine = nke_slab_share(&e->slab, *end - begin, ranks, rank);
  return (nke_range){begin + mine.begin, begin + mine.end};
}

/* Positions of the list that are dense enough in the file. */
static void read_ahead(nke_dataset *dataset, const nke_rows *rows, nke_range range)
{
  const int64_t n = range.end - range.begin;
  if (n == 0) return;
  range = (nke_range){nke_rows_at(rows, range.begin), nke_rows_at(rows, range.end - 1) + 1};
  if (range.end - range.begin <= 2 * n) nke_dataset_ahead(dataset, range);
}

nke_status nke_slab_make(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                          nke_slab *slab)
{
  nke_status st = NKE_OK;
  int64_t next_end;
  slab->begin = begin;
  const nke_range mine = share(e, rows, begin, &slab->end);
  NKE_TRY(nke_slab_read(e, dataset, rows, mine, slab));
  read_ahead(dataset, rows, share(e, rows, slab->end, &next_end));
  st = embed(e, slab);
done:
  return nke_agree(e->comm, st);
}

void nke_slab_clear(nke_slab *slab)
{
  nke_free(slab->row_buffer);
  nke_free(slab->x);
  nke_free(slab->raw_y);
  nke_free(slab->y);
  nke_free(slab->z);
  *slab = (nke_slab){.begin = slab->begin, .end = slab->end};
}
