#include "gram/tiles.h"

/* Where a tile sits: rows [row, row + rows), columns [col, col + cols) of this rank's part. */
typedef struct tile {
  int64_t row, rows, col, cols;
  int diagonal;
} tile;

/* The accumulator of a tile gets the product; for diagonal tiles the lower triangle goes to both sides, since the two
 * halves of a computed X'X may differ in their last bits. The product is column-major, packed. */
#define DEFINE_ACCUMULATE(name, type)                                                            \
  static void name(double *restrict to, int64_t ld, const tile *t, const type *restrict product) \
  {                                                                                              \
    for (int64_t j = 0; j < t->cols; j++) {                                                      \
      double *column = to + t->row + (t->col + j) * ld;                                          \
      const type *from = product + j * t->rows;                                                  \
      const int64_t first = t->diagonal ? j : 0;                                                 \
      for (int64_t i = 0; i < first; i++) column[i] += (double)product[j + i * t->rows];         \
      for (int64_t i = first; i < t->rows; i++) column[i] += (double)from[i];                    \
    }                                                                                            \
  }
DEFINE_ACCUMULATE(accumulate_single, float)
DEFINE_ACCUMULATE(accumulate_double, double)

static nke_status add_tile(nke_bcmat *a, nke_precision precision, nke_panel_side side, const nke_panel *panel,
                           const char *rows, const char *cols, const tile *t, void *scratch)
{
  /* Row-major, the product is [cols, rows]: column-major, the tile itself. */
  const nke_transpose first = side == NKE_BY_COLUMNS ? NKE_TRANSPOSED : NKE_PLAIN;
  const nke_transpose second = side == NKE_BY_COLUMNS ? NKE_PLAIN : NKE_TRANSPOSED;
  const nke_status st = nke_gemm(precision, first, second, t->cols, t->rows, panel->depth, cols, panel->ld, rows,
                                 panel->ld, 0.0, scratch, t->rows);
  if (st != NKE_OK) return st;
  if (precision == NKE_SINGLE)
    accumulate_single(a->a, a->ld, t, scratch);
  else
    accumulate_double(a->a, a->ld, t, scratch);
  return NKE_OK;
}

nke_status nke_tiles_add(nke_bcmat *a, nke_precision precision, nke_panel_side side, const nke_panel *panel,
                         void *scratch, double *flops)
{
  const nke_grid *g = &a->grid;
  const int64_t step = panel->step * nke_precision_bytes(precision);
  nke_status st = NKE_OK;
  if (panel->depth == 0) return NKE_OK;
  for (int64_t col = 0; col < a->cols_loc; col += a->nb) {
    const int64_t left = nke_bc_global(col, a->nb, g->npcol, g->mycol);
    const char *cols = (const char *)panel->data + panel->offset[left / a->nb] * step;
    for (int64_t row = 0; row < a->rows_loc; row += a->nb) {
      const int64_t top = nke_bc_global(row, a->nb, g->nprow, g->myrow);
      if (top < left) continue;
      const char *rows = (const char *)panel->data + panel->offset[top / a->nb] * step;
      const tile t = {row, nke_min(a->nb, a->rows - top), col, nke_min(a->nb, a->cols - left), top == left};
      NKE_TRY(add_tile(a, precision, side, panel, rows, cols, &t, scratch));
      *flops += 2.0 * (double)panel->depth * (double)(t.rows * t.cols);
    }
  }
done:
  return st;
}
