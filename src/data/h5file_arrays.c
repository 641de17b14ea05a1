#include "data/h5file.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/h5file_impl.h"
#include "dist/collect.h"

#include <string.h>
#include <zlib.h>

static hid_t memory_type(nke_h5type type)
{
  switch (type) {
    case NKE_H5_F32: return H5T_NATIVE_FLOAT;
    case NKE_H5_F64: return H5T_NATIVE_DOUBLE;
    case NKE_H5_I64: return H5T_NATIVE_INT64;
    case NKE_H5_U8: return H5T_NATIVE_UINT8;
  }
  return H5I_INVALID_HID;
}

static hid_t file_type(nke_h5type type)
{
  switch (type) {
    case NKE_H5_F32: return H5T_IEEE_F32LE;
    case NKE_H5_F64: return H5T_IEEE_F64LE;
    case NKE_H5_I64: return H5T_STD_I64LE;
    case NKE_H5_U8: return H5T_STD_U8LE;
  }
  return H5I_INVALID_HID;
}

static int64_t type_bytes(nke_h5type type)
{
  return (int64_t)H5Tget_size(memory_type(type));
}

static int64_t array_bytes(nke_h5type type, int rank, const int64_t *dims)
{
  int64_t bytes = type_bytes(type);
  for (int i = 0; i < rank; i++)
    if (__builtin_mul_overflow(bytes, dims[i], &bytes)) return INT64_MAX; /* more than there can be */
  return bytes;
}

bool nke_h5file_close_datasets(nke_h5file *f)
{
  bool ok = true;
  while (f->open) {
    nke_open_dataset *next = f->open->next;
    ok = H5Dclose(f->open->id) >= 0 && ok;
    nke_free(f->open->name);
    nke_free(f->open);
    f->open = next;
  }
  return ok;
}

/* Keep an open data set; closes it on failure. */
static nke_status keep(nke_h5file *f, const char *name, hid_t id)
{
  nke_status st = NKE_OK;
  nke_open_dataset *entry = NULL;
  NKE_TRY(nke_calloc(1, sizeof *entry, "data set", &entry));
  NKE_TRY(nke_strdup(name, &entry->name));
  entry->id = id;
  entry->next = f->open;
  f->open = entry;
  entry = NULL;
done:
  if (st != NKE_OK) H5Dclose(id);
  nke_free(entry);
  return st;
}

static nke_status find(nke_h5file *f, const char *name, hid_t *id)
{
  const nke_status st = f->file < 0 ? nke_h5file_open_here(f) : NKE_OK;
  if (st != NKE_OK) return st;
  for (const nke_open_dataset *d = f->open; d; d = d->next)
    if (strcmp(d->name, name) == 0) {
      *id = d->id;
      return NKE_OK;
    }
  if (!nke_hdf5_exists(f->file, name)) return nke_fail(NKE_ERR_DATA, "%s: corrupt: no data set %s", f->path, name);
  *id = H5Dopen2(f->file, name, H5P_DEFAULT);
  if (*id < 0) return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s cannot be opened", f->path, name);
  return keep(f, name, *id);
}

static void clip_chunk(int rank, const int64_t *dims, const int64_t *chunk, hsize_t *piece)
{
  for (int i = 0; i < rank; i++) piece[i] = (hsize_t)nke_max(1, nke_min(chunk[i], dims[i]));
}

/* No fill: a new file's space is a hole, which reads as zero, and writing it twice would double the time. */
static hid_t create_here(hid_t file, const char *name, nke_h5type type, int rank, const int64_t *dims,
                         const hsize_t *chunk)
{
  hsize_t size[NKE_H5_MAX_RANK];
  const hid_t links = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
  for (int i = 0; i < rank; i++) size[i] = (hsize_t)dims[i];
  if (chunk) H5Pset_chunk(layout, rank, chunk);
  const hid_t space = H5Screate_simple(rank, size, NULL);
  const hid_t id = H5Dcreate2(file, name, file_type(type), space, links, layout, H5P_DEFAULT);
  nke_hdf5_close(space);
  nke_hdf5_close(layout);
  nke_hdf5_close(links);
  return id;
}

nke_status nke_h5file_create_dataset(nke_h5file *f, const char *name, nke_h5type type, int rank, const int64_t *dims,
                                     const int64_t *chunk)
{
  int64_t room[NKE_H5_MAX_RANK] = {0}; /* whole chunks */
  hsize_t piece[NKE_H5_MAX_RANK];
  if (chunk) clip_chunk(rank, dims, chunk, piece);
  for (int i = 0; i < rank; i++)
    if (!chunk || __builtin_mul_overflow(nke_ceil_div(dims[i], (int64_t)piece[i]), (int64_t)piece[i], &room[i]))
      room[i] = dims[i];
  nke_status st = nke_agree(f->comm, nke_h5file_may_grow(f, array_bytes(type, rank, room)));
  if (st != NKE_OK) return st;
  const hid_t id = create_here(f->file, name, type, rank, dims, chunk ? piece : NULL);
  if (id < 0)
    st = nke_fail(NKE_ERR_OUTPUT, "%s: %s: cannot be created", f->path, name);
  else
    st = keep(f, name, id);
  return nke_agree(f->comm, st);
}

bool nke_h5file_has(nke_h5file *f, const char *name)
{
  int has = f->rank == 0 && nke_hdf5_exists(f->file, name);
  MPI_Bcast(&has, 1, MPI_INT, 0, f->comm);
  return has;
}

static nke_status dims_here(nke_h5file *f, const char *name, int *rank, int64_t *dims)
{
  hid_t id;
  const nke_status st = find(f, name, &id);
  if (st != NKE_OK) return st;
  if (!nke_hdf5_dims(id, NKE_H5_MAX_RANK, rank, dims))
    return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s has %d dimensions", f->path, name, *rank);
  return NKE_OK;
}

nke_status nke_h5file_dims(nke_h5file *f, const char *name, int *rank, int64_t *dims)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_agree(f->comm, f->rank == 0 ? dims_here(f, name, rank, dims) : NKE_OK));
  NKE_TRY_MPI(MPI_Bcast(rank, 1, MPI_INT, 0, f->comm));
  NKE_TRY_MPI(MPI_Bcast(dims, *rank, MPI_INT64_T, 0, f->comm));
done:
  return st;
}

/* In one piece; with `chunk` in chunks of that shape too. */
static bool has_layout(hid_t layout, int rank, const hsize_t *chunk)
{
  hsize_t found[NKE_H5_MAX_RANK];
  if (layout < 0) return false;
  if (H5Pget_layout(layout) == H5D_CONTIGUOUS) return H5Pget_external_count(layout) == 0;
  if (!chunk || H5Pget_layout(layout) != H5D_CHUNKED || H5Pget_nfilters(layout) != 0) return false;
  return H5Pget_chunk(layout, NKE_H5_MAX_RANK, found) == rank &&
         memcmp(found, chunk, (size_t)rank * sizeof *chunk) == 0;
}

/* Numbers with room in the file. */
static bool is_plain(hid_t id, int rank, const int64_t *dims, const hsize_t *chunk)
{
  const hid_t layout = H5Dget_create_plist(id), type = H5Dget_type(id);
  bool ok = nke_hdf5_dataset_number(id) != H5T_NO_CLASS && has_layout(layout, rank, chunk);
  hsize_t room = ok ? H5Tget_size(type) : 0;
  for (int i = 0; i < rank && ok; i++) {
    const hsize_t side = H5Pget_layout(layout) == H5D_CHUNKED ? chunk[i] : 1;
    ok = !__builtin_mul_overflow(room, ((hsize_t)dims[i] + side - 1) / side * side, &room);
  }
  ok = ok && H5Dget_storage_size(id) == room;
  nke_hdf5_close(type);
  nke_hdf5_close(layout);
  return ok;
}

static nke_status expect_here(nke_h5file *f, const char *name, int rank, const int64_t *dims, const int64_t *chunk)
{
  nke_status st = NKE_OK;
  hid_t id;
  int stored_rank;
  int64_t stored[NKE_H5_MAX_RANK];
  hsize_t piece[NKE_H5_MAX_RANK];
  NKE_TRY(dims_here(f, name, &stored_rank, stored));
  NKE_TRY(find(f, name, &id));
  if (chunk) clip_chunk(rank, dims, chunk, piece);
  bool same = stored_rank == rank;
  for (int i = 0; same && i < rank; i++) same = stored[i] == dims[i];
  same = same && is_plain(id, rank, dims, chunk ? piece : NULL);
  if (!same)
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt: %s has another shape, type or layout than nke gave it", f->path, name);
done:
  return st;
}

nke_status nke_h5file_expect(nke_h5file *f, const char *name, int rank, const int64_t *dims, const int64_t *chunk)
{
  return nke_agree(f->comm, f->rank == 0 ? expect_here(f, name, rank, dims, chunk) : NKE_OK);
}

static bool empty(int rank, const int64_t *count)
{
  for (int i = 0; i < rank; i++)
    if (count[i] == 0) return true;
  return false;
}

/* One call of HDF5: into `to`, or where that is NULL out of `from`. */
static bool transfer_box(hid_t id, nke_h5type type, int rank, const int64_t *start, const int64_t *count, void *to,
                         const void *from)
{
  const hid_t space = H5Dget_space(id), numbers = memory_type(type);
  const bool fits = space >= 0 && H5Sget_simple_extent_ndims(space) == rank;
  const hid_t memory = fits ? nke_hdf5_select(space, rank, start, count) : H5I_INVALID_HID;
  bool ok = memory >= 0;
  if (ok && to) ok = H5Dread(id, numbers, memory, space, H5P_DEFAULT, to) >= 0;
  if (ok && from) ok = H5Dwrite(id, numbers, memory, space, H5P_DEFAULT, from) >= 0;
  nke_hdf5_close(memory);
  nke_hdf5_close(space);
  return ok;
}

/* MPI's file layer fails from 2^31 bytes a call on. The halves of the first axis that has any lie behind each other in
 * memory. */
static bool transfer(hid_t id, nke_h5type type, int rank, const int64_t *start, const int64_t *count, void *to,
                     const void *from)
{
  enum { MOST_BYTES = 64 << 20 };
  int64_t first[NKE_H5_MAX_RANK], size[NKE_H5_MAX_RANK];
  int axis = 0;
  if (array_bytes(type, rank, count) <= MOST_BYTES) return transfer_box(id, type, rank, start, count, to, from);
  memcpy(first, start, (size_t)rank * sizeof *first);
  memcpy(size, count, (size_t)rank * sizeof *size);
  while (count[axis] == 1) axis++;
  size[axis] = count[axis] / 2;
  const int64_t half = array_bytes(type, rank, size);
  if (!transfer(id, type, rank, first, size, to, from)) return false;
  first[axis] += size[axis];
  size[axis] = count[axis] - size[axis];
  return transfer(id, type, rank, first, size, to ? (char *)to + half : NULL, from ? (const char *)from + half : NULL);
}

nke_status nke_h5file_write(nke_h5file *f, const char *name, nke_h5type type, int rank, const int64_t *start,
                            const int64_t *count, const void *data)
{
  hid_t id;
  if (empty(rank, count)) return NKE_OK;
  const nke_status st = find(f, name, &id);
  if (st != NKE_OK) return st;
  const bool ok = transfer(id, type, rank, start, count, NULL, data);
  if (ok) nke_h5file_wrote(f, array_bytes(type, rank, count));
  if (ok) return NKE_OK;
  return nke_fail(NKE_ERR_OUTPUT, "%s: %s: row %lld and on cannot be written: is the disk full?", f->path, name,
                  (long long)start[0]);
}

nke_status nke_h5file_read(nke_h5file *f, const char *name, nke_h5type type, int rank, const int64_t *start,
                           const int64_t *count, void *data)
{
  hid_t id;
  if (empty(rank, count)) return NKE_OK;
  const nke_status st = find(f, name, &id);
  if (st != NKE_OK) return st;
  const bool ok = transfer(id, type, rank, start, count, data, NULL);
  if (ok) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: row %lld and on cannot be read", f->path, name, (long long)start[0]);
}

static const char checksum_key[] = "crc32";

int64_t nke_h5file_checksum(int64_t bytes, const void *data)
{
  return (int64_t)crc32_z(crc32_z(0, NULL, 0), data, (size_t)bytes);
}

nke_status nke_h5file_put(nke_h5file *f, const char *name, nke_h5type type, int rank, const int64_t *dims,
                          const void *data)
{
  const int64_t start[NKE_H5_MAX_RANK] = {0};
  nke_status st = nke_h5file_create_dataset(f, name, type, rank, dims, NULL);
  if (st != NKE_OK) return st;
  if (f->rank == 0) st = nke_h5file_write(f, name, type, rank, start, dims, data);
  st = nke_agree(f->comm, st);
  if (st != NKE_OK) return st;
  const int64_t sum = f->rank == 0 ? nke_h5file_checksum(array_bytes(type, rank, dims), data) : 0;
  return nke_h5file_put_int(f, name, checksum_key, sum); /* rank 0's */
}

/* Check the stored shape against dims (-1: any), and the number of values against max_count without overflow. */
static nke_status check_shape(nke_h5file *f, const char *name, int rank, int64_t *dims, int64_t max_count)
{
  int stored_rank;
  int64_t stored[NKE_H5_MAX_RANK], left = max_count;
  const nke_status st = dims_here(f, name, &stored_rank, stored);
  if (st != NKE_OK) return st;
  if (stored_rank != rank)
    return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: expected %d dimensions, got %d", f->path, name, rank, stored_rank);
  for (int i = 0; i < rank; i++) {
    if (dims[i] >= 0 && dims[i] != stored[i])
      return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: dimension %d: expected %lld, got %lld", f->path, name, i,
                      (long long)dims[i], (long long)stored[i]);
    left = stored[i] > 0 ? left / stored[i] : left;
    if (left < 1) return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s is larger than it can be", f->path, name);
    dims[i] = stored[i];
  }
  return NKE_OK;
}

/* Before room is set aside: numbers, of the shape, in at most max_bytes, and no more than the file can hold. */
static nke_status check_stored(nke_h5file *f, const char *name, nke_h5type type, int rank, int64_t *dims,
                               int64_t max_bytes)
{
  hid_t id;
  nke_status st = check_shape(f, name, rank, dims, max_bytes / type_bytes(type));
  if (st == NKE_OK) st = find(f, name, &id);
  if (st != NKE_OK) return st;
  if (is_plain(id, rank, dims, NULL) && H5Dget_storage_size(id) <= (hsize_t)nke_hdf5_file_bytes(id)) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s has another type or layout than nke gave it", f->path, name);
}

nke_status nke_h5file_get(nke_h5file *f, const char *name, nke_h5type type, int rank, int64_t *dims, int64_t max_bytes,
                          void *data)
{
  nke_status st = NKE_OK;
  const int64_t start[NKE_H5_MAX_RANK] = {0};
  int64_t sum = 0;
  void *array = NULL;
  if (f->rank == 0) st = check_stored(f, name, type, rank, dims, max_bytes);
  NKE_TRY(nke_agree(f->comm, st));
  NKE_TRY_MPI(MPI_Bcast(dims, rank, MPI_INT64_T, 0, f->comm));
  const int64_t bytes = array_bytes(type, rank, dims);
  st = nke_alloc(bytes, 1, name, &array);
  if (st == NKE_OK && f->rank == 0) st = nke_h5file_read(f, name, type, rank, start, dims, array);
  NKE_TRY(nke_agree(f->comm, st));
  NKE_TRY(nke_h5file_get_int(f, name, checksum_key, &sum));
  if (f->rank == 0 && nke_h5file_checksum(bytes, array) != sum)
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt: %s does not match its checksum", f->path, name);
  NKE_TRY(nke_agree(f->comm, st));
  nke_share_bytes(f->comm, bytes, array);
  memcpy(data, &array, sizeof array);
  array = NULL;
done:
  nke_free(array);
  return st;
}
