/* The operations of a node on rows that travel through them one at a time. Included by plane_run.c only. */
#ifndef NKE_KERNEL_PLANE_STAGES_H
#define NKE_KERNEL_PLANE_STAGES_H

#include "kernel/plane_rows.h"
#include "kernel/plane_work.h"

static nke_status feed(run *r, int k, int y, const vec *s, const vec *t);

/* What the next operation takes for the NTK: nothing, the NNGP itself, or the row of its own. */
static const vec *ntk_row(nke_plane_ntk ntk, const vec *s, const vec *t)
{
  return ntk == NKE_NTK_OWN ? t : ntk == NKE_NTK_SAME ? s : NULL;
}

/* ---- convolution ---- */

static void conv_take(stage *g, int y, const vec *s, const vec *t)
{
  const box b = {.x0 = g->in.x0,
                 .x1 = g->in.x1,
                 .o0 = g->out.x0,
                 .o1 = g->out.x1,
                 .filter = g->op->filter_w,
                 .stride = g->op->stride_w,
                 .pad = g->op->pad_w,
                 .period = g->op->circular ? g->op->in_w : 0};
  box_row(&b, s, t, g->ring_s + ring_at(g, y), g->ring_u + ring_at(g, y));
}

/* Pass on output row g->next: the sum of its window's rows. */
static nke_status conv_emit(run *r, int k)
{
  stage *g = &r->stages[k];
  const nke_plane_op *op = g->op;
  const int n = g->out.x1 - g->out.x0, own = op->ntk_out == NKE_NTK_OWN;
  const int y = g->next++;
  memset(g->row_s, 0, (size_t)n * sizeof(vec));
  if (own) memset(g->row_t, 0, (size_t)n * sizeof(vec));
  for (int a = 0; a < op->filter_h; a++) {
    int in = y * op->stride_h - op->pad_h + a;
    if (op->circular) in = ((in % op->in_h) + op->in_h) % op->in_h;
    if (in < g->in.y0 || in >= g->in.y1) continue;
    add_row(n, g->ring_s + ring_at(g, in), g->row_s);
    if (own) add_row(n, g->ring_u + ring_at(g, in), g->row_t);
  }
  affine_row(n, (real)op->factor, (real)op->offset, g->row_s);
  if (own) affine_row(n, (real)op->factor, (real)op->offset, g->row_t);
  return feed(r, k + 1, y, g->row_s, ntk_row(op->ntk_out, g->row_s, g->row_t));
}

/* Pass on the rows that are complete once input row y is in the ring. */
static nke_status conv_feed(run *r, int k, int y, const vec *s, const vec *t)
{
  stage *g = &r->stages[k];
  nke_status st = NKE_OK;
  conv_take(g, y, s, t);
  if (g->op->circular) return NKE_OK;
  while (st == NKE_OK && g->next < g->out.y1 && g->next * g->op->stride_h - g->op->pad_h + g->op->filter_h - 1 <= y)
    st = conv_emit(r, k);
  return st;
}

/* Pass on what the plane's last rows left. */
static nke_status conv_finish(run *r, int k)
{
  nke_status st = NKE_OK;
  while (st == NKE_OK && r->stages[k].next < r->stages[k].out.y1) st = conv_emit(r, k);
  return st;
}

/* ---- pointwise operations ---- */

/* Plane 0 of images with themselves holds the variances: note them and make the tables. */
static void tap_row(run *r, const nke_plane_op *op, int y, const vec *s)
{
  const nke_plane_job *job = r->job;
  real *tables = job->first_tables;
  for (int x = 0; x < op->in_w; x++)
    for (int l = 0; l < NKE_LANES; l++) {
      const int64_t pixel = (int64_t)y * op->in_w + x;
      const double q = op->scale_in * (double)s[x][l];
      job->norms[(op->norm_offset + pixel) * NKE_LANES + l] = q;
      make_table(op, q, tables + (op->table_offset + pixel * op->entries) * NKE_LANES + l, NKE_LANES);
    }
}

/* Tables for the entries from column x of row y on, pixel (y2, x2) of the second image. */
static row_tables tables_at(const run *r, const nke_plane_op *op, int y, int x, int y2, int x2)
{
  const nke_plane_job *job = r->job;
  const int64_t first = op->table_offset + ((int64_t)y * op->in_w + x) * op->entries;
  const int64_t second = op->table_offset * job->groups + ((int64_t)y2 * op->in_w + x2) * op->entries;
  const ptrdiff_t lanes = job->paired ? NKE_LANES : 1;
  return (row_tables){.first = (const real *)job->first_tables + first * lanes,
                      .second = (const vec *)job->second_tables + second,
                      .first_step = job->groups > 1 ? 0 : op->entries * lanes};
}

static nke_status pointwise(run *r, stage *g, const row_tables *tables, ptrdiff_t n, const vec *s, const vec *t,
                            vec *out_s, vec *out_t)
{
  const nke_plane_op *op = g->op;
  const int paired = r->job->paired;
  const int unit = r->job->same && g->in.dy == 0 && g->in.dx == 0;
  if (op->kind == NKE_OP_NORMALIZE) {
    normalize_row(n, s, t, tables, paired, out_s, out_t);
    return NKE_OK;
  }
  if (op->dual_kind == NKE_DUAL_GENERIC)
    return generic_row(op, n, s, t, tables, paired, unit, r->scratch, out_s, out_t);
  const real beta = (real)op->dual_param[0];
  if (unit && (op->dual_kind == NKE_DUAL_ABRELU || op->dual_kind == NKE_DUAL_RELU))
    abrelu_unit_row(n, s, t, op->dual_kind == NKE_DUAL_RELU ? 1 : beta, out_s, out_t); /* relu's are twice k, T' */
  else if (op->dual_kind != NKE_DUAL_ABRELU)
    closed_row(op, n, s, t, tables, paired, out_s, out_t);
  else
    abrelu_row(n, s, t, tables, beta, op->nonnegative, paired, out_s, out_t);
  return NKE_OK;
}

/* A row of a wrapped plane meets two runs of the second image's pixels. */
static nke_status pointwise_feed(run *r, int k, int y, const vec *s, const vec *t)
{
  stage *g = &r->stages[k];
  const nke_plane_op *op = g->op;
  nke_status st = NKE_OK;
  if (r->job->norms && g->in.dy == 0 && g->in.dx == 0) tap_row(r, op, y, s);
  const int wrapped = r->node->wrapped == 1;
  const int y2 = wrapped ? (y + g->in.dy) % op->in_h : y + g->in.dy;
  for (int x = g->in.x0, end; x < g->in.x1 && st == NKE_OK; x = end) {
    const int x2 = wrapped ? (x + g->in.dx) % op->in_w : x + g->in.dx;
    end = wrapped && x2 >= x && g->in.dx > 0 ? op->in_w - g->in.dx : g->in.x1;
    const row_tables tables = tables_at(r, op, y, x, y2, x2);
    const int at = x - g->in.x0;
    st = pointwise(r, g, &tables, (ptrdiff_t)(end - x) * r->job->groups, s + at, t ? t + at : NULL, g->row_s + at,
                   g->row_t + at);
  }
  return st == NKE_OK ? feed(r, k + 1, y, g->row_s, ntk_row(op->ntk_out, g->row_s, g->row_t)) : st;
}

static nke_status linear_feed(run *r, int k, int y, const vec *s, const vec *t)
{
  stage *g = &r->stages[k];
  const ptrdiff_t n = (ptrdiff_t)(g->in.x1 - g->in.x0) * r->job->groups;
  linear_row(n, (real)g->op->factor, (real)g->op->offset, s, t, g->row_s, g->row_t);
  return feed(r, k + 1, y, g->row_s, ntk_row(g->op->ntk_out, g->row_s, g->row_t));
}

#endif
