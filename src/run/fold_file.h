/* What k-fold cross-validation keeps of the folds that are done where no checkpoint does: <out>/folds.part.h5, the path
 * with its validation metrics merged over them. A run that was stopped or killed goes on with the fold it was in. */
#ifndef NKE_RUN_FOLD_FILE_H
#define NKE_RUN_FOLD_FILE_H

#include "run/fit.h"

/* Set fit->folds_done and the path from the file where there is one, unless --force is given. Collective.
 * NKE_ERR_USAGE: another config's or other data's; NKE_ERR_DATA: damaged. */
nke_status nke_fold_file_read(nke_fit *fit);

/* Write the file in place of the one before. Collective. NKE_ERR_OUTPUT. */
nke_status nke_fold_file_write(const nke_fit *fit);

/* The fit is saved: the file goes. Local. */
void nke_fold_file_remove(const nke_fit *fit);

#endif
