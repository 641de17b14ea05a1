/* Preprocessing of rows: a list of steps, fitted on the training rows, applied in order, stored in the model.
 *
 *   standardize  (x - mean) / deviation, per channel for images and signals, per feature for tables; deviation with
 *                1/n; a constant column becomes 0
 *   layernorm    per row: zero mean, norm sqrt(d); a constant row becomes 0; nothing to fit
 *   zca(r)       (x - mean) (C + r tr(C)/d I)^(-1/2), C the covariance with 1/n
 *
 * Fitted numbers are bitwise equal at any number of ranks: statistics are taken over blocks of 512 rows by row number,
 * never split by rank, and added in double-double; the eigendecomposition runs on rank 0. Applied rows depend neither
 * on each other nor on how many are passed in a call that begins at a multiple of NKE_BLOCK_ROWS. */
#ifndef NKE_DATA_PREPROCESS_H
#define NKE_DATA_PREPROCESS_H

#include "base/shape.h"
#include "base/status.h"
#include "data/dataset.h"
#include "data/h5file.h"

#include <mpi.h>
#include <stdint.h>

typedef enum nke_preprocess_kind {
  NKE_PREPROCESS_STANDARDIZE,
  NKE_PREPROCESS_LAYERNORM,
  NKE_PREPROCESS_ZCA
} nke_preprocess_kind;

typedef struct nke_preprocess_step {
  nke_preprocess_kind kind;
  double eps; /* zca: r > 0; else not used */
} nke_preprocess_step;

enum { NKE_PREPROCESS_MAX_STEPS = 16 };

typedef struct nke_preprocess nke_preprocess;

/* Fit the steps on all rows of `train`. Collective; one pass over the rows for each standardize and zca step.
 * NKE_ERR_USAGE: zca's r not positive, too many steps, more than memory_bytes needed; NKE_ERR_DATA from reading;
 * NKE_ERR_NUMERIC: a statistic overflows or the eigendecomposition fails. n_steps = 0 gives the identity.
 * Cost of zca: n d^2 flops over the ranks, and about 10 d^3 on rank 0 (about 10 s at d = 3072). */
nke_status nke_preprocess_fit(MPI_Comm comm, nke_dataset *train, int n_steps, const nke_preprocess_step *steps,
                              int64_t memory_bytes, nke_preprocess **out);
void nke_preprocess_destroy(nke_preprocess **preprocess);

/* By how much larger the squared length of a row comes out of zca, on average, if the row was not among the n of the
 * fit: 1 / (1 - t / n),  t = sum_j w_j / (w_j + r tr(C)/d) of the eigenvalues w of C, from leaving one row out of C. 1
 * without zca, and for steps not fitted here by rank 0. Local. */
double nke_preprocess_unseen(const nke_preprocess *preprocess);

/* Bytes a fit of these steps needs at its peak on one rank (rank 0 needs most). Local. */
int64_t nke_preprocess_fit_bytes(int n_steps, const nke_preprocess_step *steps, nke_shape shape);

/* Apply to n rows x [n, d] row-major, in place. Local. NKE_ERR_MEMORY. Cost of zca: 2 d^2 flops a row. */
nke_status nke_preprocess_apply(const nke_preprocess *preprocess, int64_t n, double *x);

/* Store under the group /preprocess and get back. Collective over the file's ranks. load: the rows must have `shape`,
 * else NKE_ERR_DATA; a damaged group too. The loaded object gives the same bits as the stored one. */
nke_status nke_preprocess_save(const nke_preprocess *preprocess, nke_h5file *file);
nke_status nke_preprocess_load(nke_h5file *file, nke_shape shape, nke_preprocess **out);

#endif
