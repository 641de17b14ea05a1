#include "base/timer.h"

const char *const nke_stage_name[NKE_STAGE_COUNT] = {"read",  "preprocess", "embed", "gram",
                                                     "solve", "predict",    "write", "total"};

double nke_seconds(void)
{
  return MPI_Wtime();
}

void nke_stage_begin(nke_stats *stats, nke_stage stage)
{
  if (stats) stats->begun[stage] = nke_seconds();
}

void nke_stage_end(nke_stats *stats, nke_stage stage)
{
  if (stats) stats->seconds[stage] += nke_seconds() - stats->begun[stage];
}

nke_spread nke_spread_over_ranks(MPI_Comm comm, double value)
{
  int size;
  MPI_Comm_size(comm, &size);
  double top[2] = {-value, value};
  double sum = value;
  MPI_Allreduce(MPI_IN_PLACE, top, 2, MPI_DOUBLE, MPI_MAX, comm);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_DOUBLE, MPI_SUM, comm);
  return (nke_spread){.min = -top[0], .mean = sum / size, .max = top[1], .sum = sum};
}
