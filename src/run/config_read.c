/* A config from its file: read once, by rank 0. */
#include "base/memory.h"
#include "run/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The whole file as a string. A file with a zero byte is not text. */
static nke_status read_file(const char *path, char **text, int64_t *length)
{
  nke_status st = NKE_OK;
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) /* opening a pipe would wait for ever */
    return nke_fail(NKE_ERR_USAGE, "%s: expected a config file, got a folder, pipe or device", path);
  FILE *const file = fopen(path, "rb");
  if (!file) return nke_fail(NKE_ERR_USAGE, "%s: cannot be read: %s", path, strerror(errno));
  NKE_TRY(nke_calloc(NKE_CONFIG_MAX_BYTES + 2, 1, "a config", text));
  *length = (int64_t)fread(*text, 1, NKE_CONFIG_MAX_BYTES + 1, file);
  if (ferror(file))
    st = nke_fail(NKE_ERR_USAGE, "%s: cannot be read", path);
  else if (*length > NKE_CONFIG_MAX_BYTES)
    st = nke_fail(NKE_ERR_USAGE, "%s: expected a config of at most %d bytes, got more", path, NKE_CONFIG_MAX_BYTES);
  else if (memchr(*text, 0, (size_t)*length))
    st = nke_fail(NKE_ERR_USAGE, "%s: expected a YAML text, got a binary file", path);
done:
  fclose(file);
  return st;
}

nke_status nke_config_read(MPI_Comm comm, const char *path, int n_sets, const char *const *sets, nke_config **out)
{
  nke_status st = NKE_OK;
  char *text = NULL;
  int64_t length = 0;
  int rank;
  if (out) *out = NULL;
  MPI_Comm_rank(comm, &rank);
  if (!path || !out) st = nke_fail(NKE_ERR_USAGE, "a config: expected a path and out, got NULL");
  if (rank == 0 && st == NKE_OK) st = read_file(path, &text, &length);
  NKE_TRY(nke_agree(comm, st));
  MPI_Bcast(&length, 1, MPI_INT64_T, 0, comm);
  if (rank != 0) st = nke_calloc(length + 1, 1, "a config", &text);
  NKE_TRY(nke_agree(comm, st));
  MPI_Bcast(text, (int)length, MPI_CHAR, 0, comm);
  st = nke_agree(comm, nke_config_parse(path, text, n_sets, sets, out));
done:
  if (st != NKE_OK && out) nke_config_destroy(out);
  nke_free(text);
  return st;
}
