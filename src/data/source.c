#include "data/source.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

nke_status nke_source_open_each(MPI_Comm comm, nke_source_open_local *open, const nke_data_spec *spec, const char *path,
                                nke_source *source)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  nke_status st = nke_agree(comm, rank == 0 ? open(spec, path, source) : NKE_OK);
  if (st != NKE_OK) return st;
  MPI_Bcast(&source->shape.channels, 1, MPI_INT64_T, 0, comm);
  return nke_agree(comm, rank != 0 ? open(spec, path, source) : NKE_OK);
}

static nke_status positive(int rank, const int64_t *dims, const char *path, const char *name)
{
  int64_t left = INT64_MAX / 8;
  for (int i = 0; i < rank; i++) {
    if (dims[i] < 1) return nke_fail(NKE_ERR_DATA, "%s: %s: dimension %d is empty", path, name, i);
    left /= dims[i];
    if (left < 1) return nke_fail(NKE_ERR_DATA, "%s: %s: more entries than 64 bits can count", path, name);
  }
  return NKE_OK;
}

nke_status nke_source_set_x(nke_source *source, int rank, const int64_t *dims, const char *path, const char *name)
{
  if (rank < 2 || rank > 4)
    return nke_fail(NKE_ERR_DATA, "%s: %s: expected [n, d], [n, L, C] or [n, H, W, C], got %d dimension%s", path, name,
                    rank, rank == 1 ? "" : "s");
  const nke_status st = positive(rank, dims, path, name);
  if (st != NKE_OK) return st;
  source->rows = dims[0];
  source->shape = (nke_shape){.axes = rank - 2,
                              .height = rank == 4 ? dims[1] : 1,
                              .width = rank >= 3 ? dims[rank - 2] : 1,
                              .channels = dims[rank - 1]};
  return NKE_OK;
}

nke_status nke_source_set_y(nke_source *source, int rank, const int64_t *dims, const char *path, const char *name)
{
  if (rank < 1 || rank > 2)
    return nke_fail(NKE_ERR_DATA, "%s: %s: expected targets [n] or [n, k], got %d dimensions", path, name, rank);
  const nke_status st = positive(rank, dims, path, name);
  if (st != NKE_OK) return st;
  if (dims[0] != source->rows)
    return nke_fail(NKE_ERR_DATA, "%s: %s: expected %lld rows as in x, got %lld", path, name, (long long)source->rows,
                    (long long)dims[0]);
  source->targets = rank == 2 ? dims[1] : 1;
  return NKE_OK;
}

/* Whether anything, if only a damaged link, has that name. */
static bool is_there(const char *path)
{
  struct stat info;
  return lstat(path, &info) == 0;
}

/* `synth` and other programs write into the current folder: a file that $NKE_DATA lacks may be there. */
static nke_status resolve(const char *file, char **out)
{
  const char *folder = getenv("NKE_DATA");
  if (file[0] == '/' || !folder || !folder[0]) return nke_strdup(file, out);
  const size_t size = strlen(folder) + strlen(file) + 2;
  char *path = NULL;
  nke_status st = nke_alloc((int64_t)size, 1, "path", &path);
  if (st != NKE_OK) return st;
  snprintf(path, size, "%s/%s", folder, file);
  if (is_there(path)) {
    *out = path;
    return NKE_OK;
  }
  if (is_there(file))
    st = nke_strdup(file, out);
  else
    st = nke_fail(NKE_ERR_DATA, "%s: no such file, in the current folder neither", path);
  nke_free(path);
  return st;
}

nke_status nke_source_path(const char *file, char **out)
{
  struct stat info;
  const nke_status st = resolve(file, out);
  if (st != NKE_OK || stat(*out, &info) != 0 || S_ISREG(info.st_mode)) return st;
  return nke_fail(NKE_ERR_DATA, "%s: expected a file, got a folder, pipe or device", *out);
}
