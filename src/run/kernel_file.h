/* The kernel file: /train/ntk and /train/nngp [n, n], /test/ntk and /test/nngp [n_test, n], /done [tiles]; or, of a
 * part of the tiles [first, last), /tiles/ntk and /tiles/nngp [tiles, tile, tile] and /done. float or double by
 * precision; a chunk of the square ones is a tile, or a few small ones (files in one piece, of earlier versions, are
 * gone on with too). The attribute `identity` says what the kernel is of: a file is only continued by the same. */
#ifndef NKE_RUN_KERNEL_FILE_H
#define NKE_RUN_KERNEL_FILE_H

#include "base/checked.h"
#include "data/h5file.h"
#include "dist/blockcyclic.h"
#include "run/config.h"
#include "run/kernel_tiles.h"

#include <stdbool.h>

typedef struct nke_kernel_file {
  nke_h5file *h5;
  nke_tiling tiling;
  bool part;
  int64_t first, last; /* tiles that it holds */
  double *packed;      /* [tile, tile] */
} nke_kernel_file;

/* What the numbers of a kernel depend on, as lines of text: rows, preprocess and network of the resolved config,
 * precision, flip, tile and counts, the seed of a sketch of the rows, and their fingerprints (files of earlier versions
 * have none and are taken as they are). test: NULL, none. The caller frees *identity. Collective. */
nke_status nke_kernel_identity(MPI_Comm comm, const nke_config *config, const nke_tiling *tiling, nke_dataset *train,
                               nke_dataset *test, char **identity);

/* kernel.file, or kernel.h5 in run.out; the length, as snprintf(). Local. */
int nke_kernel_file_path(const nke_config *config, char *path, size_t size);

/* Open a whole, finished file for reading its training kernel of n rows. Collective. NKE_ERR_USAGE: another kernel's,
 * naming what differs; NKE_ERR_DATA: tiles are missing, damaged. */
nke_status nke_kernel_file_whole(MPI_Comm comm, const char *path, const char *identity, nke_kernel_kind kind, int64_t n,
                                 nke_h5file **out);

/* Column-major to [rows, cols], without gaps, <- that part of the training kernel. Local. */
nke_status nke_kernel_file_tile(nke_h5file *h5, nke_kernel_kind kind, nke_range rows, nke_range cols, double *to);

/* a <- the training kernel of a whole, finished file, square of its order; each rank reads its blocks on and below the
 * diagonal. Collective. Statuses of nke_kernel_file_whole(). */
nke_status nke_kernel_file_matrix(MPI_Comm comm, const char *path, const char *identity, nke_kernel_kind kind,
                                  nke_bcmat *a);

/* Whether nke_kernel_file_open() could go on with the file at `path`, or make it: its statuses. Writes nothing.
 * Collective. */
nke_status nke_kernel_file_check(MPI_Comm comm, const char *path, const char *identity, const nke_tiling *tiling,
                                 nke_range tiles, bool part, bool force);

/* Open `path` for writing where its identity is the same, else make it, with all data sets in full and no tile done.
 * NKE_ERR_USAGE: it is another kernel's (unless `force`), or no file of nke; NKE_ERR_DATA: its data sets are not as they
 * were made; NKE_ERR_OUTPUT. Collective. */
nke_status nke_kernel_file_open(MPI_Comm comm, const char *path, const char *identity, nke_precision precision,
                                const nke_tiling *tiling, nke_range tiles, bool part, bool force,
                                nke_kernel_file *file);

/* Close. Collective; a file that was not opened is allowed. */
void nke_kernel_file_close(nke_kernel_file *file);

/* done[last - first]: which tiles are in the file. Local. */
nke_status nke_kernel_file_done(nke_kernel_file *file, unsigned char *done);

/* Write one tile, both kernels [tile, tile] row-major with leading dimension tiling.tile (lower tiles of a whole file
 * to both triangles). Local. NKE_ERR_OUTPUT. */
nke_status nke_kernel_file_write(nke_kernel_file *file, int64_t number, const double *nngp, const double *ntk);

/* Read one tile of a part. Local. */
nke_status nke_kernel_file_read(nke_kernel_file *file, int64_t number, double *nngp, double *ntk);

/* Flush this rank's tiles to disk, then mark them done. Local. */
nke_status nke_kernel_file_mark(nke_kernel_file *file, int64_t n, const int64_t *numbers);

#endif
