/* Seconds of a path of 30 lambda: one eigendecomposition with 30 solutions and criteria, against a Cholesky factor each.
 * Usage: mpirun -n P bench_path [ORDER [TARGETS]], default 2048 and 10. Wall time of the slowest rank. */
#include "base/memory.h"
#include "base/rng.h"
#include "dist/collect.h"
#include "dist/split.h"
#include "gram/gram.h"
#include "solve/eigen.h"
#include "solve/library.h"
#include "solve/ridge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 30 };

static double slowest(double begun)
{
  return nke_spread_over_ranks(MPI_COMM_WORLD, nke_seconds() - begun).max;
}

/* Z'Z and Z'Y of 2 m rows of normals. */
static nke_status make_gram(int64_t m, int k, nke_gram **gram)
{
  nke_status st = NKE_OK;
  float *z = NULL;
  double *y = NULL;
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const nke_range mine = nke_split(2 * m, size, rank);
  const int64_t rows = mine.end - mine.begin;
  NKE_TRY(nke_alloc(rows * m, sizeof *z, "features", &z));
  NKE_TRY(nke_alloc(rows * k, sizeof *y, "targets", &y));
  for (int64_t i = 0; i < rows * m; i++)
    z[i] = (float)nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)(mine.begin * m + i));
  for (int64_t i = 0; i < rows * k; i++)
    y[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)(mine.begin * k + i));
  NKE_TRY(nke_gram_create(MPI_COMM_WORLD, m, k, NKE_SINGLE, NULL, gram));
  st = nke_gram_add(*gram, rows, z, y);
done:
  nke_free(y);
  nke_free(z);
  return st;
}

static nke_status by_eigen(nke_gram *gram, int64_t m, int k, const double *b, double mean, double *x, double seconds[2])
{
  nke_status st = NKE_OK;
  nke_eigen *eigen = NULL;
  double criterion = 0;
  const double begun = nke_seconds();
  NKE_TRY(nke_eigen_create(nke_gram_matrix(gram), k, b, NULL, &eigen));
  seconds[0] = slowest(begun);
  for (int i = 0; i < POINTS; i++) {
    const double shift = mean * pow(10, -6 + 0.2 * i);
    NKE_TRY(nke_eigen_solve(eigen, shift, x + i * m * k));
    criterion += nke_eigen_gcv_primal(eigen, shift, nke_gram_rows(gram), nke_gram_squares(gram));
  }
  seconds[1] = slowest(begun);
  if (!isfinite(criterion)) st = nke_fail(NKE_ERR_NUMERIC, "no criterion");
done:
  nke_eigen_destroy(&eigen);
  return st;
}

/* Largest difference of the two ways' solutions, relative to the largest entry of each. */
static nke_status by_cholesky(nke_gram *gram, int64_t m, int k, const double *b, double mean, const double *x,
                              double *seconds, double *difference)
{
  nke_status st = NKE_OK;
  nke_ridge_info info;
  double *own = NULL;
  NKE_TRY(nke_alloc(m * k, sizeof *own, "a solution", &own));
  *difference = 0;
  *seconds = 0;
  for (int i = 0; i < POINTS; i++) {
    const double begun = nke_seconds();
    double most = 0, apart = 0;
    NKE_TRY(nke_ridge_solve(nke_gram_matrix(gram), mean * pow(10, -6 + 0.2 * i), k, b, NULL, own, &info));
    *seconds += slowest(begun);
    for (int64_t e = 0; e < m * k; e++) {
      most = fmax(most, fabs(own[e]));
      apart = fmax(apart, fabs(own[e] - x[i * m * k + e]));
    }
    *difference = fmax(*difference, apart / most);
  }
done:
  nke_free(own);
  return st;
}

static nke_status run(int argc, char **argv)
{
  nke_status st = NKE_OK;
  const int64_t m = argc > 1 ? atoll(argv[1]) : 2048;
  const int k = argc > 2 ? atoi(argv[2]) : 10;
  nke_gram *gram = NULL;
  double *b = NULL, *x = NULL, trace, eigen[2], cholesky, difference;
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  NKE_TRY(nke_solve_init(MPI_COMM_WORLD, 0, NULL));
  NKE_TRY(make_gram(m, k, &gram));
  NKE_TRY(nke_alloc(m * k, sizeof *b, "right-hand side", &b));
  NKE_TRY(nke_alloc(POINTS * m * k, sizeof *x, "solutions", &x));
  NKE_TRY(nke_gram_cross(gram, b));
  NKE_TRY(nke_gram_trace(gram, &trace));
  const double mean = trace / (double)nke_gram_rows(gram);
  NKE_TRY(by_eigen(gram, m, k, b, mean, x, eigen));
  NKE_TRY(by_cholesky(gram, m, k, b, mean, x, &cholesky, &difference));
  if (rank == 0) {
    printf("order %lld, %d targets, %d lambda\n", (long long)m, k, POINTS);
    printf("eigendecomposition %.2f s, with the path %.2f s: %.3f times\n", eigen[0], eigen[1], eigen[1] / eigen[0]);
    printf("Cholesky factors %.2f s, %.3f s each: as dear as the other from %.1f lambda on\n", cholesky,
           cholesky / POINTS, eigen[1] / cholesky * POINTS);
    printf("solutions differ by %.1e of the largest weight\n", difference);
  }
done:
  if (st != NKE_OK) fprintf(stderr, "bench_path: %s\n", nke_error_text());
  nke_free(x);
  nke_free(b);
  nke_gram_destroy(&gram);
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
