#include "gram/gram.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "gram/tiles.h"

#include <assert.h>
#include <string.h>

/* Features in a chunk of the outer product: the depth of its tile products. */
enum { CHUNK_WIDTH = 1024 };

struct nke_gram {
  int64_t m, rows, step;
  int k;
  nke_precision precision;
  nke_stats *stats;
  nke_bcmat *matrix;
  nke_exchange *exchange;
  double *cross;    /* [m, k]: this rank's blocks of rows, zero elsewhere */
  double *squares;  /* [k] */
  void *scratch;    /* [nb, nb], of the precision: a product on its way into a tile */
  double *wide;     /* [panel rows, nb]: a panel's block of columns in double */
  double *targets;  /* [panel rows, k] */
  int64_t capacity; /* panel rows that wide and targets have room for */
};

nke_status nke_gram_create(MPI_Comm comm, int64_t m, int k, nke_precision precision, nke_stats *stats, nke_gram **out)
{
  nke_status st = NKE_OK;
  nke_gram *g = NULL;
  const int64_t nb = nke_bc_block_size(m);
  *out = NULL;
  NKE_TRY(nke_agree(comm, nke_calloc(1, sizeof *g, "Gram matrix", &g)));
  *g = (nke_gram){.m = m, .step = NKE_PANEL_ROWS, .k = k, .precision = precision, .stats = stats};
  NKE_TRY(nke_bcmat_create(comm, m, m, nb, &g->matrix));
  NKE_TRY(nke_exchange_create(g->matrix, precision, stats, &g->exchange));
  st = nke_calloc(m * k, sizeof(double), "cross products", &g->cross);
  if (st == NKE_OK) st = nke_calloc(k, sizeof(double), "cross products", &g->squares);
  if (st == NKE_OK) st = nke_alloc(nb * nb, (size_t)nke_precision_bytes(precision), "tile", &g->scratch);
  NKE_TRY(nke_agree(comm, st));

done:
  if (st != NKE_OK) nke_gram_destroy(&g);
  *out = g;
  return st;
}

void nke_gram_destroy(nke_gram **g)
{
  if (!*g) return;
  nke_free((*g)->targets);
  nke_free((*g)->wide);
  nke_free((*g)->scratch);
  nke_free((*g)->squares);
  nke_free((*g)->cross);
  nke_exchange_destroy(&(*g)->exchange);
  nke_bcmat_destroy(&(*g)->matrix);
  nke_free(*g);
  *g = NULL;
}

static nke_status reserve_rows(nke_gram *g, int64_t rows)
{
  nke_status st = NKE_OK;
  if (rows <= g->capacity) return NKE_OK;
  nke_free(g->wide);
  nke_free(g->targets);
  g->wide = g->targets = NULL;
  g->capacity = 0;
  NKE_TRY(nke_alloc(rows * g->matrix->nb, sizeof(double), "panel of targets", &g->wide));
  NKE_TRY(nke_alloc(rows * g->k, sizeof(double), "panel of targets", &g->targets));
  g->capacity = rows;
done:
  return st;
}

/* wide [depth, width] <- columns [first, first + width) of the panel, as double. */
static void widen(const nke_panel *panel, nke_precision precision, int64_t first, int64_t width, double *wide)
{
  for (int64_t p = 0; p < panel->depth; p++)
    for (int64_t j = 0; j < width; j++) {
      const int64_t at = p * panel->ld + first + j;
      wide[p * width + j] =
          precision == NKE_SINGLE ? (double)((const float *)panel->data)[at] : ((const double *)panel->data)[at];
    }
}

/* C_I += Z_I' Y for the blocks I of this rank's grid row, dealt once more over the ranks of that grid row. */
static nke_status add_cross(nke_gram *g, const nke_panel *panel, const double *targets)
{
  nke_status st = NKE_OK;
  const nke_bcmat *a = g->matrix;
  for (int64_t b = a->grid.myrow; b * a->nb < g->m; b += a->grid.nprow) {
    if (b / a->grid.nprow % a->grid.npcol != a->grid.mycol) continue;
    const int64_t width = nke_min(a->nb, g->m - b * a->nb);
    widen(panel, g->precision, panel->offset[b], width, g->wide);
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, width, g->k, panel->depth, g->wide, width, targets, g->k,
                     1.0, g->cross + b * a->nb * g->k, g->k));
  }
done:
  return st;
}

static nke_status add_steps(nke_gram *g, const nke_panel *panel, double *flops)
{
  nke_status st = NKE_OK;
  const int64_t row_bytes = panel->ld * nke_precision_bytes(g->precision);
  for (int64_t first = 0; first < panel->depth; first += g->step) {
    nke_panel step = *panel;
    step.data = (const char *)panel->data + first * row_bytes;
    step.depth = nke_min(g->step, panel->depth - first);
    NKE_TRY(nke_tiles_add(g->matrix, g->precision, NKE_BY_COLUMNS, &step, g->scratch, flops));
    NKE_TRY(add_cross(g, &step, g->targets + first * g->k));
  }
done:
  return st;
}

void nke_gram_set_step(nke_gram *g, int64_t rows)
{
  g->step = rows;
}

nke_status nke_gram_add(nke_gram *g, int64_t rows_loc, const void *z_loc, const double *y_loc)
{
  nke_status st = NKE_OK;
  nke_panel panel;
  double flops = 0;
  NKE_TRY(nke_exchange_columns(g->exchange, rows_loc, z_loc, &panel));
  NKE_TRY(nke_agree(g->matrix->grid.comm, reserve_rows(g, panel.depth)));
  if (panel.depth == 0) goto done;
  NKE_TRY(nke_exchange_gather(g->exchange, rows_loc * g->k, y_loc, g->targets));
  NKE_TRY(nke_agree(g->matrix->grid.comm, add_steps(g, &panel, &flops)));
  for (int64_t p = 0; p < panel.depth; p++)
    for (int c = 0; c < g->k; c++) g->squares[c] += g->targets[p * g->k + c] * g->targets[p * g->k + c];
  g->rows += panel.depth;
  if (g->stats) g->stats->flops[NKE_STAGE_GRAM] += flops;
done:
  return st;
}

/* x [n] <- all - x. */
static void subtract_from(int64_t n, const double *all, double *x)
{
  for (int64_t i = 0; i < n; i++) x[i] = all[i] - x[i];
}

void nke_gram_complement(const nke_gram *all, nke_gram *g)
{
  assert(all->m == g->m && all->k == g->k);
  subtract_from(g->matrix->ld * g->matrix->cols_loc, all->matrix->a, g->matrix->a);
  subtract_from(g->m * g->k, all->cross, g->cross);
  subtract_from(g->k, all->squares, g->squares);
  g->rows = all->rows - g->rows;
}

nke_bcmat *nke_gram_matrix(nke_gram *g)
{
  return g->matrix;
}

int64_t nke_gram_rows(const nke_gram *g)
{
  return g->rows;
}

const double *nke_gram_squares(const nke_gram *g)
{
  return g->squares;
}

nke_status nke_gram_trace(const nke_gram *g, double *trace)
{
  return nke_bcmat_trace(g->matrix, trace);
}

nke_status nke_gram_cross(const nke_gram *g, double *cross)
{
  nke_status st = NKE_OK;
  int count = 0;
  NKE_TRY(nke_to_int(g->m * g->k, "cross products", &count));
  /* Each entry has one owner, so the sum is exact. */
  NKE_TRY_MPI(MPI_Allreduce(g->cross, cross, count, MPI_DOUBLE, MPI_SUM, g->matrix->grid.comm));
done:
  return st;
}

void nke_gram_restore(nke_gram *g, int64_t rows, const double *squares, const double *cross)
{
  const nke_bcmat *a = g->matrix;
  g->rows = rows;
  memcpy(g->squares, squares, (size_t)g->k * sizeof(double));
  for (int64_t i = 0; i < g->m; i++) {
    const int64_t b = i / a->nb;
    const int mine = b % a->grid.nprow == a->grid.myrow && b / a->grid.nprow % a->grid.npcol == a->grid.mycol;
    for (int c = 0; c < g->k; c++) g->cross[i * g->k + c] = mine ? cross[i * g->k + c] : 0;
  }
}

int64_t nke_gram_matrix_bytes(int64_t m, int ranks)
{
  const nke_grid grid = nke_grid_first(ranks);
  return 8 * nke_bc_largest_part(&grid, m, m, nke_bc_block_size(m));
}

int64_t nke_gram_panel_bytes(const nke_grid *grid, int64_t m, int64_t rows, nke_precision precision)
{
  const int64_t nb = nke_bc_block_size(m);
  return rows * (nke_precision_bytes(precision) * nke_exchange_most(grid, m, nb) + 8 * nb);
}

nke_status nke_gram_outer(MPI_Comm comm, int64_t rows_loc, int64_t m, nke_precision precision, const void *z_loc,
                          nke_stats *stats, nke_bcmat **out)
{
  nke_status st = NKE_OK;
  nke_bcmat *k = NULL;
  nke_exchange *exchange = NULL;
  nke_panel panel;
  void *scratch = NULL;
  double flops = 0;
  const int64_t n = nke_rows_total(comm, rows_loc), nb = nke_bc_block_size(n);
  *out = NULL;
  NKE_TRY(nke_bcmat_create(comm, n, n, nb, &k));
  NKE_TRY(nke_exchange_create(k, precision, stats, &exchange));
  NKE_TRY(nke_agree(comm, nke_alloc(nb * nb, (size_t)nke_precision_bytes(precision), "tile", &scratch)));
  for (int64_t first = 0; first < m; first += CHUNK_WIDTH) {
    NKE_TRY(nke_exchange_rows(exchange, rows_loc, m, first, nke_min(CHUNK_WIDTH, m - first), z_loc, &panel));
    NKE_TRY(nke_agree(comm, nke_tiles_add(k, precision, NKE_BY_ROWS, &panel, scratch, &flops)));
  }
  if (stats) stats->flops[NKE_STAGE_GRAM] += flops;

done:
  nke_free(scratch);
  nke_exchange_destroy(&exchange);
  if (st != NKE_OK) nke_bcmat_destroy(&k);
  *out = k;
  return st;
}
