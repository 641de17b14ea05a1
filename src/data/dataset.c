#include "data/dataset.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/dataset_impl.h"
#include "data/h5file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const nke_source_class *const classes[] = {&nke_source_hdf5, &nke_source_npy, &nke_source_csv,
                                                &nke_source_libsvm};

static bool ends_with(const char *text, const char *end)
{
  const size_t a = strlen(text), b = strlen(end);
  return a >= b && strcasecmp(text + a - b, end) == 0;
}

static const nke_source_class *class_of(const char *path)
{
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
    for (const char *const *e = classes[i]->extensions; *e; e++)
      if (ends_with(path, *e)) return classes[i];
  return NULL;
}

bool nke_dataset_format(const char *path)
{
  return class_of(path) != NULL;
}

bool nke_dataset_is_hdf5(const char *path)
{
  return class_of(path) == &nke_source_hdf5;
}

bool nke_dataset_is_libsvm(const char *path)
{
  return class_of(path) == &nke_source_libsvm;
}

bool nke_dataset_is_csv(const char *path)
{
  return class_of(path) == &nke_source_csv;
}

static nke_status check_rows(nke_dataset *d, const nke_data_spec *spec)
{
  const int64_t end = spec->row_end == -1 ? d->source.rows : spec->row_end;
  if (spec->row_begin < 0 || end > d->source.rows || spec->row_begin >= end)
    return nke_fail(NKE_ERR_DATA, "%s: rows %lld:%lld: expected a range inside 0:%lld", d->path,
                    (long long)spec->row_begin, (long long)end, (long long)d->source.rows);
  d->rows = (nke_range){spec->row_begin, end};
  d->named = d->rows.begin + (spec->memory.n_dims > 0 ? spec->memory.first : 0);
  return NKE_OK;
}

nke_status nke_dataset_find(const nke_data_spec *spec, char **path)
{
  return spec->as_given ? nke_strdup(spec->file, path) : nke_source_path(spec->file, path);
}

static nke_status prepare(nke_dataset *d, const nke_data_spec *spec)
{
  nke_status st = NKE_OK;
  const int in_memory = spec->memory.n_dims > 0;
  NKE_TRY(in_memory ? nke_strdup(spec->file, &d->path) : nke_dataset_find(spec, &d->path));
  NKE_TRY(nke_strdup(spec->x ? spec->x : "x", &d->x));
  NKE_TRY(nke_strdup(spec->y ? spec->y : "y", &d->y));
  d->source.class = in_memory ? &nke_source_memory : class_of(d->path);
  if (!d->source.class)
    st = nke_fail(NKE_ERR_DATA,
                  "%s: unknown file type: expected " NKE_DATASET_FORMATS "; save arrays by numpy.save() or h5py",
                  d->path);
done:
  return st;
}

nke_status nke_dataset_open(MPI_Comm comm, const nke_data_spec *spec, nke_dataset **out)
{
  nke_dataset *d = NULL;
  *out = NULL;
  nke_status st = nke_calloc(1, sizeof *d, "data set", &d);
  if (st == NKE_OK) st = prepare(d, spec);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(d->source.class->open(comm, spec, d->path, &d->source));
  NKE_TRY(check_rows(d, spec));
  *out = d;
  d = NULL;
done:
  nke_dataset_close(&d);
  return st;
}

void nke_dataset_close(nke_dataset **dataset)
{
  nke_dataset *d = *dataset;
  if (!d) return;
  if (d->source.class) d->source.class->close(&d->source);
  if (d->map.length > 0) d->map.destroy(d->map.context);
  nke_sparse_clear(&d->sparse);
  nke_free(d->source.names);
  nke_free(d->scratch);
  nke_free(d->path);
  nke_free(d->x);
  nke_free(d->y);
  nke_free(d);
  *dataset = NULL;
}

bool nke_dataset_is_file(const nke_dataset *d, const char *path)
{
  char *targets = NULL;
  bool same = nke_same_file(d->path, path);
  if (!same && d->source.class == &nke_source_npy && d->source.targets > 0 && nke_source_path(d->y, &targets) == NKE_OK)
    same = nke_same_file(targets, path);
  nke_free(targets);
  return same;
}

int64_t nke_dataset_originals(const nke_dataset *d) { return d->rows.end - d->rows.begin; }
int64_t nke_dataset_rows(const nke_dataset *d) { return nke_dataset_originals(d) * nke_max(1, d->augment.copies); }
int64_t nke_dataset_length(const nke_dataset *d) { return nke_shape_length(nke_dataset_shape(d)); }
int64_t nke_dataset_targets(const nke_dataset *d) { return d->source.targets; }
bool nke_dataset_targets_integral(const nke_dataset *d) { return d->source.targets_integral; }
const char *nke_dataset_path(const nke_dataset *d) { return d->path; }
int64_t nke_dataset_first_row(const nke_dataset *d)
{
  return d->named;
}
int64_t nke_dataset_bytes(const nke_dataset *d) { return d->source.bytes; }

const char *nke_dataset_names(const nke_dataset *d)
{
  return d->source.names;
}

nke_status nke_dataset_check_names(const nke_dataset *d, const char *names, const char *whose)
{
  const char *a = names, *b = d->source.names;
  if (!a || !b) return NKE_OK;
  for (int64_t column = 0; *a && *b; column++) {
    const size_t length = strcspn(a, "\n"), got = strcspn(b, "\n");
    if (length != got || strncmp(a, b, length) != 0)
      return nke_fail(NKE_ERR_DATA, "%s: column %lld of x: expected '%.*s' as in %s, got '%.*s'", d->path,
                      (long long)column, (int)nke_min(length, 40), a, whose, (int)nke_min(got, 40), b);
    a += length + (a[length] == '\n');
    b += got + (b[got] == '\n');
  }
  return NKE_OK;
}

nke_shape nke_dataset_shape(const nke_dataset *d)
{
  return d->map.length > 0 ? (nke_shape){0, 1, 1, d->map.length} : d->source.shape;
}

const char *nke_shape_text(nke_shape s, char text[NKE_SHAPE_CHARS])
{
  const long long height = s.height, width = s.width, channels = s.channels;
  if (s.axes == 0)
    snprintf(text, NKE_SHAPE_CHARS, "[n, %lld]", channels);
  else if (s.axes == 1)
    snprintf(text, NKE_SHAPE_CHARS, "[n, %lld, %lld]", width, channels);
  else
    snprintf(text, NKE_SHAPE_CHARS, "[n, %lld, %lld, %lld]", height, width, channels);
  return text;
}

nke_status nke_dataset_check_shape(const nke_dataset *d, const nke_dataset *other)
{
  const nke_shape s = nke_dataset_shape(d), t = nke_dataset_shape(other);
  if (nke_shape_same(s, t)) return NKE_OK;
  char expected[NKE_SHAPE_CHARS], got[NKE_SHAPE_CHARS];
  return nke_fail(NKE_ERR_DATA, "%s: rows %s expected as in %s, got %s", other->path, nke_shape_text(s, expected),
                  d->path, nke_shape_text(t, got));
}

bool nke_dataset_is_sparse(const nke_dataset *d) { return d->source.entries > 0; }

void nke_dataset_set_map(nke_dataset *d, nke_row_map map)
{
  d->map = map;
}

nke_status nke_dataset_set_copies(nke_dataset *d, const nke_augment *augment)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_augment_check(augment, nke_dataset_shape(d)));
  if (augment->copies > 1 && !d->scratch)
    NKE_TRY(nke_alloc(nke_dataset_length(d), sizeof *d->scratch, "a copy of a row", &d->scratch));
  d->augment = *augment;
done:
  return st;
}

/* A sum of 0 * v is NaN as soon as one v is NaN or infinite. */
nke_status nke_dataset_check_finite(const nke_dataset *d, nke_part part, int64_t row, int64_t width, const double *values)
{
  double sum = 0;
  for (int64_t j = 0; j < width; j++) sum += 0 * values[j];
  if (sum == 0) return NKE_OK;
  int64_t column = 0;
  while (isfinite(values[column])) column++;
  return nke_fail(NKE_ERR_DATA, "%s: %s: row %lld, column %lld: expected a finite number, got %g", d->path,
                  part == NKE_PART_X ? d->x : d->y, (long long)row, (long long)column, values[column]);
}

/* Bytes of the side buffer for rows with gaps. */
enum { GAP_BYTES = 16 << 20 };

/* The longest prefix of rows[n] worth reading as one span: at least half of the span is wanted, and it fits the side
 * buffer; a prefix without gaps needs no buffer and has no limit. */
static int64_t span_count(int64_t n, const int64_t *rows, int64_t width)
{
  const int64_t most = nke_max(1, (int64_t)GAP_BYTES / (8 * width));
  int64_t count = 1;
  while (count < n && rows[count] == rows[count - 1] + 1) count++;
  int64_t best = count;
  for (int64_t j = count; j < n && rows[j] - rows[0] < most && rows[j] - rows[0] < 2 * (j + 1); j++) best = j + 1;
  return best;
}

/* Read the span of rows[count] into side buffers and pick the rows out; x or y may be NULL. */
static nke_status read_gaps(nke_dataset *d, int64_t count, const int64_t *rows, double *x, double *y)
{
  nke_status st = NKE_OK;
  double *side_x = NULL, *side_y = NULL;
  const int64_t span = rows[count - 1] - rows[0] + 1, length = nke_shape_length(d->source.shape), k = d->source.targets;
  if (x) NKE_TRY(nke_alloc(span * length, sizeof *x, "rows with gaps", &side_x));
  if (y) NKE_TRY(nke_alloc(span * k, sizeof *y, "targets with gaps", &side_y));
  NKE_TRY(d->source.class->read(&d->source, d->rows.begin + rows[0], span, side_x, side_y));
  for (int64_t j = 0; j < count; j++) {
    const int64_t from = rows[j] - rows[0];
    if (x) memcpy(x + j * length, side_x + from * length, (size_t)length * sizeof *x);
    if (y) memcpy(y + j * k, side_y + from * k, (size_t)k * sizeof *y);
  }
done:
  nke_free(side_y);
  nke_free(side_x);
  return st;
}

static nke_status read_span(nke_dataset *d, int64_t count, const int64_t *rows, double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t length = nke_shape_length(d->source.shape), k = d->source.targets;
  if (rows[count - 1] - rows[0] + 1 == count)
    NKE_TRY(d->source.class->read(&d->source, d->rows.begin + rows[0], count, x, y));
  else
    NKE_TRY(read_gaps(d, count, rows, x, y));
  for (int64_t j = 0; j < count; j++) {
    const int64_t row = d->named + rows[j];
    if (x) NKE_TRY(nke_dataset_check_finite(d, NKE_PART_X, row, length, x + j * length));
    if (y) NKE_TRY(nke_dataset_check_finite(d, NKE_PART_Y, row, k, y + j * k));
  }
done:
  return st;
}

/* Rows as the file has them. */
static nke_status read_plain(nke_dataset *d, int64_t n, const int64_t *rows, double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t length = nke_shape_length(d->source.shape), k = d->source.targets;
  for (int64_t i = 0, count; i < n; i += count) {
    count = span_count(n - i, rows + i, (x ? length : 0) + (y ? k : 0) + 1);
    NKE_TRY(read_span(d, count, rows + i, x ? x + i * length : NULL, y ? y + i * k : NULL));
  }
done:
  return st;
}

/* Rows through the map, a side buffer at a time. */
static nke_status read_mapped(nke_dataset *d, int64_t n, const int64_t *rows, double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t length = nke_shape_length(d->source.shape), k = d->source.targets;
  const int64_t most = nke_max(1, nke_min(n, (int64_t)GAP_BYTES / (8 * length)));
  double *side = NULL;
  NKE_TRY(nke_alloc(most * length, sizeof *side, "rows to sketch", &side));
  for (int64_t i = 0; i < n; i += most) {
    const int64_t count = nke_min(most, n - i);
    NKE_TRY(read_plain(d, count, rows + i, side, y ? y + i * k : NULL));
    for (int64_t j = 0; j < count; j++) d->map.dense(d->map.context, side + j * length, x + (i + j) * d->map.length);
  }
done:
  nke_free(side);
  return st;
}

/* Rows as the file has them or through the map. */
static nke_status read_originals(nke_dataset *d, int64_t n, const int64_t *rows, double *x, double *y)
{
  if (d->source.entries > 0) return nke_dataset_read_sparse(d, n, rows, x, y);
  return x && d->map.length > 0 ? read_mapped(d, n, rows, x, y) : read_plain(d, n, rows, x, y);
}

/* Rows of which some are copies: those of one copy at a time, as ascending rows of the file. */
static nke_status read_copies(nke_dataset *d, int64_t n, const int64_t *rows, double *x, double *y)
{
  nke_status st = NKE_OK;
  const int64_t originals = nke_dataset_originals(d), length = nke_dataset_length(d), k = d->source.targets;
  int64_t *of_file = NULL;
  NKE_TRY(nke_alloc(n, sizeof *of_file, "rows of copies", &of_file));
  for (int64_t i = 0; i < n; i++) of_file[i] = rows[i] % originals;
  for (int64_t i = 0, end; i < n; i = end) {
    const int64_t copy = rows[i] / originals;
    for (end = i; end < n && rows[end] / originals == copy;) end++;
    NKE_TRY(read_originals(d, end - i, of_file + i, x ? x + i * length : NULL, y ? y + i * k : NULL));
    for (int64_t j = i; x && copy > 0 && j < end; j++)
      nke_augment_row(&d->augment, nke_dataset_shape(d), d->rows.begin + of_file[j], copy, x + j * length, d->scratch);
  }
done:
  nke_free(of_file);
  return st;
}

nke_status nke_dataset_read(nke_dataset *d, int64_t n, const int64_t *rows, double *x, double *y)
{
  for (int64_t i = 0; i < n; i++)
    if (rows[i] < 0 || rows[i] >= nke_dataset_rows(d) || (i > 0 && rows[i] <= rows[i - 1]))
      return nke_fail(NKE_ERR_INTERNAL, "%s: rows to read must ascend inside 0:%lld, got %lld", d->path,
                      (long long)nke_dataset_rows(d), (long long)rows[i]);
  if (y && d->source.targets == 0) return nke_fail(NKE_ERR_DATA, "%s: no targets: y is not given", d->path);
  return d->augment.copies > 1 ? read_copies(d, n, rows, x, y) : read_originals(d, n, rows, x, y);
}

nke_status nke_dataset_read_range(nke_dataset *d, nke_range range, double *x, double *y)
{
  const int64_t n = range.end - range.begin;
  int64_t *rows = NULL;
  nke_status st = nke_alloc(n, sizeof *rows, "row numbers", &rows);
  if (st != NKE_OK) return st;
  for (int64_t i = 0; i < n; i++) rows[i] = range.begin + i;
  st = nke_dataset_read(d, n, rows, x, y);
  nke_free(rows);
  return st;
}

void nke_dataset_ahead(nke_dataset *d, nke_range range)
{
  const int64_t originals = nke_dataset_originals(d), n = range.end - range.begin, first = range.begin % originals;
  if (!d->source.class->ahead || d->source.entries > 0 || n <= 0 || first + n > originals) return;
  d->source.class->ahead(&d->source, d->rows.begin + first, n);
}

bool nke_dataset_has_columns(const nke_dataset *d)
{
  return d->source.class->read_columns && d->source.entries == 0 && d->source.shape.axes == 0;
}

nke_status nke_dataset_read_columns(nke_dataset *d, int64_t row, nke_range columns, double *x)
{
  nke_status st = NKE_OK;
  if (!nke_dataset_has_columns(d))
    return nke_fail(NKE_ERR_USAGE, "%s: rows spread by columns: expected an HDF5 array [n, d]", d->path);
  if (columns.begin == columns.end) return NKE_OK;
  NKE_TRY(d->source.class->read_columns(&d->source, d->rows.begin + row, columns, x));
  for (int64_t j = 0; j < columns.end - columns.begin; j++)
    if (!isfinite(x[j]))
      return nke_fail(NKE_ERR_DATA, "%s: %s: row %lld, column %lld: expected a finite number, got %g", d->path, d->x,
                      (long long)(d->rows.begin + row), (long long)(columns.begin + j), x[j]);
done:
  return st;
}
