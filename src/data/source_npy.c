#include "base/checked.h"
#include "base/memory.h"
#include "data/npy_header.h"
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct npy_file {
  int fd; /* 0: not open */
  char *path;
  nke_npy_header header;
  int64_t row_bytes;
} npy_file;

typedef struct npy_state {
  npy_file part[2]; /* by nke_part */
} npy_state;

/* Bytes read at once, and converted from one side of a buffer. */
enum { PIECE = 1 << 20 };

static nke_status parse_file(npy_file *f)
{
  nke_status st = NKE_OK;
  unsigned char *bytes = NULL;
  struct stat info;
  int64_t left;
  NKE_TRY(nke_alloc(NKE_NPY_HEADER, 1, "npy header", &bytes));
  f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
  if (f->fd < 0) NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: %s", f->path, strerror(errno)));
  const ssize_t got = pread(f->fd, bytes, NKE_NPY_HEADER, 0);
  if (got < 0 || fstat(f->fd, &info) != 0) NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: %s", f->path, strerror(errno)));
  if (nke_npy_parse(bytes, got, &f->header) != NKE_OK)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: %s", f->path, nke_error_text()));
  for (int i = 0; i < f->header.rank; i++)
    if (f->header.dims[i] == 0) goto done; /* for its users to refuse: it has no bytes that could be missing */
  f->row_bytes = f->header.size;
  left = (info.st_size - f->header.data) / f->header.size; /* entries, divided down so that no product overflows */
  for (int i = 0; i < f->header.rank; i++) {
    if (f->header.dims[i] > 0) left /= f->header.dims[i];
    if (i > 0 && left > 0) f->row_bytes *= f->header.dims[i];
  }
  if (left < 1) st = nke_fail(NKE_ERR_DATA, "%s: truncated: fewer bytes than its shape says", f->path);
done:
  nke_free(bytes);
  return st;
}

static nke_status open_local(const nke_data_spec *spec, const char *path, nke_source *source)
{
  nke_status st = NKE_OK;
  npy_state *s = NULL;
  NKE_TRY(nke_calloc(1, sizeof *s, "npy source", &s));
  source->state = s;
  npy_file *x = &s->part[NKE_PART_X], *y = &s->part[NKE_PART_Y];
  NKE_TRY(nke_strdup(path, &x->path));
  NKE_TRY(parse_file(x));
  NKE_TRY(nke_source_set_x(source, x->header.rank, x->header.dims, path, "x"));
  source->bytes = PIECE;
  if (spec->y && spec->targets == NKE_TARGETS_AS_SAID) {
    NKE_TRY(nke_source_path(spec->y, &y->path));
    NKE_TRY(parse_file(y));
    NKE_TRY(nke_source_set_y(source, y->header.rank, y->header.dims, y->path, "y"));
    source->targets_integral = y->header.kind != 'f';
  }
done:
  return st;
}

static nke_status open_npy(MPI_Comm comm, const nke_data_spec *spec, const char *path, nke_source *source)
{
  return nke_source_open_each(comm, open_local, spec, path, source);
}

#define CONVERT(type)                                                                        \
  do {                                                                                       \
    for (int64_t i = 0; i < n; i++) {                                                        \
      type entry;                                                                            \
      memcpy(&entry, bytes + i * (int64_t)sizeof entry, sizeof entry);                       \
      out[i] = (double)entry;                                                                \
    }                                                                                        \
  } while (0)

static void convert(const nke_npy_header *h, int64_t n, const char *bytes, double *out)
{
  switch (h->kind == 'f' ? h->size : h->kind == 'i' ? 10 + h->size : 20 + h->size) {
    case 4: CONVERT(float); break;
    case 8: CONVERT(double); break;
    case 11: CONVERT(int8_t); break;
    case 12: CONVERT(int16_t); break;
    case 14: CONVERT(int32_t); break;
    case 18: CONVERT(int64_t); break;
    case 21: CONVERT(uint8_t); break;
    case 22: CONVERT(uint16_t); break;
    case 24: CONVERT(uint32_t); break;
    case 28: CONVERT(uint64_t); break;
    default: break;
  }
}

static nke_status read_bytes(const npy_file *f, int64_t offset, int64_t count, char *bytes)
{
  while (count > 0) {
    const ssize_t now = pread(f->fd, bytes, (size_t)count, offset);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0)
      return nke_fail(NKE_ERR_DATA, "%s: cannot be read at byte %lld: %s", f->path, (long long)offset,
                      now < 0 ? strerror(errno) : "truncated");
    bytes += now;
    offset += now;
    count -= now;
  }
  return NKE_OK;
}

/* Rows that lie one behind the other. */
static nke_status read_rows(const npy_file *f, int64_t first, int64_t n, char *bytes, double *out)
{
  nke_status st = NKE_OK;
  int64_t offset = f->header.data + first * f->row_bytes, left = n * f->row_bytes;
  while (left > 0) {
    const int64_t piece = nke_min(PIECE, left);
    NKE_TRY(read_bytes(f, offset, piece, bytes));
    convert(&f->header, piece / f->header.size, bytes, out);
    out += piece / f->header.size;
    offset += piece;
    left -= piece;
  }
done:
  return st;
}

/* Columns one behind the other: of each the entries of these rows. */
static nke_status read_columns(const npy_file *f, int64_t first, int64_t n, char *bytes, double *out)
{
  nke_status st = NKE_OK;
  double *column = NULL;
  const int64_t size = f->header.size, columns = f->row_bytes / size, most = nke_min(n, PIECE / size);
  NKE_TRY(nke_alloc(most, sizeof *column, "a column of npy rows", &column));
  for (int64_t c = 0; c < columns; c++) {
    const int64_t begin = first + f->header.dims[0] * nke_npy_fortran_place(&f->header, c);
    for (int64_t at = 0; at < n; at += most) {
      const int64_t rows = nke_min(most, n - at);
      NKE_TRY(read_bytes(f, f->header.data + (begin + at) * size, rows * size, bytes));
      convert(&f->header, rows, bytes, column);
      for (int64_t i = 0; i < rows; i++) out[(at + i) * columns + c] = column[i];
    }
  }
done:
  nke_free(column);
  return st;
}

static nke_status read_file(const npy_file *f, int64_t first, int64_t n, double *out)
{
  nke_status st = NKE_OK;
  char *bytes = NULL;
  NKE_TRY(nke_alloc(PIECE, 1, "npy rows", &bytes));
  st = f->header.fortran ? read_columns(f, first, n, bytes, out) : read_rows(f, first, n, bytes, out);
done:
  nke_free(bytes);
  return st;
}

static nke_status read_npy(nke_source *source, int64_t first, int64_t n, double *x, double *y)
{
  nke_status st = NKE_OK;
  const npy_state *s = source->state;
  if (x) NKE_TRY(read_file(&s->part[NKE_PART_X], first, n, x));
  if (y) NKE_TRY(read_file(&s->part[NKE_PART_Y], first, n, y));
done:
  return st;
}

static void ahead_npy(nke_source *source, int64_t first, int64_t n)
{
  const npy_state *s = source->state;
  for (int i = 0; i < 2; i++) {
    const npy_file *const f = &s->part[i];
    if (f->fd > 0 && !f->header.fortran)
      posix_fadvise(f->fd, f->header.data + first * f->row_bytes, n * f->row_bytes, POSIX_FADV_WILLNEED);
  }
}

static void close_npy(nke_source *source)
{
  npy_state *s = source->state;
  if (!s) return;
  for (int i = 0; i < 2; i++) {
    if (s->part[i].fd > 0) close(s->part[i].fd);
    nke_free(s->part[i].path);
  }
  nke_free(s);
  source->state = NULL;
}

static const char *const extensions[] = {".npy", NULL};

const nke_source_class nke_source_npy = {extensions, open_npy, read_npy, NULL, NULL, ahead_npy, close_npy};
