/* Chains of 3 x 3 convolutions, each with its activation: an input row completes a row of the first pair, that one of
 * the second, and so on, each by one call of a fused loop. Included by plane_run.c only.
 *
 *     row y --> ring 0: y-1 | y --> dual row y-1 --> ring 1: y-2 | y-1 --> dual row y-2 --> ... --> row y-L
 */
#ifndef NKE_KERNEL_PLANE_CHAIN_H
#define NKE_KERNEL_PLANE_CHAIN_H

#include "kernel/plane_edges.h"
#include "kernel/plane_stages.h"

/* Rows of parity a and columns of parity c go to the only push that has them in its window. Returns whether every row
 * and column of the plane has one. */
static int chain_pool(const run *r, stage *end)
{
  const int x0 = end->out.x0, x1 = end->out.x1, y0 = end->out.y0, y1 = end->out.y1;
  int missing = (y1 - y0 > 1 ? 2 : 1) * (x1 - x0 > 1 ? 2 : 1);
  for (int i = 0; i < 4; i++) end->pool[i / 2][i % 2] = (pool_column){.s = end->row_s};
  for (int p = r->step->push_begin; p < r->step->push_end; p++) {
    const nke_plane_push *push = &r->job->schedule->pushes[p];
    const int ey = push->dy - 2 * push->to_dy, ex = push->dx - 2 * push->to_dx;
    const view v = view_slot(r, r->node->edge[0].to, push->slot, push->to_dy, push->to_dx);
    end->row.pool_t = v.t - v.s;
    for (int a = nke_plane_begin(ey); a < nke_plane_end(2, ey); a++)
      for (int b = nke_plane_begin(ex); b < nke_plane_end(2, ex); b++) {
        const int c = (x0 + b) & 1; /* the first column of parity b is x0 + c */
        if ((y1 - y0 == 1 && (y0 & 1) != a) || x0 + c >= x1) continue;
        end->pool[a][c] = (pool_column){.s = v.s + ((x0 + c) / 2 - v.x0), .pitch = v.stride, .y0 = v.y0};
        missing--;
      }
  }
  return missing == 0;
}

/* Before the plane's first row: the rows above it are zero. Whether the chain pools its results itself. */
static int chain_start(run *r, int k)
{
  stage *g = &r->stages[k];
  int pooled = 0;
  for (const stage *end = g + 2 * g->links; g < end; g += 2) {
    const int y = g->in.y0, x = g->in.x0;
    fused_row *f = &g->row;
    f->n = g->out.x1 - x;
    f->s[1] = f->u[1] = r->zeros;
    f->s[2] = g->ring_s + ring_at(g, y);
    f->u[2] = g->ring_u + ring_at(g, y);
    f->tables = tables_at(r, g[1].op, y, x, y + g->in.dy, x + g->in.dx);
    pooled = g->pooled = g + 2 == end && g->can_pool && chain_pool(r, g);
  }
  return pooled;
}

/* Row y of one pair. source: 1 if its input row y + 1 is made here, 0 if it is in the ring. */
static void link_row(const run *r, stage *g, int y, int last, int source)
{
  const stage *next = g + 2;
  const int own = g->op->ntk_out == NKE_NTK_OWN, more = y + 1 < g->in.y1;
  const int64_t below = ring_at(g, y + 1);
  fused_out out = FUSED_SUM;
  fused_row *f = &g->row;
  f->s[0] = f->s[1];
  f->s[1] = f->s[2];
  f->s[2] = more ? g->ring_s + below : r->zeros;
  f->u[0] = own ? f->u[1] : f->s[0];
  f->u[1] = own ? f->u[2] : f->s[1];
  f->u[2] = own && more ? g->ring_u + below : f->s[2];
  if (!last) {
    f->out_s = next->ring_s + ring_at(next, y);
    f->out_u = next->ring_u + ring_at(next, y);
  } else if (g->pooled) {
    const pool_column *to = g->pool[y & 1];
    out = FUSED_POOL;
    f->pool[0] = to[0].s + (y / 2 - to[0].y0) * to[0].pitch;
    f->pool[1] = to[1].s + (y / 2 - to[1].y0) * to[1].pitch;
  } else {
    out = FUSED_ROW;
  }
  fused_loops[g->fused + source][out](f);
  f->tables.first += g->row_entries;
  f->tables.second += g->row_entries;
}

/* Input row y is in the first ring, or can be made (source), or lies below the plane: the rows that it completes. */
static nke_status chain_advance(run *r, int k, int y, int source)
{
  stage *g = &r->stages[k], *end = g + 2 * (g->links - 1);
  const int links = g->links, y0 = g->in.y0, y1 = g->in.y1;
  for (int j = 0; j < links && y - 1 - j >= y0; j++)
    if (y - 1 - j < y1) link_row(r, g + 2 * j, y - 1 - j, j + 1 == links, source && j == 0);
  const int done = y - links, after = k + 2 * links;
  if (end->pooled || done < y0 || done >= y1) return NKE_OK;
  if (after < r->node->op_end - r->node->op_begin) return feed(r, after, done, end[1].row_s, end[1].row_t);
  deliver(r, done, end[1].row_s, end[1].row_t);
  return NKE_OK;
}

static nke_status chain_feed(run *r, int k, int y, const vec *s, const vec *t)
{
  conv_take(&r->stages[k], y, s, t);
  return chain_advance(r, k, y, 0);
}

static nke_status chain_finish(run *r, int k)
{
  const stage *g = &r->stages[k];
  nke_status st = NKE_OK;
  for (int j = 0; j < g->links && st == NKE_OK; j++) st = chain_advance(r, k, g->in.y1 + j, 0);
  return st;
}

/* Whether node 0 begins with a chain on three-channel images. */
static int chain_takes_source(const run *r)
{
  return !r->job->paired && r->node->op_end > r->node->op_begin && r->stages[0].op->kind == NKE_OP_CONV &&
         r->stages[0].links > 0 && r->job->plan->input.channels == 3;
}

/* Rows of the data's kernel through node 0, which begins with a chain, straight into its first ring. */
static nke_status chain_source(run *r, const rect *c)
{
  nke_status st = NKE_OK;
  const nke_plane_job *job = r->job;
  stage *g = &r->stages[0];
  const int64_t w = r->node->in_w;
  g->row.first = (const real *)job->first_image + 3 * (c->y0 * w + c->x0);
  g->row.second = (const vec *)job->second_image + 3 * ((c->y0 + c->dy) * w + c->x0 + c->dx);
  for (int y = c->y0; y < c->y1 && st == NKE_OK; y++) {
    const int source = fused_is_first(g->fused) && y > c->y0;
    g->row.third = g->ring_s + ring_at(g, y);
    if (!source) input_box_row(c->x1 - c->x0, g->row.first, g->row.second, g->row.third);
    st = chain_advance(r, 0, y, source);
    g->row.first += 3 * w;
    g->row.second += 3 * w;
  }
  return st;
}

#endif
