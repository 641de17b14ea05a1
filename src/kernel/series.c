#include "kernel/series.h"

#include "base/memory.h"
#include "num/hermite.h"

#include <math.h>
#include <string.h>

/* Nodes a factor of 2 in s, and their range: 2^-40 to 2^40. */
enum { PER_OCTAVE = 16, OCTAVES = 40, NODES = 2 * PER_OCTAVE * OCTAVES };

struct nke_series {
  nke_phi *phi;
  int degree, fold;
  double homogeneity; /* NAN: none, then the nodes are in use */
  double *unit;       /* c and cdot at s = 1 */
  double **node;      /* [NODES]: c and cdot, NULL until needed */
  double *spare;      /* c and cdot */
};

/* exp_normalized has a series but no phi: k = s s' exp(gamma (rho + shift)), kdot = gamma exp(gamma (rho + shift)). */
static void exponential(const nke_activation *act, int degree, double *c, double *cdot, nke_hermite_moments *moments)
{
  const double gamma = act->param[0], scale = exp(gamma * act->param[1]);
  double term = scale, sum = 0;
  for (int l = 0; l <= degree; l++) {
    c[l] = sqrt(term);
    cdot[l] = sqrt(gamma * term);
    sum += term;
    term *= gamma / (l + 1);
  }
  moments->rest = fmax(scale * exp(gamma) - sum, 0);
  moments->rest_dot = gamma * moments->rest;
}

/* The terms from `degree` on as one of that degree. Its sign is free, and must not jump from one norm to the next. */
static double take_in(double c, double rest)
{
  return sqrt(c * c + fmax(rest, 0));
}

/* What is 0 but for the rounding of a quadrature is 0: a sketch of the series may leave such powers out. */
static void clear_noise(int count, double *c)
{
  double largest = 0;
  for (int l = 0; l < count; l++) largest = fmax(largest, fabs(c[l]));
  for (int l = 0; l < count; l++)
    if (fabs(c[l]) < 1e-15 * largest) c[l] = 0;
}

static nke_status evaluate(nke_series *series, const nke_activation *act, double s, double *out)
{
  nke_status st = NKE_OK;
  const int degree = series->degree;
  double *const c = out, *const cdot = out + degree + 1;
  nke_hermite_moments moments;
  if (series->phi)
    NKE_TRY(nke_hermite_at(series->phi, s, degree, c, cdot, &moments));
  else
    exponential(act, degree, c, cdot, &moments);
  clear_noise(degree + 1, c);
  clear_noise(degree + 1, cdot);
  if (series->fold) {
    c[degree] = take_in(c[degree], moments.rest);
    cdot[degree] = take_in(cdot[degree], moments.rest_dot);
  }
done:
  return st;
}

nke_status nke_series_create(const nke_activation *act, int degree, int fold, nke_series **out)
{
  nke_status st = NKE_OK;
  nke_series *series = NULL;
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *series, "series of an activation", &series));
  series->degree = degree;
  series->fold = fold;
  series->homogeneity = nke_activation_homogeneity(act);
  if (act->kind != NKE_ACT_EXP_NORMALIZED) NKE_TRY(nke_phi_create(act, &series->phi));
  NKE_TRY(nke_alloc(2 * (degree + 1), sizeof *series->spare, "series of an activation", &series->spare));
  if (isnan(series->homogeneity)) {
    NKE_TRY(nke_calloc(NODES, sizeof *series->node, "series of an activation", &series->node));
  } else {
    NKE_TRY(nke_alloc(2 * (degree + 1), sizeof *series->unit, "series of an activation", &series->unit));
    NKE_TRY(evaluate(series, act, 1, series->unit));
  }
  *out = series;
  series = NULL;
done:
  nke_series_destroy(&series);
  return st;
}

void nke_series_destroy(nke_series **series)
{
  nke_series *const s = *series;
  if (!s) return;
  for (int i = 0; s->node && i < NODES; i++) nke_free(s->node[i]);
  nke_free(s->node);
  nke_free(s->unit);
  nke_free(s->spare);
  nke_phi_destroy(&s->phi);
  nke_free(s);
  *series = NULL;
}

static nke_status find_node(nke_series *series, int i, const double **out)
{
  nke_status st = NKE_OK;
  double *values = NULL;
  if (!series->node[i]) {
    NKE_TRY(nke_alloc(2 * (series->degree + 1), sizeof *values, "series of an activation", &values));
    NKE_TRY(evaluate(series, NULL, exp2((double)i / PER_OCTAVE - OCTAVES), values));
    series->node[i] = values;
    values = NULL;
  }
  *out = series->node[i];
done:
  nke_free(values);
  return st;
}

/* Lagrange's cubic through the two nodes on either side. */
static nke_status interpolate(nke_series *series, double s, double *c, double *cdot)
{
  nke_status st = NKE_OK;
  const double position = (log2(s) + OCTAVES) * PER_OCTAVE, x = position - floor(position);
  const int first = (int)floor(position) - 1, count = series->degree + 1;
  const double weight[4] = {-x * (x - 1) * (x - 2) / 6, (x + 1) * (x - 1) * (x - 2) / 2, -(x + 1) * x * (x - 2) / 2,
                            (x + 1) * x * (x - 1) / 6};
  memset(c, 0, (size_t)count * sizeof *c);
  memset(cdot, 0, (size_t)count * sizeof *cdot);
  for (int k = 0; k < 4; k++) {
    const double *node;
    NKE_TRY(find_node(series, first + k, &node));
    for (int l = 0; l < count; l++) {
      c[l] += weight[k] * node[l];
      cdot[l] += weight[k] * node[count + l];
    }
  }
done:
  return st;
}

nke_status nke_series_at(nke_series *series, double s, double *c, double *cdot)
{
  nke_status st = NKE_OK;
  const int count = series->degree + 1;
  /* At s = 0 a kink shows: phi' there is the mean of both sides, not the limit. */
  if (series->unit && (s > 0 || !series->phi)) {
    const double a = series->homogeneity, scale = pow(s, a), scale_dot = a == 1 ? 1 : pow(s, a - 1);
    for (int l = 0; l < count; l++) {
      c[l] = scale * series->unit[l];
      cdot[l] = scale_dot * series->unit[count + l];
    }
    return NKE_OK;
  }
  if (s > exp2(2 - OCTAVES) && s < exp2(OCTAVES - 2)) return interpolate(series, s, c, cdot);
  NKE_TRY(evaluate(series, NULL, s, series->spare));
  memcpy(c, series->spare, (size_t)count * sizeof *c);
  memcpy(cdot, series->spare + count, (size_t)count * sizeof *cdot);
done:
  return st;
}
