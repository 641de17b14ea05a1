/* `fit` from a file of `nke embed`: the rows are features already, and what is left is linear. */
#ifndef NKE_RUN_MADE_FEATURES_H
#define NKE_RUN_MADE_FEATURES_H

#include "run/config.h"

/* Where data.train.file is such a file, *path <- its path (the caller frees it with nke_free), else NULL, and the
 * config becomes that of rows whose kernel is <z, z'>: one dense layer that undoes the 1/m of the input kernel, without
 * preprocessing, sketch, widths and mirrors; embedding.kernel is that of the file; data sets without a name of their
 * own are /train/features and /test/features. A file that cannot be opened is left to who opens it as data.
 * NKE_ERR_DATA: damaged. Collective. */
nke_status nke_made_features_take(MPI_Comm comm, nke_config *config, char **path);

#endif
