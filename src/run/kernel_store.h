/* K of all training rows for iterative methods: the tiles of its lower triangle spread over the ranks, kept in the run's
 * precision, or, where memory does not allow that, computed or read from the kernel file in every product. */
#ifndef NKE_RUN_KERNEL_STORE_H
#define NKE_RUN_KERNEL_STORE_H

#include "run/session.h"
#include "solve/operator.h"

typedef struct nke_kernel_store nke_kernel_store;

/* From the finished file of `nke kernel` at `path`, whose `identity` is checked, or by session->kernel (borrowed) where
 * path is NULL. keep: take all tiles into memory now. Collective. Memory: nke_kernel_store_bytes(). Statuses of
 * nke_kernel_file_whole() and nke_kernel_rows_tile(). */
nke_status nke_kernel_store_create(nke_session *session, const char *path, const char *identity, int keep,
                                   nke_kernel_store **out);
void nke_kernel_store_destroy(nke_kernel_store **store);

/* K; valid as long as the store. A product: 2 n^2 k flops over all ranks, the tiles again where they are not kept, and an
 * allreduce of n k doubles. */
nke_symmetric_matrix nke_kernel_store_matrix(nke_kernel_store *store);

/* Bytes of the tiles that one of `ranks` keeps of n rows; 0 if not kept, which leaves one tile. Local. */
double nke_kernel_store_bytes(int64_t n, nke_precision precision, int ranks, int keep);

#endif
