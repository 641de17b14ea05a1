/* Double-double sums: 106 bits, so that the rounded total of a stream does not depend on the order or the ranks. */
#ifndef NKE_DATA_SUMS_H
#define NKE_DATA_SUMS_H

#include "base/status.h"

#include <mpi.h>
#include <stdint.h>

/* An unevaluated sum hi + lo, |lo| <= ulp(hi) / 2. */
typedef struct nke_dd {
  double hi, lo;
} nke_dd;

/* a + b with a relative error of about 2^-104 (accurate addition of Dekker and Knuth; [Joldes, Muller, Popescu, ACM
 * TOMS 2017], algorithm 6). */
static inline nke_dd nke_dd_add(nke_dd a, nke_dd b)
{
  const double s = a.hi + b.hi, bs = s - a.hi, e = (a.hi - (s - bs)) + (b.hi - bs);
  const double t = a.lo + b.lo, bt = t - a.lo, f = (a.lo - (t - bt)) + (b.lo - bt);
  const double c = e + t, vh = s + c, vl = c - (vh - s);
  const double w = f + vl, hi = vh + w;
  return (nke_dd){hi, w - (hi - vh)};
}

/* a + b for a plain double b. */
static inline nke_dd nke_dd_add_double(nke_dd a, double b)
{
  const double s = a.hi + b, bs = s - a.hi, e = (a.hi - (s - bs)) + (b - bs);
  const double v = a.lo + e, hi = s + v;
  return (nke_dd){hi, v - (hi - s)};
}

static inline double nke_dd_round(nke_dd a) { return a.hi + a.lo; }

/* sums[i] = the sum of sums[i] over the ranks, on every rank, for i < n. Collective.
 * Cost: an allreduce of 16 n bytes, cut into messages of at most 16 MiB. */
nke_status nke_dd_allreduce(MPI_Comm comm, int64_t n, nke_dd *sums);

#endif
