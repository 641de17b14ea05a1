#include "data/hdf5_cache.h"

#include "base/checked.h"

enum { MOST_RANK = 4, MOST_SLOTS = 1 << 20 };

/* No band has more bytes: 2^62, so that products do not overflow. */
#define MOST_BYTES ((int64_t)1 << 62)

static int64_t times(int64_t a, int64_t b)
{
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? MOST_BYTES : nke_min(product, MOST_BYTES);
}

typedef struct band {
  int64_t chunk, bytes; /* of a chunk, and of the band of those that have one row */
  int64_t slots;
} band;

/* Hash slots so that the chunks of two neighbouring bands never collide: HDF5 hashes a chunk by its coordinates, each
 * given as many bits as it needs, modulo the slots. */
static band band_of(int rank, const int64_t *dims, const hsize_t *chunk, int64_t type_size)
{
  band b = {.chunk = times(type_size, (int64_t)chunk[0]), .slots = 4};
  b.bytes = b.chunk;
  for (int i = 1; i < rank; i++) {
    const int64_t across = nke_ceil_div(dims[i], (int64_t)chunk[i]);
    int64_t power = 1;
    while (power < across && power < MOST_SLOTS) power *= 2;
    b.chunk = times(b.chunk, (int64_t)chunk[i]);
    b.bytes = times(b.bytes, times(across, (int64_t)chunk[i]));
    b.slots = nke_min(MOST_SLOTS, b.slots * power);
  }
  return b;
}

/* The array again, with a cache. */
static nke_status reopen(hid_t file, const char *path, const char *name, const band *b, int64_t bytes, hid_t *dataset)
{
  nke_status st = NKE_OK;
  const hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
  /* 0.75 is HDF5's default; with 1 it would keep every chunk of which some rows were skipped. */
  if (H5Pset_chunk_cache(access, (size_t)b->slots, (size_t)bytes, 0.75) < 0)
    NKE_TRY(nke_fail(NKE_ERR_INTERNAL, "%s: %s: chunk cache refused", path, name));
  nke_hdf5_close(*dataset);
  *dataset = H5Dopen2(file, name, access);
  if (*dataset < 0) st = nke_fail(NKE_ERR_DATA, "%s: %s: cannot be opened", path, name);
done:
  nke_hdf5_close(access);
  return st;
}

nke_status nke_hdf5_cache(hid_t file, const char *path, const char *name, int64_t most, hid_t *dataset, int64_t *bytes)
{
  nke_status st = NKE_OK;
  const hid_t layout = H5Dget_create_plist(*dataset), type = H5Dget_type(*dataset);
  int rank;
  int64_t dims[MOST_RANK];
  hsize_t chunk[MOST_RANK];
  *bytes = 0;
  if (layout >= 0 && H5Pget_layout(layout) == H5D_CHUNKED && nke_hdf5_dims(*dataset, MOST_RANK, &rank, dims) &&
      H5Pget_chunk(layout, MOST_RANK, chunk) == rank) {
    const band b = band_of(rank, dims, chunk, (int64_t)H5Tget_size(type));
    const int64_t cache = b.bytes <= most ? b.bytes : 0;
    NKE_TRY(reopen(file, path, name, &b, cache, dataset));
    /* As it is stored, unpacked, and between two filters. */
    *bytes = cache + (int64_t)sizeof(void *) * b.slots + 3 * b.chunk;
  }
done:
  nke_hdf5_close(type);
  nke_hdf5_close(layout);
  return st;
}
