/* Compiled once for each precision and instruction set. Rows travel through a node's operations one at a time: a
 * pointwise operation passes its row on at once; a convolution keeps the last rows, summed horizontally, in a ring and
 * passes on the vertical sums, so that the work of a plane stays in the first-level cache. */
#include "kernel/plane_run.h"

#include "kernel/plane_chain.h"
#include "kernel/plane_edges.h"
#include "kernel/plane_stages.h"

#define NKE_PASTE2(a, b) a##b
#define NKE_PASTE(a, b) NKE_PASTE2(a, b)
#define NKE_QUOTE2(a) #a
#define NKE_QUOTE(a) NKE_QUOTE2(a)

static nke_status feed(run *r, int k, int y, const vec *s, const vec *t)
{
  if (k < r->node->op_end - r->node->op_begin) switch (r->stages[k].op->kind) {
      case NKE_OP_CONV:
        return r->stages[k].links ? chain_feed(r, k, y, s, t) : conv_feed(r, k, y, s, t);
      case NKE_OP_LINEAR:
        return linear_feed(r, k, y, s, t);
      case NKE_OP_NORMALIZE:
      case NKE_OP_DUAL:
        return pointwise_feed(r, k, y, s, t);
    }
  deliver(r, y, s, t);
  return NKE_OK;
}

/* Row y of the kernel of the data, columns of rectangle c. */
static const vec *source_row(const run *r, const rect *c, int y)
{
  const nke_plane_job *job = r->job;
  if (job->products) return job->products;
  const int channels = (int)job->plan->input.channels, h = r->node->in_h, w = r->node->in_w;
  const int wrapped = r->node->wrapped == 1;
  const int64_t y2 = wrapped ? (y + c->dy) % h : y + c->dy;
  for (int x = c->x0, end; x < c->x1; x = end) {
    const int64_t x2 = wrapped ? (x + c->dx) % w : x + c->dx;
    end = wrapped && x2 >= x && c->dx > 0 ? w - c->dx : c->x1;
    const int64_t first = ((int64_t)y * w + x) * channels;
    const vec *second = (const vec *)job->second_image + (y2 * w + x2) * channels;
    vec *out = r->arena + (x - c->x0);
    if (job->paired)
      input_row_paired(end - x, channels, (const vec *)job->first_image + first, second, out);
    else
      input_row(end - x, channels, (const real *)job->first_image + first, second, out);
  }
  return r->arena;
}

/* Rows of the data's kernel through node 0. */
static nke_status run_source(run *r, const rect *c)
{
  nke_status st = NKE_OK;
  if (chain_takes_source(r)) return chain_source(r, c);
  for (int y = c->y0; y < c->y1 && st == NKE_OK; y++) {
    const vec *s = source_row(r, c, y);
    st = feed(r, 0, y, s, ntk_row(r->node->ntk_in, s, NULL));
  }
  return st;
}

static nke_status run_slot(run *r, const rect *c)
{
  nke_status st = NKE_OK;
  const view v = view_slot(r, r->step->node, r->step->slot, r->step->dy, r->step->dx);
  for (int y = c->y0; y < c->y1 && st == NKE_OK; y++) {
    const vec *s = v.s + (y - v.y0) * v.stride, *t = v.t + (y - v.y0) * v.stride;
    st = feed(r, 0, y, s, ntk_row(r->node->ntk_in, s, t));
  }
  return st;
}

static nke_status run_step(run *r, const nke_plane_step *step)
{
  nke_status st = NKE_OK;
  r->step = step;
  hold_node(r, step->node);
  const int ops = r->node->op_end - r->node->op_begin;
  set_stages(r);
  for (int p = step->push_begin; p < step->push_end; p++)
    if (r->job->schedule->pushes[p].first) clear_slot(r, &r->job->schedule->pushes[p]);
  int pooled = 0;
  for (int k = 0; k < ops; k += r->stages[k].links ? 2 * r->stages[k].links : 1)
    if (r->stages[k].links) pooled = chain_start(r, k);
  for (int p = step->push_begin; p < step->push_end && !pooled; p++)
    r->sinks[p - step->push_begin] = make_sink(r, &r->job->schedule->pushes[p]);
  const rect c = rect_of(r->node->wrapped, r->node->in_h, r->node->in_w, step->dy, step->dx);
  st = step->slot < 0 ? run_source(r, &c) : run_slot(r, &c);
  for (int k = 0; k < ops && st == NKE_OK; k += r->stages[k].links ? 2 * r->stages[k].links : 1)
    if (r->stages[k].op->kind == NKE_OP_CONV) st = r->stages[k].links ? chain_finish(r, k) : conv_finish(r, k);
  return st;
}

static nke_status run_plan(const nke_plane_job *job)
{
  nke_status st = NKE_OK;
  run r;
  r.job = job;
  lay_out_work(&r);
  for (int n = 0; n < job->plan->n_nodes; n++) lay_out_node(&r, n);
  for (int k = 0; k < job->schedule->n_steps && st == NKE_OK; k++) st = run_step(&r, &job->schedule->steps[k]);
  return st;
}

const nke_plane_variant NKE_PASTE(nke_plane_, NKE_SUFFIX) = {
    .name = NKE_QUOTE(NKE_SUFFIX),
    .precision = sizeof(NKE_REAL) == 4 ? NKE_SINGLE : NKE_DOUBLE,
    .lanes = NKE_LANES,
    .work_bytes = work_bytes,
    .run = run_plan,
    .table = make_table,
};
