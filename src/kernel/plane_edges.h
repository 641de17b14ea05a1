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
  return (view){.s = base,
                .t = base + slot_vectors(node, groups) / 2,
                .y0 = c.y0,
                .x0 = c.x0,
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
  sink k = {.s = v.s, .t = v.t, .pitch = v.stride};
  if (edge->kind == NKE_EDGE_DIAGONAL) {
    k.diagonal = 1;
    k.rows = 1;
    k.begin = in.y0;
    k.end = in.y1;
    k.n = in.x1 - in.x0;
    return k;
  }
  const rect c = rect_of(0, to->in_h, to->in_w, push->to_dy, push->to_dx);
  const int ey = push->dy - edge->stride_h * push->to_dy, ex = push->dx - edge->stride_w * push->to_dx;
  k.rows = c.y1 - c.y0;
  k.stride = edge->stride_h;
  k.begin = edge->stride_h * c.y0 + nke_plane_begin(ey);
  k.end = edge->stride_h * c.y0 + nke_plane_end(edge->window_h, ey);
  k.columns =
      pool_columns_of(edge->stride_w, nke_plane_begin(ex), nke_plane_end(edge->window_w, ex), (real)edge->factor);
  k.n = (ptrdiff_t)(c.x1 - c.x0) * groups;
  k.from = (ptrdiff_t)edge->stride_w * c.x0 - all.x0;
  const int64_t at = (c.y0 - v.y0) * v.stride + (c.x0 - v.x0) * groups;
  k.s += at;
  k.t += at;
  return k;
}

/* Row y of the node's output into the rows of the next plane whose windows hold it. Rows come in order, so windows that
 * y is past are left behind. */
static void push_row(sink *k, int y, const vec *s, const vec *t)
{
  for (; k->rows > 0 && y >= k->end; k->rows--) {
    k->begin += k->stride;
    k->end += k->stride;
    k->s += k->pitch;
    k->t += k->pitch;
  }
  if (k->diagonal) {
    if (k->rows == 0 || y < k->begin) return;
    *k->s += sum_row(k->n, s);
    if (t) *k->t += sum_row(k->n, t);
    return;
  }
  for (int i = 0; i < k->rows && y >= k->begin + i * k->stride; i++)
    k->columns.add(&k->columns, k->n, s + k->from, t ? t + k->from : NULL, k->s + i * k->pitch, k->t + i * k->pitch);
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

/* Row y of the node's output to where it is wanted. */
static void deliver(const run *r, int y, const vec *s, const vec *t)
{
  const int pushes = r->step->push_end - r->step->push_begin;
  for (int p = 0; p < pushes; p++) push_row(&r->sinks[p], y, s, t);
  if (r->node->n_edges == 0) output_row(r, s, t);
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

#endif
