/* Compressed sparse rows in an HDF5 group, as scipy and h5py users keep them: data sets data, indices (from 0) and
 * indptr [n + 1], and the shape [n, d] as attribute or data set `shape`; without it d is the largest index plus one.
 * Inside src/data. */
#ifndef NKE_DATA_CSR_H
#define NKE_DATA_CSR_H

#include "data/hdf5_common.h"
#include "data/sparse.h"

typedef struct nke_csr nke_csr;

/* Open group `name`: *n rows, *d columns (on entry what another rank found, or 0), *entries in all; cache: most bytes
 * of chunks that each part may keep unpacked. Local. NKE_ERR_DATA. Without a shape and a *d all indices are read. */
nke_status nke_csr_open(hid_t file, const char *path, const char *name, int64_t cache, nke_csr **out, int64_t *n,
                        int64_t *d, int64_t *entries);
void nke_csr_close(nke_csr **csr);

/* Bytes of chunks that it may hold. Local. */
int64_t nke_csr_bytes(const nke_csr *csr);

/* Rows [first, first + n). Local. NKE_ERR_DATA, naming the row: indptr does not ascend, index out of range. */
nke_status nke_csr_read(const nke_csr *csr, int64_t first, int64_t n, nke_sparse *out);

#endif
