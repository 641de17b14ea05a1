/* nke's own HDF5 files (model, features, predictions, kernel, checkpoint, synth): written whole or not at all.
 *
 * A new file is written under a temporary name in its folder and gets its own name in one rename, after a flush to
 * disk. Every file carries the root attribute `nke` (version text); a file without it is not ours and is replaced only
 * by force. Functions are collective over the file's communicator unless they say local; collective ones return the
 * same status on every rank. `name` is an absolute HDF5 path; groups on the way are made as needed. */
#ifndef NKE_DATA_H5FILE_H
#define NKE_DATA_H5FILE_H

#include "base/status.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum nke_h5type { NKE_H5_F32, NKE_H5_F64, NKE_H5_I64, NKE_H5_U8 } nke_h5type;

enum { NKE_H5_MAX_RANK = 4 };

typedef struct nke_h5file nke_h5file;

/* Whether a file could be put at `path`, as far as its folder goes, or, where that is yet to be made, the nearest one
 * above it. Makes nothing. NKE_ERR_OUTPUT. Local. */
nke_status nke_check_folder(const char *path);

/* Whether nke_h5file_create() could begin, as far as what stands at `path` and its folder go. Makes nothing. Its
 * statuses. */
nke_status nke_h5file_may_create(MPI_Comm comm, const char *path, bool force);

/* Begin a new file that will be `path`; missing folders are made. NKE_ERR_USAGE if a file is there that is not ours and
 * `force` is false; NKE_ERR_OUTPUT if the folder cannot be written or another run is writing this file. Every rank holds
 * the same values. */
nke_status nke_h5file_create(MPI_Comm comm, const char *path, bool force, nke_h5file **out);

/* Finish a new file: flush, fsync, rename. The file object is gone afterwards, whatever the status; on failure the
 * temporary file is removed and what was at `path` is untouched. NKE_ERR_OUTPUT. */
nke_status nke_h5file_commit(nke_h5file **file);

/* Open one of our files for reading, or for reading and writing in place. For reading only rank 0 opens it, another
 * rank at its first nke_h5file_read(). NKE_ERR_DATA: missing, not ours, truncated; NKE_ERR_OUTPUT: it may not be
 * written. */
nke_status nke_h5file_open(MPI_Comm comm, const char *path, nke_h5file **out);
nke_status nke_h5file_update(MPI_Comm comm, const char *path, nke_h5file **out);

/* Whether anything is at `path`, as rank 0 sees it. */
bool nke_h5file_exists(MPI_Comm comm, const char *path);

/* Write out what HDF5 and the system still hold. */
nke_status nke_h5file_flush(nke_h5file *file);

/* Flush what this rank wrote into a file opened for update to disk. Local. NKE_ERR_OUTPUT. */
nke_status nke_h5file_sync(const nke_h5file *file);

/* Close; a new file that was not committed is removed. NULL is allowed, so this fits every exit label. */
void nke_h5file_close(nke_h5file **file);

/* The path as given, and the communicator. Local. */
const char *nke_h5file_path(const nke_h5file *file);
MPI_Comm nke_h5file_comm(const nke_h5file *file);

/* Create a data set of `rank` dimensions in full, zero-filled; chunk[rank] may be NULL (contiguous). */
nke_status nke_h5file_create_dataset(nke_h5file *file, const char *name, nke_h5type type, int rank,
                                     const int64_t *dims, const int64_t *chunk);

/* Whether a data set is there, and its dimensions, *rank and dims[*rank], as rank 0 sees it. NKE_ERR_DATA if it is
 * missing or of more than NKE_H5_MAX_RANK dimensions. */
bool nke_h5file_has(nke_h5file *file, const char *name);
nke_status nke_h5file_dims(nke_h5file *file, const char *name, int *rank, int64_t *dims);

/* Whether rank 0 sees a data set as nke_h5file_create_dataset() leaves it without chunks or, chunk not NULL, with
 * these: numbers of these dimensions, with room in the file. What is to be written in place must be. NKE_ERR_DATA. */
nke_status nke_h5file_expect(nke_h5file *file, const char *name, int rank, const int64_t *dims, const int64_t *chunk);

/* Write or read the box start[rank], count[rank] of a data set, packed row-major in memory with elements of `type`
 * (converted to and from the file's type). Local, independent: ranks may call it any number of times; nothing if a
 * count is 0. NKE_ERR_OUTPUT, NKE_ERR_DATA. */
nke_status nke_h5file_write(nke_h5file *file, const char *name, nke_h5type type, int rank, const int64_t *start,
                            const int64_t *count, const void *data);
nke_status nke_h5file_read(nke_h5file *file, const char *name, nke_h5type type, int rank, const int64_t *start,
                           const int64_t *count, void *data);

/* A small array that every rank holds: created and written with rank 0's values and their checksum; read by rank 0, in
 * the type it was put in, and broadcast into *data, allocated here (the caller frees it with nke_free). dims: expected
 * on entry, -1 = any, actual on return. NKE_ERR_DATA, with the word `corrupt`, where the stored shape or the checksum
 * differs or the size passes `max_bytes`. */
nke_status nke_h5file_put(nke_h5file *file, const char *name, nke_h5type type, int rank, const int64_t *dims,
                          const void *data);
nke_status nke_h5file_get(nke_h5file *file, const char *name, nke_h5type type, int rank, int64_t *dims,
                          int64_t max_bytes, void *data);

/* The checksum of nke_h5file_put(), for arrays that are written in parts: CRC-32. Local. */
int64_t nke_h5file_checksum(int64_t bytes, const void *data);

/* Scalars: attributes of `object`, a group (made as needed) or a data set. A string comes back allocated (nke_free). */
nke_status nke_h5file_put_double(nke_h5file *file, const char *object, const char *key, double value);
nke_status nke_h5file_put_int(nke_h5file *file, const char *object, const char *key, int64_t value);
nke_status nke_h5file_put_string(nke_h5file *file, const char *object, const char *key, const char *value);
nke_status nke_h5file_get_double(nke_h5file *file, const char *object, const char *key, double *value);
nke_status nke_h5file_get_int(nke_h5file *file, const char *object, const char *key, int64_t *value);
nke_status nke_h5file_get_string(nke_h5file *file, const char *object, const char *key, char **value);

/* Whether two paths are the same file. Local. */
bool nke_same_file(const char *a, const char *b);

/* Make a folder and its parents, by rank 0. NKE_ERR_OUTPUT. Collective. */
nke_status nke_make_folders(MPI_Comm comm, const char *folder);

#endif
