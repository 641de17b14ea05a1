/* A row too wide for one rank: time and memory a rank of its sketch over all ranks, and the largest difference from the
 * sketch that rank 0 makes of the same row alone, relative to the norm of the sketch. Usage: mpirun -n P bench_wide
 * [COLUMNS [FEATURES]], default 2^24 columns, 4096 features, float. */
#include "base/memory.h"
#include "base/rng.h"
#include "base/timer.h"
#include "sketch/wide.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Entries in (-1, 1) that cost less than the sketch. */
static float entry(int64_t column)
{
  return (float)((uint32_t)(column * 2654435761u) >> 8) * 0x1p-23f - 1;
}

static nke_status sketch(MPI_Comm comm, const nke_wide_kind *kind, int64_t n, int64_t m, float *y, double *seconds,
                         int64_t *bytes)
{
  nke_status st = NKE_OK;
  nke_draws draws = {1, 0};
  nke_wide *wide = NULL;
  float *x = NULL;
  NKE_TRY(nke_wide_create(comm, kind, NKE_SINGLE, n, m, &draws, &wide));
  const nke_range columns = nke_wide_columns(wide);
  st = nke_alloc(columns.end - columns.begin, sizeof *x, "row", &x);
  NKE_TRY(nke_agree(comm, st));
  for (int64_t j = columns.begin; j < columns.end; j++) x[j - columns.begin] = entry(j);
  *seconds = 1e30;
  for (int trial = 0; trial < 3; trial++) {
    MPI_Barrier(comm);
    const double start = nke_seconds();
    NKE_TRY(nke_wide_apply(wide, 1, x, y));
    *seconds = fmin(*seconds, nke_seconds() - start);
  }
  *bytes = nke_wide_bytes(wide) + (columns.end - columns.begin) * (int64_t)sizeof *x;
done:
  nke_free(x);
  nke_wide_destroy(&wide);
  return st;
}

static nke_status bench(const char *name, const nke_wide_kind *kind, int64_t n, int64_t m)
{
  nke_status st = NKE_OK;
  float *together = NULL, *alone = NULL;
  double seconds, seconds_alone;
  int64_t bytes, bytes_alone;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  NKE_TRY(nke_alloc(m, sizeof *together, "sketch", &together));
  NKE_TRY(nke_alloc(m, sizeof *alone, "sketch", &alone));
  NKE_TRY(sketch(MPI_COMM_WORLD, kind, n, m, together, &seconds, &bytes));
  const nke_spread all = nke_spread_over_ranks(MPI_COMM_WORLD, (double)bytes);
  if (rank == 0) {
    NKE_TRY(sketch(MPI_COMM_SELF, kind, n, m, alone, &seconds_alone, &bytes_alone));
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < m; i++) {
      difference = fmax(difference, fabs((double)together[i] - (double)alone[i]));
      norm += (double)alone[i] * (double)alone[i];
    }
    printf("%-12s %lld -> %lld: %.3f s and at most %.1f MiB a rank; one rank %.3f s, %.1f MiB; difference %.1e\n", name,
           (long long)n, (long long)m, seconds, all.max / 1048576, seconds_alone, (double)bytes_alone / 1048576,
           difference / sqrt(norm));
  }
done:
  nke_free(together);
  nke_free(alone);
  return st;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  nke_status st = NKE_OK;
  const int64_t n = argc > 1 ? atoll(argv[1]) : 1 << 24, m = argc > 2 ? atoll(argv[2]) : 4096;
  NKE_TRY(bench("countsketch", &nke_wide_countsketch, n, m));
  NKE_TRY(bench("srft", &nke_wide_srft, n, m));
done:
  if (st != NKE_OK) fprintf(stderr, "bench_wide: %s\n", nke_error_text());
  MPI_Finalize();
  return nke_status_exit_code(st);
}
