#include "data/sparse.h"

#include "base/checked.h"
#include "base/memory.h"

#include <string.h>

nke_status nke_sparse_begin(nke_sparse *s, int64_t rows, int64_t entries)
{
  nke_status st = NKE_OK;
  if (rows > s->rows_room || entries > s->room || !s->start) {
    const int64_t most_rows = nke_max(rows, s->rows_room), most = nke_max(entries, s->room);
    nke_sparse_clear(s);
    NKE_TRY(nke_alloc(most_rows + 1, sizeof *s->start, "sparse rows", &s->start));
    NKE_TRY(nke_alloc(most, sizeof *s->index, "sparse rows", &s->index));
    NKE_TRY(nke_alloc(most, sizeof *s->value, "sparse rows", &s->value));
    s->rows_room = most_rows;
    s->room = most;
  }
  s->rows = 0;
  s->start[0] = s->start[1 <= s->rows_room] = 0;
done:
  return st;
}

static nke_status grow(nke_sparse *s, int64_t used)
{
  nke_status st = NKE_OK;
  const int64_t room = nke_max(1024, 2 * s->room);
  NKE_TRY(nke_grow(used, room, sizeof *s->index, "sparse rows", &s->index));
  NKE_TRY(nke_grow(used, room, sizeof *s->value, "sparse rows", &s->value));
  s->room = room;
done:
  return st;
}

nke_status nke_sparse_add(nke_sparse *s, int64_t index, double value)
{
  nke_status st = NKE_OK;
  const int64_t at = s->start[s->rows + 1];
  if (at == s->room) NKE_TRY(grow(s, at));
  s->index[at] = index;
  s->value[at] = value;
  s->start[s->rows + 1] = at + 1;
done:
  return st;
}

void nke_sparse_end_row(nke_sparse *s)
{
  s->rows++;
  if (s->rows < s->rows_room) s->start[s->rows + 1] = s->start[s->rows];
}

void nke_sparse_fill(const nke_sparse *s, int64_t i, int64_t d, double *out)
{
  memset(out, 0, (size_t)d * sizeof *out);
  for (int64_t k = s->start[i]; k < s->start[i + 1]; k++) out[s->index[k]] += s->value[k];
}

void nke_sparse_clear(nke_sparse *s)
{
  nke_free(s->start);
  nke_free(s->index);
  nke_free(s->value);
  *s = (nke_sparse){0};
}
