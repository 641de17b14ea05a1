/* Matrix products of either precision on row-major arrays, over the BLAS. */
#ifndef NKE_NUM_GEMM_H
#define NKE_NUM_GEMM_H

#include "base/checked.h"
#include "base/status.h"

#include <stdint.h>

typedef enum nke_transpose { NKE_PLAIN, NKE_TRANSPOSED } nke_transpose;

/* C <- op(A) op(B) + beta C: C is m x n, op(A) m x k, op(B) k x n; row-major with leading dimensions lda, ldb, ldc
 * counted in entries. The same shapes give the same bits (one BLAS thread). NKE_ERR_USAGE where a size passes 32 bits.
 * Local. Cost: 2 m n k flops. */
nke_status nke_gemm(nke_precision precision, nke_transpose trans_a, nke_transpose trans_b, int64_t m, int64_t n, int64_t k,
                    const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc);

#endif
