/* Who owns which rows. */
#ifndef NKE_DIST_SPLIT_H
#define NKE_DIST_SPLIT_H

#include <mpi.h>
#include <stdint.h>

/* Rows [begin, end). */
typedef struct nke_range {
  int64_t begin, end;
} nke_range;

/* Rows per block: the unit that is read, preprocessed and embedded in one call. Blocks are counted from the first row
 * of what is split (a slab begins at a whole block of its list) and are never split by rank, so that a matrix product
 * over a block has the same shape, and so the same rounding, at any number of ranks. */
enum { NKE_BLOCK_ROWS = 64 };

/* Part `part` of n items cut into `parts` contiguous parts whose sizes differ by at most one. Local. */
nke_range nke_split(int64_t n, int parts, int part);

/* The same, cut only at multiples of NKE_BLOCK_ROWS. Local. */
nke_range nke_split_blocks(int64_t n, int parts, int part);

/* This rank's part of it. Local. */
nke_range nke_split_mine(MPI_Comm comm, int64_t n);

#endif
