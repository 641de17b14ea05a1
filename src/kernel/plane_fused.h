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

/* Compile-time choices: own: T is not S; nonnegative: S >= 0; adjusted: factor, offset and beta matter; summed: the
 * result is summed horizontally. */
INLINE void fused(const fused_row *f, int own, int nonnegative, int adjusted, int summed)
{
  const vec *const s0 = f->s[0], *const s1 = f->s[1], *const s2 = f->s[2];
  const vec *const u0 = f->u[0], *const u1 = f->u[1], *const u2 = f->u[2];
  const vec *const second = f->tables.second;
  const real *const first = f->tables.first;
  vec *const out_s = f->out_s, *const out_u = f->out_u;
  const ptrdiff_t n = f->n;
  vec k0 = v_zero(), k1 = v_zero(), v0 = v_zero(), v1 = v_zero();
  for (ptrdiff_t p = 0; p < n; p++) {
    vec s = s0[p] + s1[p] + s2[p], k, kdot;
    if (adjusted) s = s * f->factor + f->offset;
    vec t = s;
    if (own) t = u0[p] + u1[p] + u2[p];
    if (own && adjusted) t = t * f->factor + f->offset;
    abrelu(s, v_set(first[2 * p]), v_set(first[2 * p + 1]), second[2 * p], second[2 * p + 1], nonnegative, &k, &kdot);
    if (adjusted) k += f->beta * s;
    if (adjusted) kdot += f->beta;
    if (!summed) {
      out_s[p] = k;
      out_u[p] = t * kdot;
      continue;
    }
    const vec v = t * kdot + k;
    out_s[p - 1] = k0 + k1 + k;
    out_u[p - 1] = v0 + v1 + v;
    k0 = k1;
    k1 = k;
    v0 = v1;
    v1 = v;
  }
  if (summed) {
    out_s[n - 1] = k0 + k1;
    out_u[n - 1] = v0 + v1;
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
