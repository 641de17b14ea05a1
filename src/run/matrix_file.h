/* The lower triangle of a block-cyclic matrix in a file, whatever ranks wrote it: FOLDER/blocks [lower blocks, nb, nb],
 * each row-major, (I, J) at I (I + 1) / 2 + J, zero past the matrix's edge; FOLDER/checksums, one a block. */
#ifndef NKE_RUN_MATRIX_FILE_H
#define NKE_RUN_MATRIX_FILE_H

#include "data/h5file.h"
#include "dist/blockcyclic.h"

/* Write, or read back, the blocks on and below the diagonal; each rank its own, in the matrix's block size. Collective;
 * statuses of h5file.h; NKE_ERR_DATA, with the word `corrupt`, for another shape or a wrong checksum. */
nke_status nke_matrix_file_write(nke_h5file *file, const char *folder, const nke_bcmat *a);
nke_status nke_matrix_file_read(nke_h5file *file, const char *folder, nke_bcmat *a);

/* *nb <- the block size of a matrix of order n in the file. Collective. NKE_ERR_DATA where it is none of that order. */
nke_status nke_matrix_file_open(nke_h5file *file, const char *folder, int64_t n, int64_t *nb);

/* block [nb, nb] <- (i, j), i >= j, of an opened matrix. Local. NKE_ERR_DATA: unreadable, or a wrong checksum. */
nke_status nke_matrix_file_block(nke_h5file *file, const char *folder, int64_t nb, int64_t i, int64_t j, double *block);

/* Bytes of a matrix of order n in the file. Local. */
double nke_matrix_file_bytes(int64_t n);

#endif
