#include "data/hdf5_common.h"

#include <string.h>
#include <sys/stat.h>

void nke_hdf5_quiet(void)
{
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

hid_t nke_hdf5_open_read(const char *path)
{
  struct stat info;
  if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return H5I_INVALID_HID; /* opening a pipe would wait for ever */
  const hid_t list = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_file_locking(list, false, true);
  const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, list);
  nke_hdf5_close(list);
  return file;
}

bool nke_hdf5_exists(hid_t file, const char *name)
{
  /* H5Lexists fails, rather than says no, where a group on the way is missing. */
  char prefix[1024];
  const size_t length = strlen(name);
  if (length >= sizeof prefix || length == 0) return false;
  for (size_t i = 1; i <= length; i++) {
    if (name[i] != '/' && name[i] != '\0') continue;
    memcpy(prefix, name, i);
    prefix[i] = '\0';
    if (strcmp(prefix, "/") != 0 && H5Lexists(file, prefix, H5P_DEFAULT) <= 0) return false;
  }
  return H5Oexists_by_name(file, name, H5P_DEFAULT) > 0;
}

bool nke_hdf5_dims(hid_t dataset, int max_rank, int *rank, int64_t *dims)
{
  hsize_t size[H5S_MAX_RANK];
  const hid_t space = H5Dget_space(dataset);
  bool ok = space >= 0 && H5Sget_simple_extent_type(space) == H5S_SIMPLE;
  *rank = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1; /* of a scalar 0 */
  ok = ok && *rank >= 0 && H5Sget_simple_extent_dims(space, size, NULL) >= 0 && *rank <= max_rank;
  for (int i = 0; ok && i < *rank; i++) {
    ok = size[i] <= (hsize_t)INT64_MAX / 2;
    dims[i] = (int64_t)size[i];
  }
  nke_hdf5_close(space);
  return ok;
}

H5T_class_t nke_hdf5_number(hid_t type)
{
  enum { MOST_BYTES = 16 };
  const H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
  const bool number = class == H5T_INTEGER || class == H5T_FLOAT;
  return number && H5Tget_size(type) <= MOST_BYTES ? class : H5T_NO_CLASS;
}

H5T_class_t nke_hdf5_dataset_number(hid_t dataset)
{
  const hid_t type = H5Dget_type(dataset);
  const H5T_class_t class = nke_hdf5_number(type);
  nke_hdf5_close(type);
  return class;
}

int64_t nke_hdf5_file_bytes(hid_t object)
{
  hsize_t size = 0;
  const hid_t file = H5Iget_file_id(object);
  if (file < 0 || H5Fget_filesize(file, &size) < 0) size = 0;
  nke_hdf5_close(file);
  return (int64_t)size;
}

/* The first filter of the data set that this HDF5 has not; 0: it has all. */
static int missing_filter(hid_t dataset)
{
  const hid_t layout = H5Dget_create_plist(dataset);
  const int count = layout < 0 ? 0 : H5Pget_nfilters(layout);
  int missing = 0;
  for (int i = 0; i < count && missing == 0; i++) {
    unsigned flags, config;
    size_t none = 0;
    const H5Z_filter_t f = H5Pget_filter2(layout, (unsigned)i, &flags, &none, NULL, 0, NULL, &config);
    if (f > 0 && H5Zfilter_avail(f) <= 0) missing = (int)f;
  }
  nke_hdf5_close(layout);
  return missing;
}

nke_status nke_hdf5_unreadable(hid_t dataset, const char *path, const char *name, const char *what)
{
  const int filter = missing_filter(dataset);
  if (filter > 0)
    return nke_fail(NKE_ERR_DATA, "%s: %s: %s cannot be read: packed by filter %d, which is not installed", path, name,
                    what, filter);
  return nke_fail(NKE_ERR_DATA, "%s: %s: %s cannot be read: truncated or damaged", path, name, what);
}

void nke_hdf5_close(hid_t handle)
{
  if (handle >= 0) H5Idec_ref(handle);
}

hid_t nke_hdf5_select(hid_t file_space, int rank, const int64_t *start, const int64_t *count)
{
  hsize_t first[H5S_MAX_RANK], size[H5S_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    first[i] = (hsize_t)start[i];
    size[i] = (hsize_t)count[i];
  }
  if (H5Sselect_hyperslab(file_space, H5S_SELECT_SET, first, NULL, size, NULL) < 0) return -1;
  return H5Screate_simple(rank, size, NULL);
}
