#include "run/matrix_file.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* No matrix of ours has larger blocks; more is a damaged file. */
enum { LARGEST_BLOCK = 4096 };

typedef struct names {
  char blocks[64], checksums[64];
} names;

static names names_of(const char *folder)
{
  names n;
  snprintf(n.blocks, sizeof n.blocks, "%s/blocks", folder);
  snprintf(n.checksums, sizeof n.checksums, "%s/checksums", folder);
  return n;
}

static int64_t lower_blocks(int64_t n, int64_t nb)
{
  const int64_t blocks = nke_ceil_div(n, nb);
  return blocks * (blocks + 1) / 2;
}

/* `at`: where block (i, j) begins in this rank's array; rows x cols of it are in the matrix. */
typedef nke_status block_action(nke_h5file *file, const char *folder, int64_t nb, int64_t i, int64_t j, int64_t rows,
                                int64_t cols, double *at, int64_t ld, double *buffer, int64_t *sums);

/* This rank's blocks on and below the diagonal. */
static nke_status for_blocks(nke_h5file *file, const char *folder, const nke_bcmat *a, block_action *action,
                             int64_t *sums)
{
  nke_status st = NKE_OK;
  double *buffer = NULL;
  const int64_t blocks = nke_ceil_div(a->rows, a->nb);
  NKE_TRY(nke_alloc(a->nb * a->nb, sizeof *buffer, "a block", &buffer));
  for (int64_t i = a->grid.myrow; i < blocks; i += a->grid.nprow)
    for (int64_t j = a->grid.mycol; j <= i; j += a->grid.npcol)
      NKE_TRY(action(file, folder, a->nb, i, j, nke_min(a->nb, a->rows - i * a->nb),
                     nke_min(a->nb, a->cols - j * a->nb),
                     a->a + i / a->grid.nprow * a->nb + j / a->grid.npcol * a->nb * a->ld, a->ld, buffer, sums));
done:
  nke_free(buffer);
  return nke_agree(a->grid.comm, st);
}

static nke_status write_block(nke_h5file *file, const char *folder, int64_t nb, int64_t i, int64_t j, int64_t rows,
                              int64_t cols, double *from, int64_t ld, double *buffer, int64_t *sums)
{
  const names name = names_of(folder);
  const int64_t start[3] = {i * (i + 1) / 2 + j, 0, 0}, count[3] = {1, nb, nb};
  memset(buffer, 0, (size_t)(nb * nb) * sizeof *buffer);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < cols; c++) buffer[r * nb + c] = from[r + c * ld];
  sums[start[0]] = nke_h5file_checksum(8 * nb * nb, buffer);
  return nke_h5file_write(file, name.blocks, NKE_H5_F64, 3, start, count, buffer);
}

nke_status nke_matrix_file_block(nke_h5file *file, const char *folder, int64_t nb, int64_t i, int64_t j, double *block)
{
  nke_status st = NKE_OK;
  const names name = names_of(folder);
  int64_t sum;
  const int64_t start[3] = {i * (i + 1) / 2 + j, 0, 0}, count[3] = {1, nb, nb};
  NKE_TRY(nke_h5file_read(file, name.blocks, NKE_H5_F64, 3, start, count, block));
  NKE_TRY(nke_h5file_read(file, name.checksums, NKE_H5_I64, 1, start, count, &sum));
  if (sum != nke_h5file_checksum(8 * nb * nb, block))
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt: block (%lld, %lld) of %s does not match its checksum", nke_h5file_path(file),
                  (long long)i, (long long)j, folder);
done:
  return st;
}

static nke_status read_block(nke_h5file *file, const char *folder, int64_t nb, int64_t i, int64_t j, int64_t rows,
                             int64_t cols, double *to, int64_t ld, double *buffer, int64_t *sums)
{
  nke_status st = NKE_OK;
  (void)sums;
  NKE_TRY(nke_matrix_file_block(file, folder, nb, i, j, buffer));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < cols; c++) to[r + c * ld] = buffer[r * nb + c];
done:
  return st;
}

/* The checksums are so short that many ranks which write them would wait for each other: rank 0 does. */
nke_status nke_matrix_file_write(nke_h5file *file, const char *folder, const nke_bcmat *a)
{
  nke_status st = NKE_OK;
  const names name = names_of(folder);
  const int64_t dims[3] = {lower_blocks(a->rows, a->nb), a->nb, a->nb}, start[1] = {0};
  int64_t *sums = NULL;
  int count = 0;
  NKE_TRY(nke_h5file_create_dataset(file, name.blocks, NKE_H5_F64, 3, dims, NULL));
  NKE_TRY(nke_h5file_create_dataset(file, name.checksums, NKE_H5_I64, 1, dims, NULL));
  NKE_TRY(nke_to_int(dims[0], "blocks of a matrix", &count));
  NKE_TRY(nke_agree(a->grid.comm, nke_calloc(count, sizeof *sums, "checksums", &sums)));
  NKE_TRY(for_blocks(file, folder, a, write_block, sums));
  NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, sums, count, MPI_INT64_T, MPI_SUM, a->grid.comm)); /* of one rank each */
  if (a->grid.rank == 0) st = nke_h5file_write(file, name.checksums, NKE_H5_I64, 1, start, dims, sums);
  st = nke_agree(a->grid.comm, st);
done:
  nke_free(sums);
  return st;
}

static nke_status expect(nke_h5file *file, const char *folder, int64_t n, int64_t nb)
{
  nke_status st = NKE_OK;
  const names name = names_of(folder);
  const int64_t dims[3] = {lower_blocks(n, nb), nb, nb};
  NKE_TRY(nke_h5file_expect(file, name.blocks, 3, dims, NULL));
  st = nke_h5file_expect(file, name.checksums, 1, dims, NULL);
done:
  return st;
}

nke_status nke_matrix_file_read(nke_h5file *file, const char *folder, nke_bcmat *a)
{
  nke_status st = NKE_OK;
  NKE_TRY(expect(file, folder, a->rows, a->nb));
  st = for_blocks(file, folder, a, read_block, NULL);
done:
  return st;
}

nke_status nke_matrix_file_open(nke_h5file *file, const char *folder, int64_t n, int64_t *nb)
{
  nke_status st = NKE_OK;
  const names name = names_of(folder);
  int rank;
  int64_t dims[NKE_H5_MAX_RANK];
  NKE_TRY(nke_h5file_dims(file, name.blocks, &rank, dims));
  if (rank != 3 || dims[1] < 1 || dims[1] > LARGEST_BLOCK)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: %s has another shape than nke gave it", nke_h5file_path(file),
                     name.blocks));
  *nb = dims[1];
  st = expect(file, folder, n, *nb);
done:
  return st;
}

double nke_matrix_file_bytes(int64_t n)
{
  const int64_t nb = nke_bc_block_size(n);
  return 8.0 * (double)lower_blocks(n, nb) * (double)(nb * nb + 1);
}
