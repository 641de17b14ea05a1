/* What k-fold cross-validation keeps of the folds that are done: <out>/folds.part.h5, the path with its validation
 * metrics merged over them. A run that was stopped or killed goes on with the fold it was in. */
#ifndef NKE_RUN_FOLD_FILE_H
#define NKE_RUN_FOLD_FILE_H

#include "run/fit.h"

/* The folds done so far, 0 without a file or with --force, and their path, points [n_path]. Collective. NKE_ERR_USAGE:
 * another config's or other data's; NKE_ERR_DATA: damaged. */
nke_status nke_fold_file_read(const nke_fit *fit, int64_t *done, nke_path_point *points);

/* Write the file in place of the one before. Collective. NKE_ERR_OUTPUT. */
nke_status nke_fold_file_write(const nke_fit *fit, int64_t done, const nke_path_point *points);

/* The fit is saved: the file goes. Local. */
void nke_fold_file_remove(const nke_fit *fit);

#endif
