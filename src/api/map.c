#include "api/map.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

nke_status nke_map_prepare(const nke_map *map, int64_t n, const double *x, double *out)
{
  for (int64_t i = 0; i < n * map->d; i++)
    if (!isfinite(x[i]))
      return nke_fail(NKE_ERR_DATA, "rows in memory: row %lld, column %lld: expected a finite number, got %g",
                      (long long)(i / map->d), (long long)(i % map->d), x[i]);
  memcpy(out, x, (size_t)(n * map->d) * sizeof *out);
  return nke_preprocess_apply(map->preprocess, n, out);
}

nke_status nke_map_apply(const nke_map *map, int64_t n, const double *x, void *z)
{
  nke_status st = NKE_OK;
  double *rows = NULL;
  NKE_TRY(nke_alloc(nke_min(n, map->piece) * map->d, sizeof *rows, "rows to embed", &rows));
  for (int64_t first = 0; first < n; first += map->piece) {
    const int64_t count = nke_min(map->piece, n - first);
    NKE_TRY(nke_map_prepare(map, count, x + first * map->d, rows));
    NKE_TRY(nke_features_apply(map->features, count, rows,
                               (char *)z + first * map->m * nke_precision_bytes(map->precision)));
  }
done:
  nke_free(rows);
  return st;
}
