/* What is stored of an array is checked before HDF5 reads it: it goes past the end of values that are fewer than the shape
 * says, and of a chunk that unpacks to fewer bytes than a chunk has. Inside src/data. */
#ifndef NKE_DATA_HDF5_CHUNKS_H
#define NKE_DATA_HDF5_CHUNKS_H

#include "data/hdf5_common.h"

typedef struct nke_hdf5_chunks nke_hdf5_chunks;

/* *out NULL for an array in one piece, which is checked here, or filtered by a plugin, to which its chunks are left. path and name (kept)
 * are for messages. NKE_ERR_DATA for filters of HDF5 other than gzip, shuffle and fletcher32, and for sizes
 * that cannot be. Local. Memory: a bit a chunk, and one chunk. */
nke_status nke_hdf5_chunks_open(hid_t dataset, const char *path, const char *name, nke_hdf5_chunks **out);
void nke_hdf5_chunks_close(nke_hdf5_chunks **chunks);

/* Bytes that the checks hold; NULL: none. Local. */
int64_t nke_hdf5_chunks_bytes(const nke_hdf5_chunks *chunks);

/* Check the chunks of the box start, count that were not checked before; NULL checks nothing. NKE_ERR_DATA naming the
 * first row of a chunk that is too long, too short or cannot be unpacked. Local. Cost: every chunk is unpacked once. */
nke_status nke_hdf5_chunks_check(nke_hdf5_chunks *chunks, hid_t dataset, const int64_t *start, const int64_t *count);

/* Where the chunks with rows [first, first + n), n > 0, lie in the file, if they lie together there as they were written in
 * order; false if not, or not to be told soon. Local. */
bool nke_hdf5_chunks_span(const nke_hdf5_chunks *chunks, hid_t dataset, int64_t first, int64_t n, int64_t *begin,
                          int64_t *end);

#endif
