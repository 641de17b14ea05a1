/* A slab: a few thousand rows in a row list, read, preprocessed and embedded by all ranks together. The unit of memory,
 * progress, checkpoint and error agreement. Its rows depend on the list alone, never on the number of ranks. */
#ifndef NKE_RUN_SLAB_H
#define NKE_RUN_SLAB_H

#include "base/timer.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/targets.h"
#include "kernel/features.h"
#include "run/kernel_rows.h"
#include "run/rows.h"

/* What turns a row of a file into features and targets. targets may be NULL (rows without labels). */
typedef struct nke_embedder {
  MPI_Comm comm;
  const nke_preprocess *preprocess;
  const nke_targets *targets;
  nke_features *features;  /* or */
  nke_kernel_rows *kernel; /* the exact kernel with the training rows */
  int64_t m;               /* features, or training rows */
  nke_precision precision; /* of the features; double for a kernel */
  double flops_per_row;
  int64_t panel_rows, slab_rows; /* multiples of NKE_BLOCK_ROWS */
  nke_stats *stats;
} nke_embedder;

/* This rank's part of the slab; buffers are reused from slab to slab. */
typedef struct nke_slab {
  int64_t begin, end;   /* positions of the whole slab in the row list */
  int64_t first;        /* position of this rank's first row */
  int64_t n;            /* this rank's rows */
  const int64_t *rows;  /* [n] row numbers in the data set */
  double *x;            /* [n, d] preprocessed */
  double *raw_y;        /* [n, columns] as in the file, NULL without targets */
  double *y;            /* [n, k] encoded, NULL without targets */
  void *z;              /* [n, m] features in the embedder's precision */
  int64_t *row_buffer;
  int64_t capacity;
} nke_slab;

/* Rows that a rank may hold in one go: NKE_PANEL_ROWS (gram.h), or as many (a power of two, at least NKE_BLOCK_ROWS) as
 * keep their features, rows and copies under an eighth of the memory. Depends on the sizes alone. Local. */
int64_t nke_panel_rows(int64_t d, int64_t m, nke_precision precision, int64_t memory_per_rank);

/* Rows of a slab, all ranks together: a panel, or as many panels as give every rank eight blocks, so that the ranks'
 * shares differ by an eighth at most; a rank's share is never more than a panel. Local. */
int64_t nke_slab_rows(int64_t panel_rows, int ranks);

/* Make the slab that begins at position `begin` of the list. Collective; same status on all ranks.
 * Each rank takes whole blocks of NKE_BLOCK_ROWS rows. Statuses of reading, encoding and embedding. */
nke_status nke_slab_make(const nke_embedder *embedder, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                          nke_slab *slab);

/* Read, preprocess, encode and embed the list positions [range.begin, range.end) on this rank alone. Local. */
nke_status nke_slab_embed(const nke_embedder *embedder, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                          nke_slab *slab);

void nke_slab_clear(nke_slab *slab);

#endif
