#include "base/checked.h"
#include "base/memory.h"
#include "data/csr.h"
#include "data/hdf5_cache.h"
#include "data/hdf5_chunks.h"
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_RANK = 4 };

typedef struct array {
  hid_t dataset;
  char *name;
  int rank;
  int64_t dims[MAX_RANK];
  nke_hdf5_chunks *chunks; /* NULL: one piece */
} array;

typedef struct hdf5_state {
  hid_t file;
  char *path;
  array part[2]; /* by nke_part */
  nke_csr *csr;  /* in place of the first where x is a group */
} hdf5_state;

/* What nke_hdf5_dataset_number() says, and H5T_INTEGER of an enumeration, as which h5py writes numpy's booleans; else
 * what type it is. */
static H5T_class_t number_class(hid_t dataset, const char **other)
{
  H5T_class_t class = nke_hdf5_dataset_number(dataset);
  if (class != H5T_NO_CLASS) return class;
  const hid_t type = H5Dget_type(dataset);
  const hid_t base = type >= 0 && H5Tget_class(type) == H5T_ENUM ? H5Tget_super(type) : H5I_INVALID_HID;
  if (nke_hdf5_number(base) == H5T_INTEGER) class = H5T_INTEGER;
  const H5T_class_t got = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
  *other = got == H5T_STRING ? "text" : got == H5T_COMPOUND ? "a compound" : "another";
  nke_hdf5_close(base);
  nke_hdf5_close(type);
  return class;
}

static nke_status no_data_set(const hdf5_state *s, const char *name)
{
  char names[256];
  nke_hdf5_names(s->file, names, sizeof names);
  return nke_fail(NKE_ERR_DATA, "%s: no data set %s; x and y name those of the file: %s", s->path, name, names);
}

static nke_status open_array(hdf5_state *s, const char *name, int64_t cache, array *a, bool *integral, int64_t *bytes)
{
  nke_status st = NKE_OK;
  int64_t cached;
  NKE_TRY(nke_strdup(name, &a->name));
  if (!nke_hdf5_exists(s->file, name)) return no_data_set(s, name);
  a->dataset = H5Dopen2(s->file, name, H5P_DEFAULT);
  if (a->dataset < 0) return nke_fail(NKE_ERR_DATA, "%s: %s: not a data set, or damaged", s->path, name);
  if (!nke_hdf5_dims(a->dataset, MAX_RANK, &a->rank, a->dims))
    return nke_fail(NKE_ERR_DATA, "%s: %s: expected an array of 1 to 4 dimensions, got %d", s->path, name, a->rank);
  const char *other = NULL;
  const H5T_class_t class = number_class(a->dataset, &other);
  if (class != H5T_INTEGER && class != H5T_FLOAT)
    return nke_fail(NKE_ERR_DATA, "%s: %s: expected an integer or floating type, got %s%s", s->path, name, other,
                    strcmp(other, "text") == 0 ? "; " NKE_NUMBER_CLASSES : "");
  *integral = class == H5T_INTEGER;
  NKE_TRY(nke_hdf5_chunks_open(a->dataset, s->path, a->name, &a->chunks));
  NKE_TRY(nke_hdf5_cache(s->file, s->path, a->name, cache, &a->dataset, &cached));
  *bytes += cached + nke_hdf5_chunks_bytes(a->chunks);
done:
  return st;
}

static nke_status open_file(hdf5_state *s)
{
  if (access(s->path, R_OK) != 0) return nke_fail(NKE_ERR_DATA, "%s: %s", s->path, strerror(errno));
  s->file = nke_hdf5_open_read(s->path);
  if (s->file < 0) return nke_fail(NKE_ERR_DATA, "%s: not an HDF5 file, or truncated", s->path);
  return NKE_OK;
}

static bool is_group(hid_t file, const char *name)
{
  if (!nke_hdf5_exists(file, name)) return false;
  const hid_t object = H5Oopen(file, name, H5P_DEFAULT);
  const bool group = H5Iget_type(object) == H5I_GROUP;
  nke_hdf5_close(object);
  return group;
}

static nke_status open_x(hdf5_state *s, const char *name, int64_t cache, nke_source *source)
{
  nke_status st = NKE_OK;
  array *const x = &s->part[NKE_PART_X];
  if (is_group(s->file, name)) {
    int64_t dims[2] = {0, source->shape.channels}, entries;
    NKE_TRY(nke_csr_open(s->file, s->path, name, cache, &s->csr, &dims[0], &dims[1], &entries));
    NKE_TRY(nke_source_set_x(source, 2, dims, s->path, name));
    source->entries = nke_max(1, nke_ceil_div(entries, dims[0]));
    source->bytes = nke_csr_bytes(s->csr);
  } else {
    bool integral;
    NKE_TRY(open_array(s, name, cache, x, &integral, &source->bytes));
    NKE_TRY(nke_source_set_x(source, x->rank, x->dims, s->path, name));
  }
done:
  return st;
}

static nke_status open_local(const nke_data_spec *spec, const char *path, nke_source *source)
{
  nke_status st = NKE_OK;
  hdf5_state *s = NULL;
  nke_hdf5_quiet();
  if (!spec->x)
    return nke_fail(
        NKE_ERR_USAGE,
        "%s: x: expected the name of the rows' data set (x beside y in the config, --x of predict), got none", path);
  NKE_TRY(nke_calloc(1, sizeof *s, "HDF5 source", &s));
  source->state = s;
  s->file = s->part[NKE_PART_X].dataset = s->part[NKE_PART_Y].dataset = H5I_INVALID_HID;
  NKE_TRY(nke_strdup(path, &s->path));
  NKE_TRY(open_file(s));
  array *const y = &s->part[NKE_PART_Y];
  const int64_t cache = spec->cache > 0 ? spec->cache : INT64_C(1) << 30;
  NKE_TRY(open_x(s, spec->x, cache, source));
  const bool skipped = spec->targets == NKE_TARGETS_NONE ||
                       (spec->targets == NKE_TARGETS_IF_THERE && spec->y && !nke_hdf5_exists(s->file, spec->y));
  if (spec->y && !skipped) {
    NKE_TRY(open_array(s, spec->y, cache, y, &source->targets_integral, &source->bytes));
    NKE_TRY(nke_source_set_y(source, y->rank, y->dims, path, spec->y));
  }
done:
  return st;
}

static nke_status open_hdf5(MPI_Comm comm, const nke_data_spec *spec, const char *path, nke_source *source)
{
  return nke_source_open_each(comm, open_local, spec, path, source);
}

static nke_status read_box(const hdf5_state *s, const array *a, const int64_t *start, const int64_t *count,
                           double *out)
{
  const nke_status st = nke_hdf5_chunks_check(a->chunks, a->dataset, start, count);
  if (st != NKE_OK) return st;
  const hid_t space = H5Dget_space(a->dataset);
  const hid_t memory = nke_hdf5_select(space, a->rank, start, count);
  const bool ok = memory >= 0 && H5Dread(a->dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, out) >= 0;
  nke_hdf5_close(memory);
  nke_hdf5_close(space);
  if (ok) return NKE_OK;
  char what[64];
  snprintf(what, sizeof what, "rows %lld:%lld", (long long)start[0], (long long)(start[0] + count[0]));
  return nke_hdf5_unreadable(a->dataset, s->path, a->name, what);
}

static nke_status read_array(const hdf5_state *s, const array *a, int64_t first, int64_t n, double *out)
{
  int64_t start[MAX_RANK] = {first}, count[MAX_RANK] = {n};
  for (int i = 1; i < a->rank; i++) count[i] = a->dims[i];
  return read_box(s, a, start, count, out);
}

static nke_status read_columns_hdf5(nke_source *source, int64_t row, nke_range columns, double *x)
{
  const hdf5_state *s = source->state;
  return read_box(s, &s->part[NKE_PART_X], (const int64_t[]){row, columns.begin},
                  (const int64_t[]){1, columns.end - columns.begin}, x);
}

static nke_status read_hdf5(nke_source *source, int64_t first, int64_t n, double *x, double *y)
{
  nke_status st = NKE_OK;
  const hdf5_state *s = source->state;
  if (x) NKE_TRY(read_array(s, &s->part[NKE_PART_X], first, n, x));
  if (y) NKE_TRY(read_array(s, &s->part[NKE_PART_Y], first, n, y));
done:
  return st;
}

static nke_status read_sparse_hdf5(nke_source *source, int64_t first, int64_t n, nke_sparse *x, double *y)
{
  nke_status st = NKE_OK;
  const hdf5_state *s = source->state;
  if (x) NKE_TRY(nke_csr_read(s->csr, first, n, x));
  if (y) NKE_TRY(read_array(s, &s->part[NKE_PART_Y], first, n, y));
done:
  return st;
}

/* The bytes of rows [first, first + n). */
static bool span_of(const array *a, int64_t first, int64_t n, int64_t *begin, int64_t *end)
{
  if (a->chunks) return nke_hdf5_chunks_span(a->chunks, a->dataset, first, n, begin, end);
  const haddr_t offset = H5Dget_offset(a->dataset);
  const hid_t type = H5Dget_type(a->dataset);
  int64_t row_bytes = (int64_t)H5Tget_size(type);
  nke_hdf5_close(type);
  for (int i = 1; i < a->rank; i++) row_bytes *= a->dims[i];
  *begin = (int64_t)offset + first * row_bytes;
  *end = *begin + n * row_bytes;
  return offset != HADDR_UNDEF;
}

static void ahead_hdf5(nke_source *source, int64_t first, int64_t n)
{
  const hdf5_state *s = source->state;
  void *handle = NULL;
  int64_t begin, end;
  if (H5Fget_vfd_handle(s->file, H5P_DEFAULT, &handle) < 0 || !handle) return;
  const int fd = *(const int *)handle; /* of HDF5's default driver, by which the file was opened */
  for (int i = 0; i < 2; i++)
    if (s->part[i].dataset >= 0 && span_of(&s->part[i], first, n, &begin, &end))
      posix_fadvise(fd, begin, end - begin, POSIX_FADV_WILLNEED);
}

static void close_hdf5(nke_source *source)
{
  hdf5_state *s = source->state;
  if (!s) return;
  for (int i = 0; i < 2; i++) {
    nke_hdf5_chunks_close(&s->part[i].chunks);
    nke_hdf5_close(s->part[i].dataset);
    nke_free(s->part[i].name);
  }
  nke_csr_close(&s->csr);
  if (s->file >= 0) H5Fclose(s->file);
  nke_free(s->path);
  nke_free(s);
  source->state = NULL;
}

static const char *const extensions[] = {".h5", ".hdf5", NULL};

const nke_source_class nke_source_hdf5 = {extensions, open_hdf5, read_hdf5, read_sparse_hdf5, read_columns_hdf5,
                                          ahead_hdf5, close_hdf5};
