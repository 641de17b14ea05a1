/* How good scores are: accuracy and squared errors of a stream of rows, equal at any number of ranks. */
#ifndef NKE_DATA_METRICS_H
#define NKE_DATA_METRICS_H

#include "data/sums.h"
#include "data/targets.h"

#include <math.h>
#include <mpi.h>
#include <stdint.h>

typedef struct nke_metrics {
  int64_t n;       /* rows */
  double accuracy; /* classification; NaN for regression */
  double mse;      /* mean over rows and columns; classification: scores against one-hot minus 1/k;
                      regression: in the file's units */
  double rmse;     /* sqrt(mse) */
  double r2;       /* 1 - sum of squared errors / sum of squares about the column means of these rows; NaN if the
                      latter is 0 but for rounding */
} nke_metrics;

/* Of no rows. */
#define NKE_METRICS_UNKNOWN ((nke_metrics){.accuracy = NAN, .mse = NAN, .rmse = NAN, .r2 = NAN})

/* The sums of one set of rows on one rank; the caller's struct. */
typedef struct nke_metrics_sum nke_metrics_sum;

nke_status nke_metrics_sum_create(const nke_targets *targets, nke_metrics_sum **out);
void nke_metrics_sum_destroy(nke_metrics_sum **sum);

/* Add n rows: scores [n, k] and targets [n, k] as nke_targets_encode gives them. Local. */
void nke_metrics_add(nke_metrics_sum *sum, int64_t n, const double *scores, const double *encoded);

/* The sums as numbers, to go on from later: values[length], those of all ranks together on every rank (collective), and
 * back, on one rank only (local). */
int64_t nke_metrics_sum_length(const nke_metrics_sum *sum);
nke_status nke_metrics_sum_values(MPI_Comm comm, const nke_metrics_sum *sum, double *values);
void nke_metrics_sum_restore(nke_metrics_sum *sum, const double *values);

/* The metrics of all rows added on all ranks; all NaN where there are none. Collective. */
nke_status nke_metrics_reduce(MPI_Comm comm, const nke_metrics_sum *sum, nke_metrics *out);

#endif
