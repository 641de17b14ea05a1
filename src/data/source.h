/* What a file format must offer to be read as a data set. Inside src/data. */
#ifndef NKE_DATA_SOURCE_H
#define NKE_DATA_SOURCE_H

#include "base/shape.h"
#include "base/status.h"
#include "data/dataset.h"
#include "data/sparse.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct nke_source_class nke_source_class;

typedef struct nke_source {
  const nke_source_class *class;
  void *state;
  nke_shape shape;
  int64_t rows;    /* of the file */
  int64_t targets; /* columns of y; 0: none */
  bool targets_integral;
  char *names;     /* of the columns of x, each with a line break behind it; NULL: the format has none */
  int64_t bytes;   /* chunk cache and index */
  int64_t entries; /* of a row on average, rounded up, where rows are stored sparse and read by read_sparse; else 0 */
} nke_source;

/* The two arrays of a data set. */
typedef enum nke_part { NKE_PART_X, NKE_PART_Y } nke_part;

struct nke_source_class {
  const char *const *extensions; /* lower case, NULL at the end */

  /* Open: fill every field but class. On a failure state may be partly built; close is called on it. */
  nke_status (*open)(MPI_Comm comm, const nke_data_spec *spec, const char *path, nke_source *source);

  /* Rows [first, first + n) of the file, packed row-major; x or y may be NULL. Local. */
  nke_status (*read)(nke_source *source, int64_t first, int64_t n, double *x, double *y);

  /* The same where rows are stored sparse; indices are checked, values are not. x or y may be
   * NULL. NULL for formats that never do. Local. */
  nke_status (*read_sparse)(nke_source *source, int64_t first, int64_t n, nke_sparse *x, double *y);

  /* Columns [columns.begin, columns.end) of one row of the file; NULL for formats that cannot. Local. */
  nke_status (*read_columns)(nke_source *source, int64_t row, nke_range columns, double *x);

  /* Have the system fetch rows [first, first + n), n > 0, of the file while others are worked on: a hint. NULL for formats
   * that cannot tell where they are. Local. */
  void (*ahead)(nke_source *source, int64_t first, int64_t n);

  /* state may be NULL. Local. */
  void (*close)(nke_source *source);
};

/* What to do with a type of text, for refusals. */
#define NKE_NUMBER_CLASSES "number the classes, as numpy.unique(y, return_inverse=True)"

extern const nke_source_class nke_source_hdf5;
extern const nke_source_class nke_source_npy;
extern const nke_source_class nke_source_csv;
extern const nke_source_class nke_source_libsvm;
extern const nke_source_class nke_source_memory;

/* Open by a rank-local function on rank 0 first, so that a bad file gives one line and no rank waits; the others find
 * its shape.channels. Collective. */
typedef nke_status nke_source_open_local(const nke_data_spec *spec, const char *path, nke_source *source);
nke_status nke_source_open_each(MPI_Comm comm, nke_source_open_local *open, const nke_data_spec *spec, const char *path,
                                nke_source *source);

/* The path of a file of the config: relative ones from $NKE_DATA if set and the file is there, else from the current
 * folder. Allocated. NKE_ERR_DATA where something else than a file is there, or a file is in neither place; nothing at
 * all is for the opener to say otherwise. */
nke_status nke_source_path(const char *file, char **out);

/* The shape of rows from the dimensions [n, d], [n, L, C] or [n, H, W, C] of `name` in `path`, or of y [n], [n, k]. */
nke_status nke_source_set_x(nke_source *source, int rank, const int64_t *dims, const char *path, const char *name);
nke_status nke_source_set_y(nke_source *source, int rank, const int64_t *dims, const char *path, const char *name);

#endif
