#include "solve/operator.h"

#include "base/memory.h"
#include "dist/collect.h"

#include <math.h>

void nke_operator_destroy(nke_operator **a)
{
  if (!*a) return;
  if ((*a)->context) (*a)->destroy((*a)->context);
  nke_free((*a)->context);
  nke_parts_clear(&(*a)->parts);
  nke_free(*a);
  *a = NULL;
}

nke_status nke_operator_create(const nke_operator *methods, MPI_Comm comm, int64_t n,
                               nke_range (*split)(int64_t, int, int), size_t size, nke_operator **out)
{
  nke_status st = NKE_OK;
  nke_operator *a = NULL;
  st = nke_calloc(1, sizeof *a, "operator", &a);
  if (st == NKE_OK) *a = *methods;
  if (st == NKE_OK) st = nke_calloc(1, size, "operator", &a->context);
  NKE_TRY(nke_agree(comm, st));
  st = nke_parts_init(comm, n, split, &a->parts);
done:
  if (st != NKE_OK) nke_operator_destroy(&a);
  *out = a;
  return st;
}

nke_status nke_operator_residual(const nke_operator *a, double shift, int k, const double *b_loc, const double *x_loc,
                                 double *residual)
{
  nke_status st = NKE_OK;
  const int64_t count = (a->parts.mine.end - a->parts.mine.begin) * k;
  double *y = NULL, squares[2] = {0, 0}; /* of the error, of b */
  *residual = 0;
  NKE_TRY(nke_agree(a->parts.comm, nke_alloc(count, sizeof *y, "residual", &y)));
  NKE_TRY(a->multiply(a->context, k, x_loc, y));
  for (int64_t i = 0; i < count; i++) {
    const double error = y[i] + shift * x_loc[i] - b_loc[i];
    squares[0] += error * error;
    squares[1] += b_loc[i] * b_loc[i];
  }
  nke_sum_over_ranks(a->parts.comm, 2, squares);
  if (squares[1] > 0) *residual = sqrt(squares[0] / squares[1]);
done:
  nke_free(y);
  return st;
}
