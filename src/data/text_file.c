#include "data/text_file.h"

#include "base/checked.h"
#include "base/memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char zero_byte[] = "a zero byte: not text";

static nke_status bad_line(const nke_text *t, const char *what)
{
  if (t->next > 0) return nke_fail(NKE_ERR_DATA, "%s: after row %lld: %s", t->path, (long long)t->next - 1, what);
  return nke_fail(NKE_ERR_DATA, "%s: before row 0: %s", t->path, what);
}

static nke_status bad_gzip(const nke_text *t)
{
  return bad_line(t, "cannot be read: truncated or damaged");
}

static nke_status bad_length(const nke_text *t)
{
  char what[64];
  snprintf(what, sizeof what, "a line of more than %d bytes", NKE_TEXT_LINE);
  return bad_line(t, what);
}

/* The byte order mark that some programs begin UTF-8 text with is no part of the first line. */
static int64_t drop_mark(char *line, int64_t length)
{
  static const char mark[] = "\xEF\xBB\xBF";
  const int64_t size = sizeof mark - 1;
  if (length < size || memcmp(line, mark, (size_t)size) != 0) return length;
  memmove(line, line + size, (size_t)(length - size) + 1);
  return length - size;
}

/* The next line of any kind in t->line, without its end. *there false at the end of the file. */
static nke_status next_line(nke_text *t, bool *there)
{
  nke_status st = NKE_OK;
  int64_t length = 0;
  const z_off_t start = gztell(t->file);
  for (;;) {
    if (t->room - length < 2) {
      NKE_TRY(nke_grow(length, 2 * t->room, 1, "line of text", &t->line));
      t->room *= 2;
    }
    t->line[length] = '\0';
    const bool got = gzgets(t->file, t->line + length, (int)nke_min(t->room - length, INT_MAX)) != NULL;
    length += (int64_t)strlen(t->line + length);
    if (!got || (length > 0 && t->line[length - 1] == '\n')) break;
    if (gztell(t->file) - start != length) NKE_TRY(bad_line(t, zero_byte));
    if (length > NKE_TEXT_LINE) NKE_TRY(bad_length(t));
  }
  int code;
  gzerror(t->file, &code);
  if (code != Z_OK && code != Z_STREAM_END) NKE_TRY(bad_gzip(t));
  if (gztell(t->file) - start != length) NKE_TRY(bad_line(t, zero_byte));
  *there = length > 0;
  if (start == 0) length = drop_mark(t->line, length);
  while (length > 0 && (t->line[length - 1] == '\n' || t->line[length - 1] == '\r')) length--;
  t->line[length] = '\0';
done:
  return st;
}

/* The next line that is a row. */
static nke_status next_row(nke_text *t, bool *there)
{
  nke_status st = NKE_OK;
  do {
    NKE_TRY(next_line(t, there));
  } while (*there && (t->line[strspn(t->line, " \t")] == '\0' || t->line[0] == '#'));
  if (*there) t->next++;
done:
  return st;
}

static nke_status note_offset(nke_text *t, int64_t offset)
{
  nke_status st = NKE_OK;
  if (t->n_offsets == t->offsets_room) {
    const int64_t room = nke_max(1024, 2 * t->offsets_room);
    NKE_TRY(nke_grow(t->n_offsets, room, sizeof *t->offsets, "index of rows", &t->offsets));
    t->offsets_room = room;
  }
  t->offsets[t->n_offsets++] = offset;
done:
  return st;
}

static nke_status make_index(nke_text *t, int (*is_header)(void *context, char *line), nke_text_visit *visit,
                             void *context)
{
  nke_status st = NKE_OK;
  bool there, first = true;
  for (;;) {
    const int64_t offset = gztell(t->file);
    NKE_TRY(next_row(t, &there));
    if (!there) break;
    if (first && is_header && is_header(context, t->line)) {
      t->next = 0;
      first = false;
      continue;
    }
    first = false;
    if (t->rows % NKE_TEXT_STRIDE == 0) NKE_TRY(note_offset(t, offset));
    NKE_TRY(visit(context, t->line, t->rows));
    t->rows++;
  }
  if (t->rows == 0) st = nke_fail(NKE_ERR_DATA, "%s: no rows", t->path);
done:
  return st;
}

static nke_status open_here(const char *path, nke_text *t)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_strdup(path, &t->path));
  t->room = 1 << 16;
  NKE_TRY(nke_alloc(t->room, 1, "line of text", &t->line));
  errno = 0;
  t->file = gzopen(path, "rb");
  if (!t->file) return nke_fail(NKE_ERR_DATA, "%s: %s", path, errno ? strerror(errno) : "cannot be opened");
  gzbuffer(t->file, 1 << 18);
done:
  return st;
}

nke_status nke_text_open(MPI_Comm comm, const char *path, int (*is_header)(void *context, char *line),
                         nke_text_visit *visit, void *context, nke_text *t)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(comm, &rank);
  if (rank == 0) {
    st = open_here(path, t);
    if (st == NKE_OK) st = make_index(t, is_header, visit, context);
  }
  NKE_TRY(nke_agree(comm, st));
  if (rank != 0) st = open_here(path, t);
  NKE_TRY(nke_agree(comm, st));
  int64_t sizes[2] = {t->rows, t->n_offsets};
  NKE_TRY_MPI(MPI_Bcast(sizes, 2, MPI_INT64_T, 0, comm));
  t->rows = sizes[0];
  if (rank != 0) st = nke_alloc(sizes[1], sizeof *t->offsets, "index of rows", &t->offsets);
  NKE_TRY(nke_agree(comm, st));
  t->n_offsets = sizes[1];
  int count = 0;
  NKE_TRY(nke_to_int(t->n_offsets, "index of rows", &count));
  NKE_TRY_MPI(MPI_Bcast(t->offsets, count, MPI_INT64_T, 0, comm));
  t->next = -1; /* nowhere yet */
done:
  return st;
}

void nke_text_close(nke_text *t)
{
  if (t->file) gzclose(t->file);
  nke_free(t->path);
  nke_free(t->line);
  nke_free(t->offsets);
  memset(t, 0, sizeof *t);
}

nke_status nke_text_seek(nke_text *t, int64_t row)
{
  nke_status st = NKE_OK;
  bool there = true;
  const int64_t mark = row / NKE_TEXT_STRIDE;
  if (t->next < mark * NKE_TEXT_STRIDE || t->next > row) {
    if (gzseek(t->file, (z_off_t)t->offsets[mark], SEEK_SET) < 0) return bad_gzip(t);
    t->next = mark * NKE_TEXT_STRIDE;
  }
  while (t->next < row && there) NKE_TRY(next_row(t, &there));
  if (!there) st = bad_gzip(t);
done:
  return st;
}

nke_status nke_text_row(nke_text *t)
{
  bool there;
  const nke_status st = next_row(t, &there);
  return st == NKE_OK && !there ? bad_gzip(t) : st;
}

int64_t nke_text_bytes(const nke_text *t)
{
  return t->room + t->n_offsets * (int64_t)sizeof *t->offsets + (1 << 19);
}
