/* A slab: a few thousand rows in a row list, read, preprocessed and embedded by all ranks together. The unit of memory,
 * progress, checkpoint and error agreement. More ranks make larger slabs, of whole panels of whole steps: step p has
 * positions [p step, (p + 1) step) of the list, at any number of ranks. */
#ifndef NKE_RUN_SLAB_H
#define NKE_RUN_SLAB_H

#include "base/timer.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/targets.h"
#include "kernel/features.h"
#include "run/kernel_rows.h"
#include "run/rows.h"

/* Rows in flight, multiples of NKE_BLOCK_ROWS. */
typedef struct nke_slab_size {
  int64_t all;   /* of a slab, all ranks together */
  int64_t own;   /* of a slab, at most, on one rank */
  int64_t panel; /* one after the other in the list, exchanged at a time: whole steps */
  int64_t step;  /* multiplied at a time, in single precision perhaps: the same at any number of ranks */
} nke_slab_size;

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
  nke_slab_size slab;
  nke_stats *stats;
} nke_embedder;

/* This rank's part of the slab; buffers are reused from slab to slab. */
typedef struct nke_slab {
  int64_t begin, end;   /* positions of the whole slab in the row list */
  int64_t first;        /* position of this rank's first row */
  int64_t n;            /* this rank's rows */
  int64_t originals;    /* of them, the first: the others are copies that augmentation made */
  const int64_t *rows;  /* [n] row numbers in the data set */
  double *x;            /* [n, d] preprocessed */
  double *raw_y;        /* [n, columns] as in the file, NULL without targets */
  double *y;            /* [n, k] encoded, NULL without targets */
  void *z;              /* [n, m] features in the embedder's precision */
  int64_t *row_buffer;
  int64_t capacity;
} nke_slab;

/* From a rank's memory: a panel takes an eighth of it at most, the rows of its own a sixteenth more. A panel has
 * NKE_PANEL_ROWS (gram.h) rows where that fits, fewer the fewer ranks share the memory where it does not; a step what a
 * panel of features has on as few ranks as the Gram matrix fits into, on the worst grid. A slab is as many panels, at
 * most one a rank and for about eight blocks each, as leave the ranks idle least. exchanged: its panels go into a Gram
 * matrix; then of those that are as good the fewest, so that more ranks send a panel, else the most: larger batches.
 * Depends on the arguments alone, the step not on ranks or exchanged. Local. */
nke_slab_size nke_slab_size_of(int64_t d, int64_t m, nke_precision precision, int64_t memory_per_rank, int ranks,
                               bool exchanged);

/* Positions of a rank in a slab of `rows` (at most size->all), counted from its first: whole blocks of one panel. Where
 * there are several, its ranks are `panels` apart: what leaves for the tiles of all ranks then leaves from all nodes at
 * once, as neighbours share one. In a panel a higher rank has higher positions.
 *
 *   2 panels, 6 ranks:  | 0 | 2 | 4 | 1 | 3 | 5 |
 *
 * Local. */
nke_range nke_slab_share(const nke_slab_size *size, int64_t rows, int ranks, int rank);

/* Rows of a slab of `rows` on one rank, at most. Local. */
int64_t nke_slab_most(const nke_slab_size *size, int64_t rows, int ranks);

/* Make the slab that begins at position `begin` of the list; while it is embedded the system may fetch the rows of the
 * next. Collective; same status on all ranks. Each rank takes its nke_slab_share(). Statuses of reading, encoding and
 * embedding. */
nke_status nke_slab_make(const nke_embedder *embedder, nke_dataset *dataset, const nke_rows *rows, int64_t begin,
                          nke_slab *slab);

/* z [n, m], in the embedder's precision, of preprocessed rows x [n, d]. Local. */
nke_status nke_embedder_apply(const nke_embedder *embedder, int64_t n, const double *x, void *z);

/* Read, preprocess and encode the list positions [range.begin, range.end) on this rank alone; z is not set. Local. */
nke_status nke_slab_read(const nke_embedder *embedder, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                         nke_slab *slab);

/* Read, preprocess, encode and embed the list positions [range.begin, range.end) on this rank alone. Local. */
nke_status nke_slab_embed(const nke_embedder *embedder, nke_dataset *dataset, const nke_rows *rows, nke_range range,
                          nke_slab *slab);

void nke_slab_clear(nke_slab *slab);

#endif
