#include "num/blas.h"

#include "base/checked.h"
#include "base/memory.h"
#include "num/simd.h"

#include <strings.h>

/* The Fortran symbols, with 32-bit integers; Debian's OpenBLAS is built so. */
void dsyrk_(const char *, const char *, const int *, const int *, const double *, const double *, const int *,
            const double *, double *, const int *);
void dtrsm_(const char *, const char *, const char *, const char *, const int *, const int *, const double *,
            const double *, const int *, double *, const int *);
void dsyevd_(const char *, const char *, const int *, double *, const int *, double *, double *, const int *, int *,
             const int *, int *);
void openblas_set_num_threads(int);
int openblas_get_num_threads(void);
char *openblas_get_corename(void);

typedef struct matrix_sizes {
  int n, k, lda, ldc;
} matrix_sizes;

static nke_status narrow(matrix_sizes *s, int64_t n, int64_t k, int64_t lda, int64_t ldc)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_to_int(n, "matrix order", &s->n));
  NKE_TRY(nke_to_int(k, "inner matrix size", &s->k));
  NKE_TRY(nke_to_int(nke_max(1, lda), "leading dimension", &s->lda));
  NKE_TRY(nke_to_int(nke_max(1, ldc), "leading dimension", &s->ldc));
done:
  return st;
}

nke_status nke_dsyrk(char uplo, char trans, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
                     double beta, double *c, int64_t ldc)
{
  matrix_sizes s;
  const nke_status st = narrow(&s, n, k, lda, ldc);
  if (st == NKE_OK) dsyrk_(&uplo, &trans, &s.n, &s.k, &alpha, a, &s.lda, &beta, c, &s.ldc);
  return st;
}

nke_status nke_dtrsm(char uplo, char trans, int64_t m, int64_t n, const double *a, int64_t lda, double *b, int64_t ldb)
{
  matrix_sizes s;
  const double one = 1;
  const nke_status st = narrow(&s, m, n, lda, ldb);
  if (st == NKE_OK) dtrsm_("L", &uplo, &trans, "N", &s.n, &s.k, &one, a, &s.lda, b, &s.ldc);
  return st;
}

/* Work space of dsyevd with vectors, from its documentation. */
static int64_t syevd_doubles(int64_t n)
{
  return 1 + 6 * n + 2 * n * n;
}

int64_t nke_dsyevd_bytes(int64_t n)
{
  return 8 * syevd_doubles(n) + 4 * (3 + 5 * n);
}

nke_status nke_dsyevd(int64_t n, double *a, double *w)
{
  nke_status st = NKE_OK;
  double *work = NULL;
  int *iwork = NULL;
  int order, lwork, liwork, info = 0;
  if (n == 0) return NKE_OK;
  /* LAPACK loops forever or returns rubbish on NaN; a sum is NaN or infinite if any entry is. */
  double sum = 0;
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = j; i < n; i++) sum += 0 * a[i + j * n];
  if (sum != 0) return nke_fail(NKE_ERR_NUMERIC, "eigenvalues of a %lld x %lld matrix: an entry is not finite",
                                (long long)n, (long long)n);
  NKE_TRY(nke_to_int(n, "order of the eigenproblem", &order));
  NKE_TRY(nke_to_int(syevd_doubles(n), "work space of the eigenproblem", &lwork));
  liwork = 3 + 5 * order;
  NKE_TRY(nke_alloc(lwork, sizeof *work, "work space of the eigenproblem", &work));
  NKE_TRY(nke_alloc(liwork, sizeof *iwork, "work space of the eigenproblem", &iwork));
  dsyevd_("V", "L", &order, a, &order, w, work, &lwork, iwork, &liwork, &info);
  if (info != 0)
    st = nke_fail(NKE_ERR_NUMERIC, "eigenvalues of a %d x %d matrix: dsyevd stopped with info = %d", order, order,
                  info);

done:
  nke_free(iwork);
  nke_free(work);
  return st;
}

int nke_blas_threads(void)
{
  return openblas_get_num_threads();
}

int nke_blas_set_threads(int threads)
{
  const int before = openblas_get_num_threads();
  openblas_set_num_threads(threads);
  return before;
}

const char *nke_blas_core(void) { return openblas_get_corename(); }

const char *nke_blas_better_core(void)
{
  static const char *const best[NKE_SIMD_COUNT] = {
      [NKE_SIMD_PLAIN] = NULL, [NKE_SIMD_AVX2] = "Haswell", [NKE_SIMD_AVX512] = "SkylakeX"};
  static const char *const without_avx[] = {"Prescott", "Core2",        "Penryn",    "Dunnington", "Nehalem", "Athlon",
                                            "Opteron",  "Opteron_SSE3", "Barcelona", "Bobcat",     "Generic"};
  for (size_t k = 0; k < sizeof without_avx / sizeof *without_avx; k++)
    if (strcasecmp(nke_blas_core(), without_avx[k]) == 0) return best[nke_simd_best()];
  return NULL;
}
