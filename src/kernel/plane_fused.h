/* The inner loop of convolutional relu networks: the vertical sum of a 3 x 3 filter, the activation, and either the
 * plain row or the horizontal sum of the next 3 x 3 filter, in registers. Included by plane_run.c only. */
#ifndef NKE_KERNEL_PLANE_FUSED_H
#define NKE_KERNEL_PLANE_FUSED_H

#include "kernel/plane_dual.h"

/* Three rows of horizontal sums of S and of S + T, the rows' operation, and where the result goes. */
typedef struct fused_row {
  ptrdiff_t n;
  const vec *s[3], *u[3];
  row_tables tables;
  real factor, offset; /* of the filter */
  real beta;           /* of the activation */
  vec *out_s, *out_u;  /* S, T; or, summed horizontally, S, S + T (one vector before out_* is overwritten) */
} fused_row;

/* An entry on its way: what the activation takes, and its angle, whose root is the longest wait. */
typedef struct fused_entry {
  vec s, t;
  relu_angle angle;
} fused_entry;

INLINE fused_entry enter(const fused_row *f, ptrdiff_t p, int own, int nonnegative, int adjusted)
{
  const vec *const second = f->tables.second + 2 * p;
  const real *const first = f->tables.first + 2 * p;
  fused_entry e;
  e.s = f->s[0][p] + f->s[1][p] + f->s[2][p];
  if (adjusted) e.s = e.s * f->factor + f->offset;
  e.t = e.s;
  if (own) e.t = f->u[0][p] + f->u[1][p] + f->u[2][p];
  if (own && adjusted) e.t = e.t * f->factor + f->offset;
  e.angle = angle_of(e.s, v_set(first[0]), v_set(first[1]), second[0], second[1], nonnegative);
  return e;
}

/* Compile-time choices: own: T is not S; nonnegative: S >= 0; adjusted: factor, offset and beta matter; summed: the
 * result is summed horizontally. The next entry enters before the polynomials of this one, which hide its root. */
INLINE void fused(const fused_row *row, int own, int nonnegative, int adjusted, int summed)
{
  const fused_row f = *row;
  const ptrdiff_t n = f.n;
  vec k0 = v_zero(), k1 = v_zero(), v0 = v_zero(), v1 = v_zero();
  fused_entry next = enter(&f, 0, own, nonnegative, adjusted);
  for (ptrdiff_t p = 0; p < n; p++) {
    const fused_entry e = next;
    vec k, kdot;
    if (p + 1 < n) next = enter(&f, p + 1, own, nonnegative, adjusted);
    abrelu_at(e.angle, e.s, nonnegative, &k, &kdot);
    if (adjusted) k += f.beta * e.s;
    if (adjusted) kdot += f.beta;
    if (!summed) {
      f.out_s[p] = k;
      f.out_u[p] = e.t * kdot;
      continue;
    }
    const vec v = e.t * kdot + k;
    f.out_s[p - 1] = k0 + k1 + k;
    f.out_u[p - 1] = v0 + v1 + v;
    k0 = k1;
    k1 = k;
    v0 = v1;
    v1 = v;
  }
  if (summed) {
    f.out_s[n - 1] = k0 + k1;
    f.out_u[n - 1] = v0 + v1;
  }
}

#define NKE_FUSED(name, own, nonnegative, adjusted, summed) \
  static void name(const fused_row *f)                      \
  {                                                         \
    fused(f, own, nonnegative, adjusted, summed);           \
  }
NKE_FUSED(fused_first_row, 0, 0, 0, 0)
NKE_FUSED(fused_first_sum, 0, 0, 0, 1)
NKE_FUSED(fused_later_row, 1, 1, 0, 0)
NKE_FUSED(fused_later_sum, 1, 1, 0, 1)
NKE_FUSED(fused_any_row, 1, 0, 1, 0)
NKE_FUSED(fused_any_sum, 1, 0, 1, 1)

/* The loops of [first, later, any] x [row, summed]; `any` covers all (with u = s where T is S). */
static void (*const fused_loops[3][2])(const fused_row *) = {
    {fused_first_row, fused_first_sum}, {fused_later_row, fused_later_sum}, {fused_any_row, fused_any_sum}};

#endif
