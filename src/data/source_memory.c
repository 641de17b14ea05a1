/* Rows that the caller has in memory: a copy of all of them on every rank, so that any rank can read any row. */
#include "base/memory.h"
#include "data/source.h"
#include "dist/collect.h"

#include <string.h>

typedef struct memory_state {
  int64_t width[2]; /* by nke_part */
  double *rows[2];
} memory_state;

static nke_status describe(const nke_memory_rows *m, const char *path, int64_t n, nke_source *source)
{
  nke_status st = NKE_OK;
  int64_t dims[4] = {n}, y_dims[2] = {n, m->k};
  if (m->n < 0 || m->n_dims > 3 || m->k < 0 || (m->n > 0 && (!m->x || (m->k > 0 && !m->y))))
    return nke_fail(NKE_ERR_USAGE,
                    "%s: expected n >= 0 rows x, with 1 to 3 dimensions a row, and k >= 0 targets y a row", path);
  memcpy(dims + 1, m->dims, (size_t)m->n_dims * sizeof *dims);
  NKE_TRY(nke_source_set_x(source, 1 + m->n_dims, dims, path, "x"));
  if (m->k > 0) NKE_TRY(nke_source_set_y(source, 2, y_dims, path, "y"));
done:
  return st;
}

static nke_status reserve(nke_source *source)
{
  nke_status st = NKE_OK;
  memory_state *s = NULL;
  NKE_TRY(nke_calloc(1, sizeof *s, "rows in memory", &s));
  source->state = s;
  s->width[NKE_PART_X] = nke_shape_length(source->shape);
  s->width[NKE_PART_Y] = source->targets;
  for (int part = 0; part < 2; part++)
    NKE_TRY(nke_alloc(source->rows * s->width[part], sizeof *s->rows[part], "rows in memory", &s->rows[part]));
  source->bytes = source->rows * (s->width[NKE_PART_X] + s->width[NKE_PART_Y]) * (int64_t)sizeof(double);
done:
  return st;
}

static nke_status open_memory(MPI_Comm comm, const nke_data_spec *spec, const char *path, nke_source *source)
{
  nke_status st = NKE_OK;
  const nke_memory_rows *const m = &spec->memory;
  const int64_t layout[5] = {m->n_dims, m->dims[0], m->dims[1], m->dims[2], m->k};
  if (!nke_same_on_ranks(comm, 5, layout))
    return nke_fail(NKE_ERR_USAGE, "%s: expected rows and targets of one shape on all ranks", path);
  NKE_TRY(nke_agree(comm, describe(m, path, nke_rows_total(comm, m->n), source)));
  NKE_TRY(nke_agree(comm, reserve(source)));
  const memory_state *const s = source->state;
  NKE_TRY(nke_gather_rows(comm, m->n, s->width[NKE_PART_X], m->x, s->rows[NKE_PART_X]));
  if (m->k > 0) NKE_TRY(nke_gather_rows(comm, m->n, m->k, m->y, s->rows[NKE_PART_Y]));
done:
  return st;
}

static nke_status read_memory(nke_source *source, int64_t first, int64_t n, double *x, double *y)
{
  const memory_state *const s = source->state;
  double *const out[2] = {x, y};
  for (int part = 0; part < 2; part++)
    if (out[part])
      memcpy(out[part], s->rows[part] + first * s->width[part], (size_t)(n * s->width[part]) * sizeof(double));
  return NKE_OK;
}

static void close_memory(nke_source *source)
{
  memory_state *const s = source->state;
  if (!s) return;
  nke_free(s->rows[NKE_PART_X]);
  nke_free(s->rows[NKE_PART_Y]);
  nke_free(s);
  source->state = NULL;
}

static const char *const extensions[] = {NULL};

const nke_source_class nke_source_memory = {extensions, open_memory, read_memory, NULL, NULL, NULL, close_memory};
