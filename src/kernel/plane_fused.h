/* The inner loops of convolutional networks: the vertical sum of a 3 x 3 filter, the activation, and the plain row,
 * the horizontal sum of the next 3 x 3 filter, or 2 x 2 pooling, in registers. Included by plane_run.c only.
 *
 * An entry takes four steps: its sums, its gap, its root, its result. A turn of the loop does each of them
 * for another column, so that none waits for the one before it: the processor looks no more than a few entries ahead.
 */
#ifndef NKE_KERNEL_PLANE_FUSED_H
#define NKE_KERNEL_PLANE_FUSED_H

#include "kernel/plane_dual.h"

/* A row of S, and of T or S + T. */
typedef struct row_pair {
  vec *s, *u;
} row_pair;

/* Three rows of horizontal sums of S and of S + T, the rows' operation, and where the result goes. */
typedef struct fused_row {
  row_pair in[3];
  row_pair out; /* S, T; or, summed horizontally, S, S + T (one vector before them is overwritten) */
  ptrdiff_t n;
  const real *first; /* source: the third row's S is made here, from these pixels of three channels */
  const vec *second;
  row_tables tables;
  vec *pool[2]; /* pooled: where S of column 0 and of column 1 is added to; their T stands pool_t behind */
  ptrdiff_t pool_t;
  real factor, offset; /* of the filter */
  real beta;           /* of the activation, if it is abrelu's */
  closed_dual closed;  /* of another */
} fused_row;

typedef enum fused_out { FUSED_ROW, FUSED_SUM, FUSED_POOL, FUSED_OUTS } fused_out;

/* Compile-time choices. source: the third row is made here; own: T is not S; nonnegative: S >= 0; adjusted: factor,
 * offset and beta matter. */
typedef struct fused_kind {
  nke_plane_dual_kind dual;
  fused_out out;
  int source, own, nonnegative, adjusted;
} fused_kind;

/* The columns before, of the source and of the results; where the next two results are pooled. */
typedef struct fused_before {
  vec k0, k1, s0, s1, u0, u1;
  vec *pool[2];
} fused_before;

typedef struct fused_gap {
  vec s;
  relu_gap relu;
  closed_gap closed;
} fused_gap;

typedef struct fused_root {
  fused_gap of;
  vec relu;
  closed_root closed;
} fused_root;

INLINE vec source_at(const fused_row *f, ptrdiff_t p)
{
  const real *const a = f->first + 3 * p;
  const vec *const b = f->second + 3 * p;
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

INLINE vec s_at(const fused_row *f, fused_kind kind, fused_before *b, ptrdiff_t p, int last)
{
  vec third;
  if (kind.source) {
    const vec k = last ? v_zero() : source_at(f, p + 1);
    third = b->k0 + b->k1 + k;
    f->in[2].s[p] = third;
    b->k0 = b->k1;
    b->k1 = k;
  } else {
    third = f->in[2].s[p];
  }
  const vec s = f->in[0].s[p] + f->in[1].s[p] + third;
  if (!kind.adjusted) return s;
  return s * f->factor + f->offset;
}

/* T waits for nothing, so it is summed where it is used: fewer registers. */
INLINE vec t_at(const fused_row *f, fused_kind kind, ptrdiff_t p, vec s)
{
  if (!kind.own) return s;
  const vec t = f->in[0].u[p] + f->in[1].u[p] + f->in[2].u[p];
  if (!kind.adjusted) return t;
  return t * f->factor + f->offset;
}

INLINE fused_gap gap_at(const fused_row *f, fused_kind kind, ptrdiff_t p, vec s)
{
  fused_gap g = {.s = s};
  if (kind.dual == NKE_DUAL_ABRELU) {
    const vec *const second = f->tables.second + 2 * p;
    const real *const first = f->tables.first + 2 * p;
    g.relu = gap_of(s, v_set(first[0]), v_set(first[1]), second[0], second[1], kind.nonnegative);
  } else {
    g.closed = closed_gap_of(kind.dual, &f->closed, s, &f->tables, p, 0);
  }
  return g;
}

INLINE fused_root root_at(const fused_row *f, fused_kind kind, fused_gap of)
{
  fused_root e = {.of = of};
  if (kind.dual == NKE_DUAL_ABRELU)
    e.relu = v_root(of.relu.y);
  else
    e.closed = closed_root_of(kind.dual, &f->closed, of.closed);
  return e;
}

/* The result of column p. */
INLINE void put(const fused_row *f, fused_kind kind, fused_before *b, ptrdiff_t p, dual_pair out)
{
  if (kind.out == FUSED_ROW) {
    f->out.s[p] = out.s;
    f->out.u[p] = out.t;
    return;
  }
  if (kind.out == FUSED_POOL) {
    vec *const at = b->pool[0];
    at[0] += out.s;
    at[f->pool_t] += out.t;
    b->pool[0] = b->pool[1];
    b->pool[1] = at + 1;
    return;
  }
  const vec u = out.s + out.t;
  f->out.s[p - 1] = b->s0 + b->s1 + out.s;
  f->out.u[p - 1] = b->u0 + b->u1 + u;
  b->s0 = b->s1;
  b->s1 = out.s;
  b->u0 = b->u1;
  b->u1 = u;
}

INLINE dual_pair abrelu_at(const fused_row *f, fused_kind kind, fused_root e, vec t)
{
  const relu_angle a = angle_of(e.of.relu, e.relu, kind.nonnegative);
  const vec s = e.of.s;
  const vec k = relu_k(a, s, kind.nonnegative), kdot = relu_kdot(a, s, kind.nonnegative);
  if (!kind.adjusted) return (dual_pair){k, t * kdot};
  return (dual_pair){k + f->beta * s, t * (kdot + f->beta)};
}

INLINE void result_at(const fused_row *f, fused_kind kind, fused_before *b, ptrdiff_t p, fused_root e)
{
  const vec t = t_at(f, kind, p, e.of.s);
  if (kind.dual == NKE_DUAL_ABRELU)
    put(f, kind, b, p, abrelu_at(f, kind, e, t));
  else
    put(f, kind, b, p, closed_of(kind.dual, &f->closed, e.of.closed, e.closed, t, &f->tables, p, 0));
}

INLINE void columns(const fused_row *f, fused_kind kind, fused_before *b)
{
  enum { STEPS = 4 };
  const ptrdiff_t n = f->n;
  ptrdiff_t p = 0;
  if (n < STEPS) {
    for (; p < n; p++) result_at(f, kind, b, p, root_at(f, kind, gap_at(f, kind, p, s_at(f, kind, b, p, p + 1 == n))));
    return;
  }
  fused_root root = root_at(f, kind, gap_at(f, kind, 0, s_at(f, kind, b, 0, 0)));
  fused_gap gap = gap_at(f, kind, 1, s_at(f, kind, b, 1, 0));
  vec s = s_at(f, kind, b, 2, 0);
  for (; p < n - STEPS; p++) {
    result_at(f, kind, b, p, root);
    root = root_at(f, kind, gap);
    gap = gap_at(f, kind, p + 2, s);
    s = s_at(f, kind, b, p + 3, 0);
  }
  result_at(f, kind, b, p, root);
  root = root_at(f, kind, gap);
  gap = gap_at(f, kind, p + 2, s);
  s = s_at(f, kind, b, p + 3, 1);
  result_at(f, kind, b, p + 1, root);
  result_at(f, kind, b, p + 2, root_at(f, kind, gap));
  result_at(f, kind, b, p + 3, root_at(f, kind, gap_at(f, kind, p + 3, s)));
}

INLINE void fused(const fused_row *row, fused_kind kind)
{
  fused_row f = *row;
  const ptrdiff_t n = f.n;
  f.tables.first_step = kind.dual == NKE_DUAL_ERF ? 1 : 2; /* known to the compiler */
  fused_before b = {.pool = {f.pool[0], f.pool[1]}};
  if (kind.source) b.k1 = source_at(&f, 0);
  columns(&f, kind, &b);
  if (kind.out == FUSED_SUM) {
    f.out.s[n - 1] = b.s0 + b.s1;
    f.out.u[n - 1] = b.u0 + b.u1;
  }
}

#define NKE_FUSED(set, dual_, out_, ...)                                                \
  static void fused_##set##_##out_(const fused_row *f)                                  \
  {                                                                                     \
    fused(f, (fused_kind){.dual = NKE_DUAL_##dual_, .out = FUSED_##out_, __VA_ARGS__}); \
  }
#define NKE_FUSED_SET(set, dual, ...)    \
  NKE_FUSED(set, dual, ROW, __VA_ARGS__) \
  NKE_FUSED(set, dual, SUM, __VA_ARGS__) \
  NKE_FUSED(set, dual, POOL, __VA_ARGS__)
NKE_FUSED_SET(first, RELU, .own = 0)
NKE_FUSED_SET(source, RELU, .source = 1)
NKE_FUSED_SET(biased, RELU, .adjusted = 1)
NKE_FUSED_SET(later, ABRELU, .own = 1, .nonnegative = 1)
NKE_FUSED_SET(any, ABRELU, .own = 1, .adjusted = 1)
#define NKE_FUSED_CLOSED(set, dual)                             \
  NKE_FUSED_SET(set##_first, dual, .adjusted = 1)               \
  NKE_FUSED_SET(set##_source, dual, .source = 1, .adjusted = 1) \
  NKE_FUSED_SET(set##_later, dual, .own = 1, .adjusted = 1)
NKE_FUSED_CLOSED(erf, ERF)
NKE_FUSED_CLOSED(gelu, GELU)
NKE_FUSED_CLOSED(exp, EXP)

typedef void fused_loop(const fused_row *f);

/* The loops of each set for each output. `first`: where T is S, of relu without bias; `source`, after it: the same with
 * its third row; `biased`: relu with bias, where T is S; `later`: T of its own; `any`: abrelu, whatever the layer (with
 * u = s where T is S). */
enum {
  FUSED_FIRST,
  FUSED_SOURCE,
  FUSED_BIASED,
  FUSED_LATER,
  FUSED_ANY,
  FUSED_ERF_FIRST,
  FUSED_ERF_SOURCE,
  FUSED_ERF_LATER,
  FUSED_GELU_FIRST,
  FUSED_GELU_SOURCE,
  FUSED_GELU_LATER,
  FUSED_EXP_FIRST,
  FUSED_EXP_SOURCE,
  FUSED_EXP_LATER,
  FUSED_SETS
};
#define NKE_FUSED_LOOPS(set)                                 \
  {                                                          \
    fused_##set##_ROW, fused_##set##_SUM, fused_##set##_POOL \
  }
static fused_loop *const fused_loops[FUSED_SETS][FUSED_OUTS] = {
    NKE_FUSED_LOOPS(first),      NKE_FUSED_LOOPS(source),      NKE_FUSED_LOOPS(biased),     NKE_FUSED_LOOPS(later),
    NKE_FUSED_LOOPS(any),        NKE_FUSED_LOOPS(erf_first),   NKE_FUSED_LOOPS(erf_source), NKE_FUSED_LOOPS(erf_later),
    NKE_FUSED_LOOPS(gelu_first), NKE_FUSED_LOOPS(gelu_source), NKE_FUSED_LOOPS(gelu_later), NKE_FUSED_LOOPS(exp_first),
    NKE_FUSED_LOOPS(exp_source), NKE_FUSED_LOOPS(exp_later)};

/* Whether a set has one after it that makes its own third row. */
INLINE int fused_is_first(int set)
{
  return set == FUSED_FIRST || set == FUSED_ERF_FIRST || set == FUSED_GELU_FIRST || set == FUSED_EXP_FIRST;
}

#endif
