#include "run/panel.h"

#include "base/memory.h"

int64_t nke_panel_rows(int64_t d, int64_t m, nke_precision precision, int64_t memory_per_rank)
{
  int64_t rows = 2048;
  const int64_t row_bytes = 8 * d + 2 * m * nke_precision_bytes(precision);
  while (rows > NKE_BLOCK_ROWS && rows * row_bytes > memory_per_rank / 8) rows /= 2;
  return rows;
}

/* Buffers for n rows; they only ever grow. */
static nke_status reserve(const nke_embedder *e, const nke_dataset *dataset, int64_t n, nke_panel *panel)
{
  nke_status st = NKE_OK;
  if (n <= panel->capacity) return st;
  nke_panel_clear(panel);
  const int64_t d = nke_dataset_length(dataset), m = nke_features_length(e->features);
  NKE_TRY(nke_alloc(n, sizeof *panel->row_buffer, "row numbers of a panel", &panel->row_buffer));
  NKE_TRY(nke_alloc(n * d, sizeof *panel->x, "rows of a panel", &panel->x));
  NKE_TRY(nke_alloc(n * m, (size_t)nke_precision_bytes(e->precision), "features of a panel", &panel->z));
  if (e->targets) {
    NKE_TRY(nke_alloc(n * nke_targets_columns(e->targets), sizeof *panel->raw_y, "targets of a panel", &panel->raw_y));
    NKE_TRY(nke_alloc(n * nke_targets_count(e->targets), sizeof *panel->y, "targets of a panel", &panel->y));
  }
  panel->capacity = n;
done:
  return st;
}

nke_status nke_panel_read(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                          nke_panel *panel)
{
  nke_status st = NKE_OK;
  const int64_t n = range.end - range.begin;
  NKE_TRY(reserve(e, dataset, n, panel));
  for (int64_t i = 0; i < n; i++)
    panel->row_buffer[i] = rows->index ? rows->index[range.begin + i] : range.begin + i;
  panel->rows = panel->row_buffer;
  panel->first = range.begin;
  panel->n = n;
  nke_stage_begin(e->stats, NKE_STAGE_READ);
  st = nke_dataset_read(dataset, n, panel->rows, panel->x, panel->raw_y);
  nke_stage_end(e->stats, NKE_STAGE_READ);
  if (st != NKE_OK) goto done;
  if (e->targets) NKE_TRY(nke_targets_encode(e->targets, dataset, n, panel->rows, panel->raw_y, panel->y));
  nke_stage_begin(e->stats, NKE_STAGE_PREPROCESS);
  st = nke_preprocess_apply(e->preprocess, n, panel->x);
  nke_stage_end(e->stats, NKE_STAGE_PREPROCESS);
done:
  return st;
}

static nke_status make_local(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                             nke_panel *panel)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_panel_read(e, dataset, rows, range, panel));
  nke_stage_begin(e->stats, NKE_STAGE_EMBED);
  st = nke_features_apply(e->features, panel->n, panel->x, panel->z);
  nke_stage_end(e->stats, NKE_STAGE_EMBED);
  if (e->stats) e->stats->flops[NKE_STAGE_EMBED] += nke_features_flops_per_row(e->features) * (double)panel->n;
done:
  return st;
}

nke_status nke_panel_make(const nke_embedder *e, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                          nke_panel *panel)
{
  int rank, size;
  MPI_Comm_rank(e->comm, &rank);
  MPI_Comm_size(e->comm, &size);
  panel->begin = begin;
  panel->end = nke_min(rows->n, begin + e->panel_rows);
  const nke_range mine = nke_split_blocks(panel->end - begin, size, rank);
  const nke_range range = {begin + mine.begin, begin + mine.end};
  return nke_agree(e->comm, make_local(e, dataset, rows, range, panel));
}

void nke_panel_clear(nke_panel *panel)
{
  nke_free(panel->row_buffer);
  nke_free(panel->x);
  nke_free(panel->raw_y);
  nke_free(panel->y);
  nke_free(panel->z);
  *panel = (nke_panel){.begin = panel->begin, .end = panel->end};
}
