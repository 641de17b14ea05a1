#include "run/kernel_file.h"

#include "base/memory.h"
#include "dist/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static nke_status create_pair(nke_h5file *h5, const char *const names[2], nke_h5type type, int rank,
                              const int64_t *dims)
{
  nke_status st = NKE_OK;
  for (int k = 0; k < 2; k++) NKE_TRY(nke_h5file_create_dataset(h5, names[k], type, rank, dims, NULL));
done:
  return st;
}

static const char *const train_names[2] = {"/train/nngp", "/train/ntk"};
static const char *const test_names[2] = {"/test/nngp", "/test/ntk"};
static const char *const part_names[2] = {"/tiles/nngp", "/tiles/ntk"};

/* All of a new file, under its own name once it is complete. */
static nke_status create_file(MPI_Comm comm, const char *path, const char *identity, nke_precision precision,
                              const nke_kernel_file *file, bool force)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  const nke_tiling *t = &file->tiling;
  const nke_h5type type = precision == NKE_SINGLE ? NKE_H5_F32 : NKE_H5_F64;
  const int64_t tiles = file->last - file->first;
  NKE_TRY(nke_h5file_create(comm, path, force, &h5));
  NKE_TRY(nke_h5file_put_string(h5, "/", "kind", file->part ? "kernel part" : "kernel"));
  NKE_TRY(nke_h5file_put_string(h5, "/", "identity", identity));
  NKE_TRY(nke_h5file_put_int(h5, "/", "tile", t->tile));
  NKE_TRY(nke_h5file_put_int(h5, "/", "first", file->first));
  NKE_TRY(nke_h5file_put_int(h5, "/", "last", file->last));
  if (file->part) {
    NKE_TRY(create_pair(h5, part_names, type, 3, (const int64_t[]){tiles, t->tile, t->tile}));
  } else {
    NKE_TRY(create_pair(h5, train_names, type, 2, (const int64_t[]){t->n, t->n}));
    if (t->n_test > 0) NKE_TRY(create_pair(h5, test_names, type, 2, (const int64_t[]){t->n_test, t->n}));
  }
  NKE_TRY(nke_h5file_create_dataset(h5, "/done", NKE_H5_U8, 1, &tiles, NULL));
  NKE_TRY(nke_h5file_commit(&h5));
done:
  nke_h5file_close(&h5);
  return st;
}

/* Whether a file is at `path`, as rank 0 sees it. Collective. */
static bool is_there(MPI_Comm comm, const char *path)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  double found = rank == 0 && access(path, F_OK) == 0;
  nke_sum_over_ranks(comm, 1, &found);
  return found > 0;
}

static nke_status expect_pair(nke_h5file *h5, const char *const names[2], int rank, const int64_t *dims)
{
  nke_status st = NKE_OK;
  for (int k = 0; k < 2; k++) NKE_TRY(nke_h5file_expect(h5, names[k], rank, dims));
done:
  return st;
}

/* Whether the data sets are those that create_file() makes: parallel HDF5 may crash or fill the disk when it opens other
 * ones for writing. Local. */
static nke_status check_contents(nke_h5file *h5, const nke_kernel_file *file)
{
  nke_status st = NKE_OK;
  const nke_tiling *t = &file->tiling;
  const int64_t tiles = file->last - file->first;
  if (file->part) {
    NKE_TRY(expect_pair(h5, part_names, 3, (const int64_t[]){tiles, t->tile, t->tile}));
  } else {
    NKE_TRY(expect_pair(h5, train_names, 2, (const int64_t[]){t->n, t->n}));
    if (t->n_test > 0) NKE_TRY(expect_pair(h5, test_names, 2, (const int64_t[]){t->n_test, t->n}));
  }
  NKE_TRY(nke_h5file_expect(h5, "/done", 1, &tiles));
done:
  return st;
}

/* Whether the file at `path` may be continued: NKE_OK, or the reason why not. Collective. */
static nke_status check_existing(MPI_Comm comm, const char *path, const char *identity, const nke_kernel_file *file)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  char *found = NULL;
  NKE_TRY(nke_h5file_open(comm, path, &h5));
  if (nke_h5file_get_string(h5, "/", "identity", &found) != NKE_OK || strcmp(found, identity) != 0)
    st = nke_fail(NKE_ERR_USAGE,
                  "%s: holds the kernel of another config (data, preprocess, network, flip, precision, tile "
                  "or rows differ); give another kernel.file, or --force to replace it",
                  path);
  else
    st = nke_agree(comm, check_contents(h5, file));
done:
  nke_free(found);
  nke_h5file_close(&h5);
  return st;
}

nke_status nke_kernel_file_open(MPI_Comm comm, const char *path, const char *identity, nke_precision precision,
                                const nke_tiling *tiling, nke_range tiles, bool part, bool force, nke_kernel_file *file)
{
  nke_status st = NKE_OK;
  *file = (nke_kernel_file){.tiling = *tiling, .part = part, .first = tiles.begin, .last = tiles.end, .fd = -1};
  bool make = true;
  if (is_there(comm, path)) {
    st = check_existing(comm, path, identity, file);
    make = st != NKE_OK;
    if (make && !force) goto done;
  }
  if (make) NKE_TRY(create_file(comm, path, identity, precision, file, force));
  NKE_TRY(nke_h5file_update(comm, path, &file->h5));
  st = nke_alloc(tiling->tile * tiling->tile, sizeof *file->turned, "a tile", &file->turned);
  file->fd = open(path, O_RDONLY | O_CLOEXEC);
  if (st == NKE_OK && file->fd < 0) st = nke_fail(NKE_ERR_OUTPUT, "%s: cannot be opened: %s", path, strerror(errno));
  st = nke_agree(comm, st);
done:
  if (st != NKE_OK) nke_kernel_file_close(file);
  return st;
}

void nke_kernel_file_close(nke_kernel_file *file)
{
  nke_h5file_close(&file->h5);
  nke_free(file->turned);
  file->turned = NULL;
  if (file->fd > 0) close(file->fd);
  file->fd = -1;
}

nke_status nke_kernel_file_done(nke_kernel_file *file, unsigned char *done)
{
  const int64_t start = 0, count = file->last - file->first;
  return nke_h5file_read(file->h5, "/done", NKE_H5_U8, 1, &start, &count, done);
}

/* The rows x cols corner of a tile, packed in place into the front of `out`, turned on demand. */
static void pack(const double *in, int64_t ld, int64_t rows, int64_t cols, bool turn, double *out)
{
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) out[turn ? j * rows + i : i * cols + j] = in[i * ld + j];
}

static nke_status write_box(nke_kernel_file *file, const char *name, nke_range rows, nke_range cols,
                            const double *values, bool turn)
{
  const int64_t r = rows.end - rows.begin, c = cols.end - cols.begin;
  pack(values, file->tiling.tile, r, c, turn, file->turned);
  const int64_t start[2] = {turn ? cols.begin : rows.begin, turn ? rows.begin : cols.begin};
  const int64_t count[2] = {turn ? c : r, turn ? r : c};
  return nke_h5file_write(file->h5, name, NKE_H5_F64, 2, start, count, file->turned);
}

nke_status nke_kernel_file_write(nke_kernel_file *file, int64_t number, const double *nngp, const double *ntk)
{
  nke_status st = NKE_OK;
  const nke_tile tile = nke_tile_at(&file->tiling, number);
  const double *const values[2] = {nngp, ntk};
  const int64_t t = file->tiling.tile, start[3] = {number - file->first, 0, 0}, count[3] = {1, t, t};
  for (int k = 0; k < 2; k++) {
    if (file->part) {
      NKE_TRY(nke_h5file_write(file->h5, part_names[k], NKE_H5_F64, 3, start, count, values[k]));
      continue;
    }
    NKE_TRY(write_box(file, (tile.test ? test_names : train_names)[k], tile.rows, tile.cols, values[k], false));
    if (!tile.test && !nke_tile_is_diagonal(&tile))
      NKE_TRY(write_box(file, train_names[k], tile.rows, tile.cols, values[k], true));
  }
done:
  return st;
}

nke_status nke_kernel_file_read(nke_kernel_file *file, int64_t number, double *nngp, double *ntk)
{
  const int64_t t = file->tiling.tile, start[3] = {number - file->first, 0, 0}, count[3] = {1, t, t};
  const nke_status st = nke_h5file_read(file->h5, part_names[0], NKE_H5_F64, 3, start, count, nngp);
  return st == NKE_OK ? nke_h5file_read(file->h5, part_names[1], NKE_H5_F64, 3, start, count, ntk) : st;
}

nke_status nke_kernel_file_mark(nke_kernel_file *file, int64_t n, const int64_t *numbers)
{
  nke_status st = NKE_OK;
  const unsigned char one = 1;
  if (n > 0 && fdatasync(file->fd) != 0)
    return nke_fail(NKE_ERR_OUTPUT, "%s: cannot be written: %s", nke_h5file_path(file->h5), strerror(errno));
  for (int64_t k = 0; k < n; k++) {
    const int64_t start = numbers[k] - file->first, count = 1;
    NKE_TRY(nke_h5file_write(file->h5, "/done", NKE_H5_U8, 1, &start, &count, &one));
  }
done:
  return st;
}
