/* Compiled once for each precision and instruction set. Rows travel through a node's operations one at a time: a
 * pointwise operation passes its row on at once; a convolution keeps the last rows, summed horizontally, in a ring and
 * passes on the vertical sums, so that the work of a plane stays in the first-level cache. */
#include "kernel/plane_run.h"

#include "kernel/plane_dual.h"
#include "kernel/plane_fused.h"
#include "kernel/plane_rows.h"

#define NKE_PASTE2(a, b) a##b
#define NKE_PASTE(a, b) NKE_PASTE2(a, b)
#define NKE_QUOTE2(a) #a
#define NKE_QUOTE(a) NKE_QUOTE2(a)

/* The part of one plane that rows [y0, y1), columns [x0, x1) of the first image cover. */
typedef struct rect {
  int dy, dx, y0, y1, x0, x1;
} rect;

/* One operation while its node runs a plane. */
typedef struct stage {
  const nke_plane_op *op;
  rect in, out;
  vec *row_s, *row_t;   /* output row */
  vec *ring_s, *ring_u; /* conv: rows of box sums of S and S + T, each after one vector of margin */
  int ring_rows, next;  /* next output row */
  int box3;             /* conv: 3 x 3, stride 1, same */
  int fused;            /* conv: done together with the activation after it, by this set of fused_loops, or -1 */
  int summed;           /* fused: the result goes into the ring of the convolution that follows */
  fused_row row;        /* fused: what all rows share, with the tables of row 0 */
} stage;

/* Where one push of the step in hand adds to. */
typedef struct sink {
  int diagonal, y0, y1;           /* rows of the output that it takes */
  int i0, i1, stride, a0, a1;     /* pooling: rows i of the next plane, their window's first and last row */
  int column_stride, b0, b1;      /* the same for columns */
  ptrdiff_t n, from;              /* columns of the next plane; first column of the row that they need */
  real factor;
  vec *s, *t;                     /* row i0 of the next plane */
  int64_t pitch;
} sink;

typedef struct run {
  const nke_plane_job *job;
  const nke_plane_node *node;
  const nke_plane_step *step;
  stage *stages; /* one an operation of the node in hand */
  sink *sinks;   /* one a push of the step in hand */
  vec **slots;   /* per node: its planes */
  vec *arena;    /* rows of the node in hand */
  vec *zeros;    /* a row of zeros */
  double *scratch;
} run;

static rect rect_of(int wrapped, int h, int w, int dy, int dx)
{
  if (wrapped == 1) return (rect){.dy = dy, .dx = dx, .y0 = 0, .y1 = h, .x0 = 0, .x1 = w};
  return (rect){.dy = dy, .dx = dx, .y0 = nke_plane_begin(dy), .y1 = nke_plane_end(h, dy), .x0 = nke_plane_begin(dx),
                .x1 = nke_plane_end(w, dx)};
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
  r->stages = (stage *)(void *)at;
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

/* Which of fused_loops does convolution k of the node and the operation after it, or -1. */
static int fused_set(const run *r, int k)
{
  const nke_plane_op *conv = &r->job->plan->ops[r->node->op_begin + k], *dual = conv + 1;
  if (r->job->paired || r->node->op_begin + k + 1 >= r->node->op_end || !is_box3(conv) || dual->kind != NKE_OP_DUAL ||
      dual->dual_kind != NKE_DUAL_ABRELU)
    return -1;
  if (conv->factor != 1 || conv->offset != 0 || dual->dual_param[0] != 0) return 2;
  if (conv->ntk_out == NKE_NTK_SAME) return 0;
  return dual->nonnegative ? 1 : 2;
}

/* Rectangles and row space of the node's operations for the step in hand. */
static void set_stages(run *r)
{
  const nke_plane_plan *plan = r->job->plan;
  const int groups = r->job->groups;
  int dy = r->step->dy, dx = r->step->dx;
  vec *at = r->arena + 2 * (int64_t)r->node->in_w * groups;
  for (int k = 0; k < r->node->op_end - r->node->op_begin; k++) {
    stage *g = &r->stages[k];
    g->op = &plan->ops[r->node->op_begin + k];
    g->in = rect_of(r->node->wrapped, g->op->in_h, g->op->in_w, dy, dx);
    if (g->op->kind == NKE_OP_CONV) {
      dy /= g->op->stride_h;
      dx /= g->op->stride_w;
      g->ring_rows = ring_rows(g->op);
      g->ring_s = at + 1;
      at += (int64_t)g->ring_rows * (g->op->out_w + 1);
      g->ring_u = at + 1;
      at += (int64_t)g->ring_rows * (g->op->out_w + 1);
      g->box3 = is_box3(g->op);
      g->fused = fused_set(r, k);
    }
    g->out = rect_of(r->node->wrapped, g->op->out_h, g->op->out_w, dy, dx);
    g->next = g->out.y0;
    g->row_s = at;
    g->row_t = at + (int64_t)g->op->out_w * groups;
    at += 2 * (int64_t)g->op->out_w * groups;
  }
}

static nke_status feed(run *r, int k, int y, const vec *s, const vec *t);

/* What the next operation takes for the NTK: nothing, the NNGP itself, or the row of its own. */
static const vec *ntk_row(nke_plane_ntk ntk, const vec *s, const vec *t)
{
  return ntk == NKE_NTK_OWN ? t : ntk == NKE_NTK_SAME ? s : NULL;
}

static nke_status emit(run *r, int k);

/* ---- convolution ---- */

/* Where row y of a convolution's input is kept, relative to ring_s and ring_u. */
static int64_t ring_at(const stage *g, int y) { return (int64_t)(y & (g->ring_rows - 1)) * (g->op->out_w + 1); }

static void conv_take(stage *g, int y, const vec *s, const vec *t)
{
  const box b = {.x0 = g->in.x0, .x1 = g->in.x1, .o0 = g->out.x0, .o1 = g->out.x1, .filter = g->op->filter_w,
                 .stride = g->op->stride_w, .pad = g->op->pad_w, .period = g->op->circular ? g->op->in_w : 0};
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
static nke_status conv_ready(run *r, int k, int y)
{
  stage *g = &r->stages[k];
  nke_status st = NKE_OK;
  if (g->op->circular) return NKE_OK;
  while (st == NKE_OK && g->next < g->out.y1 && g->next * g->op->stride_h - g->op->pad_h + g->op->filter_h - 1 <= y)
    st = emit(r, k);
  return st;
}

static nke_status conv_feed(run *r, int k, int y, const vec *s, const vec *t)
{
  conv_take(&r->stages[k], y, s, t);
  return conv_ready(r, k, y);
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
  const real beta = (real)op->dual_param[0];
  if (op->dual_kind == NKE_DUAL_ERF) {
    erf_row(op, n, s, t, tables, paired, out_s, out_t);
    return NKE_OK;
  }
  if (op->dual_kind == NKE_DUAL_GELU) {
    gelu_row(op, n, s, t, tables, paired, out_s, out_t);
    return NKE_OK;
  }
  if (op->dual_kind == NKE_DUAL_GENERIC) return generic_row(op, n, s, t, tables, paired, unit, r->scratch, out_s, out_t);
  if (unit)
    abrelu_unit_row(n, s, t, beta, out_s, out_t);
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

/* What the rows of a fused convolution have in common. */
static void set_fused(run *r, int k)
{
  stage *g = &r->stages[k], *dual = g + 1, *next = g + 2;
  g->summed = k + 2 < r->node->op_end - r->node->op_begin && next->op->kind == NKE_OP_CONV && next->box3;
  g->row = (fused_row){.n = g->out.x1 - g->out.x0, .factor = (real)g->op->factor, .offset = (real)g->op->offset,
                       .beta = (real)dual->op->dual_param[0], .out_s = dual->row_s, .out_u = dual->row_t,
                       .tables = tables_at(r, dual->op, 0, g->out.x0, g->out.dy, g->out.x0 + g->out.dx)};
}

/* The next output row of a convolution and its activation in one pass. */
static nke_status fused_emit(run *r, int k)
{
  stage *g = &r->stages[k], *dual = g + 1, *next = g + 2;
  const int y = g->next++, own = g->op->ntk_out == NKE_NTK_OWN;
  const ptrdiff_t entries = (ptrdiff_t)y * dual->op->in_w * dual->op->entries;
  fused_row f = g->row;
  f.tables.first += entries;
  f.tables.second += entries;
  for (int a = 0; a < 3; a++) {
    const int in = y - 1 + a, inside = in >= g->in.y0 && in < g->in.y1;
    const int64_t at = ring_at(g, in);
    f.s[a] = inside ? g->ring_s + at : r->zeros;
    f.u[a] = inside && own ? g->ring_u + at : f.s[a];
  }
  if (g->summed) {
    f.out_s = next->ring_s + ring_at(next, y);
    f.out_u = next->ring_u + ring_at(next, y);
  }
  fused_loops[g->fused][g->summed](&f);
  return g->summed ? conv_ready(r, k + 2, y) : feed(r, k + 2, y, dual->row_s, dual->row_t);
}

static nke_status emit(run *r, int k) { return r->stages[k].fused >= 0 ? fused_emit(r, k) : conv_emit(r, k); }

static nke_status linear_feed(run *r, int k, int y, const vec *s, const vec *t)
{
  stage *g = &r->stages[k];
  const ptrdiff_t n = (ptrdiff_t)(g->in.x1 - g->in.x0) * r->job->groups;
  linear_row(n, (real)g->op->factor, (real)g->op->offset, s, t, g->row_s, g->row_t);
  return feed(r, k + 1, y, g->row_s, ntk_row(g->op->ntk_out, g->row_s, g->row_t));
}

/* ---- edges ---- */

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

/* ---- planes ---- */

static nke_status feed(run *r, int k, int y, const vec *s, const vec *t)
{
  if (k < r->node->op_end - r->node->op_begin) switch (r->stages[k].op->kind) {
      case NKE_OP_CONV: return conv_feed(r, k, y, s, t);
      case NKE_OP_LINEAR: return linear_feed(r, k, y, s, t);
      case NKE_OP_NORMALIZE:
      case NKE_OP_DUAL: return pointwise_feed(r, k, y, s, t);
    }
  const int pushes = r->step->push_end - r->step->push_begin;
  for (int p = 0; p < pushes; p++) push_row(&r->sinks[p], y, s, t);
  if (r->node->n_edges == 0) output_row(r, s, t);
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

/* Input row y straight into the ring of a first convolution 3 x 3. */
static nke_status source_to_ring(run *r, const rect *c, int y)
{
  const nke_plane_job *job = r->job;
  stage *g = &r->stages[0];
  const int64_t first = ((int64_t)y * r->node->in_w + c->x0) * 3;
  const int64_t second = ((int64_t)(y + c->dy) * r->node->in_w + c->x0 + c->dx) * 3;
  input_box_row(c->x1 - c->x0, (const real *)job->first_image + first, (const vec *)job->second_image + second,
                g->ring_s + ring_at(g, y));
  return conv_ready(r, 0, y);
}

/* Rows of the data's kernel through node 0. */
static nke_status run_source(run *r, const rect *c)
{
  nke_status st = NKE_OK;
  const int direct = !r->job->paired && r->node->op_end > r->node->op_begin && r->stages[0].op->kind == NKE_OP_CONV &&
                     r->stages[0].box3 && r->job->plan->input.channels == 3;
  for (int y = c->y0; y < c->y1 && st == NKE_OK; y++) {
    if (direct) {
      st = source_to_ring(r, c, y);
    } else {
      const vec *s = source_row(r, c, y);
      st = feed(r, 0, y, s, ntk_row(r->node->ntk_in, s, NULL));
    }
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
  r->node = &r->job->plan->nodes[step->node];
  set_stages(r);
  for (int k = 0; k < r->node->op_end - r->node->op_begin; k++)
    if (r->stages[k].op->kind == NKE_OP_CONV && r->stages[k].fused >= 0) set_fused(r, k);
  for (int p = step->push_begin; p < step->push_end; p++) {
    const nke_plane_push *push = &r->job->schedule->pushes[p];
    if (push->first) clear_slot(r, push);
    r->sinks[p - step->push_begin] = make_sink(r, push);
  }
  const rect c = rect_of(r->node->wrapped, r->node->in_h, r->node->in_w, step->dy, step->dx);
  st = step->slot < 0 ? run_source(r, &c) : run_slot(r, &c);
  for (int k = 0; k < r->node->op_end - r->node->op_begin && st == NKE_OK; k++)
    if (r->stages[k].op->kind == NKE_OP_CONV)
      while (st == NKE_OK && r->stages[k].next < r->stages[k].out.y1) st = emit(r, k);
  return st;
}

static nke_status run_plan(const nke_plane_job *job)
{
  nke_status st = NKE_OK;
  run r;
  r.job = job;
  lay_out_work(&r);
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
