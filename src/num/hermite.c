#include "num/hermite.h"

#include "num/panels.h"
#include "num/quadrature.h"

#include <math.h>
#include <string.h>

enum { N = NKE_GAUSS_NODES };

static const double far_end = 12; /* exp(-12^2 / 4) < 3e-16: Hermite functions times a slowly growing phi */

/* Add one panel's part. h_l by the recursion sqrt(l + 1) h_{l+1} = z h_l - sqrt(l) h_{l-1}, all nodes at once. */
static void add_panel(int degree, const double z[N], const double wf[N], const double wd[N], double *c, double *cdot)
{
  double before[N] = {0}, h[N];
  for (int j = 0; j < N; j++) h[j] = 1;
  for (int l = 0; l <= degree; l++) {
    const double down = sqrt(l), up = 1 / sqrt(l + 1.0);
    double sum = 0, sum_dot = 0;
#pragma omp simd reduction(+ : sum, sum_dot)
    for (int j = 0; j < N; j++) {
      sum += wf[j] * h[j];
      sum_dot += wd[j] * h[j];
      const double next = (z[j] * h[j] - down * before[j]) * up;
      before[j] = h[j];
      h[j] = next;
    }
    c[l] += sum;
    cdot[l] += sum_dot;
  }
}

typedef struct totals {
  double second, second_dot, outside, edge_value;
} totals;

static nke_status integrate(nke_phi *phi, double sigma, int degree, const nke_panels *panels, double *c, double *cdot,
                            totals *t)
{
  nke_status st = NKE_OK;
  for (int64_t i = 0; i + 1 < panels->n; i++) {
    const double mid = 0.5 * (panels->edge[i] + panels->edge[i + 1]);
    const double half = 0.5 * (panels->edge[i + 1] - panels->edge[i]);
    double z[N], x[N], f[N], d[N];
    for (int j = 0; j < N; j++) {
      z[j] = mid + half * nke_gauss_node[j];
      x[j] = sigma * z[j];
    }
    NKE_TRY(nke_phi_eval(phi, N, x, f, d));
    for (int j = 0; j < N; j++) {
      const double w = half * nke_gauss_weight[j] * 0.39894228040143267794 * exp(-0.5 * z[j] * z[j]);
      const double square = w * f[j] * f[j], square_dot = w * d[j] * d[j];
      t->second += square;
      t->second_dot += square_dot;
      if (fabs(z[j]) > 8.5) t->outside = fmax(t->outside, fmax(square, square_dot));
      if (fabs(z[j]) > 11.5) t->edge_value = fmax(t->edge_value, fmax(square, square_dot));
      f[j] *= w;
      d[j] *= w;
    }
    add_panel(degree, z, f, d, c, cdot);
  }
done:
  return st;
}

static double rest_of(double second, int degree, const double *c)
{
  double sum = 0;
  for (int l = 0; l <= degree; l++) sum += c[l] * c[l];
  return fmax(second - sum, 0) + 1e-15 * second; /* the difference is not known better */
}

static void set_moments(const totals *t, int degree, const double *c, const double *cdot, nke_hermite_moments *m)
{
  m->second = t->second;
  m->second_dot = t->second_dot;
  m->rest = rest_of(t->second, degree, c);
  m->rest_dot = rest_of(t->second_dot, degree, cdot);
  m->span = t->outside < 1e-16 * (t->second + t->second_dot) ? 8.5 : far_end;
}

nke_status nke_hermite_at(nke_phi *phi, double sigma, int degree, double *c, double *cdot, nke_hermite_moments *moments)
{
  nke_status st = NKE_OK;
  const nke_pieces *pieces;
  nke_panels panels = {0};
  double unused[NKE_HERMITE_MAX_DEGREE + 1];
  totals t = {0};
  double *dot = cdot != NULL ? cdot : unused;
  if (degree < 0 || degree > NKE_HERMITE_MAX_DEGREE || !(sigma >= 0) || !isfinite(sigma))
    return nke_fail(NKE_ERR_NUMERIC, "Hermite coefficients: degree %d (0 to %d) at scale %g", degree,
                    NKE_HERMITE_MAX_DEGREE, sigma);
  NKE_TRY(nke_phi_pieces(phi, far_end * sigma, &pieces));
  NKE_TRY(nke_panels_add_pieces(&panels, pieces, sigma, far_end, 2));
  NKE_TRY(nke_panels_add_grid(&panels, far_end, fmin(2, 10 / sqrt(degree + 1.0))));
  nke_panels_sort(&panels);
  memset(c, 0, sizeof(double) * ((size_t)degree + 1));
  memset(dot, 0, sizeof(double) * ((size_t)degree + 1));
  NKE_TRY(integrate(phi, sigma, degree, &panels, c, dot, &t));
  if (!isfinite(t.second) || t.edge_value > 1e-12 * (t.second + t.second_dot)) {
    st = nke_fail(NKE_ERR_NUMERIC, "activation: no usable second moment at variance %g; it grows too fast",
                  sigma * sigma);
    goto done;
  }
  if (moments != NULL) set_moments(&t, degree, c, dot, moments);
done:
  nke_panels_clear(&panels);
  return st;
}

nke_status nke_hermite_coefficients(const nke_activation *act, double sigma, int degree, double *c, double *cdot,
                                    nke_hermite_moments *moments)
{
  nke_status st = NKE_OK;
  nke_phi *phi = NULL;
  NKE_TRY(nke_phi_create(act, &phi));
  NKE_TRY(nke_hermite_at(phi, sigma, degree, c, cdot, moments));
done:
  nke_phi_destroy(&phi);
  return st;
}
