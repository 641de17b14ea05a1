/* Distances of two kernels, what a pair costs, and rates of this machine. */
#ifndef NKE_RUN_COMPARE_MEASURE_H
#define NKE_RUN_COMPARE_MEASURE_H

#include "base/checked.h"
#include "dist/blockcyclic.h"
#include "run/cost.h"
#include "run/session.h"

typedef struct nke_distances {
  double raw;     /* |S - K|_F / |K|_F */
  double scaled;  /* min over c of |c S - K|_F / |K|_F */
  double centred; /* |H (S - K) H|_F / |H K H|_F, H = I - 11'/n; NaN where H K H is 0 but for rounding */
} nke_distances;

/* Both symmetric, one layout, blocks on and below the diagonal are read. Collective; 2 products with a vector each. */
nke_status nke_distances_of(const nke_bcmat *k, const nke_bcmat *s, nke_distances *out);

/* Seconds a pair of the exact kernel by blocks of tile x tile rows of data.train, all ranks at work, at least two blocks
 * a rank. Collective. */
nke_status nke_measure_pair(const nke_session *session, int64_t tile, nke_cost *cost);

/* Work a core-second: n m^2 of a Gram matrix, m^3 / 3 of a Cholesky factor, at m = 2048; the mean of three each, once they
 * are warm. Collective. */
nke_status nke_measure_rates(MPI_Comm comm, nke_precision precision, double *gram, double *factor);

/* Bytes that it takes on the rank that needs most. Local. */
int64_t nke_measure_rates_bytes(const nke_grid *grid, nke_precision precision);

#endif
