#include "data/hdf5_chunks.h"

#include "base/checked.h"
#include "base/memory.h"

#include <string.h>
#include <zlib.h>

enum { MOST_RANK = 4, MOST_FILTERS = 8, MOST_WALKED = 4096 };

/* A byte of deflate's output takes at least 1/1032 of one (zlib's technical notes): what a chunk may hold, at most, of
 * what is in the file. HDF5 sets that room aside before it looks at the chunk. */
enum { MOST_UNPACKED = 1032 };

/* Chunks of an array at most: a bit each is kept. */
#define MOST_CHUNKS ((int64_t)1 << 28)

struct nke_hdf5_chunks {
  const char *path, *name;
  int rank, n_filters;
  bool plugins;
  H5Z_filter_t filter[MOST_FILTERS];
  int64_t side[MOST_RANK], across[MOST_RANK]; /* of a chunk; chunks along each dimension */
  int64_t bytes, count;                       /* of a chunk; chunks in all */
  unsigned char *checked;                     /* a bit a chunk */
  unsigned char *stored;                      /* [most_stored] */
  int64_t most_stored;
};

static nke_status take_filters(nke_hdf5_chunks *c, hid_t layout)
{
  c->n_filters = H5Pget_nfilters(layout);
  if (c->n_filters < 0 || c->n_filters > MOST_FILTERS)
    return nke_fail(NKE_ERR_DATA, "%s: %s: damaged: %d filters", c->path, c->name, c->n_filters);
  for (int i = 0; i < c->n_filters; i++) {
    unsigned flags, config;
    size_t none = 0;
    const H5Z_filter_t f = H5Pget_filter2(layout, (unsigned)i, &flags, &none, NULL, 0, NULL, &config);
    c->filter[i] = f;
    c->plugins |= f >= H5Z_FILTER_RESERVED;
    if (f < H5Z_FILTER_RESERVED && f != H5Z_FILTER_DEFLATE && f != H5Z_FILTER_SHUFFLE && f != H5Z_FILTER_FLETCHER32)
      return nke_fail(NKE_ERR_DATA, "%s: %s: packed by filter %d; expected gzip, shuffle or fletcher32", c->path, c->name,
                      (int)f);
  }
  return NKE_OK;
}

static nke_status check_room(const nke_hdf5_chunks *c, hid_t dataset)
{
  const int64_t size = nke_hdf5_file_bytes(dataset);
  if (c->bytes / MOST_UNPACKED <= size) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: %s: damaged: chunks of %lld bytes in a file of %lld", c->path, c->name,
                  (long long)c->bytes, (long long)size);
}

static nke_status take_sizes(nke_hdf5_chunks *c, hid_t dataset, const hsize_t *chunk)
{
  nke_status st = NKE_OK;
  const hid_t type = H5Dget_type(dataset);
  int64_t dims[MOST_RANK], count = 1;
  c->bytes = (int64_t)H5Tget_size(type);
  nke_hdf5_close(type);
  bool ok = nke_hdf5_dims(dataset, MOST_RANK, &c->rank, dims);
  for (int i = 0; i < c->rank && ok; i++) {
    ok = chunk[i] > 0 && chunk[i] <= UINT32_MAX && dims[i] >= 0;
    if (!ok) break;
    c->side[i] = (int64_t)chunk[i];
    c->across[i] = nke_ceil_div(dims[i], c->side[i]);
    ok = c->bytes <= UINT32_MAX / c->side[i] && (c->across[i] == 0 || count <= MOST_CHUNKS / c->across[i]);
    if (!ok) break;
    c->bytes *= c->side[i];
    count *= c->across[i];
  }
  if (!ok) return nke_fail(NKE_ERR_DATA, "%s: %s: damaged, or more than 2^28 chunks", c->path, c->name);
  NKE_TRY(check_room(c, dataset));
  c->most_stored = (int64_t)compressBound((uLong)c->bytes) + 64;
  c->count = count;
  NKE_TRY(nke_calloc(count / 8 + 1, 1, "the map of chunks", &c->checked));
done:
  return st;
}

/* An array in one piece, in the header (compact) or apart: as long as its values, and inside the file. HDF5 takes both
 * from the header as they are. */
static nke_status check_piece(hid_t dataset, hid_t layout, const char *path, const char *name)
{
  const bool compact = H5Pget_layout(layout) == H5D_COMPACT;
  const haddr_t offset = compact ? 0 : H5Dget_offset(dataset);
  if (offset == HADDR_UNDEF || H5Pget_external_count(layout) > 0) return NKE_OK; /* not written, or elsewhere */
  const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  const hsize_t file = (hsize_t)nke_hdf5_file_bytes(dataset), size = H5Dget_storage_size(dataset);
  const hsize_t value = H5Tget_size(type), count = (hsize_t)H5Sget_simple_extent_npoints(space);
  nke_hdf5_close(space);
  nke_hdf5_close(type);
  if (value > 0 && size % value == 0 && size / value == count && offset <= file && size <= file - offset) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: %s: damaged: its values do not lie in the file", path, name);
}

nke_status nke_hdf5_chunks_open(hid_t dataset, const char *path, const char *name, nke_hdf5_chunks **out)
{
  nke_status st = NKE_OK;
  nke_hdf5_chunks *c = NULL;
  hsize_t chunk[MOST_RANK];
  const hid_t layout = H5Dget_create_plist(dataset);
  *out = NULL;
  const H5D_layout_t kind = layout < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(layout);
  if (kind == H5D_CONTIGUOUS || kind == H5D_COMPACT) st = check_piece(dataset, layout, path, name);
  if (st != NKE_OK || kind != H5D_CHUNKED) goto done;
  NKE_TRY(nke_calloc(1, sizeof *c, "chunks of an array", &c));
  c->path = path;
  c->name = name;
  if (H5Pget_chunk(layout, MOST_RANK, chunk) < 1)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: %s: damaged: impossible chunks", path, name));
  NKE_TRY(take_filters(c, layout));
  NKE_TRY(take_sizes(c, dataset, chunk));
  if (!c->plugins) {
    *out = c;
    c = NULL;
  }
done:
  nke_hdf5_close(layout);
  nke_hdf5_chunks_close(&c);
  return st;
}

void nke_hdf5_chunks_close(nke_hdf5_chunks **c)
{
  if (!*c) return;
  nke_free((*c)->checked);
  nke_free((*c)->stored);
  nke_free(*c);
  *c = NULL;
}

int64_t nke_hdf5_chunks_bytes(const nke_hdf5_chunks *c)
{
  return c ? c->count / 8 + 1 + (c->n_filters > 0 ? c->most_stored : 0) : 0;
}

/* Bytes that a zlib stream unpacks to, -1 if it is damaged or goes past `most`. */
static int64_t unpacked(unsigned char *from, int64_t length, int64_t most)
{
  unsigned char window[16384];
  z_stream z = {.next_in = from, .avail_in = (uInt)length};
  int64_t total = 0;
  int code = Z_OK;
  if (inflateInit(&z) != Z_OK) return -1;
  while (code == Z_OK && total <= most) {
    z.next_out = window;
    z.avail_out = sizeof window;
    code = inflate(&z, Z_NO_FLUSH);
    total += (int64_t)sizeof window - z.avail_out;
  }
  inflateEnd(&z);
  return code == Z_STREAM_END && total <= most ? total : -1;
}

/* Bytes that `size` stored ones become when the filters are undone, last one first; -1 where they cannot be. */
static int64_t length_of(nke_hdf5_chunks *c, int64_t size, unsigned skipped)
{
  bool packed = true; /* nothing but a checksum has been taken off */
  for (int i = c->n_filters - 1; i >= 0 && size >= 0; i--) {
    if (skipped >> i & 1) continue;
    if (c->filter[i] == H5Z_FILTER_FLETCHER32) {
      size -= 4;
    } else {
      if (c->filter[i] == H5Z_FILTER_DEFLATE) size = packed ? unpacked(c->stored, size, c->bytes + 64) : -1;
      packed = false;
    }
  }
  return size;
}

/* Bytes on record for a chunk, 0 for one that was never written. Of chunks without filters the quick question is answered
 * from the layout, and the other one walks through all of them: it is put where they are few. */
static hsize_t stored_size(const nke_hdf5_chunks *c, hid_t dataset, const hsize_t *corner)
{
  hsize_t size = 0;
  haddr_t address = HADDR_UNDEF;
  unsigned skipped;
  if (c->n_filters == 0 && c->count <= MOST_WALKED)
    return H5Dget_chunk_info_by_coord(dataset, corner, &skipped, &address, &size) < 0 || address == HADDR_UNDEF ? 0 : size;
  return H5Dget_chunk_storage_size(dataset, corner, &size) < 0 ? 0 : size;
}

static nke_status check_one(nke_hdf5_chunks *c, hid_t dataset, const hsize_t *corner)
{
  nke_status st = NKE_OK;
  uint32_t skipped = 0;
  const hsize_t size = stored_size(c, dataset, corner);
  if (size == 0) return NKE_OK;
  if (size > (hsize_t)c->most_stored) goto bad;
  if (c->n_filters > 0 && !c->stored) NKE_TRY(nke_alloc(c->most_stored, 1, "a stored chunk", &c->stored));
  if (c->n_filters > 0 && H5Dread_chunk(dataset, H5P_DEFAULT, corner, &skipped, c->stored) < 0) goto bad;
  if (length_of(c, (int64_t)size, skipped) == c->bytes) return NKE_OK;
bad:
  st = nke_fail(NKE_ERR_DATA, "%s: %s: the chunk that begins at row %llu is damaged: expected %lld bytes, it has fewer, more "
                              "or cannot be unpacked",
                c->path, c->name, (unsigned long long)corner[0], (long long)c->bytes);
done:
  return st;
}

nke_status nke_hdf5_chunks_check(nke_hdf5_chunks *c, hid_t dataset, const int64_t *start, const int64_t *count)
{
  int64_t at[MOST_RANK], first[MOST_RANK], last[MOST_RANK];
  if (!c) return NKE_OK;
  for (int i = 0; i < c->rank; i++) {
    if (count[i] <= 0) return NKE_OK;
    at[i] = first[i] = start[i] / c->side[i];
    last[i] = (start[i] + count[i] - 1) / c->side[i];
  }
  for (int i = 0; i >= 0;) {
    hsize_t corner[MOST_RANK];
    int64_t number = 0;
    for (int k = 0; k < c->rank; k++) {
      number = number * c->across[k] + at[k];
      corner[k] = (hsize_t)(at[k] * c->side[k]);
    }
    if (!(c->checked[number / 8] >> number % 8 & 1)) {
      const nke_status st = check_one(c, dataset, corner);
      if (st != NKE_OK) return st;
      c->checked[number / 8] |= (unsigned char)(1 << number % 8);
    }
    for (i = c->rank - 1; i >= 0 && ++at[i] > last[i]; i--) at[i] = first[i];
  }
  return NKE_OK;
}

bool nke_hdf5_chunks_span(const nke_hdf5_chunks *c, hid_t dataset, int64_t first, int64_t n, int64_t *begin, int64_t *end)
{
  hsize_t low[MOST_RANK] = {(hsize_t)(first / c->side[0] * c->side[0])}, high[MOST_RANK], size;
  haddr_t from, to;
  unsigned skipped;
  int64_t chunks = (first + n - 1) / c->side[0] - first / c->side[0] + 1;
  if (c->count > MOST_WALKED) return false;
  high[0] = (hsize_t)((first + n - 1) / c->side[0] * c->side[0]);
  for (int i = 1; i < c->rank; i++) {
    high[i] = (hsize_t)((c->across[i] - 1) * c->side[i]);
    chunks *= c->across[i];
  }
  if (H5Dget_chunk_info_by_coord(dataset, low, &skipped, &from, &size) < 0 || from == HADDR_UNDEF) return false;
  if (H5Dget_chunk_info_by_coord(dataset, high, &skipped, &to, &size) < 0 || to == HADDR_UNDEF || to < from) return false;
  *begin = (int64_t)from;
  *end = (int64_t)(to + size);
  return (*end - *begin) / chunks <= c->most_stored; /* nothing much between them */
}
