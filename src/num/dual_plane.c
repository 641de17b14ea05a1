#include "num/dual_plane.h"

#include "num/dual_math.h"
#include "num/panels.h"
#include "num/quadrature.h"

#include <math.h>

enum { N = NKE_GAUSS_NODES, MAX_DEPTH = 30, MAX_INNER = 20000, MAX_CROSSINGS = 1024 };

typedef struct plane {
  nke_phi *phi;
  double sx, sy; /* sigma_x, sign(s) sigma_y */
  double c, d;
  double span;
  double scale[2]; /* sqrt(k(x,x) k(y,y)) for phi and phi' */
  double tolerance;
  nke_panels ex, ey, grid; /* edges of phi(sx .), phi(sy .) and of the Gaussian */
  nke_panels work;
  double legendre[3][N]; /* P_13, P_14, P_15 at the nodes */
  int n_inner;
  double sum[2], error[2];
} plane;

/* Longest panel in a: the 16-node rule integrates a Gaussian over it to 1e-13. */
static const double step = 5.7;

static double density(double z)
{
  return 0.39894228040143267794 * exp(-0.5 * z * z);
}

/* The three ascending lists of edges at this b, as one. */
static nke_status merge_edges(plane *p, double b)
{
  nke_status st = NKE_OK;
  const nke_panels *const list[3] = {&p->grid, &p->ex, &p->ey};
  const double shift[3] = {0, -p->d * b / p->c, p->d * b / p->c}, scale[3] = {1, 1 / p->c, 1 / p->c};
  int64_t at[3] = {0, 0, 0};
  p->work.n = 0;
  for (;;) {
    int least = -1;
    double edge = INFINITY;
    for (int i = 0; i < 3; i++) {
      if (at[i] == list[i]->n) continue;
      const double a = list[i]->edge[at[i]] * scale[i] + shift[i];
      if (a < edge) {
        edge = a;
        least = i;
      }
    }
    if (least < 0) break;
    at[least]++;
    const int within = fabs(edge) <= p->span;
    if (within && (p->work.n == 0 || edge - p->work.edge[p->work.n - 1] > 1e-15))
      NKE_TRY(nke_panels_add(&p->work, edge));
  }
done:
  return st;
}

/* The integral over a at one b, without the density of b. */
static nke_status inner(plane *p, double b, double value[2])
{
  nke_status st = NKE_OK;
  value[0] = value[1] = 0;
  p->n_inner++;
  NKE_TRY(merge_edges(p, b));
  for (int64_t i = 0; i + 1 < p->work.n; i++) {
    const double mid = 0.5 * (p->work.edge[i] + p->work.edge[i + 1]);
    const double half = 0.5 * (p->work.edge[i + 1] - p->work.edge[i]);
    double a[N], uv[2 * N], f[2 * N], g[2 * N];
    for (int j = 0; j < N; j++) {
      a[j] = mid + half * nke_gauss_node[j];
      uv[j] = p->sx * (p->c * a[j] + p->d * b);
      uv[N + j] = p->sy * (p->c * a[j] - p->d * b);
    }
    NKE_TRY(nke_phi_eval(p->phi, 2 * N, uv, f, g));
    for (int j = 0; j < N; j++) {
      const double w = half * nke_gauss_weight[j] * density(a[j]);
      value[0] += w * f[j] * f[N + j];
      value[1] += w * g[j] * g[N + j];
    }
  }
done:
  return st;
}

/* One Gauss-Legendre panel in b. The last Legendre coefficients of the integrand tell the error: they fall as r^-l or
 * faster, the rule's error as r^-2N, which their square bounds. */
static nke_status gauss(plane *p, double lo, double hi, double value[2], double error[2])
{
  nke_status st = NKE_OK;
  double last[2][3] = {{0}};
  const double mid = 0.5 * (lo + hi), half = 0.5 * (hi - lo);
  value[0] = value[1] = 0;
  for (int j = 0; j < N; j++) {
    const double b = mid + half * nke_gauss_node[j], w = half * nke_gauss_weight[j] * density(b);
    double g[2];
    NKE_TRY(inner(p, b, g));
    for (int m = 0; m < 2; m++) {
      value[m] += w * g[m];
      for (int l = 0; l < 3; l++) last[m][l] += (N - 3 + l + 0.5) * p->legendre[l][j] * w * g[m];
    }
  }
  for (int m = 0; m < 2; m++) {
    const double scale = fmax(p->scale[m], 1e-300);
    const double ratio = fmax(fabs(last[m][0]), fmax(fabs(last[m][1]), fabs(last[m][2]))) / scale;
    error[m] = scale * fmin(ratio, ratio * ratio + 1e-6 * ratio);
  }
done:
  return st;
}

static nke_status adapt(plane *p, double lo, double hi, int depth)
{
  nke_status st = NKE_OK;
  double value[2], error[2];
  NKE_TRY(gauss(p, lo, hi, value, error));
  const double share = p->tolerance * fmax((hi - lo) / (2 * p->span), 1e-3);
  const int good = error[0] <= share * p->scale[0] && error[1] <= share * p->scale[1];
  if (good || depth >= MAX_DEPTH || p->n_inner >= MAX_INNER) {
    for (int m = 0; m < 2; m++) {
      p->sum[m] += value[m];
      p->error[m] += error[m];
    }
    goto done;
  }
  const double mid = 0.5 * (lo + hi);
  NKE_TRY(adapt(p, lo, mid, depth + 1));
  NKE_TRY(adapt(p, mid, hi, depth + 1));
done:
  return st;
}

/* Edges in a at b = 0 of what is bent or steep in units of the outer panels; kinks alone where that is too much. */
static nke_status sharp_edges(const plane *p, const nke_pieces *pieces, nke_panels *u, nke_panels *v)
{
  nke_status st = NKE_OK;
  double fine = p->d * p->span / 12;
  for (;;) {
    u->n = v->n = 0;
    NKE_TRY(nke_panels_add_pieces(u, pieces, p->sx, 1.5 * p->span, fine));
    NKE_TRY(nke_panels_add_pieces(v, pieces, fabs(p->sy), 1.5 * p->span, fine));
    nke_panels_sort(u);
    nke_panels_sort(v);
    if (fine == 0 || u->n * v->n <= MAX_CROSSINGS) break;
    fine = 0;
  }
done:
  return st;
}

/* Where a line of edges of u crosses one of v: sx (c a + d b) = t, sy (c a - d b) = t'. Between two such crossings the
 * outer integrand is smooth; one that is steep near a single b would otherwise be missed by all nodes. */
static nke_status outer_edges(plane *p, const nke_pieces *pieces, nke_panels *edges)
{
  nke_status st = NKE_OK;
  nke_panels u = {0}, v = {0};
  NKE_TRY(nke_panels_add_grid(edges, p->span, p->span / 3));
  if (p->sx == 0 || p->sy == 0) goto done;
  NKE_TRY(sharp_edges(p, pieces, &u, &v));
  const double sign = p->sy < 0 ? -1 : 1;
  for (int64_t i = 0; i < u.n; i++)
    for (int64_t j = 0; j < v.n; j++) {
      const double b = (u.edge[i] - sign * v.edge[j]) / (2 * p->d);
      if (fabs(b) < p->span) NKE_TRY(nke_panels_add(edges, b));
    }
  nke_panels_sort(edges);
done:
  nke_panels_clear(&u);
  nke_panels_clear(&v);
  return st;
}

static void last_legendre(double x, plane *p, int j)
{
  double before = 1, value = x;
  for (int l = 1; l < N - 1; l++) {
    const double next = ((2 * l + 1) * x * value - l * before) / (l + 1);
    before = value;
    value = next;
    if (l + 1 >= N - 3) p->legendre[l + 1 - (N - 3)][j] = value;
  }
}

static nke_status setup(plane *p, double qx, double qy, double s, const nke_pieces **pieces)
{
  nke_status st = NKE_OK;
  const double r = sqrt(qx * qy);
  const double d2 = r > 0 ? nke_det(qx, qy, s) / (2 * r * (r + fabs(s))) : 0.5;
  p->d = sqrt(d2);
  p->c = sqrt(1 - d2);
  p->sx = sqrt(qx);
  p->sy = s < 0 ? -sqrt(qy) : sqrt(qy);
  /* |c a + d b| reaches sqrt 2 span in the corners of the square of (a, b) */
  NKE_TRY(nke_phi_pieces(p->phi, 1.5 * p->span * fmax(p->sx, fabs(p->sy)), pieces));
  NKE_TRY(nke_panels_add_pieces(&p->ex, *pieces, p->sx, 1.5 * p->span, step));
  NKE_TRY(nke_panels_add_pieces(&p->ey, *pieces, fabs(p->sy), 1.5 * p->span, step));
  NKE_TRY(nke_panels_add_grid(&p->grid, p->span, step));
  if (s < 0)
    for (int64_t i = 0; i < p->ey.n; i++) p->ey.edge[i] = -p->ey.edge[i];
  nke_panels_sort(&p->ex);
  nke_panels_sort(&p->ey);
  for (int j = 0; j < N; j++) last_legendre(nke_gauss_node[j], p, j);
done:
  return st;
}

nke_status nke_dual_plane(nke_phi *phi, double qx, double qy, double s, const nke_hermite_moments *mx,
                          const nke_hermite_moments *my, double tolerance, double value[2], double *error)
{
  nke_status st = NKE_OK;
  const nke_pieces *pieces;
  nke_panels edges = {0};
  plane p = {.phi = phi, .span = fmax(mx->span, my->span), .tolerance = tolerance};
  p.scale[0] = sqrt(mx->second * my->second);
  /* A slope so small that its dual vanishes in the NTK is rounding, as that of a constant formula, and never converges. */
  p.scale[1] = fmax(sqrt(mx->second_dot * my->second_dot), 1e-15 * p.scale[0] / fmax(1, sqrt(qx * qy)));
  NKE_TRY(setup(&p, qx, qy, s, &pieces));
  if (p.d == 0) {
    NKE_TRY(inner(&p, 0, p.sum));
  } else {
    NKE_TRY(outer_edges(&p, pieces, &edges));
    for (int64_t i = 0; i + 1 < edges.n; i++) NKE_TRY(adapt(&p, edges.edge[i], edges.edge[i + 1], 0));
  }
  *error = 0;
  for (int m = 0; m < 2; m++) {
    value[m] = p.sum[m];
    *error = fmax(*error, p.error[m] / fmax(p.scale[m], 1e-300));
  }
  if (*error > 10 * tolerance)
    st = nke_fail(NKE_ERR_NUMERIC, "dual of an activation at variances %g, %g: error %.2g above tolerance %g", qx, qy,
                  *error, tolerance);
done:
  nke_panels_clear(&p.ex);
  nke_panels_clear(&p.ey);
  nke_panels_clear(&p.grid);
  nke_panels_clear(&p.work);
  nke_panels_clear(&edges);
  return st;
}
