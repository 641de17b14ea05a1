/* Rates a rank of the Gram of M float features and K targets beside those of the BLAS's plain float product, taken in
 * turns in one run, and of the Cholesky solve beside the double product. Also peak memory, by which hidden copies would
 * show. Usage: mpirun -n P bench_gram [M [PANELS [K]]], default 8192 4 10. Wall time; rates of rank 0. */
#include "base/memory.h"
#include "base/rng.h"
#include "gram/gram.h"
#include "num/gemm.h"
#include "solve/library.h"
#include "solve/ridge.h"
#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 3072 };

typedef struct lap {
  double wall, cpu;
} lap;

static lap now(void)
{
  return (lap){nke_seconds(), cpu_seconds()};
}

static void report(const char *what, double flops, lap start, lap end)
{
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0)
    printf("%-22s %8.2f s wall %8.2f s CPU %8.1f GFlop/s wall %8.1f GFlop/s CPU\n", what, end.wall - start.wall,
           end.cpu - start.cpu, 1e-9 * flops / (end.wall - start.wall), 1e-9 * flops / (end.cpu - start.cpu));
}

/* A plain product of SIDE x SIDE matrices on every rank at once, in the buffer of three of them. */
static nke_status plain(nke_precision precision, const char *what, void *buffer)
{
  char *const a = buffer;
  const int64_t bytes = nke_precision_bytes(precision) * SIDE * SIDE;
  MPI_Barrier(MPI_COMM_WORLD);
  const lap start = now();
  const nke_status st =
      nke_gemm(precision, NKE_PLAIN, NKE_PLAIN, SIDE, SIDE, SIDE, a, SIDE, a + bytes, SIDE, 0.0, a + 2 * bytes, SIDE);
  report(what, 2.0 * SIDE * SIDE * SIDE, start, now());
  return st;
}

static nke_status accumulate(nke_gram *gram, nke_stats *stats, int panels, int64_t rows, const float *z,
                             const double *y)
{
  nke_status st = NKE_OK;
  const double before = stats->flops[NKE_STAGE_GRAM];
  MPI_Barrier(MPI_COMM_WORLD);
  const lap start = now();
  for (int p = 0; p < panels; p++) NKE_TRY(nke_gram_add(gram, rows, z, y));
  report("Gram", stats->flops[NKE_STAGE_GRAM] - before, start, now());
done:
  return st;
}

static nke_status solve(nke_gram *gram, int64_t m, int k, nke_stats *stats)
{
  nke_status st = NKE_OK;
  double *b = NULL, *x = NULL, trace;
  nke_ridge_info info = {0};
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  NKE_TRY(nke_alloc(m * k, sizeof *b, "right-hand side", &b));
  NKE_TRY(nke_alloc(m * k, sizeof *x, "solution", &x));
  NKE_TRY(nke_gram_cross(gram, b));
  NKE_TRY(nke_gram_trace(gram, &trace));
  const double before = stats->flops[NKE_STAGE_SOLVE];
  const lap start = now();
  NKE_TRY(nke_ridge_solve(nke_gram_matrix(gram), 1e-3 * trace / (double)nke_gram_rows(gram), k, b, stats, x, &info));
  report("Cholesky and solve", stats->flops[NKE_STAGE_SOLVE] - before, start, now());
  if (rank == 0) printf("residual %.1e, condition %.1e\n", info.residual, info.condition);
done:
  nke_free(x);
  nke_free(b);
  return st;
}

static nke_status run(int argc, char **argv)
{
  nke_status st = NKE_OK;
  const int64_t m = argc > 1 ? atoll(argv[1]) : 8192;
  const int panels = argc > 2 ? atoi(argv[2]) : 4, k = argc > 3 ? atoi(argv[3]) : 10;
  nke_stats stats = {0};
  nke_gram *gram = NULL;
  float *z = NULL;
  double *y = NULL, *buffer = NULL;
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int64_t rows = NKE_PANEL_ROWS / size;
  NKE_TRY(nke_solve_init(MPI_COMM_WORLD, 0, NULL));
  const int64_t base = nke_peak_rss();
  NKE_TRY(nke_alloc(rows * m, sizeof *z, "features", &z));
  NKE_TRY(nke_alloc(rows * k, sizeof *y, "targets", &y));
  for (int64_t i = 0; i < rows * m; i++)
    z[i] = (float)((uint32_t)((i + rank * rows * m) * 2654435761u) >> 8) * 0x1p-23f - 1;
  for (int64_t i = 0; i < rows * k; i++) y[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i);
  NKE_TRY(nke_gram_create(MPI_COMM_WORLD, m, k, NKE_SINGLE, &stats, &gram));
  NKE_TRY(accumulate(gram, &stats, panels, rows, z, y));
  NKE_TRY(solve(gram, m, k, &stats));
  const double counted = (double)(nke_gram_matrix_bytes(m, size) + 4 * rows * m) +
                         (double)nke_gram_panel_bytes(&nke_gram_matrix(gram)->grid, m, rows * size, NKE_SINGLE) +
                         (double)nke_ridge_bytes(&nke_gram_matrix(gram)->grid, m, k);
  if (rank == 0)
    printf("peak %.1f MB above the start, counted %.1f MB\n", 1e-6 * (double)(nke_peak_rss() - base), 1e-6 * counted);
  NKE_TRY(nke_calloc(3 * SIDE * SIDE, sizeof *buffer, "matrices", &buffer));
  for (int round = 0; round < 2; round++) {
    NKE_TRY(plain(NKE_SINGLE, "plain float product", buffer));
    NKE_TRY(plain(NKE_DOUBLE, "plain double product", buffer));
    NKE_TRY(accumulate(gram, &stats, panels, rows, z, y));
  }
done:
  if (st != NKE_OK) fprintf(stderr, "bench_gram: %s\n", nke_error_text());
  nke_free(buffer);
  nke_gram_destroy(&gram);
  nke_free(y);
  nke_free(z);
  nke_solve_finalize();
  return st;
}

int main(int argc, char **argv)
{
  MPI_Init(&argc, &argv);
  const nke_status st = run(argc, argv);
  if (st != NKE_OK) MPI_Abort(MPI_COMM_WORLD, nke_status_exit_code(st));
  MPI_Finalize();
  return 0;
}
