#include "num/pieces.h"

#include "base/memory.h"
#include "num/quadrature.h"

#include <math.h>
#include <string.h>

enum { N = NKE_GAUSS_NODES, MAX_PIECES = 16384, MAX_DEPTH = 60, KINK_DEPTH = 12, SCALE_POINTS = 64 };

typedef struct builder {
  nke_function *f;
  void *context;
  nke_pieces *pieces;
  double scale;          /* typical size of f */
  double legendre[N][N]; /* legendre[l][j] = (l + 1/2) weight_j P_l(node_j): samples to coefficients */
} builder;

/* P_{l+1} = up[l] x P_l - down[l] P_{l-1}, up = (2 l + 1) / (l + 1), down = l / (l + 1): divisions done beforehand. */
static const double up[N - 1] = {1,       3. / 2,   5. / 3,   7. / 4,   9. / 5,   11. / 6,  13. / 7, 15. / 8,
                                 17. / 9, 19. / 10, 21. / 11, 23. / 12, 25. / 13, 27. / 14, 29. / 15};
static const double down[N - 1] = {0,      1. / 2,  2. / 3,   3. / 4,   4. / 5,   5. / 6,   6. / 7,  7. / 8,
                                   8. / 9, 9. / 10, 10. / 11, 11. / 12, 12. / 13, 13. / 14, 14. / 15};

static void legendre_all(double x, double p[N])
{
  p[0] = 1;
  p[1] = x;
  for (int l = 1; l + 1 < N; l++) p[l + 1] = up[l] * x * p[l] - down[l] * p[l - 1];
}

static void builder_init(builder *b)
{
  for (int j = 0; j < N; j++) {
    double p[N];
    legendre_all(nke_gauss_node[j], p);
    for (int l = 0; l < N; l++) b->legendre[l][j] = (l + 0.5) * nke_gauss_weight[j] * p[l];
  }
}

static double series(const double *coef, double x)
{
  double p[N], sum = 0;
  legendre_all(x, p);
  for (int l = 0; l < N; l++) sum += coef[l] * p[l];
  return sum;
}

/* Coefficients on [lo, hi] and how far the interpolant is from resolved: the largest of the last coefficients and of
 * the misfits just inside the ends, where a kink would hide from the nodes; relative to the size of f. */
static nke_status fit(const builder *b, double lo, double hi, double coef[N], double *misfit)
{
  static const double probe[3] = {-1 + 1e-9, 0.03, 1 - 1e-9};
  nke_status st = NKE_OK;
  double x[N + 3], f[N + 3];
  const double mid = 0.5 * (lo + hi), half = 0.5 * (hi - lo);
  for (int j = 0; j < N; j++) x[j] = mid + half * nke_gauss_node[j];
  for (int j = 0; j < 3; j++) x[N + j] = mid + half * probe[j];
  NKE_TRY(b->f(b->context, N + 3, x, f));
  double largest = b->scale;
  for (int j = 0; j < N + 3; j++) largest = fmax(largest, fabs(f[j]));
  double worst = 0;
  for (int l = 0; l < N; l++) {
    coef[l] = 0;
    for (int j = 0; j < N; j++) coef[l] += b->legendre[l][j] * f[j];
    if (l >= N - 3) worst = fmax(worst, fabs(coef[l]));
  }
  for (int j = 0; j < 3; j++) worst = fmax(worst, 0.1 * fabs(f[N + j] - series(coef, probe[j])));
  for (int l = 0; l < N; l++) /* rounding, which a derivative would magnify */
    if (fabs(coef[l]) < 1e-15 * largest) coef[l] = 0;
  *misfit = worst / fmax(largest, 1e-300);
done:
  return st;
}

static int resolved(double misfit)
{
  return misfit < 2e-14;
}

/* Room for one more. */
static nke_status reserve(nke_pieces *p)
{
  static const char what[] = "pieces of an activation";
  nke_status st = NKE_OK;
  if (p->n < p->room) return NKE_OK;
  const int64_t room = 2 * p->room + 64;
  NKE_TRY(nke_grow(p->n > 0 ? p->n + 1 : 0, room + 1, sizeof *p->edge, what, &p->edge));
  NKE_TRY(nke_grow(p->n, room, N * sizeof *p->coef, what, &p->coef));
  NKE_TRY(nke_grow(p->n, room, sizeof *p->degree, what, &p->degree));
  p->room = room;
done:
  return st;
}

static nke_status append(builder *b, double lo, double hi, const double coef[N])
{
  nke_status st = NKE_OK;
  nke_pieces *p = b->pieces;
  if (p->n >= MAX_PIECES)
    return nke_fail(NKE_ERR_NUMERIC, "activation: more than %d pieces near x = %.6g; it varies too fast there",
                    MAX_PIECES, lo);
  NKE_TRY(reserve(p));
  p->edge[p->n] = lo;
  p->edge[p->n + 1] = hi;
  memcpy(p->coef + p->n * N, coef, sizeof(double) * N);
  int degree = N - 1;
  while (degree > 0 && coef[degree] == 0) degree--;
  p->degree[p->n] = degree;
  p->n++;
done:
  return st;
}

static nke_status add_kink(builder *b, double t)
{
  nke_pieces *p = b->pieces;
  if (p->n_kinks > 0 && p->kink[p->n_kinks - 1] == t) return NKE_OK;
  if (p->n_kinks >= NKE_PIECES_MAX_KINKS)
    return nke_fail(NKE_ERR_NUMERIC, "activation: more than %d kinks up to x = %.6g", NKE_PIECES_MAX_KINKS, t);
  p->kink[p->n_kinks++] = t;
  return NKE_OK;
}

/* The decimal with the fewest digits in [lo, hi]: kinks are mostly written as such. */
static double simplest(double lo, double hi)
{
  if (lo <= 0 && hi >= 0) return 0;
  for (double unit = 1; unit <= 1e12; unit *= 10) {
    const double t = round(0.5 * (lo + hi) * unit) / unit;
    if (t >= lo && t <= hi) return t;
  }
  return 0.5 * (lo + hi);
}

/* Follow the unresolved half of [lo, hi] while the other half is resolved. *depth counts the halvings; the place where
 * it ended is *t. A deep descent is a kink or jump at *t; a shallow one is a curve that wants shorter pieces. */
static nke_status descend(const builder *b, double lo, double hi, int *depth, double *t)
{
  nke_status st = NKE_OK;
  for (*depth = 0; *depth < MAX_DEPTH; (*depth)++) {
    const double mid = 0.5 * (lo + hi);
    double coef[N], left, right;
    if (mid <= lo || mid >= hi) break;
    NKE_TRY(fit(b, lo, mid, coef, &left));
    NKE_TRY(fit(b, mid, hi, coef, &right));
    if (resolved(left) && resolved(right)) {
      if (*depth >= KINK_DEPTH) break; /* at the midpoint, or too weak to be seen from here */
      *depth = 0;
      break;
    }
    if (!resolved(left) && !resolved(right)) {
      if (hi - lo > 1e-11 * fmax(1, fabs(mid))) *depth = 0;
      break;
    }
    *(resolved(left) ? &lo : &hi) = mid;
  }
  *t = simplest(lo, hi);
done:
  return st;
}

static nke_status resolve(builder *b, double lo, double hi, int depth)
{
  nke_status st = NKE_OK;
  double coef[N], misfit, t;
  int levels;
  NKE_TRY(fit(b, lo, hi, coef, &misfit));
  const double size = fmax(1, fmax(fabs(lo), fabs(hi)));
  const int noise = hi - lo < 1e-2 * size && misfit < 1e-11;
  if (resolved(misfit) || noise) {
    st = append(b, lo, hi, coef);
    goto done;
  }
  if (hi - lo < 1e-13 * size || depth >= MAX_DEPTH) { /* jumps and kinks end in two resolved pieces; this does not */
    st = nke_fail(NKE_ERR_NUMERIC, "activation: value or slope unbounded, or too rough, near x = %.9g", lo);
    goto done;
  }
  NKE_TRY(descend(b, lo, hi, &levels, &t));
  const int inside = t - lo > 1e-12 * size && hi - t > 1e-12 * size;
  const int kink = levels >= KINK_DEPTH;
  if (!(kink && inside)) t = 0.5 * (lo + hi);
  NKE_TRY(resolve(b, lo, t, depth + 1));
  if (kink && inside) NKE_TRY(add_kink(b, t));
  NKE_TRY(resolve(b, t, hi, depth + 1));
done:
  return st;
}

/* Typical size near the origin, so that a far tail of rounding noise counts as resolved. */
static nke_status find_scale(builder *b)
{
  nke_status st = NKE_OK;
  double x[SCALE_POINTS], f[SCALE_POINTS];
  for (int j = 0; j < SCALE_POINTS; j++) x[j] = 2 * (j - 31.3) / 32.7;
  NKE_TRY(b->f(b->context, SCALE_POINTS, x, f));
  b->scale = 0;
  for (int j = 0; j < SCALE_POINTS; j++) b->scale = fmax(b->scale, fabs(f[j]));
done:
  return st;
}

/* The first edges, step i of the ladder below or above 0: off the round numbers, so that kinks at them lie inside of a
 * piece. */
static double first_edge(int i, int above)
{
  return above ? 0.83 * exp2(0.25 * i) : -0.77 * exp2(0.25 * i);
}

enum { LOWEST = 6 }; /* of the ladder, the last edges of level 0: -0.77 2^(6/4) = -2.18 */

nke_status nke_pieces_level(double reach, int *level)
{
  const double step = ceil(4 * log2(fmax(reach, 2) / 0.77)) - LOWEST;
  *level = (int)fmin(fmax(step, 0), NKE_PIECES_LEVELS);
  while (*level < NKE_PIECES_LEVELS && -first_edge(*level + LOWEST, 0) < reach) ++*level; /* the logarithm's rounding */
  if (*level < NKE_PIECES_LEVELS) return NKE_OK;
  return nke_fail(NKE_ERR_NUMERIC, "activation: argument %g is too large", reach);
}

static int is_kink(const nke_pieces *p, double x)
{
  for (int i = 0; i < p->n_kinks; i++)
    if (p->kink[i] == x) return 1;
  return 0;
}

/* The slope of the pieces of `context`, for a builder of its own. */
static nke_status slope_of(void *context, int64_t n, const double *x, double *d)
{
  double unused[SCALE_POINTS];
  nke_pieces_eval(context, n, x, unused, d);
  return NKE_OK;
}

/* Whether degree 15 holds to 1e-7 on [lo, hi], for f and for its slope, which shows what f hardly does: a kink of the
 * slope near an end. */
static nke_status joins(const builder *f, const builder *slope, double lo, double hi, int *out)
{
  nke_status st = NKE_OK;
  double coef[N], misfit[2];
  NKE_TRY(fit(f, lo, hi, coef, &misfit[0]));
  NKE_TRY(fit(slope, lo, hi, coef, &misfit[1]));
  *out = fmax(misfit[0], misfit[1]) < 1e-7;
done:
  return st;
}

/* Join neighbouring pieces, never across a kink, while degree 15 still holds to 1e-7: coefficients that have fallen
 * that far by degree 15 are below 1e-14 at degree 32, where the rule begins to err. */
static nke_status join(builder *b)
{
  nke_status st = NKE_OK;
  nke_pieces *p = b->pieces;
  builder slope = *b;
  slope.f = slope_of;
  slope.context = p;
  p->n_panels = 0;
  p->panel[0] = p->edge[0];
  NKE_TRY(find_scale(&slope));
  for (int64_t i = 1; i <= p->n; i++) {
    int one = 0;
    if (i < p->n && !is_kink(p, p->edge[i])) NKE_TRY(joins(b, &slope, p->panel[p->n_panels], p->edge[i + 1], &one));
    if (!one) p->panel[++p->n_panels] = p->edge[i];
  }
done:
  return st;
}

static nke_status resolve_all(builder *b, int last)
{
  nke_status st = NKE_OK;
  for (int i = last; i > 0; i--) NKE_TRY(resolve(b, first_edge(i, 0), first_edge(i - 1, 0), 0));
  NKE_TRY(resolve(b, first_edge(0, 0), first_edge(0, 1), 0));
  for (int i = 0; i < last; i++) NKE_TRY(resolve(b, first_edge(i, 1), first_edge(i + 1, 1), 0));
done:
  return st;
}

nke_status nke_pieces_create(nke_function *f, void *context, int level, nke_pieces **out)
{
  nke_status st = NKE_OK;
  nke_pieces *pieces;
  builder b = {.f = f, .context = context};
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *pieces, "pieces of an activation", &pieces));
  b.pieces = pieces;
  builder_init(&b);
  NKE_TRY(find_scale(&b));
  NKE_TRY(resolve_all(&b, level + LOWEST));
  NKE_TRY(nke_alloc(pieces->n + 1, sizeof(double), "panels of an activation", &pieces->panel));
  NKE_TRY(join(&b));
  *out = pieces;
  b.pieces = NULL;
done:
  nke_pieces_destroy(&b.pieces);
  return st;
}

void nke_pieces_destroy(nke_pieces **pieces)
{
  nke_pieces *const p = *pieces;
  if (p == NULL) return;
  nke_free(p->edge);
  nke_free(p->panel);
  nke_free(p->degree);
  nke_free(p->coef);
  nke_free(p);
  *pieces = NULL;
}

/* Value and slope of piece i at x; P'_{l+1} = P'_{l-1} + (2 l + 1) P_l. */
static void piece_at(const nke_pieces *p, int64_t i, double x, double *f, double *d)
{
  const double half = 0.5 * (p->edge[i + 1] - p->edge[i]);
  const double t = (x - p->edge[i]) / half - 1;
  const double *coef = p->coef + i * N;
  double value = 1, before = 0, slope = 0, slope_before = 0, sum = coef[0], sum_slope = 0;
  for (int l = 0; l < p->degree[i]; l++) {
    const double next = up[l] * t * value - down[l] * before;
    const double next_slope = slope_before + (2 * l + 1) * value;
    before = value;
    value = next;
    slope_before = slope;
    slope = next_slope;
    sum += coef[l + 1] * value;
    sum_slope += coef[l + 1] * slope;
  }
  *f = sum;
  *d = sum_slope / half;
}

void nke_pieces_eval(const nke_pieces *pieces, int64_t n, const double *x, double *f, double *d)
{
  int64_t at = 0; /* often the piece of the point before */
  for (int64_t i = 0; i < n; i++) {
    if (!(x[i] > pieces->edge[at] && x[i] <= pieces->edge[at + 1])) {
      int64_t lo = 0, hi = pieces->n - 1;
      while (lo < hi) { /* the first piece whose right end is not below x */
        const int64_t mid = (lo + hi) / 2;
        if (pieces->edge[mid + 1] < x[i])
          lo = mid + 1;
        else
          hi = mid;
      }
      at = lo;
    }
    double value, slope;
    piece_at(pieces, at, x[i], &value, &slope);
    if (x[i] == pieces->edge[at + 1] && at + 1 < pieces->n) {
      double right, right_slope;
      piece_at(pieces, at + 1, x[i], &right, &right_slope);
      value = 0.5 * (value + right);
      slope = 0.5 * (slope + right_slope);
    }
    f[i] = value;
    d[i] = slope;
  }
}
