#include "kernel/exact_pack.h"

static inline void store(nke_precision precision, void *out, int64_t at, double value)
{
  if (precision == NKE_SINGLE)
    ((float *)out)[at] = (float)value;
  else
    ((double *)out)[at] = value;
}

void nke_pack_rows(nke_precision precision, int64_t count, const double *in, void *out)
{
  for (int64_t i = 0; i < count; i++) store(precision, out, i, in[i]);
}

void nke_pack_images(nke_precision precision, int lanes, nke_shape shape, int64_t n, const double *x, int mirror,
                     void *out)
{
  const int64_t d = nke_shape_length(shape), c = shape.channels, w = shape.width;
  for (int64_t i = 0; i < d; i++) {
    const int64_t pixel = i / c, column = pixel % w;
    const int64_t from = mirror ? (pixel - column + (w - 1 - column)) * c + i % c : i;
    for (int l = 0; l < lanes; l++) store(precision, out, i * lanes + l, x[nke_min(l, n - 1) * d + from]);
  }
}

/* The tables of one row as lane `lane` of group g. */
static void pack_row(const nke_plane_variant *variant, const nke_plane_plan *plan, int groups, int g, int lanes,
                     int lane, const double *norms, int mirror, char *out)
{
  const int64_t bytes = nke_precision_bytes(variant->precision);
  for (int k = 0; k < plan->n_ops; k++) {
    const nke_plane_op *op = &plan->ops[k];
    if (op->kind != NKE_OP_DUAL && op->kind != NKE_OP_NORMALIZE) continue;
    for (int64_t p = 0; p < (int64_t)op->in_h * op->in_w; p++) {
      const int64_t column = p % op->in_w;
      const int64_t from = mirror ? p - column + (op->in_w - 1 - column) : p;
      const int64_t to = op->table_offset * groups + (p * groups + g) * op->entries;
      variant->table(op, norms[op->norm_offset + from], out + (to * lanes + lane) * bytes, lanes);
    }
  }
}

void nke_pack_first_tables(const nke_plane_variant *variant, const nke_plane_plan *plan, int64_t n, const double *norms,
                           void *out)
{
  const int64_t bytes = plan->table_length * nke_precision_bytes(variant->precision);
  for (int64_t i = 0; i < n; i++)
    pack_row(variant, plan, 1, 0, 1, 0, norms + i * plan->norm_length, 0, (char *)out + i * bytes);
}

void nke_pack_tables(const nke_plane_variant *variant, const nke_plane_plan *plan, int groups, int64_t n,
                     const double *norms, int mirror, void *out)
{
  for (int i = 0; i < groups * variant->lanes; i++)
    pack_row(variant, plan, groups, i / variant->lanes, variant->lanes, i % variant->lanes,
             norms + nke_min(i, n - 1) * plan->norm_length, mirror, out);
}
