/* Text data, plain or gzip, one row a line: an index of byte offsets made once, then any rows. Inside src/data.
 *
 * Rows are the lines that are not blank and do not begin with '#', from 0, after a header line where there is one. */
#ifndef NKE_DATA_TEXT_FILE_H
#define NKE_DATA_TEXT_FILE_H

#include "base/status.h"

#include <mpi.h>
#include <stdint.h>
#include <zlib.h>

/* Rows between two offsets of the index, and the longest line taken. */
enum { NKE_TEXT_STRIDE = 64, NKE_TEXT_LINE = 1 << 28 };

typedef struct nke_text {
  gzFile file;
  char *path;
  char *line;       /* the current line, without its end; changed by whoever parses it */
  int64_t room;     /* bytes of line */
  int64_t rows;     /* of the file */
  int64_t next;     /* row that the file stands before */
  int64_t *offsets; /* of rows 0, NKE_TEXT_STRIDE, ... in the unpacked text */
  int64_t n_offsets, offsets_room;
} nke_text;

/* Look at a row while the index is made: line (may be changed), its number. */
typedef nke_status nke_text_visit(void *context, char *line, int64_t row);

/* Open, and on rank 0 index the file, showing each row to `visit`; the first line is left out if is_header says so.
 * Collective; cost: one pass over the text on rank 0. */
nke_status nke_text_open(MPI_Comm comm, const char *path, int (*is_header)(void *context, char *line),
                         nke_text_visit *visit, void *context, nke_text *text);
void nke_text_close(nke_text *text);

/* Stand before row `row`. Local; free where rows are read in ascending order. */
nke_status nke_text_seek(nke_text *text, int64_t row);

/* The next row in text->line. Local. NKE_ERR_DATA at the end, or where the file changed or is damaged. */
nke_status nke_text_row(nke_text *text);

/* Bytes held. */
int64_t nke_text_bytes(const nke_text *text);

#endif
