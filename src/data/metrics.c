#include "data/metrics.h"

#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Slots of the sums; the column sums follow. */
enum { ROWS, RIGHT, SQUARED_ERROR, SQUARE, COLUMNS };

struct nke_metrics_sum {
  nke_task task;
  int64_t k;
  nke_dd *sums; /* [COLUMNS + k] */
};

nke_status nke_metrics_sum_create(const nke_targets *targets, nke_metrics_sum **out)
{
  nke_status st = NKE_OK;
  nke_metrics_sum *sum = NULL;
  NKE_TRY(nke_calloc(1, sizeof *sum, "metrics", &sum));
  sum->task = nke_targets_task(targets);
  sum->k = nke_targets_count(targets);
  NKE_TRY(nke_calloc(COLUMNS + sum->k, sizeof *sum->sums, "metrics", &sum->sums));
  *out = sum;
  sum = NULL;
done:
  nke_metrics_sum_destroy(&sum);
  return st;
}

void nke_metrics_sum_destroy(nke_metrics_sum **sum)
{
  if (!*sum) return;
  nke_free((*sum)->sums);
  nke_free(*sum);
  *sum = NULL;
}

void nke_metrics_add(nke_metrics_sum *sum, int64_t n, const double *scores, const double *encoded)
{
  nke_dd *sums = sum->sums;
  for (int64_t i = 0; i < n; i++) {
    const double *s = scores + i * sum->k, *e = encoded + i * sum->k;
    double error = 0, square = 0;
    for (int64_t j = 0; j < sum->k; j++) {
      error += (s[j] - e[j]) * (s[j] - e[j]);
      square += e[j] * e[j];
      sums[COLUMNS + j] = nke_dd_add_double(sums[COLUMNS + j], e[j]);
    }
    sums[ROWS] = nke_dd_add_double(sums[ROWS], 1);
    sums[RIGHT] = nke_dd_add_double(sums[RIGHT], nke_targets_largest(sum->k, s) == nke_targets_largest(sum->k, e));
    sums[SQUARED_ERROR] = nke_dd_add_double(sums[SQUARED_ERROR], error);
    sums[SQUARE] = nke_dd_add_double(sums[SQUARE], square);
  }
}

int64_t nke_metrics_sum_length(const nke_metrics_sum *sum)
{
  return 2 * (COLUMNS + sum->k);
}

nke_status nke_metrics_sum_values(MPI_Comm comm, const nke_metrics_sum *sum, double *values)
{
  memcpy(values, sum->sums, (size_t)(COLUMNS + sum->k) * sizeof *sum->sums);
  return nke_dd_allreduce(comm, COLUMNS + sum->k, (nke_dd *)values);
}

void nke_metrics_sum_restore(nke_metrics_sum *sum, const double *values)
{
  memcpy(sum->sums, values, (size_t)(COLUMNS + sum->k) * sizeof *sum->sums);
}

nke_status nke_metrics_reduce(MPI_Comm comm, const nke_metrics_sum *sum, nke_metrics *out)
{
  nke_dd *sums = NULL;
  const int64_t length = COLUMNS + sum->k;
  nke_status st = nke_alloc(length, sizeof *sums, "metrics", &sums);
  NKE_TRY(nke_agree(comm, st));
  for (int64_t i = 0; i < length; i++) sums[i] = sum->sums[i];
  NKE_TRY(nke_dd_allreduce(comm, length, sums));
  const double n = nke_dd_round(sums[ROWS]), error = nke_dd_round(sums[SQUARED_ERROR]);
  const double square = nke_dd_round(sums[SQUARE]), rounding = (double)(sum->k + 4) * DBL_EPSILON * square;
  double about_means = square;
  for (int64_t j = 0; j < sum->k; j++) {
    const double column = nke_dd_round(sums[COLUMNS + j]);
    about_means -= column * (column / n);
  }
  *out = (nke_metrics){.n = (int64_t)n,
                       .accuracy = sum->task == NKE_TASK_CLASSIFICATION && n > 0 ? nke_dd_round(sums[RIGHT]) / n : NAN,
                       .mse = n > 0 ? error / (n * (double)sum->k) : NAN};
  out->rmse = sqrt(out->mse);
  out->r2 = about_means > rounding ? 1 - error / about_means : NAN;
done:
  nke_free(sums);
  return st;
}
