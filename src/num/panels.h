/* Edges of integration panels on the axis of a standard normal variable. */
#ifndef NKE_NUM_PANELS_H
#define NKE_NUM_PANELS_H

#include "base/status.h"
#include "num/pieces.h"

#include <stdint.h>

typedef struct nke_panels {
  int64_t n, room;
  double *edge;
} nke_panels;

/* Add the edges of phi(sigma z) within |z| <= span: every kink, and the ends of the panels of phi shorter than `fine`
 * in z (longer ones are smooth enough for any panel up to that length). sigma = 0 adds none. */
nke_status nke_panels_add_pieces(nke_panels *panels, const nke_pieces *pieces, double sigma, double span, double fine);

/* Add equally spaced edges from -span to span, at most `step` apart. */
nke_status nke_panels_add_grid(nke_panels *panels, double span, double step);

/* Add one edge. */
nke_status nke_panels_add(nke_panels *panels, double edge);

/* Sort ascending and drop doubles. */
void nke_panels_sort(nke_panels *panels);

void nke_panels_clear(nke_panels *panels);

#endif
