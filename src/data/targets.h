/* Targets: what the regression is fitted to, made from the file's y, and back.
 *
 * Classification: the classes are the sorted distinct integral labels of the training rows; a row's target is one-hot
 * minus 1/k. Regression: y minus its column means over the training rows. */
#ifndef NKE_DATA_TARGETS_H
#define NKE_DATA_TARGETS_H

#include "base/status.h"
#include "data/dataset.h"
#include "data/h5file.h"

#include <mpi.h>
#include <stdint.h>

typedef enum nke_task { NKE_TASK_CLASSIFICATION, NKE_TASK_REGRESSION } nke_task;

enum { NKE_MAX_CLASSES = 100000 };

typedef struct nke_targets nke_targets;

/* Fit on all rows of `train`. Collective; one pass over y; bitwise equal at any number of ranks.
 * NKE_ERR_DATA: no targets; classification: more than one target column, a label that is not integral (row named),
 * fewer than 2 or more than NKE_MAX_CLASSES classes. */
nke_status nke_targets_fit(MPI_Comm comm, nke_dataset *train, nke_task task, nke_targets **out);
void nke_targets_destroy(nke_targets **targets);

/* The task; k, the length of an encoded target (number of classes, or of target columns); the number of columns of the
 * file's y (1 for classification). Local. */
nke_task nke_targets_task(const nke_targets *targets);
int64_t nke_targets_count(const nke_targets *targets);
int64_t nke_targets_columns(const nke_targets *targets);

/* out [n, k] from the raw y [n, columns] of rows rows[n] of `dataset` (which only the error line names). Local.
 * NKE_ERR_DATA for a label unseen in training, and where the file's columns differ from the training rows'. */
nke_status nke_targets_encode(const nke_targets *targets, const nke_dataset *dataset, int64_t n, const int64_t *rows,
                              const double *y, double *out);

/* The class number of a label (classes ascend), -1 if unseen. Local. */
int64_t nke_targets_find(const nke_targets *targets, double label);

/* The first of the largest of k scores or entries of an encoded target: the number of the class. Local. */
int64_t nke_targets_largest(int64_t k, const double *scores);

/* From scores [n, k]: classification: out [n] = value of the class with the largest score (ties: the lowest class);
 * regression: out [n, k] = scores + means, in the file's units. Local. */
void nke_targets_decode(const nke_targets *targets, int64_t n, const double *scores, double *out);

/* Store under the group /targets and get back. Collective over the file's ranks. NKE_ERR_DATA for a damaged group. */
nke_status nke_targets_save(const nke_targets *targets, nke_h5file *file);
nke_status nke_targets_load(nke_h5file *file, nke_targets **out);

#endif
