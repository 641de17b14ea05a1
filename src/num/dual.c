#include "num/dual.h"

#include "base/memory.h"
#include "num/dual_closed.h"
#include "num/dual_numeric.h"

#include <math.h>

enum { CHUNK = 512 };

struct nke_dual {
  nke_dual_loop *loop; /* one of these three is in use: a closed form, */
  double p[3];
  nke_wick *wick;            /* a polynomial, */
  nke_dual_numeric *numeric; /* or quadrature */
};

nke_status nke_dual_create(const nke_activation *act, double tolerance, nke_dual **out)
{
  nke_status st = NKE_OK;
  nke_dual *dual = NULL;
  nke_wick wick;
  *out = NULL;
  if (!(tolerance >= 1e-14 && tolerance <= 0.1))
    return nke_fail(NKE_ERR_USAGE, "tolerance of a dual activation: expected 1e-14 to 0.1, got %g", tolerance);
  NKE_TRY(nke_calloc(1, sizeof *dual, "dual of an activation", &dual));
  dual->loop = nke_dual_closed(act, dual->p);
  if (dual->loop == NULL && nke_wick_init(act, &wick)) {
    NKE_TRY(nke_alloc(1, sizeof wick, "dual of a polynomial", &dual->wick));
    *dual->wick = wick;
  } else if (dual->loop == NULL) {
    NKE_TRY(nke_dual_numeric_create(act, tolerance, &dual->numeric));
  }
  *out = dual;
done:
  if (st != NKE_OK) nke_dual_destroy(&dual);
  return st;
}

void nke_dual_destroy(nke_dual **dual)
{
  if (*dual == NULL) return;
  nke_dual_numeric_destroy(&(*dual)->numeric);
  nke_free((*dual)->wick);
  nke_free(*dual);
  *dual = NULL;
}

int nke_dual_is_exact(const nke_dual *dual)
{
  return dual->numeric == NULL;
}

double nke_dual_error(const nke_dual *dual)
{
  return dual->numeric != NULL ? nke_dual_numeric_error(dual->numeric) : 0;
}

static int is_triple(double qx, double qy, double s)
{
  return qx >= 0 && qy >= 0 && qx <= 1e140 && qy <= 1e140 && s * s <= 1.002 * qx * qy + 1e-300;
}

static nke_status check(int64_t n, int64_t first, const double *qx, const double *qy, const double *s)
{
  int bad = 0;
#pragma omp simd reduction(| : bad)
  for (int64_t i = 0; i < n; i++) bad |= !is_triple(qx[i], qy[i], s[i]);
  for (int64_t i = 0; bad && i < n; i++)
    if (!is_triple(qx[i], qy[i], s[i]))
      return nke_fail(
          NKE_ERR_NUMERIC,
          "dual activation, pair %lld: no covariance: variances %.9g and %.9g (0 to 1e140), covariance %.9g",
          (long long)(first + i), qx[i], qy[i], s[i]);
  return NKE_OK;
}

static nke_status check_results(int64_t n, int64_t first, const double *qx, const double *qy, const double *k,
                                const double *kdot)
{
  double sum = 0; /* stays 0 unless an entry is not finite */
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += 0 * k[i] + 0 * kdot[i];
  if (sum == 0) return NKE_OK;
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(k[i]) || !isfinite(kdot[i]))
      return nke_fail(NKE_ERR_NUMERIC, "dual activation, pair %lld: overflow at variances %.9g and %.9g",
                      (long long)(first + i), qx[i], qy[i]);
  return NKE_OK;
}

static nke_status apply_chunk(const nke_dual *dual, int64_t n, const double *qx, const double *qy, const double *s,
                              double *k, double *kdot)
{
  if (dual->numeric != NULL) return nke_dual_numeric_apply(dual->numeric, n, qx, qy, s, k, kdot);
  if (dual->wick != NULL)
    nke_wick_apply(dual->wick, n, qx, qy, s, k, kdot);
  else
    dual->loop(dual->p, n, qx, qy, s, k, kdot);
  return NKE_OK;
}

nke_status nke_dual_apply(const nke_dual *dual, int64_t n, const double *qx, const double *qy, const double *s,
                          double *k, double *kdot)
{
  nke_status st = NKE_OK;
  double unused_k[CHUNK], unused_kdot[CHUNK];
  for (int64_t i = 0; i < n; i += CHUNK) {
    const int64_t m = n - i < CHUNK ? n - i : CHUNK;
    double *value = k != NULL ? k + i : unused_k, *slope = kdot != NULL ? kdot + i : unused_kdot;
    NKE_TRY(check(m, i, qx + i, qy + i, s + i));
    NKE_TRY(apply_chunk(dual, m, qx + i, qy + i, s + i, value, slope));
    NKE_TRY(check_results(m, i, qx + i, qy + i, value, slope));
  }
done:
  return st;
}
