#include "h5_edit.h"

#include <fcntl.h>
#include <hdf5.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

typedef struct reader {
  const uint8_t *at, *end;
} reader;

static unsigned take(reader *r)
{
  return r->at < r->end ? *r->at++ : 0;
}

/* Small sizes mostly, now and then a huge one. */
static hsize_t take_size(reader *r)
{
  const unsigned b = take(r);
  return b < 224 ? b % 16 : (hsize_t)1 << (b - 224) * 2;
}

static const char *pick(reader *r, const char *const *names)
{
  unsigned n = 0;
  while (names[n]) n++;
  return names[take(r) % n];
}

static hid_t take_type(reader *r, size_t *bytes)
{
  hid_t type;
  switch (take(r) % 6) {
    case 0: type = H5Tcopy(H5T_IEEE_F64LE); break;
    case 1: type = H5Tcopy(H5T_STD_I64LE); break;
    case 2: type = H5Tcopy(H5T_IEEE_F32LE); break;
    case 3: type = H5Tcopy(H5T_STD_U8LE); break;
    case 4: type = H5Tcopy(H5T_STD_I16BE); break;
    default:
      type = H5Tcopy(H5T_C_S1);
      H5Tset_size(type, 1 + take(r));
  }
  *bytes = H5Tget_size(type);
  return type;
}

enum { MOST = 1 << 14 };

static void put_int(hid_t owner, const char *key, int64_t value)
{
  const hid_t space = H5Screate(H5S_SCALAR);
  if (H5Aexists(owner, key) > 0) H5Adelete(owner, key);
  const hid_t attribute = H5Acreate2(owner, key, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) H5Awrite(attribute, H5T_NATIVE_INT64, &value);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
}

/* The next bytes of the input as `bytes` bytes of an array, repeated to fill it; in most cases with small numbers. */
static void fill(reader *r, uint8_t *array, size_t bytes, size_t step)
{
  const unsigned plain = take(r);
  memset(array, 0, bytes);
  for (size_t i = 0; i < bytes && r->at < r->end; i += plain % 2 ? 1 : step) array[i] = (uint8_t)take(r);
}

/* A data set of any type and shape in place of what has the name, with a checksum that fits, or not. */
static void replace_dataset(hid_t file, const char *name, reader *r)
{
  static uint8_t array[MOST];
  size_t bytes;
  const hid_t type = take_type(r, &bytes);
  const int rank = (int)(take(r) % 4);
  hsize_t dims[4];
  for (int i = 0; i < rank; i++) {
    dims[i] = take_size(r);
    bytes = dims[i] <= MOST ? bytes * (size_t)dims[i] : MOST + 1;
    if (bytes > MOST) bytes = MOST + 1;
  }
  H5Ldelete(file, name, H5P_DEFAULT);
  const hid_t space = rank ? H5Screate_simple(rank, dims, NULL) : H5Screate(take(r) % 2 ? H5S_SCALAR : H5S_NULL);
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE), links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  if (bytes > MOST) { /* too large to be stored: chunks that are not there */
    hsize_t chunk[4] = {1, 1, 1, 1};
    H5Pset_chunk(layout, rank, chunk);
    H5Pset_alloc_time(layout, H5D_ALLOC_TIME_INCR);
  }
  const hid_t dataset = H5Dcreate2(file, name, type, space, links, layout, H5P_DEFAULT);
  if (dataset >= 0 && bytes <= MOST) {
    fill(r, array, bytes, H5Tget_size(type));
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array);
    put_int(dataset, "crc32", take(r) == 255 ? 0 : (int64_t)crc32_z(crc32_z(0, NULL, 0), array, bytes));
  }
  if (dataset >= 0) H5Dclose(dataset);
  H5Pclose(links);
  H5Pclose(layout);
  if (space >= 0) H5Sclose(space);
  H5Tclose(type);
}

static void replace_attribute(hid_t file, const char *name, const char *key, reader *r)
{
  static uint8_t array[MOST];
  const hid_t owner = H5Oopen(file, name, H5P_DEFAULT);
  if (owner < 0) return;
  const unsigned kind = take(r) % 5;
  if (kind == 0) {
    put_int(owner, key, (int64_t)(int8_t)take(r));
  } else {
    size_t bytes;
    const hid_t type = take_type(r, &bytes), space = kind == 1 ? H5Screate(H5S_NULL) : H5Screate(H5S_SCALAR);
    if (H5Aexists(owner, key) > 0) H5Adelete(owner, key);
    const hid_t attribute = H5Acreate2(owner, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    fill(r, array, bytes, 1);
    if (attribute >= 0 && kind > 1) H5Awrite(attribute, type, array);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
  }
  H5Oclose(owner);
}

static void edit_bytes(const char *path, reader *r)
{
  const int fd = open(path, O_RDWR);
  uint8_t at[3], value[8];
  if (fd < 0) abort();
  const off_t size = lseek(fd, 0, SEEK_END);
  while (r->at < r->end) {
    for (int i = 0; i < 3; i++) at[i] = (uint8_t)take(r);
    const off_t where = (at[0] | at[1] << 8 | at[2] << 16) % (size + 1);
    const size_t length = take(r) % 9;
    for (size_t i = 0; i < length; i++) value[i] = (uint8_t)take(r);
    if (length == 0 ? ftruncate(fd, where) != 0 : pwrite(fd, value, length, where) < 0) abort();
  }
  close(fd);
}

static void edit_objects(const h5_base *base, const char *path, unsigned n, reader *r)
{
  const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  FUZZ_CHECK(file >= 0);
  for (; n > 0; n--) {
    const unsigned what = take(r) % 4;
    const char *const name = pick(r, base->objects);
    if (what == 0)
      H5Ldelete(file, name, H5P_DEFAULT);
    else if (what == 1)
      replace_dataset(file, name, r);
    else
      replace_attribute(file, what == 2 ? "/" : name, pick(r, base->keys), r);
  }
  FUZZ_CHECK(H5Fclose(file) >= 0);
}

void h5_base_take(const char *name, h5_base *base)
{
  FILE *file = fopen(fuzz_path(name), "rb");
  base->bytes = malloc(1 << 20);
  if (!file || !base->bytes) abort();
  base->size = fread(base->bytes, 1, 1 << 20, file);
  fclose(file);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void h5_check_closed(void)
{
  FUZZ_CHECK(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) == 0);
}

const char *h5_edit(const h5_base *base, const char *name, const uint8_t *data, size_t size)
{
  reader r = {data, data + size};
  const unsigned first = take(&r);
  const char *const path = fuzz_file(name, base->bytes, base->size);
  if (first % 4) edit_objects(base, path, first % 4, &r);
  if (first % 4 == 0 || first & 128) edit_bytes(path, &r);
  return path;
}
