#include "run/slab.h"

#include "base/memory.h"
#include "gram/gram.h"

int64_t nke_panel_rows(int64_t d, int64_t m, nke_precision precision, int64_t memory_per_rank)
{
  int64_t rows = NKE_PANEL_ROWS;
  const int64_t row_bytes = 8 * d + 2 * m * nke_precision_bytes(precision);
  while (rows > NKE_BLOCK_ROWS && rows * row_bytes > memory_per_rank / 8) rows /= 2;
  return rows;
}

int64_t nke_slab_rows(int64_t panel_rows, int ranks)
{
  const int64_t of_a_rank = nke_min(panel_rows, 8 * NKE_BLOCK_ROWS);
  return nke_ceil_div(of_a_rank * ranks, panel_rows) * panel_rows;
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
    NKE_TRY(nke_alloc(n * nke_targets_columns(e->targets), sizeof *slab->raw_y, "targets of a slab", &slab->raw_y));
    NKE_TRY(nke_alloc(n * nke_targets_count(e->targets), sizeof *slab->y, "targets of a slab", &slab->y));
  }
  slab->capacity = n;
done:
  return st;
}

/* Read, preprocess and encode, without embedding. */
static nke_status read_rows(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                            nke_slab *slab)
{
  nke_status st = NKE_OK;
  const int64_t n = range.end - range.begin;
  NKE_TRY(reserve(e, dataset, n, slab));
  for (int64_t i = 0; i < n; i++)
    slab->row_buffer[i] = rows->index ? rows->index[range.begin + i] : range.begin + i;
  slab->rows = slab->row_buffer;
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

nke_status nke_slab_embed(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                          nke_slab *slab)
{
  nke_status st = NKE_OK;
  NKE_TRY(read_rows(e, dataset, rows, range, slab));
  nke_stage_begin(e->stats, NKE_STAGE_EMBED);
  st = e->kernel ? nke_kernel_rows_apply(e->kernel, slab->n, slab->x, slab->z)
                 : nke_features_apply(e->features, slab->n, slab->x, slab->z);
  nke_stage_end(e->stats, NKE_STAGE_EMBED);
  if (e->stats) e->stats->flops[NKE_STAGE_EMBED] += e->flops_per_row * (double)slab->n;
done:
  return st;
}

nke_status nke_slab_make(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                          nke_slab *slab)
{
  int rank, size;
  MPI_Comm_rank(e->comm, &rank);
  MPI_Comm_size(e->comm, &size);
  slab->begin = begin;
  slab->end = nke_min(rows->n, begin + e->slab_rows);
  const nke_range mine = nke_split_blocks(slab->end - begin, size, rank);
  const nke_range range = {begin + mine.begin, begin + mine.end};
  return nke_agree(e->comm, nke_slab_embed(e, dataset, rows, range, slab));
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
