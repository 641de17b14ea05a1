/* Rows of a node's output into the planes that gather from it. Included by plane_run.c only. */
#ifndef NKE_KERNEL_PLANE_EDGES_H
#define NKE_KERNEL_PLANE_EDGES_H

#include "kernel/plane_rows.h"
#include "kernel/plane_work.h"

/* The memory of plane (dy, dx) in a slot. */
typedef struct view {
  vec *s, *t;
  int y0, x0;
  int64_t stride;
} view;

static view view_slot(const run *r, int n, int slot, int dy, int dx)
{
  const nke_plane_node *node = &r->job->plan->nodes[n];
  const int groups = r->job->groups;
  const rect c = rect_of(node->wrapped, node->in_h, node->in_w, nke_plane_class(node->wrapped, node->in_h, dy),
                         nke_plane_class(node->wrapped, node->in_w, dx));
  vec *base = r->slots[n] + slot * slot_vectors(node, groups);
  return (view){.s = base, .t = base + slot_vectors(node, groups) / 2, .y0 = c.y0, .x0 = c.x0,
                .stride = (int64_t)(c.x1 - c.x0) * groups};
}

/* What push p of the step adds to, given the slot's view. */
static sink make_sink(const run *r, const nke_plane_push *push)
{
  const nke_plane_edge *edge = &r->node->edge[push->edge];
  const nke_plane_node *to = &r->job->plan->nodes[edge->to];
  const int groups = r->job->groups;
  const view v = view_slot(r, edge->to, push->slot, push->to_dy, push->to_dx);
  const rect in = rect_of(0, r->node->out_h, r->node->out_w, push->dy, push->dx);
  const rect all = rect_of(r->node->wrapped, r->node->out_h, r->node->out_w, push->dy, push->dx);
  sink k = {.y0 = in.y0, .y1 = in.y1, .factor = (real)edge->factor, .s = v.s, .t = v.t, .pitch = v.stride};
  if (edge->kind == NKE_EDGE_DIAGONAL) {
    k.diagonal = 1;
    k.n = in.x1 - in.x0;
    return k;
  }
  const rect c = rect_of(0, to->in_h, to->in_w, push->to_dy, push->to_dx);
  const int ey = push->dy - edge->stride_h * push->to_dy, ex = push->dx - edge->stride_w * push->to_dx;
  k.i0 = c.y0;
  k.i1 = c.y1;
  k.stride = edge->stride_h;
  k.a0 = nke_plane_begin(ey);
  k.a1 = nke_plane_end(edge->window_h, ey);
  k.column_stride = edge->stride_w;
  k.b0 = nke_plane_begin(ex);
  k.b1 = nke_plane_end(edge->window_w, ex);
  k.n = (ptrdiff_t)(c.x1 - c.x0) * groups;
  k.from = (ptrdiff_t)edge->stride_w * c.x0 - all.x0;
  const int64_t at = (c.y0 - v.y0) * v.stride + (c.x0 - v.x0) * groups;
  k.s += at;
  k.t += at;
  return k;
}

/* Row y of the node's output into the rows i of the next plane with y = stride i + a, a in [a0, a1). */
static void push_row(const sink *k, int y, const vec *s, const vec *t)
{
  if (y < k->y0 || y >= k->y1) return;
  if (k->diagonal) {
    *k->s += sum_row(k->n, s);
    if (t) *k->t += sum_row(k->n, t);
    return;
  }
  for (int i = y >= k->a0 ? (y - k->a0) / k->stride : -1; i >= k->i0 && y - k->stride * i < k->a1; i--) {
    if (i >= k->i1) continue;
    const int64_t at = (i - k->i0) * k->pitch;
    pool_row(k->n, k->column_stride, k->b0, k->b1, k->factor, s + k->from, k->s + at);
    if (t) pool_row(k->n, k->column_stride, k->b0, k->b1, k->factor, t + k->from, k->t + at);
  }
}

static void clear_slot(const run *r, const nke_plane_push *push)
{
  const nke_plane_edge *edge = &r->node->edge[push->edge];
  const nke_plane_node *to = &r->job->plan->nodes[edge->to];
  const rect c = rect_of(to->wrapped, to->in_h, to->in_w, nke_plane_class(to->wrapped, to->in_h, push->to_dy),
                         nke_plane_class(to->wrapped, to->in_w, push->to_dx));
  const view v = view_slot(r, edge->to, push->slot, push->to_dy, push->to_dx);
  const size_t bytes = (size_t)(c.y1 - c.y0) * (size_t)v.stride * sizeof(vec);
  memset(v.s, 0, bytes);
  memset(v.t, 0, bytes);
}

static void output_row(const run *r, const vec *s, const vec *t)
{
  const real scale = (real)r->node->scale_out;
  vec *nngp = r->job->nngp, *ntk = r->job->ntk;
  for (int g = 0; g < r->job->groups; g++) {
    if (nngp) nngp[g] = s[g] * scale;
    if (ntk) ntk[g] = v_zero();
    if (ntk && t) ntk[g] = t[g] * scale;
  }
}

#endif
