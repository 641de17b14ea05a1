/* The rest of BLAS and LAPACK (products: num/gemm.h) with 64-bit sizes, checked at the call. Column-major, arguments in
 * the order of the reference BLAS: a row-major [n, d] array is a column-major d x n matrix with leading dimension d.
 * All functions are local. NKE_ERR_USAGE where a size does not fit the library's integers. */
#ifndef NKE_NUM_BLAS_H
#define NKE_NUM_BLAS_H

#include "base/status.h"

#include <stdint.h>

/* The `uplo` ('L' or 'U') triangle of C = alpha A A' + beta C (trans 'N': A n x k), or of A' A ('T': A k x n). */
nke_status nke_dsyrk(char uplo, char trans, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
                     double beta, double *c, int64_t ldc);

/* B <- op(A)^-1 B for the `uplo` triangle of A [m x m], op by trans 'N' or 'T'; B m x n. */
nke_status nke_dtrsm(char uplo, char trans, int64_t m, int64_t n, const double *a, int64_t lda, double *b, int64_t ldb);

/* All eigenvalues, ascending in w[n], of the symmetric matrix in the lower triangle of a [n x n, leading dimension n];
 * the columns of a become the orthonormal eigenvectors. NKE_ERR_NUMERIC if it does not converge or a is not finite.
 * Cost: about 9 n^3 flops, and nke_dsyevd_bytes(n) of work space. */
nke_status nke_dsyevd(int64_t n, double *a, double *w);
int64_t nke_dsyevd_bytes(int64_t n);

/* The kind of processor that OpenBLAS took this one for. */
const char *nke_blas_core(void);

/* The value of OPENBLAS_CORETYPE to start again with where OpenBLAS, older than this processor, took it for one without
 * AVX, which makes every product several times slower; NULL where all is well. It chooses once, when it is loaded. */
const char *nke_blas_better_core(void);

/* The number of BLAS threads of this process; set it and return what it was. */
int nke_blas_threads(void);
int nke_blas_set_threads(int threads);

#endif
