#include "num/panels.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

nke_status nke_panels_add(nke_panels *panels, double edge)
{
  nke_status st = NKE_OK;
  if (panels->n == panels->room) {
    const int64_t room = 2 * panels->room + 64;
    NKE_TRY(nke_grow(panels->n, room, sizeof *panels->edge, "panel edges", &panels->edge));
    panels->room = room;
  }
  panels->edge[panels->n++] = edge;
done:
  return st;
}

nke_status nke_panels_add_pieces(nke_panels *panels, const nke_pieces *pieces, double sigma, double span, double fine)
{
  nke_status st = NKE_OK;
  if (sigma <= 0) return NKE_OK;
  for (int i = 0; i < pieces->n_kinks; i++)
    if (fabs(pieces->kink[i]) < span * sigma) NKE_TRY(nke_panels_add(panels, pieces->kink[i] / sigma));
  for (int64_t i = 0; i < pieces->n_panels; i++) {
    const double lo = pieces->panel[i], hi = pieces->panel[i + 1];
    if (hi - lo > fine * sigma) continue;
    if (fabs(lo) < span * sigma) NKE_TRY(nke_panels_add(panels, lo / sigma));
    if (fabs(hi) < span * sigma) NKE_TRY(nke_panels_add(panels, hi / sigma));
  }
done:
  return st;
}

nke_status nke_panels_add_grid(nke_panels *panels, double span, double step)
{
  nke_status st = NKE_OK;
  const int n = (int)ceil(2 * span / step);
  for (int i = 0; i <= n; i++) NKE_TRY(nke_panels_add(panels, -span + 2 * span * i / n));
done:
  return st;
}

static int compare(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void nke_panels_sort(nke_panels *panels)
{
  if (panels->n == 0) return;
  qsort(panels->edge, (size_t)panels->n, sizeof(double), compare);
  int64_t kept = 0;
  for (int64_t i = 0; i < panels->n; i++)
    if (kept == 0 || panels->edge[i] - panels->edge[kept - 1] > 1e-15) panels->edge[kept++] = panels->edge[i];
  panels->n = kept;
}

void nke_panels_clear(nke_panels *panels)
{
  nke_free(panels->edge);
  memset(panels, 0, sizeof *panels);
}
