/* Sums over rows of vectors: input kernel, box filters, pooling. Included by plane_run.c only. */
#ifndef NKE_KERNEL_PLANE_ROWS_H
#define NKE_KERNEL_PLANE_ROWS_H

#include "kernel/plane_vector.h"

#include <stddef.h>
#include <string.h>

/* out[p] = sum_c a[p][c] b[p][c]. */
static void input_row(ptrdiff_t n, int channels, const real *a, const vec *b, vec *out)
{
  for (ptrdiff_t p = 0; p < n; p++, a += channels, b += channels) {
    vec sum = a[0] * b[0];
    for (int c = 1; c < channels; c++) sum += a[c] * b[c];
    out[p] = sum;
  }
}

static void input_row_paired(ptrdiff_t n, int channels, const vec *a, const vec *b, vec *out)
{
  for (ptrdiff_t p = 0; p < n; p++, a += channels, b += channels) {
    vec sum = a[0] * b[0];
    for (int c = 1; c < channels; c++) sum += a[c] * b[c];
    out[p] = sum;
  }
}

/* The input kernel of three-channel images, summed horizontally over three columns (out[-1] is overwritten). */
static void input_box_row(ptrdiff_t n, const real *a, const vec *b, vec *out)
{
  vec k0 = v_zero(), k1 = v_zero();
  for (ptrdiff_t p = 0; p < n; p++) {
    const vec k = a[3 * p] * b[3 * p] + a[3 * p + 1] * b[3 * p + 1] + a[3 * p + 2] * b[3 * p + 2];
    out[p - 1] = k0 + k1 + k;
    k0 = k1;
    k1 = k;
  }
  out[n - 1] = k0 + k1;
}

/* Horizontal part of a box filter of S and of S + T (t NULL: of S only) along the row's columns [x0, x1), for output
 * columns [o0, o1); columns outside count as zero, or are taken modulo `period` (0: none). */
typedef struct box {
  int x0, x1, o0, o1, filter, stride, pad, period;
} box;

static void box_row_any(const box *b, const vec *s, const vec *t, vec *out_s, vec *out_u)
{
  for (int o = b->o0; o < b->o1; o++) {
    vec sum_s = {0}, sum_u = {0};
    for (int k = 0; k < b->filter; k++) {
      int x = b->stride * o - b->pad + k;
      if (b->period) x = ((x % b->period) + b->period) % b->period;
      if (x < b->x0 || x >= b->x1) continue;
      sum_s += s[x - b->x0];
      if (t) sum_u += s[x - b->x0] + t[x - b->x0];
    }
    out_s[o - b->o0] = sum_s;
    if (t) out_u[o - b->o0] = sum_u;
  }
}

/* Filter 3, stride 1, same: rolling in registers. */
static void box_row_3(int n, const vec *s, const vec *t, vec *out_s, vec *out_u)
{
  vec s0 = {0}, s1 = s[0];
  if (!t) {
    for (int p = 0; p < n; p++) {
      vec s2 = v_zero();
      if (p + 1 < n) s2 = s[p + 1];
      out_s[p] = s0 + s1 + s2;
      s0 = s1;
      s1 = s2;
    }
    return;
  }
  vec u0 = {0}, u1 = s[0] + t[0];
  for (int p = 0; p < n; p++) {
    vec s2 = v_zero(), u2 = v_zero();
    if (p + 1 < n) s2 = s[p + 1], u2 = s2 + t[p + 1];
    out_s[p] = s0 + s1 + s2;
    out_u[p] = u0 + u1 + u2;
    s0 = s1;
    s1 = s2;
    u0 = u1;
    u1 = u2;
  }
}

static void box_row(const box *b, const vec *s, const vec *t, vec *out_s, vec *out_u)
{
  const int plain = b->filter == 3 && b->stride == 1 && b->pad == 1 && !b->period && b->x0 == b->o0 && b->x1 == b->o1;
  if (plain)
    box_row_3(b->x1 - b->x0, s, t, out_s, out_u);
  else
    box_row_any(b, s, t, out_s, out_u);
}

static void add_row(ptrdiff_t n, const vec *in, vec *out)
{
  for (ptrdiff_t p = 0; p < n; p++) out[p] += in[p];
}

static void affine_row(ptrdiff_t n, real factor, real offset, vec *row)
{
  if (factor == 1 && offset == 0) return;
  for (ptrdiff_t p = 0; p < n; p++) row[p] = row[p] * factor + offset;
}

/* Dense: raw S' = f S + b, T' = f T + S' (out_t NULL: T' = S'; t NULL: T = 0). */
static void linear_row(ptrdiff_t n, real factor, real offset, const vec *s, const vec *t, vec *out_s, vec *out_t)
{
  for (ptrdiff_t p = 0; p < n; p++) {
    const vec sum = s[p] * factor + offset;
    if (t) out_t[p] = t[p] * factor + sum;
    out_s[p] = sum;
  }
}

/* Pooling along a row: out[i] += factor * sum of in[stride i + b], b in [b0, b1), for i in [0, n), of S and (t not
 * NULL) T. */
typedef struct pool_columns {
  void (*add)(const struct pool_columns *p, ptrdiff_t n, const vec *s, const vec *t, vec *out_s, vec *out_t);
  int stride, b0, b1;
  real factor;
} pool_columns;

INLINE void pool_row(const pool_columns *p, ptrdiff_t n, const vec *in, vec *out)
{
  for (ptrdiff_t i = 0; i < n; i++) {
    vec sum = in[i * p->stride + p->b0];
    for (int b = p->b0 + 1; b < p->b1; b++) sum += in[i * p->stride + b];
    out[i] += p->factor * sum;
  }
}

static void pool_any(const pool_columns *p, ptrdiff_t n, const vec *s, const vec *t, vec *out_s, vec *out_t)
{
  pool_row(p, n, s, out_s);
  if (t) pool_row(p, n, t, out_t);
}

/* The same for stride 2, factor 1, and one or two entries. */
static void pool_single(const pool_columns *p, ptrdiff_t n, const vec *s, const vec *t, vec *out_s, vec *out_t)
{
  s += p->b0;
  for (ptrdiff_t i = 0; i < n; i++) out_s[i] += s[2 * i];
  if (!t) return;
  t += p->b0;
  for (ptrdiff_t i = 0; i < n; i++) out_t[i] += t[2 * i];
}

static void pool_pairs(const pool_columns *p, ptrdiff_t n, const vec *s, const vec *t, vec *out_s, vec *out_t)
{
  s += p->b0;
  for (ptrdiff_t i = 0; i < n; i++) out_s[i] += s[2 * i] + s[2 * i + 1];
  if (!t) return;
  t += p->b0;
  for (ptrdiff_t i = 0; i < n; i++) out_t[i] += t[2 * i] + t[2 * i + 1];
}

static pool_columns pool_columns_of(int stride, int b0, int b1, real factor)
{
  pool_columns p = {.add = pool_any, .stride = stride, .b0 = b0, .b1 = b1, .factor = factor};
  if (stride == 2 && factor == 1 && b1 - b0 == 1) p.add = pool_single;
  if (stride == 2 && factor == 1 && b1 - b0 == 2) p.add = pool_pairs;
  return p;
}

static vec sum_row(ptrdiff_t n, const vec *in)
{
  vec sum = {0};
  for (ptrdiff_t p = 0; p < n; p++) sum += in[p];
  return sum;
}

#endif
