#include "num/dual_numeric.h"

#include "base/memory.h"
#include "num/dual_loops.h"
#include "num/dual_plane.h"
#include "num/hermite.h"
#include "num/phi.h"
#include "num/scales.h"
#include "num/simd.h"

#include <math.h>
#include <string.h>

/* Variances kept at a time, and the longest series. */
enum { SLOTS = 1024, MOST_TERMS = NKE_HERMITE_MAX_DEGREE + 1 };

typedef struct scale {
  int used;
  double q;
  nke_hermite_moments moments;
} scale;

struct nke_dual_numeric {
  nke_phi *phi;
  nke_scales *scales;
  double tolerance, error;
  int terms;
  nke_dual_series *series;
  scale *slot;  /* [SLOTS] */
  double *coef; /* [SLOTS, 2, terms]: c and cdot */
};

/* The shortest series that holds at every rho at variance 2; the longest where none does (kinks). */
static nke_status choose_terms(nke_dual_numeric *numeric)
{
  static const int choice[] = {32, 64, 96, 128, 192, 256};
  double c[MOST_TERMS], cdot[MOST_TERMS];
  nke_hermite_moments m;
  numeric->terms = MOST_TERMS;
  for (size_t i = 0; i < sizeof choice / sizeof *choice; i++) {
    const nke_status st = nke_hermite_at(numeric->phi, sqrt(2), choice[i] - 1, c, cdot, &m);
    if (st == NKE_ERR_MEMORY) return st;
    if (st != NKE_OK) return NKE_OK; /* told when a variance is asked for */
    if (m.rest > numeric->tolerance * m.second || m.rest_dot > numeric->tolerance * m.second_dot) continue;
    numeric->terms = choice[i];
    return NKE_OK;
  }
  return NKE_OK;
}

nke_status nke_dual_numeric_create(const nke_activation *act, double tolerance, nke_dual_numeric **out)
{
  nke_status st = NKE_OK;
  nke_dual_numeric *numeric = NULL;
  nke_dual_series *const variant[NKE_SIMD_COUNT] = {nke_dual_series_plain, nke_dual_series_avx2,
                                                    nke_dual_series_avx512};
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *numeric, "dual of an activation", &numeric));
  numeric->tolerance = tolerance;
  numeric->series = variant[nke_simd_best()];
  NKE_TRY(nke_phi_create(act, &numeric->phi));
  NKE_TRY(choose_terms(numeric));
  NKE_TRY(nke_scales_create(numeric->phi, numeric->terms, tolerance, &numeric->scales));
  NKE_TRY(nke_calloc(SLOTS, sizeof *numeric->slot, "scales of an activation", &numeric->slot));
  NKE_TRY(nke_alloc(2LL * SLOTS * numeric->terms, sizeof(double), "Hermite coefficients", &numeric->coef));
  *out = numeric;
done:
  if (st != NKE_OK) nke_dual_numeric_destroy(&numeric);
  return st;
}

void nke_dual_numeric_destroy(nke_dual_numeric **numeric)
{
  if (*numeric == NULL) return;
  nke_scales_destroy(&(*numeric)->scales);
  nke_phi_destroy(&(*numeric)->phi);
  nke_free((*numeric)->slot);
  nke_free((*numeric)->coef);
  nke_free(*numeric);
  *numeric = NULL;
}

double nke_dual_numeric_error(const nke_dual_numeric *numeric)
{
  return numeric->error;
}

static int hash(double q)
{
  uint64_t bits;
  memcpy(&bits, &q, sizeof bits);
  return (int)((bits * 0x9E3779B97F4A7C15u) >> 54); /* the top 10 bits: SLOTS */
}

/* The slot that holds the coefficients at variance q, interpolated if need be; never the slot `keep`. */
static nke_status find_slot(nke_dual_numeric *numeric, double q, int keep, int *out)
{
  nke_status st = NKE_OK;
  int at = hash(q);
  for (int way = 0; way < 2; way++) {
    const scale *held = &numeric->slot[at ^ way];
    if (held->used && held->q == q) {
      *out = at ^ way;
      return NKE_OK;
    }
  }
  if (numeric->slot[at].used && !numeric->slot[at ^ 1].used) at ^= 1;
  if (at == keep) at ^= 1;
  scale *slot = &numeric->slot[at];
  double *c = numeric->coef + 2LL * numeric->terms * at;
  slot->used = 0;
  NKE_TRY(nke_scales_at(numeric->scales, q, c, &slot->moments));
  slot->used = 1;
  slot->q = q;
  *out = at;
done:
  return st;
}

/* The bound of hermite.h on what the series leaves out, relative to the diagonal; the worse of phi and phi'. */
static double left_out(const nke_dual_numeric *numeric, const nke_hermite_moments *x, const nke_hermite_moments *y,
                       double rho)
{
  const double value = x->rest * y->rest / fmax(x->second * y->second, 1e-300);
  const double slope = x->rest_dot * y->rest_dot / fmax(x->second_dot * y->second_dot, 1e-300);
  return sqrt(fmax(value, slope)) * pow(fabs(rho), numeric->terms);
}

static nke_status one(nke_dual_numeric *numeric, double qx, double qy, double s, double value[2])
{
  nke_status st = NKE_OK;
  int x, y;
  NKE_TRY(find_slot(numeric, qx, -1, &x));
  NKE_TRY(find_slot(numeric, qy, x, &y));
  const double r = sqrt(qx * qy);
  const double rho = r > 0 ? fmin(fmax(s / r, -1), 1) : 0;
  double error = left_out(numeric, &numeric->slot[x].moments, &numeric->slot[y].moments, rho);
  if (error <= numeric->tolerance) {
    const double *cx = numeric->coef + 2LL * numeric->terms * x, *cy = numeric->coef + 2LL * numeric->terms * y;
    numeric->series(numeric->terms / 8, cx, cy, cx + numeric->terms, cy + numeric->terms, rho, value);
  } else {
    NKE_TRY(nke_dual_plane(numeric->phi, qx, qy, s, &numeric->slot[x].moments, &numeric->slot[y].moments,
                           numeric->tolerance, value, &error));
  }
  numeric->error = fmax(numeric->error, error);
done:
  return st;
}

nke_status nke_dual_numeric_apply(nke_dual_numeric *numeric, int64_t n, const double *qx, const double *qy,
                                  const double *s, double *k, double *kdot)
{
  nke_status st = NKE_OK;
  for (int64_t i = 0; i < n; i++) {
    double value[2];
    NKE_TRY(one(numeric, qx[i], qy[i], s[i], value));
    k[i] = value[0];
    kdot[i] = value[1];
  }
done:
  return st;
}
