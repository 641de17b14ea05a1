/* Process grids and matrices in ScaLAPACK's two-dimensional block-cyclic layout, source process (0, 0).
 *
 *   columns      0 1 2 3     block (I, J) lives on process (I mod nprow, J mod npcol)
 *   rows 0     [ a b a b ]   process p of the communicator sits at (p / npcol, p mod npcol)
 *        1     [ c d c d ]
 *        2     [ a b a b ]   each process keeps its blocks packed, in one column-major array
 */
#ifndef NKE_DIST_BLOCKCYCLIC_H
#define NKE_DIST_BLOCKCYCLIC_H

#include "base/checked.h"
#include "base/status.h"

#include <stdint.h>

typedef struct nke_grid {
  MPI_Comm comm;
  int size, rank;
  int nprow, npcol; /* nprow: the largest divisor of size that is at most its square root */
  int myrow, mycol;
} nke_grid;

typedef struct nke_bcmat {
  nke_grid grid;
  int64_t rows, cols, nb;         /* global sizes; blocks are nb x nb, smaller at the far edges */
  int64_t rows_loc, cols_loc, ld; /* this rank's part [rows_loc x cols_loc], ld = max(1, rows_loc) */
  double *a;                      /* column-major */
} nke_bcmat;

/* The grid of a communicator, which the grid borrows. Local. */
nke_grid nke_grid_of(MPI_Comm comm);

/* The grid that `size` ranks would make, as seen by the first one, without a communicator: for counts. Local. */
nke_grid nke_grid_first(int size);

/* How many of n indices, in blocks of nb dealt to nproc processes, process `proc` holds. Local. */
int64_t nke_bc_count(int64_t n, int64_t nb, int nproc, int proc);

/* Owner of global index g; its local index there; the global index of local index l on process `proc`. Local. */
static inline int nke_bc_owner(int64_t g, int64_t nb, int nproc)
{
  return (int)(g / nb % nproc);
}
static inline int64_t nke_bc_local(int64_t g, int64_t nb, int nproc)
{
  return g / nb / nproc * nb + g % nb;
}
static inline int64_t nke_bc_global(int64_t l, int64_t nb, int nproc, int proc)
{
  return (l / nb * nproc + proc) * nb + l % nb;
}

/* Block size for a square matrix of order n. Depends on n only: results must not depend on the number of ranks. Local.
 */
int64_t nke_bc_block_size(int64_t n);

/* Entries of the first rank's part of a matrix: no other rank has more. Local. */
int64_t nke_bc_largest_part(const nke_grid *grid, int64_t rows, int64_t cols, int64_t nb);

/* Entries of a block column's part and of a block row's, of the first rank: ScaLAPACK copies as much of a square matrix
 * at a time. Local. */
int64_t nke_bc_panels(const nke_grid *grid, int64_t n, int64_t nb);

/* Whether a matrix can be made on a grid of this shape: NKE_ERR_USAGE as nke_bcmat_create(). Local. */
nke_status nke_bcmat_check(const nke_grid *grid, int64_t rows, int64_t cols, int64_t nb);

/* A zeroed rows x cols matrix over comm (borrowed), in blocks of nb. Collective.
 * NKE_ERR_USAGE where a rank's part would pass 2^31 - 1 entries (ScaLAPACK's integers); NKE_ERR_MEMORY.
 * Memory: 8 rows cols / ranks bytes a rank. */
nke_status nke_bcmat_create(MPI_Comm comm, int64_t rows, int64_t cols, int64_t nb, nke_bcmat **out);
void nke_bcmat_destroy(nke_bcmat **a);

/* The diagonal of a square matrix, diagonal[rows], on every rank. Collective; exact. */
nke_status nke_bcmat_diagonal(const nke_bcmat *a, double *diagonal);

/* Sum of the diagonal, added in the order of the rows: the same bits at any number of ranks. Collective. */
nke_status nke_bcmat_trace(const nke_bcmat *a, double *trace);

/* A <- A + shift I, this rank's part of it. Local. */
void nke_bcmat_add_to_diagonal(nke_bcmat *a, double shift);

#endif
