/* Gram and cross products of features, accumulated over streamed panels of rows into a distributed matrix.
 *
 *   G = sum_p Z_p' Z_p  [m x m],   C = sum_p Z_p' Y_p  [m x k],   yy = sum_p of squares of Y_p  [k]
 *
 * A panel is what the ranks pass in one call: their rows, one after the other in rank order. Its products are taken
 * over steps of some rows, and added up in double. If the caller cuts steps by global row numbers only, panels of whole
 * ones, G, C and yy are the same bits at any number of ranks. Features stay spread over the ranks: a rank sees the
 * columns its tiles need, and no rank holds m x m. */
#ifndef NKE_GRAM_GRAM_H
#define NKE_GRAM_GRAM_H

#include "base/checked.h"
#include "base/status.h"
#include "base/timer.h"
#include "dist/blockcyclic.h"

#include <stdint.h>

/* Rows of a panel that keep the tile products near the BLAS's peak: more only costs memory. A multiple of the row
 * block. */
enum { NKE_PANEL_ROWS = 2048 };

typedef struct nke_gram nke_gram;

/* An empty Gram of m features and k targets. Collective over comm (borrowed). The block size depends on m only.
 * stats (may be NULL, is kept) gets bytes, messages and the flops of NKE_STAGE_GRAM; the caller times the stage.
 * NKE_ERR_MEMORY, NKE_ERR_USAGE (too many entries a rank). Memory: 8 m^2 / ranks bytes and 8 m k. */
nke_status nke_gram_create(MPI_Comm comm, int64_t m, int k, nke_precision precision, nke_stats *stats, nke_gram **out);
void nke_gram_destroy(nke_gram **g);

/* Rows of a step, NKE_PANEL_ROWS unless set before the first panel. Local. */
void nke_gram_set_step(nke_gram *g, int64_t rows);

/* Add one panel. Collective; rows_loc may be 0. z_loc: row-major [rows_loc, m] of the Gram's precision; y_loc:
 * row-major [rows_loc, k]. Work a rank: about rows m^2 / ranks flops over the whole panel of `rows` rows. Sent by a
 * rank: rows_loc m (2 / sqrt(ranks)) words to each of the others. Buffer: nke_gram_panel_bytes(). */
nke_status nke_gram_add(nke_gram *g, int64_t rows_loc, const void *z_loc, const double *y_loc);

/* g, the Gram of some of the rows of `all`, becomes that of the others: G <- G_all - G, C, yy and the number of rows
 * likewise; the fewer are left, the more digits they lose. Local; m, k and comm are the same (asserted). */
void nke_gram_complement(const nke_gram *all, nke_gram *g);

/* G, owned by g. The blocks on and below the diagonal are valid, the others zero. It may be read from and written to a
 * checkpoint; the solvers leave it as it is. */
nke_bcmat *nke_gram_matrix(nke_gram *g);

int64_t nke_gram_rows(const nke_gram *g);          /* rows added so far */
const double *nke_gram_squares(const nke_gram *g); /* yy [k], on every rank */

/* trace(G). Collective; the same bits at any number of ranks. */
nke_status nke_gram_trace(const nke_gram *g, double *trace);

/* C, row-major [m, k], on every rank. Collective. */
nke_status nke_gram_cross(const nke_gram *g, double *cross);

/* Go on from a checkpoint: set rows, yy [k] and C [m, k] to what the accessors gave (G: write into nke_gram_matrix()).
 * Local. */
void nke_gram_restore(nke_gram *g, int64_t rows, const double *squares, const double *cross);

/* Bytes of one rank's G, and of its buffers for panels of `rows` rows, of the rank that needs most, for the memory
 * estimate. Local. */
int64_t nke_gram_matrix_bytes(int64_t m, int ranks);
int64_t nke_gram_panel_bytes(const nke_grid *grid, int64_t m, int64_t rows, nke_precision precision);

/* K = Z Z' of features that are kept: the n rows are dealt in rank order, z_loc is row-major [rows_loc, m]. Collective.
 * Streamed over chunks of features of fixed width, so the bits do not depend on the number of ranks. out: n x n, blocks
 * on and below the diagonal valid; the caller destroys it. Work a rank: n^2 m / ranks flops. */
nke_status nke_gram_outer(MPI_Comm comm, int64_t rows_loc, int64_t m, nke_precision precision, const void *z_loc,
                          nke_stats *stats, nke_bcmat **out);

#endif
