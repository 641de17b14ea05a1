#include "run/cost.h"

#include "base/timer.h"
#include "dist/collect.h"

#include <math.h>

void nke_cost_add(nke_cost *c, double seconds, double units)
{
  const double each = seconds / units;
  c->least = c->units > 0 ? fmin(c->least, each) : each;
  c->most = fmax(c->most, each);
  c->seconds += seconds;
  c->units += units;
}

void nke_cost_share(MPI_Comm comm, nke_cost *c)
{
  double sums[2] = {c->seconds, c->units};
  nke_sum_over_ranks(comm, 2, sums);
  c->least = nke_spread_over_ranks(comm, c->units > 0 ? c->least : INFINITY).min;
  c->most = nke_spread_over_ranks(comm, c->most).max;
  c->seconds = sums[0];
  c->units = sums[1];
}

double nke_cost_mean(const nke_cost *c)
{
  return c->units > 0 ? c->seconds / c->units : NAN;
}
