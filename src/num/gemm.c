#include "num/gemm.h"

#include <cblas.h>

nke_status nke_gemm(nke_precision precision, nke_transpose trans_a, nke_transpose trans_b, int64_t m, int64_t n, int64_t k,
                    const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c, int64_t ldc)
{
  nke_status st = NKE_OK;
  if (m == 0 || n == 0) return NKE_OK; /* the BLAS refuses leading dimensions of 0 */
  const int64_t wide[6] = {m, n, k, lda, ldb, ldc};
  int size[6];
  for (int i = 0; i < 6; i++) NKE_TRY(nke_to_int(wide[i], "size of a matrix product", &size[i]));
  const enum CBLAS_TRANSPOSE ta = trans_a == NKE_TRANSPOSED ? CblasTrans : CblasNoTrans;
  const enum CBLAS_TRANSPOSE tb = trans_b == NKE_TRANSPOSED ? CblasTrans : CblasNoTrans;
  if (precision == NKE_SINGLE)
    cblas_sgemm(CblasRowMajor, ta, tb, size[0], size[1], size[2], 1.0f, a, size[3], b, size[4], (float)beta, c, size[5]);
  else
    cblas_dgemm(CblasRowMajor, ta, tb, size[0], size[1], size[2], 1.0, a, size[3], b, size[4], beta, c, size[5]);
done:
  return st;
}
