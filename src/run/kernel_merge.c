#include "run/kernel_merge.h"

#include "base/memory.h"
#include "run/text.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

/* Where the extension of a path begins, or its end. */
static size_t stem_length(const char *path)
{
  const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
  return dot && (!slash || dot > slash + 1) ? (size_t)(dot - path) : strlen(path);
}

int nke_kernel_part_path(const char *whole, nke_range tiles, char *path, size_t size)
{
  const size_t stem = stem_length(whole);
  return snprintf(path, size, "%.*s.%lld-%lld%s", (int)stem, whole, (long long)tiles.begin, (long long)tiles.end,
                  whole + stem);
}

/* The tiles that a part's name says, or none. */
static int part_range(const char *whole, const char *path, nke_range *tiles)
{
  long long begin, end;
  int used = 0;
  const char *rest = path + stem_length(whole);
  if (sscanf(rest, ".%lld-%lld%n", &begin, &end, &used) != 2 || strcmp(rest + used, whole + stem_length(whole)) != 0)
    return 0;
  *tiles = (nke_range){begin, end};
  return begin >= 0 && begin < end;
}

/* This rank's share of the finished tiles of one part, marked together: a mark waits for the disk. Local. */
static nke_status copy_tiles(nke_kernel_file *part, nke_kernel_file *whole, int rank, int ranks)
{
  nke_status st = NKE_OK;
  unsigned char *done = NULL;
  double *nngp = NULL, *ntk = NULL;
  int64_t *copied = NULL, n = 0;
  const int64_t size = part->tiling.tile * part->tiling.tile, tiles = part->last - part->first;
  NKE_TRY(nke_alloc(tiles, 1, "the map of tiles", &done));
  NKE_TRY(nke_alloc(nke_ceil_div(tiles, ranks), sizeof *copied, "the list of tiles", &copied));
  NKE_TRY(nke_alloc(size, sizeof *nngp, "a tile", &nngp));
  NKE_TRY(nke_alloc(size, sizeof *ntk, "a tile", &ntk));
  NKE_TRY(nke_kernel_file_done(part, done));
  for (int64_t number = part->first + rank; number < part->last; number += ranks) {
    if (!done[number - part->first]) continue;
    NKE_TRY(nke_kernel_file_read(part, number, nngp, ntk));
    NKE_TRY(nke_kernel_file_write(whole, number, nngp, ntk));
    copied[n++] = number;
  }
  st = nke_kernel_file_mark(whole, n, copied);
done:
  nke_free(copied);
  nke_free(done);
  nke_free(nngp);
  nke_free(ntk);
  return st;
}

static nke_status merge_part(MPI_Comm comm, const char *path, nke_range tiles, nke_kernel_file *whole,
                             const char *identity)
{
  nke_status st = NKE_OK;
  nke_kernel_file part;
  int rank, ranks;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  NKE_TRY(nke_kernel_file_open(comm, path, identity, NKE_DOUBLE, &whole->tiling, tiles, true, false, &part));
  st = nke_agree(comm, copy_tiles(&part, whole, rank, ranks));
  nke_kernel_file_close(&part);
done:
  return st;
}

/* How many tiles of the whole file are missing, and the first of them. Local. */
static nke_status count_missing(nke_kernel_file *whole, int64_t *missing, int64_t *first)
{
  nke_status st = NKE_OK;
  unsigned char *done = NULL;
  *missing = 0;
  NKE_TRY(nke_alloc(whole->last, 1, "the map of tiles", &done));
  NKE_TRY(nke_kernel_file_done(whole, done));
  for (int64_t k = whole->last - 1; k >= 0; k--)
    if (!done[k]) {
      ++*missing;
      *first = k;
    }
done:
  nke_free(done);
  return st;
}

static nke_status report(MPI_Comm comm, nke_kernel_file *whole, int64_t parts)
{
  nke_status st = NKE_OK;
  int64_t missing = 0, first = 0;
  int rank;
  MPI_Comm_rank(comm, &rank);
  NKE_TRY(nke_h5file_flush(whole->h5));
  NKE_TRY(nke_agree(comm, count_missing(whole, &missing, &first)));
  const char *path = nke_h5file_path(whole->h5);
  if (missing > 0)
    NKE_TRY(nke_fail(NKE_ERR_DATA,
                     "%s: %lld of %lld tiles are in none of %lld part files, tile %lld the first; `nke kernel` "
                     "computes them",
                     path, (long long)missing, (long long)whole->last, (long long)parts, (long long)first));
  if (rank == 0) printf("%s: %lld tiles from %lld part files\n", path, (long long)whole->last, (long long)parts);
  fflush(stdout);
done:
  return st;
}

/* Append to a pattern what stands for itself. */
static void add_literally(nke_text *pattern, const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++) nke_text_add(pattern, strchr("*?[]\\", text[i]) ? "\\%c" : "%c", text[i]);
}

/* As glob() says; 0 with *found to be freed. */
static int list_parts(const char *whole, glob_t *found)
{
  const size_t stem = stem_length(whole);
  nke_text text = {0};
  char *pattern = NULL;
  add_literally(&text, whole, stem);
  nke_text_add(&text, ".*-*");
  add_literally(&text, whole + stem, strlen(whole + stem));
  const int result = nke_text_take(&text, &pattern) == NKE_OK ? glob(pattern, 0, NULL, found) : GLOB_NOSPACE;
  nke_text_clear(&text);
  nke_free(pattern);
  return result;
}

/* *count part files, as rank 0 finds them: all ranks open the same ones, whatever each would see. */
static nke_status find_parts(MPI_Comm comm, int rank, const char *whole, glob_t *found, int64_t *count)
{
  nke_status st = NKE_OK;
  const int result = rank == 0 ? list_parts(whole, found) : 0;
  if (result != 0 && result != GLOB_NOMATCH) st = nke_fail(NKE_ERR_DATA, "%s: its part files cannot be listed", whole);
  *count = result == 0 ? (int64_t)found->gl_pathc : 0;
  MPI_Bcast(count, 1, MPI_INT64_T, 0, comm);
  return nke_agree(comm, st);
}

nke_status nke_kernel_merge(MPI_Comm comm, nke_kernel_file *whole, const char *identity)
{
  const char *path = nke_h5file_path(whole->h5);
  glob_t found = {0};
  int64_t count, parts = 0;
  int rank;
  MPI_Comm_rank(comm, &rank);
  nke_status st = find_parts(comm, rank, path, &found, &count);
  for (int64_t k = 0; st == NKE_OK && k < count; k++) {
    char part[4096] = "";
    nke_range tiles;
    if (rank == 0) snprintf(part, sizeof part, "%s", found.gl_pathv[k]);
    MPI_Bcast(part, sizeof part, MPI_CHAR, 0, comm);
    if (!part_range(path, part, &tiles) || tiles.end > whole->last) continue;
    st = merge_part(comm, part, tiles, whole, identity);
    parts++;
  }
  globfree(&found);
  return st == NKE_OK ? report(comm, whole, parts) : st;
}
