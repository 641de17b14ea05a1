#include "data/csr.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/hdf5_cache.h"
#include "data/hdf5_chunks.h"

#include <stdbool.h>
#include <stdio.h>

enum { DATA, INDICES, INDPTR, PARTS };

static const char *const parts[PARTS] = {"data", "indices", "indptr"};

struct nke_csr {
  hid_t part[PARTS];
  nke_hdf5_chunks *chunks[PARTS];
  char *path, *name;
  int64_t n, d, entries;
  int64_t bytes; /* of chunks */
};

static nke_status open_part(nke_csr *c, hid_t file, int part, int64_t cache, int64_t *length)
{
  nke_status st = NKE_OK;
  char name[1024];
  int rank;
  int64_t cached;
  snprintf(name, sizeof name, "%s/%s", c->name, parts[part]);
  if (!nke_hdf5_exists(file, name) || (c->part[part] = H5Dopen2(file, name, H5P_DEFAULT)) < 0)
    return nke_fail(NKE_ERR_DATA, "%s: %s: a group; for sparse rows expected data sets data, indices, indptr; no %s",
                    c->path, c->name, parts[part]);
  const H5T_class_t class = nke_hdf5_dataset_number(c->part[part]);
  if (!nke_hdf5_dims(c->part[part], 1, &rank, length) || rank != 1 ||
      !(class == H5T_INTEGER || (class == H5T_FLOAT && part == DATA)))
    return nke_fail(NKE_ERR_DATA, "%s: %s: expected one dimension of %s", c->path, name,
                    part == DATA ? "numbers" : "whole numbers");
  NKE_TRY(nke_hdf5_chunks_open(c->part[part], c->path, c->name, &c->chunks[part]));
  NKE_TRY(nke_hdf5_cache(file, c->path, name, cache, &c->part[part], &cached));
  c->bytes += cached + nke_hdf5_chunks_bytes(c->chunks[part]);
done:
  return st;
}

/* Entries [first, first + count) of a part. */
static nke_status read_part(const nke_csr *c, int part, int64_t first, int64_t count, hid_t type, void *out)
{
  const nke_status st = nke_hdf5_chunks_check(c->chunks[part], c->part[part], &first, &count);
  if (st != NKE_OK || count == 0) return st;
  const hid_t space = H5Dget_space(c->part[part]), memory = nke_hdf5_select(space, 1, &first, &count);
  const bool ok = memory >= 0 && H5Dread(c->part[part], type, memory, space, H5P_DEFAULT, out) >= 0;
  nke_hdf5_close(memory);
  nke_hdf5_close(space);
  if (ok) return NKE_OK;
  char name[512], what[64];
  snprintf(name, sizeof name, "%s/%s", c->name, parts[part]);
  snprintf(what, sizeof what, "entries %lld:%lld", (long long)first, (long long)(first + count));
  return nke_hdf5_unreadable(c->part[part], c->path, name, what);
}

/* [n, d] from the group's attribute or data set `shape`. */
static bool read_shape(hid_t group, int64_t shape[2])
{
  hid_t from = H5I_INVALID_HID, space = H5I_INVALID_HID;
  bool ok = false;
  if (H5Aexists(group, "shape") > 0) {
    from = H5Aopen(group, "shape", H5P_DEFAULT);
    space = H5Aget_space(from);
    ok = H5Sget_simple_extent_npoints(space) == 2 && H5Aread(from, H5T_NATIVE_INT64, shape) >= 0;
  } else if (H5Lexists(group, "shape", H5P_DEFAULT) > 0) {
    from = H5Dopen2(group, "shape", H5P_DEFAULT);
    space = H5Dget_space(from);
    const hid_t layout = H5Dget_create_plist(from);
    ok = H5Pget_layout(layout) != H5D_CHUNKED && H5Sget_simple_extent_npoints(space) == 2 &&
         H5Dread(from, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, shape) >= 0;
    nke_hdf5_close(layout);
  }
  nke_hdf5_close(space);
  nke_hdf5_close(from);
  return ok;
}

static nke_status largest_index(nke_csr *c)
{
  nke_status st = NKE_OK;
  enum { PIECE = 1 << 20 };
  int64_t *index = NULL;
  NKE_TRY(nke_alloc(PIECE, sizeof *index, "indices", &index));
  for (int64_t first = 0; first < c->entries; first += PIECE) {
    const int64_t count = nke_min(PIECE, c->entries - first);
    NKE_TRY(read_part(c, INDICES, first, count, H5T_NATIVE_INT64, index));
    for (int64_t k = 0; k < count; k++) c->d = nke_max(c->d, index[k] < INT64_MAX ? index[k] + 1 : index[k]);
  }
done:
  nke_free(index);
  return st;
}

static nke_status find_shape(nke_csr *c, hid_t file)
{
  nke_status st = NKE_OK;
  int64_t shape[2];
  const hid_t group = H5Oopen(file, c->name, H5P_DEFAULT);
  const bool given = group >= 0 && read_shape(group, shape);
  nke_hdf5_close(group);
  if (given) {
    c->d = shape[1];
    if (shape[0] != c->n)
      return nke_fail(NKE_ERR_DATA, "%s: %s: shape has %lld rows, indptr %lld", c->path, c->name, (long long)shape[0],
                      (long long)c->n);
  } else if (c->d == 0) {
    NKE_TRY(largest_index(c));
  }
  if (c->n < 1 || c->d < 1 || c->d > INT64_C(1) << 40)
    st = nke_fail(NKE_ERR_DATA, "%s: %s: %lld rows of %lld columns: expected at least one of each, and 2^40 columns at most",
                  c->path, c->name, (long long)c->n, (long long)c->d);
done:
  return st;
}

nke_status nke_csr_open(hid_t file, const char *path, const char *name, int64_t cache, nke_csr **out, int64_t *n,
                        int64_t *d, int64_t *entries)
{
  nke_status st = NKE_OK;
  nke_csr *c = NULL;
  int64_t length[PARTS];
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *c, "sparse source", &c));
  for (int i = 0; i < PARTS; i++) c->part[i] = H5I_INVALID_HID;
  NKE_TRY(nke_strdup(path, &c->path));
  NKE_TRY(nke_strdup(name, &c->name));
  for (int i = 0; i < PARTS; i++) NKE_TRY(open_part(c, file, i, cache, &length[i]));
  if (length[DATA] != length[INDICES])
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: %s: %lld data but %lld indices", path, name, (long long)length[DATA],
                     (long long)length[INDICES]));
  c->n = length[INDPTR] - 1;
  c->entries = length[DATA];
  c->d = *d;
  NKE_TRY(find_shape(c, file));
  *n = c->n;
  *d = c->d;
  *entries = c->entries;
  *out = c;
  c = NULL;
done:
  nke_csr_close(&c);
  return st;
}

void nke_csr_close(nke_csr **csr)
{
  nke_csr *const c = *csr;
  if (!c) return;
  for (int i = 0; i < PARTS; i++) {
    nke_hdf5_chunks_close(&c->chunks[i]);
    nke_hdf5_close(c->part[i]);
  }
  nke_free(c->path);
  nke_free(c->name);
  nke_free(c);
  *csr = NULL;
}

int64_t nke_csr_bytes(const nke_csr *c)
{
  return c->bytes;
}

static nke_status check_pointers(const nke_csr *c, int64_t first, int64_t n, const int64_t *pointer)
{
  for (int64_t i = 0; i < n; i++)
    if (pointer[i] < 0 || pointer[i + 1] < pointer[i] || pointer[i + 1] > c->entries)
      return nke_fail(NKE_ERR_DATA, "%s: %s: row %lld: indptr expected ascending inside 0:%lld, got %lld, %lld", c->path,
                      c->name, (long long)(first + i), (long long)c->entries, (long long)pointer[i],
                      (long long)pointer[i + 1]);
  return NKE_OK;
}

static nke_status check_indices(const nke_csr *c, int64_t first, const nke_sparse *x)
{
  for (int64_t i = 0; i < x->rows; i++)
    for (int64_t k = x->start[i]; k < x->start[i + 1]; k++)
      if (x->index[k] < 0 || x->index[k] >= c->d)
        return nke_fail(NKE_ERR_DATA, "%s: %s: row %lld: index %lld: expected one of 0:%lld", c->path, c->name,
                        (long long)(first + i), (long long)x->index[k], (long long)c->d);
  return NKE_OK;
}

nke_status nke_csr_read(const nke_csr *c, int64_t first, int64_t n, nke_sparse *x)
{
  nke_status st = NKE_OK;
  int64_t *pointer = NULL;
  NKE_TRY(nke_alloc(n + 1, sizeof *pointer, "row pointers", &pointer));
  NKE_TRY(read_part(c, INDPTR, first, n + 1, H5T_NATIVE_INT64, pointer));
  NKE_TRY(check_pointers(c, first, n, pointer));
  const int64_t entries = pointer[n] - pointer[0];
  NKE_TRY(nke_sparse_begin(x, n, entries));
  NKE_TRY(read_part(c, INDICES, pointer[0], entries, H5T_NATIVE_INT64, x->index));
  NKE_TRY(read_part(c, DATA, pointer[0], entries, H5T_NATIVE_DOUBLE, x->value));
  for (int64_t i = 0; i <= n; i++) x->start[i] = pointer[i] - pointer[0];
  x->rows = n;
  NKE_TRY(check_indices(c, first, x));
done:
  nke_free(pointer);
  return st;
}
