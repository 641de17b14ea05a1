#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char error_text[NKE_ERROR_CHARS];

int nke_status_exit_code(nke_status status)
{
  return status == NKE_ERR_MEMORY ? (int)NKE_ERR_USAGE : (int)status;
}

nke_status nke_fail(nke_status status, const char *format, ...)
{
  /* Formatted aside first: an argument may be the current text itself. */
  char line[NKE_ERROR_CHARS];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  for (char *c = line; *c; c++)
    if (*c == '\n' || *c == '\r') *c = ' ';
  snprintf(error_text, sizeof error_text, "%s", line);
  return status;
}

const char *nke_error_text(void)
{
  return error_text;
}

nke_status nke_agree(MPI_Comm comm, nke_status status)
{
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  int first = status == NKE_OK ? size : rank;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm);
  if (first == size) return NKE_OK;
  int agreed = (int)status;
  MPI_Bcast(&agreed, 1, MPI_INT, first, comm);
  MPI_Bcast(error_text, NKE_ERROR_CHARS, MPI_CHAR, first, comm);
  return (nke_status)agreed;
}
