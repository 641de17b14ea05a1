#include "base/checked.h"
#include "base/memory.h"
#include "data/dataset_impl.h"

#include <math.h>
#include <string.h>

/* Rows of one read, and bytes of their entries on average. */
enum { MOST_ROWS = 512, MOST_BYTES = 16 << 20 };

static nke_status check_values(const nke_dataset *d, int64_t i, int64_t row)
{
  const nke_sparse *const s = &d->sparse;
  for (int64_t k = s->start[i]; k < s->start[i + 1]; k++)
    if (!isfinite(s->value[k]))
      return nke_fail(NKE_ERR_DATA, "%s: %s: row %lld, column %lld: expected a finite number, got %g", d->path, d->x,
                      (long long)row, (long long)s->index[k], s->value[k]);
  return NKE_OK;
}

/* Row i of those in flight: sketched, or filled in. */
static void take_row(const nke_dataset *d, int64_t i, double *x)
{
  const nke_sparse *const s = &d->sparse;
  if (d->map.length == 0) {
    nke_sparse_fill(s, i, nke_shape_length(d->source.shape), x);
    return;
  }
  const int64_t first = s->start[i];
  d->map.sparse(d->map.context, s->start[i + 1] - first, s->index + first, s->value + first, x);
}

/* rows[count] by one read of all rows between the first and the last; y_span: room for their targets. */
static nke_status read_span(nke_dataset *d, int64_t count, const int64_t *rows, double *y_span, double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t span = rows[count - 1] - rows[0] + 1, k = d->source.targets, length = nke_dataset_length(d);
  const int64_t first = d->rows.begin + rows[0];
  NKE_TRY(d->source.class->read_sparse(&d->source, first, span, x ? &d->sparse : NULL, y ? y_span : NULL));
  for (int64_t j = 0; j < count; j++) {
    const int64_t i = rows[j] - rows[0];
    if (x) {
      NKE_TRY(check_values(d, i, first + i));
      take_row(d, i, x + j * length);
    }
    if (y) {
      NKE_TRY(nke_dataset_check_finite(d, NKE_PART_Y, first + i, k, y_span + i * k));
      memcpy(y + j * k, y_span + i * k, (size_t)k * sizeof *y);
    }
  }
done:
  return st;
}

nke_status nke_dataset_read_sparse(nke_dataset *d, int64_t n, const int64_t *rows, double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t k = d->source.targets, length = nke_dataset_length(d);
  const int64_t most = nke_max(1, nke_min(MOST_ROWS, MOST_BYTES / (16 * d->source.entries)));
  double *y_span = NULL;
  NKE_TRY(nke_alloc(most * k, sizeof *y_span, "targets of sparse rows", &y_span));
  for (int64_t i = 0, count; i < n; i += count) {
    count = 1;
    while (i + count < n && rows[i + count] - rows[i] < nke_min(most, 2 * (count + 1))) count++;
    NKE_TRY(read_span(d, count, rows + i, y_span, x ? x + i * length : NULL, y ? y + i * k : NULL));
  }
done:
  nke_free(y_span);
  return st;
}
