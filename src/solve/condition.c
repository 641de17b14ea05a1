#include "solve/condition.h"

#include "base/memory.h"

#include <math.h>

static double sum_of_sizes(int64_t n, const double *y)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += fabs(y[i]);
  return sum;
}

static int64_t largest(int64_t n, const double *y)
{
  int64_t at = 0;
  for (int64_t i = 1; i < n; i++)
    if (fabs(y[i]) > fabs(y[at])) at = i;
  return at;
}

nke_status nke_norm1_estimate(MPI_Comm comm, int64_t n, nke_symmetric_map *map, void *context, double *norm)
{
  enum { ROUNDS = 5 };
  nke_status st = NKE_OK;
  double *y = NULL;
  int64_t column = -1;
  *norm = 0;
  NKE_TRY(nke_agree(comm, nke_alloc(n, sizeof *y, "norm estimate", &y)));
  /* Convex maximisation over the unit ball: from its middle, then from vertex to vertex along the subgradient. */
  for (int64_t i = 0; i < n; i++) y[i] = 1.0 / (double)n;
  for (int round = 0; round < ROUNDS; round++) {
    NKE_TRY(map(context, y));
    const double size = sum_of_sizes(n, y);
    if (size <= *norm) break;
    *norm = size;
    for (int64_t i = 0; i < n; i++) y[i] = y[i] < 0 ? -1 : 1;
    NKE_TRY(map(context, y));
    const int64_t next = largest(n, y);
    if (next == column) break;
    column = next;
    for (int64_t i = 0; i < n; i++) y[i] = i == column;
  }
  /* The alternating vector that Higham adds against the cases in which the search above stops too early. */
  for (int64_t i = 0; i < n; i++) y[i] = (i % 2 ? -1 : 1) * (1 + (double)i / (double)(n > 1 ? n - 1 : 1));
  NKE_TRY(map(context, y));
  *norm = fmax(*norm, 2 * sum_of_sizes(n, y) / (3 * (double)n));
done:
  nke_free(y);
  return st;
}
