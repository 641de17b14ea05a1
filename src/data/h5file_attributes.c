#include "data/h5file.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/h5file_impl.h"

#include <string.h>

/* Most characters of a string attribute, with its terminating zero. */
enum { STRING_BYTES = 1 << 24 };

/* Write one attribute on every rank with the same value, as parallel HDF5 wants it. */
static bool write_here(hid_t file, const char *object, const char *key, hid_t type, const void *value)
{
  if (strcmp(object, "/") != 0 && !nke_hdf5_exists(file, object)) {
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    nke_hdf5_close(H5Gcreate2(file, object, links, H5P_DEFAULT, H5P_DEFAULT));
    nke_hdf5_close(links);
  }
  const hid_t owner = H5Oopen(file, object, H5P_DEFAULT);
  if (owner < 0) return false;
  if (H5Aexists(owner, key) > 0) H5Adelete(owner, key);
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(owner, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
  const bool ok = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
  nke_hdf5_close(attribute);
  nke_hdf5_close(space);
  nke_hdf5_close(owner);
  return ok;
}

static nke_status put(nke_h5file *f, const char *object, const char *key, hid_t type, const void *value)
{
  nke_status st = NKE_OK;
  if (type < 0 || !write_here(f->file, object, key, type, value))
    st = nke_fail(NKE_ERR_OUTPUT, "%s: %s: attribute %s cannot be written", f->path, object, key);
  return nke_agree(f->comm, st);
}

nke_status nke_h5file_put_double(nke_h5file *f, const char *object, const char *key, double value)
{
  MPI_Bcast(&value, 1, MPI_DOUBLE, 0, f->comm);
  return put(f, object, key, H5T_NATIVE_DOUBLE, &value);
}

nke_status nke_h5file_put_int(nke_h5file *f, const char *object, const char *key, int64_t value)
{
  MPI_Bcast(&value, 1, MPI_INT64_T, 0, f->comm);
  return put(f, object, key, H5T_NATIVE_INT64, &value);
}

/* A fixed-length type for `size` bytes with the terminating zero. */
static hid_t string_type(size_t size)
{
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, size);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

nke_status nke_h5file_put_string(nke_h5file *f, const char *object, const char *key, const char *value)
{
  nke_status st = NKE_OK;
  char *copy = NULL;
  hid_t type = H5I_INVALID_HID;
  int64_t size = (int64_t)strlen(value) + 1;
  MPI_Bcast(&size, 1, MPI_INT64_T, 0, f->comm);
  if (size > STRING_BYTES)
    return nke_fail(NKE_ERR_USAGE, "%s: attribute %s: expected at most %d characters", f->path, key, STRING_BYTES);
  st = nke_h5file_may_grow(f, size);
  if (st == NKE_OK) st = nke_calloc(size, 1, key, &copy);
  NKE_TRY(nke_agree(f->comm, st));
  if (f->rank == 0) memcpy(copy, value, (size_t)size);
  NKE_TRY_MPI(MPI_Bcast(copy, (int)size, MPI_CHAR, 0, f->comm));
  type = string_type((size_t)size);
  NKE_TRY(put(f, object, key, type, copy));
done:
  nke_hdf5_close(type);
  nke_free(copy);
  return st;
}

/* Open a scalar attribute of the type class wanted; *size: bytes of its stored type. On rank 0. */
static nke_status open_attribute(nke_h5file *f, const char *object, const char *key, H5T_class_t wanted,
                                 hid_t *attribute, size_t *size)
{
  *attribute = H5I_INVALID_HID;
  if (strcmp(object, "/") != 0 && !nke_hdf5_exists(f->file, object))
    return nke_fail(NKE_ERR_DATA, "%s: corrupt: no group or data set %s", f->path, object);
  if (H5Aexists_by_name(f->file, object, key, H5P_DEFAULT) <= 0)
    return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s has no attribute %s", f->path, object, key);
  *attribute = H5Aopen_by_name(f->file, object, key, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t type = H5Aget_type(*attribute), space = H5Aget_space(*attribute);
  const H5T_class_t class = wanted == H5T_STRING ? H5Tget_class(type) : nke_hdf5_number(type);
  const bool ok = type >= 0 && space >= 0 && class == wanted &&
                  H5Sget_simple_extent_type(space) == H5S_SCALAR &&
                  (wanted != H5T_STRING || H5Tis_variable_str(type) == 0);
  *size = ok ? H5Tget_size(type) : 0;
  nke_hdf5_close(space);
  nke_hdf5_close(type);
  if (ok) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: attribute %s has the wrong type", f->path, object, key);
}

/* One number: read on rank 0, broadcast by the caller. */
static nke_status get_number(nke_h5file *f, const char *object, const char *key, H5T_class_t wanted, hid_t memory,
                             void *value)
{
  nke_status st = NKE_OK;
  if (f->rank == 0) {
    hid_t attribute;
    size_t size;
    st = open_attribute(f, object, key, wanted, &attribute, &size);
    if (st == NKE_OK && H5Aread(attribute, memory, value) < 0)
      st = nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: attribute %s cannot be read", f->path, object, key);
    nke_hdf5_close(attribute);
  }
  return nke_agree(f->comm, st);
}

nke_status nke_h5file_get_double(nke_h5file *f, const char *object, const char *key, double *value)
{
  const nke_status st = get_number(f, object, key, H5T_FLOAT, H5T_NATIVE_DOUBLE, value);
  if (st == NKE_OK) MPI_Bcast(value, 1, MPI_DOUBLE, 0, f->comm);
  return st;
}

nke_status nke_h5file_get_int(nke_h5file *f, const char *object, const char *key, int64_t *value)
{
  const nke_status st = get_number(f, object, key, H5T_INTEGER, H5T_NATIVE_INT64, value);
  if (st == NKE_OK) MPI_Bcast(value, 1, MPI_INT64_T, 0, f->comm);
  return st;
}

static nke_status read_string(nke_h5file *f, const char *object, const char *key, hid_t attribute, size_t size,
                              char **text)
{
  nke_status st = NKE_OK;
  hid_t type = H5I_INVALID_HID;
  if (size > STRING_BYTES)
    return nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: attribute %s is too long", f->path, object, key);
  NKE_TRY(nke_calloc((int64_t)size + 1, 1, key, text));
  type = string_type(size);
  if (H5Aread(attribute, type, *text) < 0)
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt: %s: attribute %s cannot be read", f->path, object, key);
done:
  nke_hdf5_close(type);
  return st;
}

nke_status nke_h5file_get_string(nke_h5file *f, const char *object, const char *key, char **value)
{
  nke_status st = NKE_OK;
  char *text = NULL;
  size_t bytes = 0;
  if (f->rank == 0) {
    hid_t attribute;
    st = open_attribute(f, object, key, H5T_STRING, &attribute, &bytes);
    if (st == NKE_OK) st = read_string(f, object, key, attribute, bytes, &text);
    nke_hdf5_close(attribute);
  }
  NKE_TRY(nke_agree(f->comm, st));
  int size = (int)bytes + 1;
  NKE_TRY_MPI(MPI_Bcast(&size, 1, MPI_INT, 0, f->comm));
  if (f->rank != 0) st = nke_calloc(size, 1, key, &text);
  NKE_TRY(nke_agree(f->comm, st));
  NKE_TRY_MPI(MPI_Bcast(text, size, MPI_CHAR, 0, f->comm));
  *value = text;
  text = NULL;
done:
  nke_free(text);
  return st;
}
