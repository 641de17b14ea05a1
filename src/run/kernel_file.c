#include "run/kernel_file.h"

#include "base/memory.h"
#include "run/input.h"
#include "run/text.h"

#include <stdio.h>
#include <string.h>

static const char data_key[] = "data: ";

static nke_status print_identity(const nke_config *config, const nke_tiling *tiling, const char *prints,
                                 char **identity)
{
  nke_status st = NKE_OK;
  char *all = NULL;
  nke_text text = {0};
  NKE_TRY(nke_config_print(config, &all));
  bool network = false, data = false, keep = false;
  for (const char *line = all, *end; *line; line = end) {
    end = line + strcspn(line, "\n");
    if (*end) end++;
    if (*line != ' ') {
      network = strncmp(line, "network:", 8) == 0;
      data = strncmp(line, "data:", 5) == 0;
    } else if (data && line[2] != ' ') { /* a key of the section: only these change the kernel */
      keep = strncmp(line, "  train:", 8) == 0 || strncmp(line, "  test:", 7) == 0 ||
             strncmp(line, "  preprocess:", 13) == 0 || strncmp(line, "  sketch:", 9) == 0;
    }
    if (network || (data && keep)) nke_text_add(&text, "%.*s", (int)(end - line), line);
  }
  nke_text_add(&text, "precision: %s\nflip: %d\ntile: %lld\nn: %lld\nn_test: %lld\n",
               config->run.precision == NKE_SINGLE ? "single" : "double", config->embedding.flip,
               (long long)tiling->tile, (long long)tiling->n, (long long)tiling->n_test);
  if (config->data.sketch.kind != NKE_INPUT_AS_IT_IS)
    nke_text_add(&text, "seed: %llu\n", (unsigned long long)config->run.seed);
  nke_text_add(&text, "%s%s\n", data_key, prints);
  NKE_TRY(nke_text_take(&text, identity));
done:
  nke_text_clear(&text);
  nke_free(all);
  return st;
}

nke_status nke_kernel_identity(MPI_Comm comm, const nke_config *config, const nke_tiling *tiling, nke_dataset *train,
                               nke_dataset *test, char **identity)
{
  nke_status st = NKE_OK;
  char data[NKE_INPUT_FINGERPRINT];
  NKE_TRY(nke_input_fingerprint(comm, train, NULL, test, false, data, sizeof data)); /* a kernel has no targets */
  st = nke_agree(comm, print_identity(config, tiling, data, identity));
done:
  return st;
}

int nke_kernel_file_path(const nke_config *config, char *path, size_t size)
{
  return config->kernel.file ? snprintf(path, size, "%s", config->kernel.file)
                             : snprintf(path, size, "%s/kernel.h5", config->run.out);
}

static nke_status create_pair(nke_h5file *h5, const char *const names[2], nke_h5type type, int rank,
                              const int64_t *dims, const int64_t *chunk)
{
  nke_status st = NKE_OK;
  for (int k = 0; k < 2; k++) NKE_TRY(nke_h5file_create_dataset(h5, names[k], type, rank, dims, chunk));
done:
  return st;
}

/* Rows and columns of a chunk: a tile, so that it lies in one piece (by rows its pieces would be short and far apart),
 * or some, where there would be more than a million chunks. One of 4 GiB is more than HDF5 takes. */
static int64_t chunk_side(int64_t n, int64_t tile)
{
  enum { LEAST = 32, MOST = 4096, ALONG = 1024 };
  const int64_t least = nke_max(LEAST, nke_ceil_div(n, ALONG));
  if (tile < 1 || tile > MOST) return MOST; /* below 1: of a damaged file */
  return nke_ceil_div(least, tile) * tile;
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
    NKE_TRY(create_pair(h5, part_names, type, 3, (const int64_t[]){tiles, t->tile, t->tile}, NULL));
  } else {
    const int64_t side = chunk_side(t->n, t->tile), chunk[2] = {side, side};
    NKE_TRY(create_pair(h5, train_names, type, 2, (const int64_t[]){t->n, t->n}, chunk));
    if (t->n_test > 0) NKE_TRY(create_pair(h5, test_names, type, 2, (const int64_t[]){t->n_test, t->n}, chunk));
  }
  NKE_TRY(nke_h5file_create_dataset(h5, "/done", NKE_H5_U8, 1, &tiles, NULL));
  NKE_TRY(nke_h5file_commit(&h5));
done:
  nke_h5file_close(&h5);
  return st;
}

static bool is_of_data(const char *line)
{
  return strncmp(line, data_key, sizeof data_key - 1) == 0;
}

/* a, b: the first line that differs, of the identity `found` in the file and of this run's. */
static nke_status say_difference(const char *path, const char *found, const char *a, const char *b)
{
  static const char advice[] = "give another kernel.file, or `nke kernel --force` to replace it";
  const char *const of = nke_config_section(found, a), *const section = of ? of : "data";
  a += strspn(a, " ");
  b += strspn(b, " ");
  const int was = (int)strcspn(a, "\n"), is = (int)strcspn(b, "\n");
  if (is_of_data(a) && is_of_data(b))
    return nke_fail(NKE_ERR_USAGE, "%s: holds the kernel of other data: it says `%.*s`, this run `%.*s`; %s", path, was,
                    a, is, b, advice);
  if (was == 0)
    return nke_fail(NKE_ERR_USAGE, "%s: holds a kernel of an earlier version of nke, without `%.*s`; %s", path, is, b,
                    advice);
  return nke_fail(NKE_ERR_USAGE, "%s: holds the kernel of another config: in %.*s it says `%.*s`, this run `%.*s`; %s",
                  path, (int)strcspn(section, ":\n"), section, was, a, is, b, advice);
}

/* Whether an open file holds this kernel: NKE_OK, or NKE_ERR_USAGE and the first line that differs. Collective. */
static nke_status check_identity(nke_h5file *h5, const char *identity)
{
  nke_status st = NKE_OK;
  char *found = NULL;
  const char *a, *b;
  st = nke_h5file_get_string(h5, "/", "identity", &found);
  if (st == NKE_ERR_DATA)
    st = nke_fail(NKE_ERR_USAGE, "%s: holds no kernel; give another kernel.file, or `nke kernel --force` to replace it",
                  nke_h5file_path(h5));
  if (st != NKE_OK) goto done;
  if (!nke_config_differs(found, identity, &a, &b)) goto done;
  if (*a == '\0' && is_of_data(b)) goto done; /* an earlier version's */
  st = say_difference(nke_h5file_path(h5), found, a, b);
done:
  nke_free(found);
  return st;
}

static nke_status expect_pair(nke_h5file *h5, const char *const names[2], int rank, const int64_t *dims,
                              const int64_t *chunk)
{
  nke_status st = NKE_OK;
  for (int k = 0; k < 2; k++) NKE_TRY(nke_h5file_expect(h5, names[k], rank, dims, chunk));
done:
  return st;
}

/* Whether the data sets are those that create_file() makes: parallel HDF5 may crash or fill the disk when it opens
 * other ones for writing. Collective. */
static nke_status check_contents(nke_h5file *h5, const nke_kernel_file *file)
{
  nke_status st = NKE_OK;
  const nke_tiling *t = &file->tiling;
  const int64_t tiles = file->last - file->first;
  if (file->part) {
    NKE_TRY(expect_pair(h5, part_names, 3, (const int64_t[]){tiles, t->tile, t->tile}, NULL));
  } else {
    const int64_t side = chunk_side(t->n, t->tile), chunk[2] = {side, side};
    NKE_TRY(expect_pair(h5, train_names, 2, (const int64_t[]){t->n, t->n}, chunk));
    if (t->n_test > 0) NKE_TRY(expect_pair(h5, test_names, 2, (const int64_t[]){t->n_test, t->n}, chunk));
  }
  NKE_TRY(nke_h5file_expect(h5, "/done", 1, &tiles, NULL));
done:
  return st;
}

/* Whether the file at `path` may be continued: NKE_OK, or the reason why not. Collective. */
static nke_status check_existing(MPI_Comm comm, const char *path, const char *identity, const nke_kernel_file *file)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  NKE_TRY(nke_h5file_open(comm, path, &h5));
  NKE_TRY(check_identity(h5, identity));
  st = check_contents(h5, file);
done:
  nke_h5file_close(&h5);
  return st;
}

nke_status nke_kernel_file_check(MPI_Comm comm, const char *path, const char *identity, const nke_tiling *tiling,
                                 nke_range tiles, bool part, bool force)
{
  const nke_kernel_file file = {.tiling = *tiling, .part = part, .first = tiles.begin, .last = tiles.end};
  if (nke_h5file_exists(comm, path)) {
    const nke_status st = check_existing(comm, path, identity, &file);
    if (st == NKE_OK || !force) return st;
  }
  return nke_h5file_may_create(comm, path, force);
}

nke_status nke_kernel_file_open(MPI_Comm comm, const char *path, const char *identity, nke_precision precision,
                                const nke_tiling *tiling, nke_range tiles, bool part, bool force, nke_kernel_file *file)
{
  nke_status st = NKE_OK;
  *file = (nke_kernel_file){.tiling = *tiling, .part = part, .first = tiles.begin, .last = tiles.end};
  bool make = true;
  if (nke_h5file_exists(comm, path)) {
    st = check_existing(comm, path, identity, file);
    make = st != NKE_OK;
    if (make && !force) goto done;
  }
  if (make) NKE_TRY(create_file(comm, path, identity, precision, file, force));
  NKE_TRY(nke_h5file_update(comm, path, &file->h5));
  st = nke_agree(comm, nke_alloc(tiling->tile * tiling->tile, sizeof *file->packed, "a tile", &file->packed));
done:
  if (st != NKE_OK) nke_kernel_file_close(file);
  return st;
}

void nke_kernel_file_close(nke_kernel_file *file)
{
  nke_h5file_close(&file->h5);
  nke_free(file->packed);
  file->packed = NULL;
}

nke_status nke_kernel_file_done(nke_kernel_file *file, unsigned char *done)
{
  const int64_t start = 0, count = file->last - file->first;
  return nke_h5file_read(file->h5, "/done", NKE_H5_U8, 1, &start, &count, done);
}

/* The rows x cols corner of a tile, without gaps. */
static void pack(const double *in, int64_t ld, int64_t rows, int64_t cols, double *out)
{
  for (int64_t i = 0; i < rows; i++) memcpy(out + i * cols, in + i * ld, (size_t)cols * sizeof *out);
}

/* The same turned, a few columns at a time: the lines of memory they lie in stay in the cache from row to row. */
static void pack_turned(const double *in, int64_t ld, int64_t rows, int64_t cols, double *out)
{
  enum { FEW = 8 };
  for (int64_t first = 0; first < cols; first += FEW)
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = first; j < nke_min(first + FEW, cols); j++) out[j * rows + i] = in[i * ld + j];
}

static nke_status write_box(nke_kernel_file *file, const char *name, nke_range rows, nke_range cols,
                            const double *values, bool turn)
{
  const int64_t r = rows.end - rows.begin, c = cols.end - cols.begin;
  (turn ? pack_turned : pack)(values, file->tiling.tile, r, c, file->packed);
  const int64_t start[2] = {turn ? cols.begin : rows.begin, turn ? rows.begin : cols.begin};
  const int64_t count[2] = {turn ? c : r, turn ? r : c};
  return nke_h5file_write(file->h5, name, NKE_H5_F64, 2, start, count, file->packed);
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
  if (n > 0) NKE_TRY(nke_h5file_sync(file->h5));
  for (int64_t k = 0; k < n; k++) {
    const int64_t start = numbers[k] - file->first, count = 1;
    NKE_TRY(nke_h5file_write(file->h5, "/done", NKE_H5_U8, 1, &start, &count, &one));
  }
done:
  return st;
}

/* Every tile is there. Local. */
static nke_status check_done(nke_h5file *h5, int64_t tiles)
{
  nke_status st = NKE_OK;
  int64_t missing = 0;
  const int64_t start = 0;
  unsigned char *done = NULL;
  NKE_TRY(nke_alloc(tiles, 1, "the map of tiles", &done));
  NKE_TRY(nke_h5file_read(h5, "/done", NKE_H5_U8, 1, &start, &tiles, done));
  for (int64_t k = 0; k < tiles; k++) missing += !done[k];
  if (missing > 0)
    st = nke_fail(NKE_ERR_DATA, "%s: %lld of %lld tiles are missing; `nke kernel` goes on with them",
                  nke_h5file_path(h5), (long long)missing, (long long)tiles);
done:
  nke_free(done);
  return st;
}

nke_status nke_kernel_file_whole(MPI_Comm comm, const char *path, const char *identity, nke_kernel_kind kind, int64_t n,
                                 nke_h5file **out)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  int64_t tile, last;
  int rank;
  MPI_Comm_rank(comm, &rank);
  NKE_TRY(nke_h5file_open(comm, path, &h5));
  NKE_TRY(check_identity(h5, identity));
  NKE_TRY(nke_h5file_get_int(h5, "/", "tile", &tile));
  NKE_TRY(nke_h5file_get_int(h5, "/", "last", &last));
  NKE_TRY(nke_h5file_expect(h5, "/done", 1, &last, NULL));
  NKE_TRY(nke_agree(comm, rank == 0 ? check_done(h5, last) : NKE_OK));
  st = nke_h5file_expect(h5, train_names[kind == NKE_KERNEL_NTK], 2, (const int64_t[]){n, n},
                         (const int64_t[]){chunk_side(n, tile), chunk_side(n, tile)});
done:
  if (st != NKE_OK) nke_h5file_close(&h5);
  *out = h5;
  return st;
}

/* The file is symmetric, and row-major: its rows are the columns. */
nke_status nke_kernel_file_tile(nke_h5file *h5, nke_kernel_kind kind, nke_range rows, nke_range cols, double *to)
{
  const int64_t start[2] = {cols.begin, rows.begin}, count[2] = {cols.end - cols.begin, rows.end - rows.begin};
  return nke_h5file_read(h5, train_names[kind == NKE_KERNEL_NTK], NKE_H5_F64, 2, start, count, to);
}

/* The blocks of this rank on and below the diagonal. */
static nke_status read_blocks(nke_h5file *h5, nke_kernel_kind kind, nke_bcmat *a)
{
  nke_status st = NKE_OK;
  double *block = NULL;
  NKE_TRY(nke_alloc(a->nb * a->nb, sizeof *block, "a block", &block));
  for (int64_t jl = 0; jl < a->cols_loc; jl += a->nb)
    for (int64_t il = 0; il < a->rows_loc; il += a->nb) {
      const int64_t i = nke_bc_global(il, a->nb, a->grid.nprow, a->grid.myrow);
      const int64_t j = nke_bc_global(jl, a->nb, a->grid.npcol, a->grid.mycol);
      if (i < j) continue;
      const nke_range rows = {i, nke_min(a->rows, i + a->nb)}, cols = {j, nke_min(a->cols, j + a->nb)};
      const int64_t n = rows.end - rows.begin;
      NKE_TRY(nke_kernel_file_tile(h5, kind, rows, cols, block));
      for (int64_t c = 0; c < cols.end - cols.begin; c++)
        memcpy(a->a + il + (jl + c) * a->ld, block + c * n, (size_t)n * sizeof *block);
    }
done:
  nke_free(block);
  return st;
}

nke_status nke_kernel_file_matrix(MPI_Comm comm, const char *path, const char *identity, nke_kernel_kind kind,
                                  nke_bcmat *a)
{
  nke_status st = NKE_OK;
  nke_h5file *h5 = NULL;
  NKE_TRY(nke_kernel_file_whole(comm, path, identity, kind, a->rows, &h5));
  st = nke_agree(comm, read_blocks(h5, kind, a));
done:
  nke_h5file_close(&h5);
  return st;
}
