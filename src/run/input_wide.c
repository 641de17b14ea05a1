#include "run/input_wide.h"

#include "base/memory.h"
#include "sketch/wide.h"

#include <string.h>

/* Rows at a time, fewer where a rank's columns of them would be more than a sixteenth of its memory. */
static int64_t slab_rows(const nke_config *config, const nke_dataset *dataset, int ranks)
{
  enum { MOST = 256, PART = 16 };
  const int64_t row = 8 * (nke_ceil_div(nke_dataset_length(dataset), ranks) + config->data.sketch.columns);
  const int64_t rows = nke_min(MOST, nke_dataset_rows(dataset));
  return nke_max(1, nke_min(rows, config->run.memory_per_rank / PART / row));
}

/* part [rows, columns] of the data set. Local. */
static nke_status read_part(nke_dataset *dataset, nke_range rows, nke_range columns, double *part)
{
  nke_status st = NKE_OK;
  const int64_t width = columns.end - columns.begin;
  for (int64_t i = rows.begin; i < rows.end; i++)
    NKE_TRY(nke_dataset_read_columns(dataset, i, columns, part + (i - rows.begin) * width));
done:
  return st;
}

/* The sketch of every row, of which this rank keeps rows `mine`: kept [mine, m]. slab: rows at a time. Collective. */
static nke_status sketch_rows(MPI_Comm comm, nke_wide *wide, nke_dataset *dataset, int64_t slab, int64_t m,
                              nke_range mine, double *kept)
{
  nke_status st = NKE_OK;
  const nke_range columns = nke_wide_columns(wide);
  const int64_t n = nke_dataset_rows(dataset);
  double *part = NULL, *sketch = NULL;
  st = nke_alloc(slab * (columns.end - columns.begin), sizeof *part, "columns of wide rows", &part);
  if (st == NKE_OK) st = nke_alloc(slab * m, sizeof *sketch, "sketches of wide rows", &sketch);
  NKE_TRY(nke_agree(comm, st));
  for (int64_t first = 0; first < n; first += slab) {
    const nke_range rows = {first, nke_min(n, first + slab)};
    NKE_TRY(nke_agree(comm, read_part(dataset, rows, columns, part)));
    NKE_TRY(nke_wide_apply(wide, rows.end - rows.begin, part, sketch));
    const int64_t begin = nke_max(rows.begin, mine.begin), end = nke_min(rows.end, mine.end);
    if (begin < end)
      memcpy(kept + (begin - mine.begin) * m, sketch + (begin - first) * m, (size_t)((end - begin) * m) * sizeof *kept);
  }
done:
  nke_free(sketch);
  nke_free(part);
  return st;
}

static nke_status check_options(nke_config *config, const nke_dataset *dataset)
{
  nke_config_sketch *const options = &config->data.sketch;
  if (options->kind == NKE_INPUT_AUTO) options->kind = NKE_INPUT_COUNTSKETCH;
  if (options->kind != NKE_INPUT_COUNTSKETCH && options->kind != NKE_INPUT_SRFT)
    return nke_fail(NKE_ERR_USAGE, "%s: data.layout: columns: data.sketch.kind: expected auto, countsketch or srft",
                    config->name);
  const double bytes = 8.0 * (double)nke_dataset_rows(dataset) * (double)options->columns;
  if (bytes <= (double)config->run.memory_per_rank / 2) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE,
                  "%s: data.layout: columns: %.0f MiB of sketched rows are more than half of run.memory_per_rank; lower "
                  "data.sketch.columns",
                  nke_dataset_path(dataset), bytes / 1048576);
}

nke_status nke_input_gather(MPI_Comm comm, nke_config *config, const nke_data_spec *spec, nke_dataset *dataset,
                            nke_dataset **out)
{
  nke_status st = NKE_OK;
  nke_wide *wide = NULL;
  double *x = NULL, *y = NULL;
  nke_fingerprint print; /* of the file: the sketch is summed up over the ranks, in an order of their number */
  nke_draws draws = {config->run.seed, NKE_INPUT_STREAM};
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  NKE_TRY(nke_agree(comm, check_options(config, dataset)));
  const int64_t m = config->data.sketch.columns, k = nke_dataset_targets(dataset);
  const nke_range mine = nke_split(nke_dataset_rows(dataset), size, rank);
  const int64_t n = mine.end - mine.begin;
  NKE_TRY(nke_dataset_fingerprint(comm, dataset, &print));
  NKE_TRY(nke_wide_create(comm, config->data.sketch.kind == NKE_INPUT_SRFT ? &nke_wide_srft : &nke_wide_countsketch,
                          NKE_DOUBLE, nke_dataset_length(dataset), m, &draws, &wide));
  st = nke_alloc(n * m, sizeof *x, "sketched rows", &x);
  if (st == NKE_OK) st = nke_alloc(n * k, sizeof *y, "targets of sketched rows", &y);
  if (st == NKE_OK && k > 0) st = nke_dataset_read_range(dataset, mine, NULL, y);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(sketch_rows(comm, wide, dataset, slab_rows(config, dataset, size), m, mine, x));
  const nke_data_spec sketched = {
      .file = nke_dataset_path(dataset),
      .x = spec->x,
      .y = spec->y,
      .row_end = -1,
      .memory = {.n = n, .n_dims = 1, .dims = {m}, .k = k, .x = x, .y = y, .first = nke_dataset_first_row(dataset)}};
  NKE_TRY(nke_dataset_open(comm, &sketched, out));
  nke_dataset_set_fingerprint(*out, print);
done:
  nke_free(y);
  nke_free(x);
  nke_wide_destroy(&wide);
  return st;
}
