/* Pointwise operations on rows of vectors. Included by plane_run.c only.
 *
 * Tables: for first and second image a pointer to the entries of the row's first pixel. A first image's entries are
 * scalars, `first_step` reals from pixel to pixel; paired runs have vectors on both sides. */
#ifndef NKE_KERNEL_PLANE_DUAL_H
#define NKE_KERNEL_PLANE_DUAL_H

#include "kernel/plane_vector.h"

#include <stddef.h>

typedef struct row_tables {
  const real *first;
  const vec *second;
  ptrdiff_t first_step; /* reals */
} row_tables;

/* Entry e of pixel p on either side. */
INLINE vec first_entry(const row_tables *t, ptrdiff_t p, int e, int paired)
{
  if (paired) return ((const vec *)(const void *)(t->first + p * t->first_step))[e];
  return v_set(t->first[p * t->first_step + e]);
}

/* A(y) = acos(1 - y) / (pi v_root(y)) and B(y) = (sqrt(1 - c^2) - c acos c) / (pi y v_root(y)), c = 1 - y, for y in
 * [0, 1]: minimax polynomials of relative error 2e-6 at y = 0 to 6e-7 at y = 1 (weight y^(1/4)) and 1.1e-6 (float),
 * 7e-16 and 4e-17 (double). In float, where c >= 0 always, the `near_` ones with one term less are enough: to 2.4e-6 of
 * kdot and 1.4e-6 of k below. At c < 0 those are small themselves, and need the longer ones' relative error. */
#ifdef NKE_REAL_f32
static const real acos_poly[] = {0.4501573295f / ROOT_SCALE,    0.03754893326f / ROOT_SCALE,
                                 0.008113646981f / ROOT_SCALE,  0.003657139536f / ROOT_SCALE,
                                 -0.000924488872f / ROOT_SCALE, 0.001447149282f / ROOT_SCALE};
static const real bend_poly[] = {0.3001057605f / ROOT_SCALE, 0.01499029578f / ROOT_SCALE, 0.002521740427f / ROOT_SCALE,
                                 0.0002842703045f / ROOT_SCALE, 0.0004074779239f / ROOT_SCALE};
static const real near_acos_poly[] = {0.4501803112f / ROOT_SCALE, 0.03714752836f / ROOT_SCALE,
                                      0.01016331714f / ROOT_SCALE, -0.000719113274f / ROOT_SCALE,
                                      0.003226792694f / ROOT_SCALE};
static const real near_bend_poly[] = {0.3000360714f / ROOT_SCALE, 0.01547633932f / ROOT_SCALE,
                                      0.001363849986f / ROOT_SCALE, 0.001433211956f / ROOT_SCALE};
#else
static const real acos_poly[] = {0.45015815807855331,    0.0375131798397219,      0.0084404654786828038,
                                 0.0025120427497889964,  0.0008548030425332574,   0.00031459541228875993,
                                 0.00012300856072396995, 4.4016561419073316e-5,   3.9789452980602194e-5,
                                 -4.5769645261644599e-5, 0.00011553761216950844,  -0.00016816794505412574,
                                 0.00018880944787412739, -0.00014803204681092976, 7.9401156004877034e-5,
                                 -2.5864208526872884e-5, 4.0264529120711908e-6};
static const real bend_poly[] = {0.30010543871903537,    0.0150052719359453,     0.0024115615617388167,
                                 0.00055823182057412351, 0.00015541725201714766, 4.8413243515992316e-5,
                                 1.6313094544088494e-5,  5.5686398070574729e-6,  2.9388220328133933e-6,
                                 -1.4194774328663753e-6, 4.9310212309122013e-6,  -6.8834377154214252e-6,
                                 7.8417505683016597e-6,  -6.1425932941940176e-6, 3.3182248222272975e-6,
                                 -1.08611087052222e-6,   1.7171727151490763e-7};
#define near_acos_poly acos_poly
#define near_bend_poly bend_poly
#endif
/* (asin(sqrt z) / sqrt z - 1) / z for z in [0, 1/4]: relative error of the asine 5e-9 (float), 2e-17 (double). */
#ifdef NKE_REAL_f32
static const real asin_poly[] = {0.1666675392f, 0.07495242106f, 0.04547705139f, 0.02414783916f, 0.04221817449f};
#else
static const real asin_poly[] = {0.16666666666665383,  0.075000000003429891,  0.044642856823515098,
                                 0.030381959330196476, 0.022371753544876522,  0.017359770814073587,
                                 0.013884601157005497, 0.012173262660009399,  0.006510922118331709,
                                 0.019573724513628904, -0.016293796112292443, 0.031958779184205338};
#endif
/* acos(c) / (pi sqrt(1 - c^2)) for c in [0, 1]: minimax polynomials. In float of relative error 9.2e-7 at c = 0, less
 * towards c = 1: no more than 3e-6 of relu's k of covariances -c, where most cancels. In double 1.1e-15. */
#ifdef NKE_REAL_f32
static const real arc_poly[] = {0.4999995389f, -0.3182579075f,  0.2489991742f,  -0.2045150728f,
                                0.1565817284f, -0.09526011727f, 0.03766378444f, -0.006901243094f};
#else
static const real arc_poly[] = {
    0.49999999999999945489,   -0.31830988618339106361,   0.24999999995113637244,    -0.21220658840938882405,
    0.1874999384841500773,    -0.16976429729817010551,   0.15623965863390164284,    -0.14543548151112210639,
    0.13628984069538921458,   -0.12754815750845939157,   0.11721324710722911792,    -0.10264055403260250985,
    0.082076199087961359231,  -0.057005295441998063224,  0.032583181571420947811,   -0.014435000385452840882,
    0.0045884707983982270557, -0.0009232141947433141657, 0.000087824819532823738539};
#endif
#define TERMS(poly) (int)(sizeof(poly) / sizeof *(poly))

INLINE vec v_poly(vec y, const real *c, int terms)
{
  vec p = v_set(c[terms - 1]);
#pragma GCC unroll 20
  for (int k = terms - 2; k >= 0; k--) p = p * y + c[k];
  return p;
}

/* The same, where 16 registers keep too few entries in flight: even and odd powers side by side, half the latency. */
INLINE vec v_split_poly(vec y, const real *c, int terms)
{
#ifdef NKE_ISA_avx512
  return v_poly(y, c, terms);
#else
  const vec z = y * y;
  vec p = v_set(c[terms - 1]), o = v_set(c[terms - 2]);
#pragma GCC unroll 20
  for (int k = terms - 3; k > 0; k -= 2) {
    p = p * z + c[k];
    o = o * z + c[k - 1];
  }
  if (terms % 2 == 0) return p * y + o;
  return (p * z + c[0]) + o * y;
#endif
}

/* acos(c) / (pi sqrt(1 - c^2)). */
INLINE vec v_arc(vec c)
{
  return v_split_poly(c, arc_poly, TERMS(arc_poly));
}

/* k and kdot of max(x, 0) up to the factor 1/2 [Cho and Saul 2009]:
 *   k = w (sqrt(1 - c^2) + (pi - acos c) c) / pi,  kdot = 1 - acos(c) / pi,  w = sqrt(q q'), c = s / w.
 * With c' = |c|, y = 1 - c':  k = max(s, 0) + w (sqrt(1 - c'^2) - c' acos c') / pi, without cancellation.
 * a min(x, 0) + b max(x, 0), up to (a - b)^2 / 2, adds beta s and beta to them, beta = 2 a b / (a - b)^2.
 * Table entries: sqrt q, 1 / sqrt q. */
typedef struct relu_gap {
  vec gap, y; /* w y, y */
} relu_gap;

typedef struct relu_angle {
  vec gap, bend, acos; /* w y, its factor in k, acos(c') / pi */
} relu_angle;

INLINE relu_gap gap_of(vec s, vec r1, vec u1, vec r2, vec u2, int nonnegative)
{
  relu_gap g;
  g.gap = r1 * r2 - (nonnegative ? s : v_abs(s));
  g.y = v_max(g.gap * u2 * u1, v_set(ROOT_LEAST));
  return g;
}

/* root: v_root(y). */
INLINE relu_angle angle_of(relu_gap g, vec root, int nonnegative)
{
  relu_angle a;
  a.gap = g.gap;
  a.bend = root * (nonnegative ? v_poly(g.y, near_bend_poly, TERMS(near_bend_poly))
                               : v_poly(g.y, bend_poly, TERMS(bend_poly)));
  a.acos = root * (nonnegative ? v_poly(g.y, near_acos_poly, TERMS(near_acos_poly))
                               : v_poly(g.y, acos_poly, TERMS(acos_poly)));
  return a;
}

INLINE vec relu_k(relu_angle a, vec s, int nonnegative)
{
  return a.bend * a.gap + (nonnegative ? s : v_max(s, v_zero()));
}

INLINE vec relu_kdot(relu_angle a, vec s, int nonnegative)
{
  return nonnegative ? 1 - a.acos : (real)0.5 + v_signed((real)0.5 - a.acos, s);
}

INLINE void abrelu(vec s, vec r1, vec u1, vec r2, vec u2, int nonnegative, vec *k, vec *kdot)
{
  const relu_gap g = gap_of(s, r1, u1, r2, u2, nonnegative);
  const relu_angle a = angle_of(g, v_root(g.y), nonnegative);
  *k = relu_k(a, s, nonnegative);
  *kdot = relu_kdot(a, s, nonnegative);
}

INLINE void abrelu_loop(ptrdiff_t n, const vec *s, const vec *t, const row_tables *tables, real beta, int nonnegative,
                        int paired, vec *out_s, vec *out_t)
{
  for (ptrdiff_t p = 0; p < n; p++) {
    vec k, kdot;
    abrelu(s[p], first_entry(tables, p, 0, paired), first_entry(tables, p, 1, paired), tables->second[2 * p],
           tables->second[2 * p + 1], nonnegative, &k, &kdot);
    out_s[p] = k + beta * s[p];
    if (t) out_t[p] = t[p] * (kdot + beta);
  }
}

static void abrelu_row(ptrdiff_t n, const vec *s, const vec *t, const row_tables *tables, real beta, int nonnegative,
                       int paired, vec *out_s, vec *out_t)
{
  if (paired)
    abrelu_loop(n, s, t, tables, beta, nonnegative, 1, out_s, out_t);
  else
    abrelu_loop(n, s, t, tables, beta, nonnegative, 0, out_s, out_t);
}

/* The same where c = 1: k = (1 + beta) s, kdot = 1 + beta. */
static void abrelu_unit_row(ptrdiff_t n, const vec *s, const vec *t, real beta, vec *out_s, vec *out_t)
{
  for (ptrdiff_t p = 0; p < n; p++) {
    out_s[p] = s[p] * (1 + beta);
    if (t) out_t[p] = t[p] * (1 + beta);
  }
}

/* asin(c), |c| <= 1, to full relative precision: its series for |c| <= 1/2, else pi/2 - 2 asin(sqrt((1 - |c|) / 2)). */
INLINE vec v_asin(vec c)
{
  const vec size = v_abs(c);
  const mask far = size > (real)0.5;
  const vec z = v_select(far, (real)0.5 - (real)0.5 * size, c * c);
  const vec x = v_select(far, v_root(v_max(z, v_set(ROOT_LEAST))) * ((real)1 / ROOT_SCALE), size);
  const vec a = x + x * z * v_poly(z, asin_poly, TERMS(asin_poly));
  return v_signed(v_select(far, (real)1.57079632679489661923 - 2 * a, a), c);
}

/* The numbers of a closed dual other than abrelu's. scale: of S and T, before; the others' is in their
 * tables. */
typedef struct closed_dual {
  real param[2], scale;
  real unit; /* of erf and gelu: w = unit v v' is 1 / sqrt((1 + t q) (1 + t q')), t = 2 b^2 and 1 */
  int squarings;
} closed_dual;

INLINE closed_dual closed_dual_of(const nke_plane_op *op)
{
  const double spread = op->dual_kind == NKE_DUAL_ERF ? op->dual_param[2] * op->scale_in : 1;
  return (closed_dual){.param = {(real)op->dual_param[0], (real)op->dual_param[1]},
                       .unit = spread > 0 ? (real)(1 / spread) : 0,
                       .scale = op->dual_kind == NKE_DUAL_GELU ? (real)op->scale_in : 1,
                       .squarings = (int)op->dual_param[2]};
}

/* S and T of one entry. */
typedef struct dual_pair {
  vec s, t;
} dual_pair;

/* c = s v v', of relu without its sign, of exp the exponent, and 1 - c^2, of which all but exp take roots. */
typedef struct closed_gap {
  vec s, v, c, rest;
} closed_gap;

/* What takes long and can be known side by side: the root of 1 - c^2, of erf and gelu its inverse, of relu and gelu
 * v_arc(|c|), of erf asin(c), of exp the exponential. */
typedef struct closed_root {
  vec root, inverse, angle;
} closed_root;

/* s: of gelu in units of its variances, else as it comes. 1 - c^2 of erf and gelu is no less than w (2 - w), its value
 * at rho = 1 and q = q': below that it is rounding, which kdot has as 1 / e and 1 / e^3. */
INLINE closed_gap closed_gap_of(nke_plane_dual_kind kind, const closed_dual *d, vec s, const row_tables *tables,
                                ptrdiff_t p, int paired)
{
  const int entries = kind == NKE_DUAL_ERF ? 1 : 2;
  closed_gap g = {.s = s};
  if (kind == NKE_DUAL_EXP) {
    g.c = d->param[1] * s * (first_entry(tables, p, 1, paired) * tables->second[2 * p + 1]);
    return g;
  }
  if (kind == NKE_DUAL_RELU) {
    g.c = v_abs(s) * tables->second[entries * p + 1] * first_entry(tables, p, 1, paired);
    g.rest = v_max(1 - g.c * g.c, v_set(ROOT_LEAST));
    return g;
  }
  g.v = first_entry(tables, p, 0, paired) * tables->second[entries * p];
  g.c = s * g.v;
  const vec w = d->unit * g.v;
  g.rest = v_max((1 - g.c) * (1 + g.c), w * (2 - w) + (real)ROOT_LEAST);
  return g;
}

/* relu where T is S, twice k and twice T' = s kdot, in the notation of abrelu: no sign to tell apart, one polynomial:
 *   2 T' = s + |s| (1 - 2 acos|c| / pi),  2 k = 2 T' + 2 w sqrt(1 - c^2) / pi.
 * Table entries: sqrt(2 q / (pi ROOT_SCALE)), 1 / sqrt q. root: v_root(1 - c^2), arc: v_arc(|c|). */
INLINE dual_pair relu_of(closed_gap g, vec root, vec arc, const row_tables *tables, ptrdiff_t p, int paired)
{
  const vec w = first_entry(tables, p, 0, paired) * tables->second[2 * p];
  const vec angle = 1 - root * arc * ((real)2 / ROOT_SCALE), t = g.s + v_abs(g.s) * angle;
  return (dual_pair){w * root + t, t};
}

/* a erf(b x) + c [Williams 1997], c = 2 b^2 s v v', v = 1 / sqrt(1 + 2 b^2 q):
 *   k = 2 a^2 asin(c) / pi + c^2,  kdot = 4 a^2 b^2 v v' / (pi sqrt(1 - c^2)).
 * Table entry: v sqrt(2 b^2 scale). Parameters: 2 a^2 / pi and c^2. Raw T: kdot comes without its scale. */
INLINE dual_pair erf_of(const closed_dual *d, closed_gap g, closed_root e, vec t)
{
  return (dual_pair){d->param[0] * e.angle + d->param[1], t * (d->param[0] * g.v * e.inverse)};
}

/* gelu [Tsuchida et al. 2021], v = 1 / sqrt(1 + q), c = s v v', e = sqrt(1 - c^2), V = v v', b = asin(c) / (2 pi) +
 * 1/4: k = V (c^2 / e + q q' e) / (2 pi) + s b,  kdot = c V^2 (1 / e^2 + 2 + q + q') / (2 pi e) + b. Table
 * entries: v, q. b = 1/2 - acos(|c|) / (2 pi) for c >= 0, else acos(|c|) / (2 pi). */
INLINE dual_pair gelu_of(closed_gap g, closed_root e, vec t, const row_tables *tables, ptrdiff_t p, int paired)
{
  const real turn = (real)0.15915494309189533577;
  const vec q1 = first_entry(tables, p, 1, paired), q2 = tables->second[2 * p + 1], q = q1 * q2;
  const vec acos = e.root * e.angle;
  const vec angle = (real)0.25 + v_signed((real)0.25 - (real)0.5 * acos, g.c);
  const vec kdot = turn * g.c * e.inverse * g.v * (g.v * (e.inverse * e.inverse + 2 + (q1 + q2))) + angle;
  return (dual_pair){turn * g.v * (g.c * g.c * e.inverse + q * e.root) + g.s * angle, t * kdot};
}

/* sqrt(q q') exp(gamma (rho + shift)), rho = s / sqrt(q q'), up to the factor exp(gamma shift):
 *   k = sqrt(q q') e^(gamma rho),  kdot = gamma e^(gamma rho),
 * e^z by its Taylor series (the error below rounding for |z| <= 1/2) and squarings. Parameters: gamma, z / rho and how
 * many squarings. Table entries: sqrt q, 1 / sqrt q. */
#ifdef NKE_REAL_f32
static const real exp_poly[] = {
    1, 1, 0.5f, 0.1666666667f, 0.04166666667f, 0.008333333333f, 0.001388888889f, 0.0001984126984f};
#else
static const real exp_poly[] = {
    1,          1,           0.5,          1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
    1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
#endif

INLINE dual_pair exp_of(const closed_dual *d, vec e, vec t, const row_tables *tables, ptrdiff_t p, int paired)
{
  const vec size = first_entry(tables, p, 0, paired) * tables->second[2 * p];
  return (dual_pair){size * e, d->param[0] * t * e};
}

INLINE closed_root closed_root_of(nke_plane_dual_kind kind, const closed_dual *d, closed_gap g)
{
  closed_root r = {.root = v_zero()};
  if (kind == NKE_DUAL_EXP) {
    r.angle = v_split_poly(g.c, exp_poly, TERMS(exp_poly));
    for (int k = 0; k < d->squarings; k++) r.angle = r.angle * r.angle;
    return r;
  }
  if (kind == NKE_DUAL_RELU) return (closed_root){.root = v_root(g.rest), .angle = v_arc(g.c)};
  const vec_roots e = v_roots(g.rest);
  r.root = e.root;
  r.inverse = e.inverse;
  r.angle = kind == NKE_DUAL_GELU ? v_arc(v_abs(g.c)) : v_asin(g.c);
  return r;
}

INLINE dual_pair closed_of(nke_plane_dual_kind kind, const closed_dual *d, closed_gap g, closed_root e, vec t,
                           const row_tables *tables, ptrdiff_t p, int paired)
{
  if (kind == NKE_DUAL_RELU) return relu_of(g, e.root, e.angle, tables, p, paired);
  if (kind == NKE_DUAL_ERF) return erf_of(d, g, e, t);
  return kind == NKE_DUAL_GELU ? gelu_of(g, e, t, tables, p, paired) : exp_of(d, e.angle, t, tables, p, paired);
}

INLINE void closed_loop(nke_plane_dual_kind kind, const nke_plane_op *op, ptrdiff_t n, const vec *s, const vec *t,
                        const row_tables *tables, int paired, vec *out_s, vec *out_t)
{
  const closed_dual d = closed_dual_of(op);
  for (ptrdiff_t p = 0; p < n; p++) {
    const closed_gap g = closed_gap_of(kind, &d, d.scale * s[p], tables, p, paired);
    vec own = g.s;
    if (t) own = d.scale * t[p];
    const dual_pair out = closed_of(kind, &d, g, closed_root_of(kind, &d, g), own, tables, p, paired);
    out_s[p] = out.s;
    if (t) out_t[p] = out.t;
  }
}

/* The duals above other than abrelu's. */
static void closed_row(const nke_plane_op *op, ptrdiff_t n, const vec *s, const vec *t, const row_tables *tables,
                       int paired, vec *out_s, vec *out_t)
{
  const nke_plane_dual_kind kinds[] = {NKE_DUAL_RELU, NKE_DUAL_ERF, NKE_DUAL_GELU, NKE_DUAL_EXP};
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++) {
    if (op->dual_kind == kinds[k] && paired) closed_loop(kinds[k], op, n, s, t, tables, 1, out_s, out_t);
    if (op->dual_kind == kinds[k] && !paired) closed_loop(kinds[k], op, n, s, t, tables, 0, out_s, out_t);
  }
}

/* S and T divided by sqrt(q q'); the table entry is 1 / sqrt q. */
static void normalize_row(ptrdiff_t n, const vec *s, const vec *t, const row_tables *tables, int paired, vec *out_s,
                          vec *out_t)
{
  for (ptrdiff_t p = 0; p < n; p++) {
    const vec factor = first_entry(tables, p, 0, paired) * tables->second[p];
    out_s[p] = s[p] * factor;
    if (t) out_t[p] = t[p] * factor;
  }
}

/* Any dual, by the double-precision library; scratch holds 5 n lanes doubles. Table entry: q. */
static nke_status generic_row(const nke_plane_op *op, ptrdiff_t n, const vec *s, const vec *t, const row_tables *tables,
                              int paired, int unit, double *scratch, vec *out_s, vec *out_t)
{
  const ptrdiff_t count = n * NKE_LANES;
  double *qx = scratch, *qy = qx + count, *cross = qy + count, *k = cross + count, *kdot = k + count;
  for (ptrdiff_t p = 0; p < n; p++)
    for (int l = 0; l < NKE_LANES; l++) {
      const ptrdiff_t i = p * NKE_LANES + l;
      qx[i] = (double)first_entry(tables, p, 0, paired)[l];
      qy[i] = (double)tables->second[p][l];
      cross[i] = unit ? qy[i] : op->scale_in * (double)s[p][l];
    }
  const nke_status st = nke_dual_apply(op->dual, count, qx, qy, cross, k, t ? kdot : NULL);
  if (st != NKE_OK) return st;
  for (ptrdiff_t p = 0; p < n; p++)
    for (int l = 0; l < NKE_LANES; l++) {
      const ptrdiff_t i = p * NKE_LANES + l;
      out_s[p][l] = (real)k[i];
      if (t) out_t[p][l] = (real)(kdot[i] * op->scale_in) * t[p][l];
    }
  return NKE_OK;
}

/* Entries of one pixel's table, `step` reals apart. A variance too small for its square root to have an inverse counts
 * as 0: all of its covariances are 0. */
static void make_table(const nke_plane_op *op, double variance, void *table, int step)
{
  const double least = sizeof(real) == 4 ? 1e-30 : 1e-200;
  real *entry = table;
  if (op->kind == NKE_OP_NORMALIZE) {
    entry[0] = (real)sqrt(op->scale_in / (1e-12 + variance)); /* 1e-12: neural-tangents' eps */
  } else if (op->dual_kind == NKE_DUAL_ABRELU || op->dual_kind == NKE_DUAL_RELU || op->dual_kind == NKE_DUAL_EXP) {
    const double raw = variance / op->scale_in;
    const double unit = op->dual_kind == NKE_DUAL_RELU ? 2 / (3.14159265358979323846 * ROOT_SCALE) : 1;
    entry[0] = raw > least ? (real)sqrt(raw * unit) : 0;
    entry[step] = raw > least ? (real)(1 / sqrt(raw)) : 0;
  } else if (op->dual_kind == NKE_DUAL_ERF) {
    entry[0] = (real)sqrt(op->dual_param[2] * op->scale_in / (1 + op->dual_param[2] * variance));
  } else if (op->dual_kind == NKE_DUAL_GELU) {
    entry[0] = (real)(1 / sqrt(1 + variance));
    entry[step] = (real)variance;
  } else {
    entry[0] = (real)variance;
  }
}

#endif
