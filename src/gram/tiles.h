/* Tile products: the one place where a distributed Gram or kernel matrix gets its numbers. */
#ifndef NKE_GRAM_TILES_H
#define NKE_GRAM_TILES_H

#include "dist/exchange.h"
#include "num/gemm.h"

/* Whether the panel's index blocks run along its columns (Gram: Z'Z) or its rows (kernel: Z Z'). */
typedef enum nke_panel_side { NKE_BY_COLUMNS, NKE_BY_ROWS } nke_panel_side;

/* Add the panel's products to this rank's tiles (I, J), I >= J, of the square matrix a. Local.
 *
 *   a_IJ <- a_IJ + P_I' P_J (by columns)   or   P_I P_J' (by rows),   P_I the panel's entries of index block I
 *
 * Each product has the shape of its tile and the depth of the panel, in the panel's precision; the sum is double. So
 * the same panels give the same bits whatever the grid. Diagonal tiles are made symmetric from their lower triangle.
 * scratch: nb x nb entries of the precision. *flops += 2 depth (entries of the tiles). */
nke_status nke_tiles_add(nke_bcmat *a, nke_precision precision, nke_panel_side side, const nke_panel *panel,
                         void *scratch, double *flops);

#endif
