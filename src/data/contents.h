/* What stands in an HDF5 file, as lines for people. */
#ifndef NKE_DATA_CONTENTS_H
#define NKE_DATA_CONTENTS_H

#include "base/status.h"

/* One line of the description, e.g. "/train/x  float32 [50000, 3072]" or "/ config = ...". */
typedef void nke_contents_line(void *context, const char *line);

/* Describe groups' data sets (type, dimensions) and attributes (value), at most 1000 lines. Local; opens the file
 * alone. NKE_ERR_DATA: missing, or not HDF5. */
nke_status nke_hdf5_contents(const char *path, nke_contents_line *line, void *context);

#endif
