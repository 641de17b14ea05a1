#include "run/kernel_store.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "num/gemm.h"
#include "run/kernel_file.h"
#include "run/progress.h"

#include <math.h>
#include <string.h>

/* Rows of a tile: long enough for the matrix product, short where there are few rows. */
enum { LONG = 4 * NKE_BLOCK_ROWS, SHORT = NKE_BLOCK_ROWS, FEW = 4096 };

/* Columns of the file that are read at a time: single tiles of it would be short pieces far apart. */
enum { STRIP = 4096 };

struct nke_kernel_store {
  MPI_Comm comm;
  nke_tiling tiling;
  nke_range mine; /* tiles */
  nke_precision precision;
  nke_kernel_kind kind;
  nke_kernel_rows *rows; /* what computes tiles, or */
  nke_h5file *file;      /* what has them */
  double flops_per_pair; /* 0 from a file */
  nke_stats *stats;
  int keep;
  void *kept;       /* [tiles of this rank, tile, tile]; without keep made in every product */
  double *tile;     /* [tile, tile], column-major without gaps */
  double *strip;    /* [tile, STRIP] at most, with a file: rows of a row of tiles, columns from a multiple of STRIP on */
  int64_t strip_row, strip_begin;
  double *diagonal; /* [n] */
};

static int64_t tile_of(int64_t n)
{
  return n < FEW ? SHORT : LONG;
}

double nke_kernel_store_bytes(int64_t n, nke_precision precision, int ranks, int keep)
{
  const double tile = (double)tile_of(n), blocks = ceil((double)n / tile), lower = blocks * (blocks + 1) / 2;
  return keep ? ceil(lower / ranks) * tile * tile * (double)nke_precision_bytes(precision) : 0;
}

static void *place_of(const nke_kernel_store *s, int64_t number)
{
  const int64_t entries = s->tiling.tile * s->tiling.tile;
  return (char *)s->kept + (number - s->mine.begin) * entries * nke_precision_bytes(s->precision);
}

/* store->tile <- a tile of the file. Tiles come row by row, so a strip serves its tiles one after the other. */
static nke_status read_tile(nke_kernel_store *s, const nke_tile *t)
{
  nke_status st = NKE_OK;
  const int64_t rows = t->rows.end - t->rows.begin, begin = t->cols.begin / STRIP * STRIP;
  const nke_range cols = {begin, nke_min(begin + STRIP, t->rows.end)};
  const int64_t width = cols.end - cols.begin;
  if (!s->strip) NKE_TRY(nke_alloc(s->tiling.tile * STRIP, sizeof *s->strip, "rows of the kernel file", &s->strip));
  if (s->strip_row != t->row_block || s->strip_begin != begin) {
    s->strip_row = -1;
    NKE_TRY(nke_kernel_file_tile(s->file, s->kind, cols, t->rows, s->strip));
    s->strip_row = t->row_block;
    s->strip_begin = begin;
  }
  for (int64_t j = t->cols.begin; j < t->cols.end; j++)
    for (int64_t i = 0; i < rows; i++) s->tile[i + (j - t->cols.begin) * rows] = s->strip[(j - begin) + i * width];
done:
  return st;
}

/* store->tile <- a tile, from where tiles come from. */
static nke_status make_tile(nke_kernel_store *s, nke_stage stage, const nke_tile *t)
{
  if (s->file) return read_tile(s, t);
  s->stats->flops[stage] += s->flops_per_pair * nke_tile_pairs(t);
  return nke_kernel_rows_tile(s->rows, t->rows, t->cols, s->tile, t->rows.end - t->rows.begin);
}

static int64_t entries_of(const nke_tile *t)
{
  return (t->rows.end - t->rows.begin) * (t->cols.end - t->cols.begin);
}

static void keep_tile(const nke_kernel_store *s, int64_t number, int64_t entries)
{
  void *const to = place_of(s, number);
  if (s->precision == NKE_DOUBLE)
    memcpy(to, s->tile, (size_t)entries * sizeof *s->tile);
  else
    for (int64_t i = 0; i < entries; i++) ((float *)to)[i] = (float)s->tile[i];
}

/* Tile `number` as double. */
static nke_status get_tile(nke_kernel_store *s, int64_t number, const nke_tile *t, const double **out)
{
  *out = s->tile;
  if (!s->keep) return make_tile(s, NKE_STAGE_SOLVE, t);
  const void *const from = place_of(s, number);
  if (s->precision == NKE_DOUBLE)
    *out = from;
  else
    for (int64_t i = 0; i < entries_of(t); i++) s->tile[i] = (double)((const float *)from)[i];
  return NKE_OK;
}

/* The diagonal, and with keep all tiles of this rank. Local. */
static nke_status fill(nke_kernel_store *s)
{
  nke_status st = NKE_OK;
  const int64_t tiles = s->mine.end - s->mine.begin;
  nke_progress progress;
  nke_progress_begin(&progress, s->comm, "exact kernel", "tiles", tiles);
  NKE_TRY(nke_alloc(s->tiling.tile * s->tiling.tile, sizeof *s->tile, "a tile of the kernel", &s->tile));
  NKE_TRY(nke_calloc(s->tiling.n, sizeof *s->diagonal, "the diagonal of the kernel", &s->diagonal));
  if (s->keep)
    NKE_TRY(nke_alloc(tiles * s->tiling.tile * s->tiling.tile, (size_t)nke_precision_bytes(s->precision),
                      "tiles of the kernel", &s->kept));
  for (int64_t number = s->mine.begin; number < s->mine.end; number++) {
    const nke_tile t = nke_tile_at(&s->tiling, number);
    const int64_t n = t.rows.end - t.rows.begin;
    if (!s->keep && !nke_tile_is_diagonal(&t)) continue;
    NKE_TRY(make_tile(s, NKE_STAGE_GRAM, &t));
    if (s->keep) keep_tile(s, number, entries_of(&t));
    for (int64_t i = 0; i < n && nke_tile_is_diagonal(&t); i++) s->diagonal[t.rows.begin + i] = s->tile[i + i * n];
    nke_progress_update(&progress, number + 1 - s->mine.begin);
  }
done:
  nke_progress_end(&progress);
  return st;
}

nke_status nke_kernel_store_create(nke_session *session, const char *path, const char *identity, int keep,
                                   nke_kernel_store **out)
{
  nke_status st = NKE_OK;
  nke_kernel_store *s = NULL;
  int rank, size;
  MPI_Comm_rank(session->comm, &rank);
  MPI_Comm_size(session->comm, &size);
  NKE_TRY(nke_agree(session->comm, nke_calloc(1, sizeof *s, "the kernel", &s)));
  *s = (nke_kernel_store){.comm = session->comm, .tiling = nke_tiling_of(session->m, 0, tile_of(session->m)),
                          .precision = session->config->run.precision, .kind = session->config->embedding.kernel,
                          .rows = session->kernel, .stats = &session->stats,
                          .strip_row = -1, .keep = keep,
                          .flops_per_pair = path ? 0 : nke_exact_flops_per_pair(session->exact)};
  s->mine = nke_split(s->tiling.lower, size, rank);
  if (path) NKE_TRY(nke_kernel_file_whole(s->comm, path, identity, s->kind, s->tiling.n, &s->file));
  NKE_TRY(nke_agree(s->comm, fill(s)));
  nke_sum_over_ranks(s->comm, s->tiling.n, s->diagonal);
  if (keep) nke_h5file_close(&s->file);
done:
  if (st != NKE_OK) nke_kernel_store_destroy(&s);
  *out = s;
  return st;
}

void nke_kernel_store_destroy(nke_kernel_store **store)
{
  nke_kernel_store *const s = *store;
  if (!s) return;
  nke_h5file_close(&s->file);
  nke_free(s->kept);
  nke_free(s->tile);
  nke_free(s->strip);
  nke_free(s->diagonal);
  nke_free(s);
  *store = NULL;
}

/* y += this rank's tiles times x, each for both triangles. Column-major tiles are their own transpose to the row-major
 * product. */
static nke_status add_tiles(nke_kernel_store *s, int k, const double *x, double *y)
{
  nke_status st = NKE_OK;
  for (int64_t number = s->mine.begin; number < s->mine.end; number++) {
    const nke_tile t = nke_tile_at(&s->tiling, number);
    const int64_t rows = t.rows.end - t.rows.begin, cols = t.cols.end - t.cols.begin;
    const double *a;
    NKE_TRY(get_tile(s, number, &t, &a));
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, rows, k, cols, a, rows, x + t.cols.begin * k, k, 1.0,
                     y + t.rows.begin * k, k));
    if (nke_tile_is_diagonal(&t)) continue;
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, cols, k, rows, a, rows, x + t.rows.begin * k, k, 1.0,
                     y + t.cols.begin * k, k));
  }
done:
  return st;
}

static nke_status product(void *context, int k, const double *x, double *y)
{
  nke_kernel_store *const s = context;
  memset(y, 0, (size_t)(s->tiling.n * k) * sizeof *y);
  const nke_status st = nke_agree(s->comm, add_tiles(s, k, x, y));
  if (st == NKE_OK) nke_sum_over_ranks(s->comm, s->tiling.n * k, y);
  return st;
}

nke_symmetric_matrix nke_kernel_store_matrix(nke_kernel_store *s)
{
  const double entries = (double)(s->mine.end - s->mine.begin) * (double)(s->tiling.tile * s->tiling.tile);
  return (nke_symmetric_matrix){.comm = s->comm, .n = s->tiling.n, .flops = 4 * entries, .context = s,
                                .product = product, .diagonal = s->diagonal, .dear = !s->keep};
}
