/* Points of a lambda path in one of our HDF5 files. */
#ifndef NKE_RUN_PATH_FILE_H
#define NKE_RUN_PATH_FILE_H

#include "data/h5file.h"
#include "run/fit.h"

/* Write n points as data set `name`, [n, 10] doubles: lambda, shift, solved, residual, condition, of the validation the
 * rows, accuracy, mean squared error and r2, and iterations. Read them back: NKE_ERR_DATA where there are not n of
 * them. Collective. */
nke_status nke_path_file_write(nke_h5file *file, const char *name, int64_t n, const nke_path_point *points);
nke_status nke_path_file_read(nke_h5file *file, const char *name, int64_t n, nke_path_point *points);

#endif
