/* What HDF5 keeps unpacked of an array in chunks. Inside src/data. */
#ifndef NKE_DATA_HDF5_CACHE_H
#define NKE_DATA_HDF5_CACHE_H

#include "data/hdf5_common.h"

/* Open *dataset, an array in chunks (any other is left as it is), again with a cache that holds one band of chunks, the
 * rows of a chunk in all columns: what an ascending sweep takes to unpack each chunk once, also where its calls
 * straddle bands. A band of more than `most` bytes is not cached: less than a band would hold nothing for long enough.
 * *bytes: what HDF5 then holds of the array at most, the chunk that it unpacks included. path and name for messages.
 * Local. NKE_ERR_DATA, NKE_ERR_INTERNAL. */
nke_status nke_hdf5_cache(hid_t file, const char *path, const char *name, int64_t most, hid_t *dataset, int64_t *bytes);

#endif
