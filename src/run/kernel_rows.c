#include "run/kernel_rows.h"

#include "base/memory.h"
#include "base/timer.h"
#include "run/kernel_blocks.h"
#include "run/progress.h"

/* Training rows of a cached block. */
enum { BLOCK = NKE_BLOCK_ROWS };

struct nke_kernel_rows {
  nke_kernel_blocks blocks;
  nke_kernel_kind kind;
};

nke_status nke_kernel_rows_create(nke_dataset *train, const nke_preprocess *preprocess, const nke_exact *exact,
                                  nke_kernel_kind kind, int64_t bytes, nke_kernel_rows **out)
{
  nke_status st = NKE_OK;
  nke_kernel_rows *k = NULL;
  NKE_TRY(nke_calloc(1, sizeof *k, "kernel rows", &k));
  k->kind = kind;
  k->blocks = (nke_kernel_blocks){.train = train, .preprocess = preprocess, .exact = exact,
                                  .tiling = nke_tiling_of(nke_dataset_rows(train), 0, BLOCK)};
  st = nke_kernel_blocks_init(&k->blocks, bytes);
done:
  if (st != NKE_OK) nke_kernel_rows_destroy(&k);
  *out = k;
  return st;
}

void nke_kernel_rows_destroy(nke_kernel_rows **k)
{
  if (!*k) return;
  nke_kernel_blocks_clear(&(*k)->blocks);
  nke_free(*k);
  *k = NULL;
}

/* out [nx, ny] of leading dimension ld: the wanted one of the two kernels. */
static nke_status pairs(const nke_kernel_rows *k, int64_t nx, const double *x, const double *norms_x, int64_t ny,
                        const double *y, const double *norms_y, double *out, int64_t ld)
{
  const int ntk = k->kind == NKE_KERNEL_NTK;
  return nke_exact_block(k->blocks.exact, nx, x, norms_x, ny, y, norms_y, ntk ? NULL : out, ntk ? out : NULL, ld);
}

nke_status nke_kernel_rows_apply(nke_kernel_rows *k, int64_t n, const double *x, double *z)
{
  nke_status st = NKE_OK;
  const nke_tiling *const t = &k->blocks.tiling;
  const nke_kernel_block *block;
  double *norms = NULL;
  NKE_TRY(nke_alloc(n * nke_exact_norms_length(k->blocks.exact), sizeof *norms, "norms of rows", &norms));
  NKE_TRY(nke_exact_norms(k->blocks.exact, n, x, norms));
  for (int64_t b = 0; b < t->blocks; b++) {
    NKE_TRY(nke_kernel_blocks_get(&k->blocks, 0, b, &block));
    NKE_TRY(pairs(k, n, x, norms, block->n, block->x, block->norms, z + b * BLOCK, t->n));
  }
done:
  nke_free(norms);
  return st;
}

/* Tile (I, J) of BLOCK x BLOCK pairs into column-major `to`: its columns are the rows of tile J. */
static nke_status compute_tile(nke_kernel_rows *k, int64_t row_block, int64_t col_block, double *to, int64_t ld)
{
  nke_status st = NKE_OK;
  const int ntk = k->kind == NKE_KERNEL_NTK;
  const nke_kernel_block *rows, *cols;
  NKE_TRY(nke_kernel_blocks_get(&k->blocks, 0, row_block, &rows));
  NKE_TRY(nke_kernel_blocks_get(&k->blocks, 0, col_block, &cols));
  st = row_block == col_block ? nke_exact_triangle(k->blocks.exact, rows->n, rows->x, rows->norms, ntk ? NULL : to,
                                                   ntk ? to : NULL, ld)
                              : pairs(k, cols->n, cols->x, cols->norms, rows->n, rows->x, rows->norms, to, ld);
done:
  return st;
}

/* Column-major a [n, n]: the upper triangle from the lower one. */
static void mirror_lower(int64_t n, double *a, int64_t ld)
{
  for (int64_t c = 0; c < n; c++)
    for (int64_t r = c + 1; r < n; r++) a[c + r * ld] = a[r + c * ld];
}

nke_status nke_kernel_rows_tile(nke_kernel_rows *k, nke_range rows, nke_range cols, double *to, int64_t ld)
{
  nke_status st = NKE_OK;
  for (int64_t j = cols.begin; j < cols.end; j += BLOCK)
    for (int64_t i = nke_max(rows.begin, j); i < rows.end; i += BLOCK)
      NKE_TRY(compute_tile(k, i / BLOCK, j / BLOCK, to + (i - rows.begin) + (j - cols.begin) * ld, ld));
  if (rows.begin == cols.begin) mirror_lower(rows.end - rows.begin, to, ld);
done:
  return st;
}

/* The tiles of this rank in turn, on and below the diagonal of the whole matrix. to: where tile (I, J) begins. */
typedef nke_status tile_action(void *context, int64_t row_block, int64_t col_block, double *to);

static nke_status for_tiles(nke_bcmat *a, tile_action *action, void *context)
{
  nke_status st = NKE_OK;
  for (int64_t jl = 0; jl < a->cols_loc; jl += BLOCK)
    for (int64_t il = 0; il < a->rows_loc; il += BLOCK) {
      const int64_t i = nke_bc_global(il, a->nb, a->grid.nprow, a->grid.myrow);
      const int64_t j = nke_bc_global(jl, a->nb, a->grid.npcol, a->grid.mycol);
      if (i >= j) NKE_TRY(action(context, i / BLOCK, j / BLOCK, a->a + il + jl * a->ld));
    }
done:
  return st;
}

typedef struct filling {
  nke_kernel_rows *kernel;
  int64_t ld, done, all;
  nke_progress progress;
} filling;

static nke_status count_tile(void *context, int64_t row_block, int64_t col_block, double *to)
{
  (void)row_block, (void)col_block, (void)to;
  ((filling *)context)->all++;
  return NKE_OK;
}

static nke_status fill_tile(void *context, int64_t row_block, int64_t col_block, double *to)
{
  filling *const f = context;
  const nke_status st = compute_tile(f->kernel, row_block, col_block, to, f->ld);
  nke_progress_update(&f->progress, ++f->done);
  return st;
}

/* The blocks on the diagonal whole: their upper tiles from the lower ones. */
static void mirror_diagonal(nke_bcmat *a)
{
  for (int64_t b = 0; b * a->nb < a->rows; b++) {
    if (b % a->grid.nprow != a->grid.myrow || b % a->grid.npcol != a->grid.mycol) continue;
    const int64_t n = nke_min(a->nb, a->rows - b * a->nb);
    mirror_lower(n, a->a + b / a->grid.nprow * a->nb + b / a->grid.npcol * a->nb * a->ld, a->ld);
  }
}

nke_status nke_kernel_rows_matrix(MPI_Comm comm, nke_kernel_rows *k, double *seconds_per_pair, nke_bcmat **out)
{
  nke_status st = NKE_OK;
  nke_bcmat *a = NULL;
  const int64_t n = k->blocks.tiling.n;
  *out = NULL;
  NKE_TRY(nke_bcmat_create(comm, n, n, nke_ceil_div(nke_bc_block_size(n), BLOCK) * BLOCK, &a));
  filling f = {.kernel = k, .ld = a->ld};
  const double begun = nke_seconds();
  for_tiles(a, count_tile, &f);
  nke_progress_begin(&f.progress, comm, "exact kernel", "tiles", f.all);
  st = for_tiles(a, fill_tile, &f);
  nke_progress_end(&f.progress);
  mirror_diagonal(a);
  if (seconds_per_pair) *seconds_per_pair = f.all ? (nke_seconds() - begun) / (double)(f.all * BLOCK * BLOCK) : 0;
  st = nke_agree(comm, st);
done:
  if (st != NKE_OK) nke_bcmat_destroy(&a);
  *out = a;
  return st;
}
