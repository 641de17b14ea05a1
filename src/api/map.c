#include "api/map.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

nke_status nke_map_prepare(const nke_preprocess *preprocess, int64_t n, int64_t d, const double *x, double *out)
{
  for (int64_t i = 0; i < n * d; i++)
    if (!isfinite(x[i]))
      return nke_fail(NKE_ERR_DATA, "rows in memory: row %lld, column %lld: expected a finite number, got %g",
                      (long long)(i / d), (long long)(i % d), x[i]);
  memcpy(out, x, (size_t)(n * d) * sizeof *out);
  return nke_preprocess_apply(preprocess, n, out);
}

nke_status nke_map_apply(const nke_embedder *e, int64_t n, int64_t d, const double *x, void *z)
{
  nke_status st = NKE_OK;
  double *rows = NULL;
  NKE_TRY(nke_alloc(nke_min(n, e->slab.own) * d, sizeof *rows, "rows to embed", &rows));
  for (int64_t first = 0; first < n; first += e->slab.own) {
    const int64_t count = nke_min(e->slab.own, n - first);
    NKE_TRY(nke_map_prepare(e->preprocess, count, d, x + first * d, rows));
    NKE_TRY(nke_embedder_apply(e, count, rows, (char *)z + first * e->m * nke_precision_bytes(e->precision)));
  }
done:
  nke_free(rows);
  return st;
}
