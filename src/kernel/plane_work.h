/* The state of a run, its work space, and the node in hand. Included by plane_run.c only. */
#ifndef NKE_KERNEL_PLANE_WORK_H
#define NKE_KERNEL_PLANE_WORK_H

#include "kernel/plane_fused.h"
#include "kernel/plane_rows.h"
#include "kernel/plane_run.h"

#include <string.h>

/* The part of one plane that rows [y0, y1), columns [x0, x1) of the first image cover. */
typedef struct rect {
  int dy, dx, y0, y1, x0, x1;
} rect;

/* Where 2 x 2 pooling adds the first and the second column of the next row of one parity, and of the row after it. */
typedef struct pool_rows {
  vec *at[2];
  ptrdiff_t pitch[2];
} pool_rows;

enum { CHAIN_RING = 4 }; /* rows that a 3 x 3 convolution keeps: ring_rows() */

/* A pair of a 3 x 3 convolution and its activation in a chain. */
typedef struct chain_link {
  fused_row row;             /* the next row */
  fused_loop *loop[2];       /* what runs it: third input row in the ring, made here */
  row_pair ring[CHAIN_RING]; /* input row y is in ring[y % 4] */
  row_pair to[CHAIN_RING];   /* output row y goes to to[y % 4] */
  ptrdiff_t entries;         /* of the tables of one row */
  pool_rows pool[2];         /* pooled: rows even and odd */
  int set;                   /* of fused_loops */
  int can_pool, pooled;      /* of the chain's end: what its node allows, and what the plane in hand does */
} chain_link;

/* One operation while its node runs a plane. */
typedef struct stage {
  const nke_plane_op *op;
  rect in, out;
  vec *row_s, *row_t;   /* output row */
  vec *ring_s, *ring_u; /* conv: rows of box sums of S and S + T, each after one vector of margin */
  int ring_rows, next;  /* next output row */
  int links;            /* conv: so many pairs of a convolution and its activation from here on go through a chain */
  chain_link link;      /* of a chain: this pair */
} stage;

/* Where one push of the step in hand adds to: the next plane's row that is being gathered, of `rows` still to come,
 * takes rows [begin, end) of the output. */
typedef struct sink {
  int diagonal, rows, begin, end, stride;
  ptrdiff_t n, from; /* columns of the next plane; first column of the row that they need */
  pool_columns columns;
  vec *s, *t;
  int64_t pitch;
} sink;

typedef struct run {
  const nke_plane_job *job;
  const nke_plane_node *node;
  const nke_plane_step *step;
  stage *all_stages; /* one an operation of the plan */
  stage *stages;     /* those of the node in hand */
  sink *sinks;       /* one a push of the step in hand */
  vec **slots;       /* per node: its planes */
  vec *arena;        /* rows of the node in hand */
  vec *zeros;        /* a row of zeros */
  double *scratch;
} run;

static rect rect_of(int wrapped, int h, int w, int dy, int dx)
{
  if (wrapped == 1) return (rect){.dy = dy, .dx = dx, .y0 = 0, .y1 = h, .x0 = 0, .x1 = w};
  return (rect){.dy = dy,
                .dx = dx,
                .y0 = nke_plane_begin(dy),
                .y1 = nke_plane_end(h, dy),
                .x0 = nke_plane_begin(dx),
                .x1 = nke_plane_end(w, dx)};
}

/* Where row y of a convolution's input is kept, relative to ring_s and ring_u. */
static int64_t ring_at(const stage *g, int y)
{
  return (int64_t)(y & (g->ring_rows - 1)) * (g->op->out_w + 1);
}

/* Rows that a convolution keeps, rounded up to a power of two so that a row's place is found by a mask. */
static int ring_rows(const nke_plane_op *op)
{
  int rows = 1;
  while (rows < (op->circular ? op->in_h : op->filter_h)) rows *= 2;
  return rows;
}

/* Vectors of row space that the operations of one node use. */
static int64_t node_vectors(const nke_plane_plan *plan, const nke_plane_node *node, int groups)
{
  int64_t n = 2 * (int64_t)node->in_w * groups;
  for (int k = node->op_begin; k < node->op_end; k++) {
    const nke_plane_op *op = &plan->ops[k];
    n += 2 * (int64_t)op->out_w * groups;
    if (op->kind == NKE_OP_CONV) n += 2 * ((int64_t)op->out_w + 1) * ring_rows(op);
  }
  return n;
}

static int64_t zero_vectors(const nke_plane_plan *plan)
{
  int64_t widest = 0;
  for (int k = 0; k < plan->n_ops; k++) widest = nke_max(widest, plan->ops[k].out_w);
  return widest;
}

static int64_t slot_vectors(const nke_plane_node *node, int groups)
{
  return 2 * (int64_t)node->in_h * node->in_w * groups;
}

static int64_t arena_vectors(const nke_plane_plan *plan, int groups)
{
  int64_t most = 0;
  for (int n = 0; n < plan->n_nodes; n++) most = nke_max(most, node_vectors(plan, &plan->nodes[n], groups));
  return most;
}

static int64_t scratch_doubles(const nke_plane_plan *plan, int groups)
{
  int64_t widest = 0;
  for (int k = 0; k < plan->n_ops; k++)
    if (plan->ops[k].kind == NKE_OP_DUAL) widest = nke_max(widest, plan->ops[k].in_w);
  return nke_ceil_div(5 * widest * groups * NKE_LANES, 8) * 8; /* whole cache lines */
}

/* Bytes, in whole cache lines, of the bookkeeping at the start of the work space. */
static int64_t slots_bytes(const nke_plane_plan *plan)
{
  return nke_ceil_div(plan->n_nodes * (int64_t)sizeof(vec *), 64) * 64;
}

static int64_t stages_bytes(const nke_plane_plan *plan)
{
  return nke_ceil_div(plan->n_ops * (int64_t)sizeof(stage), 64) * 64;
}

static int64_t sinks_bytes(const nke_plane_schedule *schedule)
{
  return nke_ceil_div(schedule->most_pushes * (int64_t)sizeof(sink), 64) * 64;
}

/* The work space: pointers to the nodes' slots, stages, rows of the node in hand, scratch of generic duals, slots. */
static int64_t work_bytes(const nke_plane_plan *plan, const nke_plane_schedule *schedule, int groups)
{
  int64_t vectors = arena_vectors(plan, groups) + zero_vectors(plan);
  for (int n = 0; n < plan->n_nodes; n++) vectors += schedule->slots[n] * slot_vectors(&plan->nodes[n], groups);
  return slots_bytes(plan) + stages_bytes(plan) + sinks_bytes(schedule) + vectors * (int64_t)sizeof(vec) +
         scratch_doubles(plan, groups) * (int64_t)sizeof(double);
}

static void lay_out_work(run *r)
{
  const nke_plane_plan *plan = r->job->plan;
  char *at = r->job->work;
  r->slots = (vec **)(void *)at;
  at += slots_bytes(plan);
  r->all_stages = (stage *)(void *)at;
  at += stages_bytes(plan);
  r->sinks = (sink *)(void *)at;
  at += sinks_bytes(r->job->schedule);
  r->arena = (vec *)(void *)at;
  at += arena_vectors(plan, r->job->groups) * (int64_t)sizeof(vec);
  r->zeros = (vec *)(void *)at;
  memset(at, 0, (size_t)zero_vectors(plan) * sizeof(vec));
  at += zero_vectors(plan) * (int64_t)sizeof(vec);
  r->scratch = (double *)(void *)at;
  at += scratch_doubles(plan, r->job->groups) * (int64_t)sizeof(double);
  for (int n = 0; n < plan->n_nodes; n++) {
    r->slots[n] = (vec *)(void *)at;
    at += r->job->schedule->slots[n] * slot_vectors(&plan->nodes[n], r->job->groups) * (int64_t)sizeof(vec);
  }
}

static int is_box3(const nke_plane_op *op)
{
  return op->kind == NKE_OP_CONV && op->filter_h == 3 && op->filter_w == 3 && op->stride_h == 1 && op->stride_w == 1 &&
         op->pad_h == 1 && op->pad_w == 1 && op->in_h == op->out_h && op->in_w == op->out_w && !op->circular;
}

/* Which set of fused_loops does convolution k of the node and the operation after it, or -1. */
static int fused_set(const run *r, int k)
{
  const int count = r->node->op_end - r->node->op_begin;
  const nke_plane_op *conv = &r->job->plan->ops[r->node->op_begin + k], *dual = conv + 1;
  if (r->job->paired || k + 1 >= count || !is_box3(conv) || dual->kind != NKE_OP_DUAL) return -1;
  const int own = conv->ntk_out == NKE_NTK_OWN;
  const int adjusted = conv->factor != 1 || conv->offset != 0 || dual->dual_param[0] != 0;
  switch (dual->dual_kind) {
    case NKE_DUAL_GENERIC:
      return -1;
    case NKE_DUAL_ABRELU:
      return adjusted || conv->ntk_out == NKE_NTK_SAME || !dual->nonnegative ? FUSED_ANY : FUSED_LATER;
    case NKE_DUAL_RELU:
      return adjusted ? FUSED_BIASED : FUSED_FIRST;
    case NKE_DUAL_ERF:
      return own ? FUSED_ERF_LATER : FUSED_ERF_FIRST;
    case NKE_DUAL_GELU:
      return own ? FUSED_GELU_LATER : FUSED_GELU_FIRST;
    case NKE_DUAL_EXP:
      return own ? FUSED_EXP_LATER : FUSED_EXP_FIRST;
  }
  return -1;
}

static int chain_links(const run *r, int k)
{
  int links = 0;
  while (fused_set(r, k + 2 * links) >= 0) links++;
  return links;
}

INLINE void hold_node(run *r, int n)
{
  r->node = &r->job->plan->nodes[n];
  r->stages = r->all_stages + r->node->op_begin;
}

/* Whether 2 x 2 pooling takes what the pair from operation k on computes, and nothing else does. */
static int can_pool(const run *r, int k)
{
  const nke_plane_node *node = r->node;
  const nke_plane_edge *edge = &node->edge[0];
  return k + 2 == node->op_end - node->op_begin && node->n_edges == 1 && edge->kind == NKE_EDGE_POOL &&
         edge->window_h == 2 && edge->window_w == 2 && edge->stride_h == 2 && edge->stride_w == 2 &&
         edge->factor == 1 && node->wrapped != 1 && node->out_h % 2 == 0 && node->out_w % 2 == 0;
}

/* What does not change from plane to plane of the pair of a chain from operation k on. */
static void lay_out_link(run *r, int k)
{
  stage *g = &r->stages[k];
  const stage *dual = g + 1, *next = g + 2;
  const closed_dual closed = closed_dual_of(dual->op);
  chain_link *l = &g->link;
  l->entries = (ptrdiff_t)dual->op->in_w * dual->op->entries;
  l->set = fused_set(r, k);
  l->can_pool = can_pool(r, k);
  l->row = (fused_row){.factor = (real)g->op->factor * closed.scale,
                       .offset = (real)g->op->offset * closed.scale,
                       .beta = (real)dual->op->dual_param[0],
                       .closed = closed};
  for (int i = 0; i < CHAIN_RING; i++) {
    l->ring[i] = (row_pair){g->ring_s + ring_at(g, i), g->ring_u + ring_at(g, i)};
    if (g->op->ntk_out != NKE_NTK_OWN) l->ring[i].u = l->ring[i].s;
    l->to[i] = (row_pair){dual->row_s, dual->row_t};
    if (g->links > 1) l->to[i] = (row_pair){next->ring_s + ring_at(next, i), next->ring_u + ring_at(next, i)};
  }
}

/* The operations of node n and their row space, which all nodes share: a plane goes through its node in one step. */
static void lay_out_node(run *r, int n)
{
  const nke_plane_plan *plan = r->job->plan;
  const int groups = r->job->groups;
  hold_node(r, n);
  vec *at = r->arena + 2 * (int64_t)r->node->in_w * groups;
  for (int k = 0; k < r->node->op_end - r->node->op_begin; k++) {
    stage *g = &r->stages[k];
    *g = (stage){.op = &plan->ops[r->node->op_begin + k]};
    if (g->op->kind == NKE_OP_CONV) {
      g->ring_rows = ring_rows(g->op);
      g->ring_s = at + 1;
      at += (int64_t)g->ring_rows * (g->op->out_w + 1);
      g->ring_u = at + 1;
      at += (int64_t)g->ring_rows * (g->op->out_w + 1);
      g->links = chain_links(r, k);
    }
    g->row_s = at;
    g->row_t = at + (int64_t)g->op->out_w * groups;
    at += 2 * (int64_t)g->op->out_w * groups;
  }
  for (int k = 0; k < r->node->op_end - r->node->op_begin; k++)
    if (r->stages[k].links) lay_out_link(r, k);
}

/* Rectangles of the node's operations for the step in hand. */
static void set_stages(run *r)
{
  int dy = r->step->dy, dx = r->step->dx;
  rect c = rect_of(r->node->wrapped, r->node->in_h, r->node->in_w, dy, dx);
  for (int k = 0; k < r->node->op_end - r->node->op_begin; k++) {
    stage *g = &r->stages[k];
    const nke_plane_op *op = g->op;
    g->in = c;
    if (op->stride_h > 1 || op->stride_w > 1 || op->out_h != op->in_h || op->out_w != op->in_w) {
      dy /= op->stride_h;
      dx /= op->stride_w;
      c = rect_of(r->node->wrapped, op->out_h, op->out_w, dy, dx);
    }
    g->out = c;
    g->next = c.y0;
  }
}

#endif
