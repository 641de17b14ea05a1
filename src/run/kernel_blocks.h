/* Blocks of rows that the tiles of a kernel need, preprocessed and with their norms, as many kept as memory allows. */
#ifndef NKE_RUN_KERNEL_BLOCKS_H
#define NKE_RUN_KERNEL_BLOCKS_H

#include "data/dataset.h"
#include "data/preprocess.h"
#include "kernel/exact.h"
#include "run/kernel_tiles.h"

typedef struct nke_kernel_block {
  int64_t key;     /* -1: empty */
  int64_t used;    /* when last */
  int64_t n;
  double *x, *norms; /* [n, d], [n, norms_length] */
} nke_kernel_block;

typedef struct nke_kernel_blocks {
  nke_dataset *train, *test;
  const nke_preprocess *preprocess;
  const nke_exact *exact;
  nke_tiling tiling;
  int64_t clock, slots;
  nke_kernel_block *slot;
} nke_kernel_blocks;

/* Bytes of one block. Local, as all functions here. */
int64_t nke_kernel_block_bytes(const nke_exact *exact, int64_t d, int64_t tile);

/* Keep up to `bytes` of blocks, two at least. The rest of *blocks is the caller's to fill before. */
nke_status nke_kernel_blocks_init(nke_kernel_blocks *blocks, int64_t bytes);
void nke_kernel_blocks_clear(nke_kernel_blocks *blocks);

/* The block, read, preprocessed and with its norms; valid until the next but one call. */
nke_status nke_kernel_blocks_get(nke_kernel_blocks *blocks, int test, int64_t block, const nke_kernel_block **out);

#endif
