/* The two text formats as sources. */
#include "base/checked.h"
#include "base/memory.h"
#include "data/source.h"
#include "data/text_file.h"
#include "data/text_parse.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text_state {
  nke_text text;
  int64_t columns; /* csv: fields; libsvm: largest index */
  int64_t entries; /* libsvm: of the file */
  nke_sparse line; /* libsvm: rows of which only the label is wanted */
  int64_t target;  /* csv: the field that is y; -1: none */
  double *row;     /* csv: [columns] */
  const char *y;   /* csv, while opening: the wanted column */
  char *header;    /* csv, while opening: the header line */
} text_state;

static nke_status state_alloc(MPI_Comm comm, nke_source *source)
{
  return nke_agree(comm, nke_calloc(1, sizeof(text_state), "text source", &source->state));
}

static void state_finish(nke_source *source)
{
  text_state *s = source->state;
  source->rows = s->text.rows;
  source->bytes = nke_text_bytes(&s->text);
}

static void close_text(nke_source *source)
{
  text_state *s = source->state;
  if (!s) return;
  nke_text_close(&s->text);
  nke_free(s->row);
  nke_free(s->header);
  nke_sparse_clear(&s->line);
  nke_free(s);
  source->state = NULL;
}

/* Put the file and row before what a parser of one line said. */
static nke_status at_row(const text_state *s, int64_t row, nke_status st)
{
  return st == NKE_OK ? st : nke_fail(st, "%s: row %lld: %s", s->text.path, (long long)row, nke_error_text());
}

static int take_header(void *context, char *line)
{
  text_state *s = context;
  return nke_csv_is_header(line) && nke_strdup(line, &s->header) == NKE_OK;
}

static nke_status visit_csv(void *context, char *line, int64_t row)
{
  text_state *s = context;
  if (row == 0) s->columns = nke_csv_fields(line);
  return NKE_OK;
}

/* What the last column, most often the target, is called. */
static const char *last_column(const text_state *s, char *text, size_t size)
{
  const char *begin, *end;
  text[0] = '\0';
  if (!s->header) return "; there is no header line: write a number from 0";
  nke_csv_field(s->header, s->columns - 1, &begin, &end);
  snprintf(text, size, "; the last is '%.*s'", (int)nke_min(end - begin, 40), begin);
  return text;
}

/* The column that `y` names, by the header or by number; none where it need not be there. On rank 0. */
static nke_status find_target(text_state *s, bool needed)
{
  for (int64_t j = 0; s->header && j < s->columns; j++) {
    const char *begin, *end;
    nke_csv_field(s->header, j, &begin, &end);
    if ((size_t)(end - begin) == strlen(s->y) && strncmp(begin, s->y, strlen(s->y)) == 0) {
      s->target = j;
      return NKE_OK;
    }
  }
  char *stop, last[80];
  const long long number = strtoll(s->y, &stop, 10);
  if (*s->y && *stop == '\0' && number >= 0 && number < s->columns) {
    s->target = number;
    return NKE_OK;
  }
  s->target = -1;
  if (!needed) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: no column %.80s among %lld%s", s->text.path, s->y, (long long)s->columns,
                  last_column(s, last, sizeof last));
}

/* The names of the columns of x in the header line, which are as long as that at most. On rank 0. */
static nke_status take_names(const text_state *s, char **names)
{
  if (!s->header || nke_csv_fields(s->header) != s->columns) return NKE_OK;
  const nke_status st = nke_alloc((int64_t)strlen(s->header) + 2, 1, "column names", names);
  if (st != NKE_OK) return st;
  char *p = *names;
  for (int64_t j = 0; j < s->columns; j++) {
    const char *begin, *end;
    if (j == s->target) continue;
    nke_csv_field(s->header, j, &begin, &end);
    memcpy(p, begin, (size_t)(end - begin));
    p += end - begin;
    *p++ = '\n';
  }
  *p = '\0';
  return NKE_OK;
}

/* Whether no column is the target: none is wanted, or those of x are all there are. */
static bool without_target(const nke_data_spec *spec, const text_state *s)
{
  if (spec->targets == NKE_TARGETS_NONE) return true;
  if (spec->targets == NKE_TARGETS_IF_THERE && s->columns == spec->columns) return true;
  return !spec->y && spec->x && strcmp(spec->x, "*") == 0;
}

/* Rank 0's on every rank. */
static nke_status share_names(MPI_Comm comm, char **names)
{
  nke_status st = NKE_OK;
  int64_t size = *names ? (int64_t)strlen(*names) + 1 : 0;
  NKE_TRY_MPI(MPI_Bcast(&size, 1, MPI_INT64_T, 0, comm));
  if (size == 0) return NKE_OK;
  NKE_TRY(nke_agree(comm, *names ? NKE_OK : nke_alloc(size, 1, "column names", names)));
  NKE_TRY_MPI(MPI_Bcast(*names, (int)size, MPI_CHAR, 0, comm));
done:
  return st;
}

static nke_status open_csv(MPI_Comm comm, const nke_data_spec *spec, const char *path, nke_source *source)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(comm, &rank);
  NKE_TRY(state_alloc(comm, source));
  text_state *s = source->state;
  s->y = spec->y;
  NKE_TRY(nke_text_open(comm, path, take_header, visit_csv, s, &s->text));
  if (rank == 0) {
    s->target = without_target(spec, s) ? -1 : s->columns - 1;
    if (s->y && s->target >= 0) st = find_target(s, spec->targets == NKE_TARGETS_AS_SAID);
    if (st == NKE_OK && s->columns < 1 + (s->target >= 0))
      st = nke_fail(NKE_ERR_DATA, "%s: expected at least two columns, x and the target, with commas between", path);
    if (st == NKE_OK) st = take_names(s, &source->names);
  }
  NKE_TRY(nke_agree(comm, st));
  int64_t sizes[2] = {s->columns, s->target};
  NKE_TRY_MPI(MPI_Bcast(sizes, 2, MPI_INT64_T, 0, comm));
  s->columns = sizes[0];
  s->target = sizes[1];
  source->targets = s->target >= 0;
  source->shape = (nke_shape){0, 1, 1, s->columns - source->targets};
  state_finish(source);
  source->bytes += 8 * s->columns;
  NKE_TRY(share_names(comm, &source->names));
  st = nke_agree(comm, nke_alloc(s->columns, sizeof *s->row, "row of text", &s->row));
done:
  return st;
}

static nke_status read_csv(nke_source *source, int64_t first, int64_t n, double *x, double *y)
{
  nke_status st = NKE_OK;
  text_state *s = source->state;
  const int64_t d = source->shape.channels;
  NKE_TRY(nke_text_seek(&s->text, first));
  for (int64_t i = 0; i < n; i++) {
    NKE_TRY(nke_text_row(&s->text));
    NKE_TRY(at_row(s, first + i, nke_csv_parse(s->text.line, s->columns, s->row)));
    if (y) y[i] = s->row[s->target];
    for (int64_t j = 0; x && j < d; j++) x[i * d + j] = s->row[j + (s->target >= 0 && j >= s->target)];
  }
done:
  return st;
}

static nke_status visit_libsvm(void *context, char *line, int64_t row)
{
  text_state *s = context;
  double label;
  nke_status st = NKE_OK;
  NKE_TRY(nke_sparse_begin(&s->line, 1, s->line.room));
  NKE_TRY(at_row(s, row, nke_libsvm_parse(line, NKE_LIBSVM_MOST, &label, &s->line)));
  const int64_t entries = s->line.start[1];
  if (entries > 0) s->columns = nke_max(s->columns, s->line.index[entries - 1] + 1);
  s->entries += entries;
done:
  return st;
}

static nke_status open_libsvm(MPI_Comm comm, const nke_data_spec *spec, const char *path, nke_source *source)
{
  nke_status st = NKE_OK;
  NKE_TRY(state_alloc(comm, source));
  text_state *s = source->state;
  NKE_TRY(nke_text_open(comm, path, NULL, visit_libsvm, s, &s->text));
  int64_t sizes[2] = {s->columns, s->entries};
  NKE_TRY_MPI(MPI_Bcast(sizes, 2, MPI_INT64_T, 0, comm));
  s->columns = sizes[0];
  char *stop;
  const long long wanted = spec->x ? strtoll(spec->x, &stop, 10) : 0;
  if (wanted > 0 && *stop == '\0') {
    if (wanted < s->columns)
      NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: index %lld: expected at most %lld columns", path, (long long)s->columns,
                       wanted));
    s->columns = wanted;
  }
  if (wanted == 0 && s->columns > 0) s->columns = nke_max(s->columns, spec->least);
  if (s->columns < 1) NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: no index:value in any row", path));
  source->targets = spec->targets != NKE_TARGETS_NONE;
  source->shape = (nke_shape){0, 1, 1, s->columns};
  state_finish(source);
  source->entries = nke_ceil_div(sizes[1], source->rows);
done:
  return st;
}

static nke_status read_sparse_libsvm(nke_source *source, int64_t first, int64_t n, nke_sparse *x, double *y)
{
  nke_status st = NKE_OK;
  text_state *s = source->state;
  if (!x) x = &s->line;
  NKE_TRY(nke_sparse_begin(x, n, x->room));
  NKE_TRY(nke_text_seek(&s->text, first));
  for (int64_t i = 0; i < n; i++) {
    double label;
    NKE_TRY(nke_text_row(&s->text));
    NKE_TRY(at_row(s, first + i, nke_libsvm_parse(s->text.line, s->columns, &label, x)));
    nke_sparse_end_row(x);
    if (y) y[i] = label;
  }
done:
  return st;
}

static const char *const csv_extensions[] = {".csv", ".csv.gz", NULL};
static const char *const libsvm_extensions[] = {".libsvm", ".svm",        ".txt", ".libsvm.gz",
                                                ".svm.gz", ".txt.gz", NULL};

const nke_source_class nke_source_csv = {csv_extensions, open_csv, read_csv, NULL, NULL, NULL, close_text};
const nke_source_class nke_source_libsvm = {libsvm_extensions, open_libsvm, NULL, read_sparse_libsvm, NULL, NULL, close_text};
