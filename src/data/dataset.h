/* Data sets: rows x [n, d] and targets y [n, k] of a file, read by any rank as double.
 *
 * Formats by extension: .h5 .hdf5 (HDF5), .npy, .csv, .libsvm .svm .txt (libsvm); text also with .gz after it. Rows are
 * counted from the first row of the data set's row range; error lines name the row of the file. */
#ifndef NKE_DATA_DATASET_H
#define NKE_DATA_DATASET_H

#include "base/shape.h"
#include "base/status.h"
#include "data/augment.h"
#include "dist/split.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

/* Rows that the caller has in memory, spread over the ranks in rank order. Opening them puts a copy of all rows on every
 * rank; afterwards the arrays are the caller's again. */
typedef struct nke_memory_rows {
  int64_t n;       /* of this rank */
  int n_dims;      /* of a row: 1 {d}, 2 {L, C} or 3 {H, W, C}; 0: no rows in memory */
  int64_t dims[3];
  int64_t k;       /* target columns; 0: none */
  const double *x, *y; /* [n, d], [n, k] */
  int64_t first;       /* what error lines call the first row of all */
} nke_memory_rows;

/* Whether a file is read with targets: as y says below; or only if they are there, for rows to be predicted: by the
 * name y in HDF5, as a column of that name or beside `columns` others in csv, never in npy; or not at all. */
typedef enum nke_targets_wanted { NKE_TARGETS_AS_SAID, NKE_TARGETS_IF_THERE, NKE_TARGETS_NONE } nke_targets_wanted;

/* What the config's `data` entries say.
 * HDF5    x and y name data sets in the file; x may be a group of compressed sparse rows: data, indices, indptr and
 *         shape.
 * npy     the file is x; y is the path of a second file.
 * csv     y is a column, by its name in the header line or by number from 0; without y the last column is the target,
 *         or there is none if x is "*". All other columns are x.
 * libsvm  the label is y, also without y; x may be a number of columns (else the largest index of the file). */
typedef struct nke_data_spec {
  const char *file;
  const char *x, *y;          /* NULL: not given; without y HDF5 and npy have no targets */
  nke_targets_wanted targets;
  int64_t columns;            /* NKE_TARGETS_IF_THERE, csv: of x; 0: not known */
  int64_t least; /* libsvm without x: columns at least, those of the training rows, as zeros are left out */
  int64_t cache;              /* HDF5: most bytes of chunks that an array may keep unpacked; 0: 1 GiB */
  bool as_given;              /* a relative path is from the current folder, whatever $NKE_DATA says */
  int64_t row_begin, row_end; /* rows [begin, end); row_end -1: to the end */
  nke_memory_rows memory;     /* in place of a file, which then is a name for error lines */
} nke_data_spec;

/* Whether a file of this name is of a format that can be opened, which are these. Local. */
#define NKE_DATASET_FORMATS ".h5, .hdf5, .npy, .csv, .libsvm, .svm or .txt (text also .gz)"
bool nke_dataset_format(const char *path);

/* The dimensions of rows, as config and numpy have them: [n, d], [n, L, C] or [n, H, W, C]. */
enum { NKE_SHAPE_CHARS = 80 };
const char *nke_shape_text(nke_shape shape, char text[NKE_SHAPE_CHARS]);

/* Whether it is HDF5 by its name, whose arrays have names. Local. */
bool nke_dataset_is_hdf5(const char *path);

/* Whether it is libsvm text by its name, whose rows are as long as the largest index that happens to be in it. Local.
 */
bool nke_dataset_is_libsvm(const char *path);

/* Whether it is csv text by its name, of which x selects no columns. Local. */
bool nke_dataset_is_csv(const char *path);

/* The file that nke_dataset_open() would read; the caller frees *path with nke_free. NKE_ERR_DATA: none is there, or it
 * is no file. Local. */
nke_status nke_dataset_find(const nke_data_spec *spec, char **path);

typedef struct nke_dataset nke_dataset;

/* Open a data set and check it against the spec. Collective over comm: rank 0 looks first and its outcome is shared
 * before anyone else opens. A relative path is taken from $NKE_DATA if that is set and has it, else from the current
 * directory. NKE_ERR_DATA: missing file or data set, wrong type or rank, x and y of different length, row range past
 * the end. Cost: metadata only (HDF5, npy); one pass over the text by rank 0 (csv, libsvm). */
nke_status nke_dataset_open(MPI_Comm comm, const nke_data_spec *spec, nke_dataset **out);

/* Close; NULL is allowed. Local. */
void nke_dataset_close(nke_dataset **dataset);

/* The number of rows n, copies counted, and of those that the file has; the shape of a row ([n, d] -> 0 axes,
 * [n, L, C] -> 1, [n, H, W, C] -> 2), its length d, the number of target columns k (0 without targets), whether the
 * targets are of an integer type, the path as opened, the file's row number of row 0, and the bytes of chunk cache and
 * index that this rank may hold. All local. */
int64_t nke_dataset_rows(const nke_dataset *dataset);
int64_t nke_dataset_originals(const nke_dataset *dataset);
nke_shape nke_dataset_shape(const nke_dataset *dataset);
int64_t nke_dataset_length(const nke_dataset *dataset);
int64_t nke_dataset_targets(const nke_dataset *dataset);
bool nke_dataset_targets_integral(const nke_dataset *dataset);
const char *nke_dataset_path(const nke_dataset *dataset);
int64_t nke_dataset_first_row(const nke_dataset *dataset);
int64_t nke_dataset_bytes(const nke_dataset *dataset);

/* Whether the rows of `other` have the shape of those of `dataset`. NKE_ERR_DATA. Local. */
nke_status nke_dataset_check_shape(const nke_dataset *dataset, const nke_dataset *other);

/* The names of the columns of x, of a csv file with a header line: each with a line break behind it. NULL: none. Local.
 */
const char *nke_dataset_names(const nke_dataset *dataset);

/* Whether the columns of x have these names in this order, where both have any: in another order the rows would be read
 * as other rows, without a word. whose: for the error line. NKE_ERR_DATA naming the first column that differs. Local.
 */
nke_status nke_dataset_check_names(const nke_dataset *dataset, const char *names, const char *whose);

/* Whether `path` is a file that the data set is read from, by whatever name. Local. */
bool nke_dataset_is_file(const nke_dataset *dataset, const char *path);

/* What tells the rows of one data set from those of another of the same shape: CRC-32 of up to 64 of its rows, evenly
 * spread, as the file has them, and of their number. */
typedef struct nke_fingerprint {
  int64_t x, y;
} nke_fingerprint;

/* Read on rank 0 at the first call. Collective. NKE_ERR_DATA. Cost: at most 64 rows are read. */
nke_status nke_dataset_fingerprint(MPI_Comm comm, nke_dataset *dataset, nke_fingerprint *fingerprint);

/* Of rows that were made from those of a file. Local. */
void nke_dataset_set_fingerprint(nke_dataset *dataset, nke_fingerprint fingerprint);

/* What each row goes through as it is read: a linear map to `length` entries (a sketch). sparse: the row has value[k] at
 * index[k], k < nnz, else it is x [d]; both give the same bits for the same row with ascending indices. */
typedef struct nke_row_map {
  int64_t length;
  void *context;
  void (*dense)(void *context, const double *x, double *out);
  void (*sparse)(void *context, int64_t nnz, const int64_t *index, const double *value, double *out);
  void (*destroy)(void *context);
} nke_row_map;

/* From now on rows are read through `map`, whose context becomes the data set's: shape and length are those of its
 * result. Rows that are stored sparse are never filled in then; otherwise they are as they are read. Local. */
void nke_dataset_set_map(nke_dataset *dataset, nke_row_map map);

/* From now on the data set has its rows `copies` times: row c n + r is copy c of the file's row r < n, with the same
 * targets. Local. NKE_ERR_USAGE of nke_augment_check(); rows that are sparse or mapped have no axes. */
nke_status nke_dataset_set_copies(nke_dataset *dataset, const nke_augment *augment);

/* Whether the file stores rows by their non-zeros. Local. */
bool nke_dataset_is_sparse(const nke_dataset *dataset);

/* Read n rows, listed strictly ascending in rows[n]: x [n, d] and y [n, k], row-major; either may be NULL. Local.
 * NKE_ERR_DATA for a value that is NaN or infinite (file, data set, row and column named) and for unreadable data.
 * Cost: in an ascending sweep each compressed chunk is unpacked once. */
nke_status nke_dataset_read(nke_dataset *dataset, int64_t n, const int64_t *rows, double *x, double *y);

/* The same for the contiguous rows [range.begin, range.end). */
nke_status nke_dataset_read_range(nke_dataset *dataset, nke_range range, double *x, double *y);

/* Most of the rows [range.begin, range.end) will be read soon: a hint to the system to fetch them while others are worked
 * on. Local. */
void nke_dataset_ahead(nke_dataset *dataset, nke_range range);

/* Whether nke_dataset_read_columns() can read its rows: an HDF5 array [n, d]. Local. */
bool nke_dataset_has_columns(const nke_dataset *dataset);

/* x [columns.end - columns.begin]: part of one row, of a data set whose rows are too wide for a rank. Local. NKE_ERR_USAGE
 * where the file is no HDF5 array [n, d]; else as nke_dataset_read(). */
nke_status nke_dataset_read_columns(nke_dataset *dataset, int64_t row, nke_range columns, double *x);

#endif
