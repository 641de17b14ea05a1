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
static int chain_pool(const run *r, const rect *c, chain_link *l)
{
  int missing = (c->y1 - c->y0 > 1 ? 2 : 1) * (c->x1 - c->x0 > 1 ? 2 : 1);
  memset(l->pool, 0, sizeof l->pool); /* a single row or column leaves the other's place empty */
  for (int p = r->step->push_begin; p < r->step->push_end; p++) {
    const nke_plane_push *push = &r->job->schedule->pushes[p];
    const int ey = push->dy - 2 * push->to_dy, ex = push->dx - 2 * push->to_dx;
    const view v = view_slot(r, r->node->edge[0].to, push->slot, push->to_dy, push->to_dx);
    l->row.pool_t = v.t - v.s;
    for (int a = nke_plane_begin(ey); a < nke_plane_end(2, ey); a++)
      for (int b = nke_plane_begin(ex); b < nke_plane_end(2, ex); b++) {
        const int y = c->y0 + ((c->y0 ^ a) & 1), x = c->x0 + ((c->x0 ^ b) & 1); /* the first ones of these parities */
        if (y >= c->y1 || x >= c->x1) continue;
        l->pool[a].at[x - c->x0] = v.s + (y / 2 - v.y0) * v.stride + (x / 2 - v.x0);
        l->pool[a].pitch[x - c->x0] = v.stride;
        missing--;
      }
  }
  return missing == 0;
}

/* Before the plane's first row: the rows above it are zero. Whether the chain pools its results itself. */
static int chain_start(run *r, int k)
{
  stage *g = &r->stages[k];
  const rect c = g->in;
  int pooled = 0;
  for (const stage *end = g + 2 * g->links; g < end; g += 2) {
    chain_link *l = &g->link;
    fused_row *f = &l->row;
    fused_out out = FUSED_SUM;
    f->n = c.x1 - c.x0;
    f->in[1] = (row_pair){r->zeros, r->zeros};
    f->in[2] = l->ring[c.y0 & (CHAIN_RING - 1)];
    f->tables = tables_at(r, g[1].op, c.y0, c.x0, c.y0 + c.dy, c.x0 + c.dx);
    if (g + 2 == end) {
      pooled = l->pooled = l->can_pool && chain_pool(r, &c, l);
      out = pooled ? FUSED_POOL : FUSED_ROW;
    }
    l->loop[0] = fused_loops[l->set][out];
    l->loop[1] = fused_loops[l->set + fused_is_first(l->set)][out];
  }
  return pooled;
}

/* Row y of one pair. below: its input row y + 1, or zeros. source: 1 if that row is made here, 0 if it is there. */
INLINE void link_row(chain_link *l, int y, const row_pair *below, int source)
{
  fused_row *f = &l->row;
  f->in[0] = f->in[1];
  f->in[1] = f->in[2];
  f->in[2] = *below;
  f->out = l->to[y & (CHAIN_RING - 1)];
  if (l->pooled)
    for (int c = 0; c < 2; c++) {
      pool_rows *to = &l->pool[y & 1];
      f->pool[c] = to->at[c];
      to->at[c] += to->pitch[c];
    }
  l->loop[source](f);
  f->tables.first += l->entries;
  f->tables.second += l->entries;
}

/* Input row y is in the first ring, or can be made (source), or lies below the plane: the rows that it completes. */
INLINE nke_status chain_advance(run *r, int k, int y, int source)
{
  stage *const first = &r->stages[k], *const end = first + 2 * first->links;
  const row_pair none = {r->zeros, r->zeros};
  const int y0 = first->in.y0, y1 = first->in.y1;
  int row = y;
  for (stage *g = first; g < end && row > y0; g += 2, row--)
    if (row <= y1)
      link_row(&g->link, row - 1, row < y1 ? &g->link.ring[row & (CHAIN_RING - 1)] : &none, source && g == first);
  const int done = y - first->links, after = k + 2 * first->links;
  if (end[-2].link.pooled || done < y0 || done >= y1) return NKE_OK;
  if (after < r->node->op_end - r->node->op_begin) return feed(r, after, done, end[-1].row_s, end[-1].row_t);
  deliver(r, done, end[-1].row_s, end[-1].row_t);
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
  fused_row *f = &g->link.row;
  f->first = (const real *)job->first_image + 3 * (c->y0 * w + c->x0);
  f->second = (const vec *)job->second_image + 3 * ((c->y0 + c->dy) * w + c->x0 + c->dx);
  for (int y = c->y0; y < c->y1 && st == NKE_OK; y++) {
    const int source = fused_is_first(g->link.set) && y > c->y0;
    if (!source) input_box_row(f->n, f->first, f->second, g->ring_s + ring_at(g, y));
    st = chain_advance(r, 0, y, source);
    f->first += 3 * w;
    f->second += 3 * w;
  }
  return st;
}

#endif
