/* The exact kernel as an embedding: the features of a row are its kernel with every training row.
 *
 *   z(x) = [k(x, x_1), ..., k(x, x_n)],   weights alpha = (K + s I)^-1 Y,   scores z(x) alpha
 *
 * So exact regression is scored, validated and used for prediction like regression on features, m = n. */
#ifndef NKE_RUN_KERNEL_ROWS_H
#define NKE_RUN_KERNEL_ROWS_H

#include "data/dataset.h"
#include "data/preprocess.h"
#include "dist/blockcyclic.h"
#include "kernel/exact.h"
#include "kernel/features.h"

typedef struct nke_kernel_rows nke_kernel_rows;

/* Borrows all; `bytes`: what cached training rows may take. Local. */
nke_status nke_kernel_rows_create(nke_dataset *train, const nke_preprocess *preprocess, const nke_exact *exact,
                                  nke_kernel_kind kind, int64_t bytes, nke_kernel_rows **out);
void nke_kernel_rows_destroy(nke_kernel_rows **kernel);

/* z [n, n_train] for preprocessed rows x [n, d]. Local. Reads the training rows that are not cached. Cost: n n_train
 * pairs. Statuses of reading, and of nke_exact_block(). */
nke_status nke_kernel_rows_apply(nke_kernel_rows *kernel, int64_t n, const double *x, double *z);

/* Column-major to [rows, cols], leading dimension ld, <- the kernel of the training rows [rows) and [cols), which are the
 * same range or rows after cols, and begin at multiples of NKE_BLOCK_ROWS. Local. Cost: its pairs, half of them where the
 * ranges are the same. */
nke_status nke_kernel_rows_tile(nke_kernel_rows *kernel, nke_range rows, nke_range cols, double *to, int64_t ld);

/* K of the training rows, in blocks of nke_bc_block_size(n), those on and below the diagonal. Each rank computes the
 * blocks it holds: no exchange, and the same bits at any number of ranks. Collective; the caller destroys *out. Work:
 * n (n + 1) / 2 pairs over all ranks; *seconds_per_pair (may be NULL): of this rank. */
nke_status nke_kernel_rows_matrix(MPI_Comm comm, nke_kernel_rows *kernel, double *seconds_per_pair, nke_bcmat **out);

#endif
