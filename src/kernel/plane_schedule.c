#include "kernel/plane.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Displacements dx in one strip of the order of planes. */
enum { STRIP = 16 };

/* Work space of one scheduling. Grids hold one entry for each displacement (dy, dx), |dy| < h, |dx| < w. */
typedef struct planner {
  const nke_plane_plan *plan;
  int norms;
  unsigned char **need_in, **need_out; /* per node: displacements of its input, of its output */
  int **pending;                       /* per node and input class: pushes that have not happened */
  int **total;                         /* the same at the start */
  int **slot;                          /* per node and input class: the slot it is gathered in */
  int **free_slots;                    /* per node: stack of slots given back */
  int *n_free;
  nke_plane_schedule *out;
  int64_t step_room, push_room;
} planner;

static int64_t grid_size(int h, int w)
{
  return (2 * (int64_t)h - 1) * (2 * (int64_t)w - 1);
}
static int64_t grid_at(int h, int w, int dy, int dx)
{
  return (int64_t)(dy + h - 1) * (2 * w - 1) + dx + w - 1;
}

/* Index of the class of displacement (dy, dx) of a node's input. */
static int64_t class_at(const nke_plane_node *node, int dy, int dx)
{
  return grid_at(node->in_h, node->in_w, nke_plane_class(node->wrapped, node->in_h, dy),
                 nke_plane_class(node->wrapped, node->in_w, dx));
}

static int has_table(const nke_plane_plan *plan, const nke_plane_node *node)
{
  for (int k = node->op_begin; k < node->op_end; k++)
    if (plan->ops[k].kind == NKE_OP_DUAL || plan->ops[k].kind == NKE_OP_NORMALIZE) return 1;
  return 0;
}

static int floor_div(int a, int b)
{
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* The planes D of a pooling's output that gather from plane d of its input: s D - p < d < s D + p. */
static int pool_first(int d, int window, int stride)
{
  return floor_div(d - window, stride) + 1;
}
static int pool_last(int d, int window, int stride)
{
  return floor_div(d + window - 1, stride);
}

/* Planes [*begin, *end) of the next node's axis of n pixels that gather from plane d. */
static void pool_range(int d, int window, int stride, int n, int *begin, int *end)
{
  const int first = pool_first(d, window, stride), last = pool_last(d, window, stride);
  *begin = first > 1 - n ? first : 1 - n;
  *end = last < n - 1 ? last + 1 : n;
}

/* One pass over the pushes of output plane (dy, dx) of a node; visit may count or record. */
typedef void visit_push(planner *p, int node, int edge, int dy, int dx, int to_dy, int to_dx);

static void for_each_push(planner *p, int n, int dy, int dx, visit_push *visit)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  for (int e = 0; e < node->n_edges; e++) {
    const nke_plane_edge *edge = &node->edge[e];
    const nke_plane_node *to = &p->plan->nodes[edge->to];
    if (edge->kind == NKE_EDGE_DIAGONAL) {
      if (dy == 0 && dx == 0 && p->need_in[edge->to][0]) visit(p, n, e, 0, 0, 0, 0);
      continue;
    }
    int y0, y1, x0, x1;
    pool_range(dy, edge->window_h, edge->stride_h, to->in_h, &y0, &y1);
    pool_range(dx, edge->window_w, edge->stride_w, to->in_w, &x0, &x1);
    for (int ty = y0; ty < y1; ty++)
      for (int tx = x0; tx < x1; tx++)
        if (p->need_in[edge->to][grid_at(to->in_h, to->in_w, ty, tx)]) visit(p, n, e, dy, dx, ty, tx);
  }
}

/* The needed output planes of the class that input class (cy, cx) of node n turns into. */
static void for_each_output(planner *p, int n, int cy, int cx, visit_push *visit)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  const int dy = cy / node->stride_h, dx = cx / node->stride_w;
  const int wrap_y = node->wrapped == 1 && dy > 0, wrap_x = node->wrapped == 1 && dx > 0;
  for (int a = 0; a <= wrap_y; a++)
    for (int b = 0; b <= wrap_x; b++) {
      const int y = dy - a * node->out_h, x = dx - b * node->out_w;
      if (p->need_out[n][grid_at(node->out_h, node->out_w, y, x)]) for_each_push(p, n, y, x, visit);
    }
}

/* Whether a later node needs output plane (dy, dx) of node n. */
static int output_needed(const planner *p, int n, int dy, int dx)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  if (node->n_edges == 0) return !p->norms;
  int needed = 0;
  for (int e = 0; e < node->n_edges; e++) {
    const nke_plane_edge *edge = &node->edge[e];
    const nke_plane_node *to = &p->plan->nodes[edge->to];
    if (edge->kind == NKE_EDGE_DIAGONAL) {
      needed |= dy == 0 && dx == 0 && p->need_in[edge->to][0];
      continue;
    }
    int y0, y1, x0, x1;
    pool_range(dy, edge->window_h, edge->stride_h, to->in_h, &y0, &y1);
    pool_range(dx, edge->window_w, edge->stride_w, to->in_w, &x0, &x1);
    for (int ty = y0; ty < y1 && !needed; ty++)
      for (int tx = x0; tx < x1 && !needed; tx++) needed = p->need_in[edge->to][grid_at(to->in_h, to->in_w, ty, tx)];
  }
  return needed;
}

static void mark_outputs(planner *p, int n)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  for (int dy = 1 - node->out_h; dy < node->out_h; dy++)
    for (int dx = 1 - node->out_w; dx < node->out_w; dx++)
      if (output_needed(p, n, dy, dx)) p->need_out[n][grid_at(node->out_h, node->out_w, dy, dx)] = 1;
}

/* Mark the input planes that the needed outputs are made of (all planes of a class together). */
static void mark_input(planner *p, int n, int dy, int dx)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  const int cy = nke_plane_class(node->wrapped, node->in_h, dy), cx = nke_plane_class(node->wrapped, node->in_w, dx);
  const int wrap_y = node->wrapped == 1 && cy > 0, wrap_x = node->wrapped == 1 && cx > 0;
  for (int a = 0; a <= wrap_y; a++)
    for (int b = 0; b <= wrap_x; b++)
      p->need_in[n][grid_at(node->in_h, node->in_w, cy - a * node->in_h, cx - b * node->in_w)] = 1;
}

static void mark_inputs(planner *p, int n)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  for (int dy = 1 - node->out_h; dy < node->out_h; dy++)
    for (int dx = 1 - node->out_w; dx < node->out_w; dx++)
      if (p->need_out[n][grid_at(node->out_h, node->out_w, dy, dx)])
        mark_input(p, n, dy * node->stride_h, dx * node->stride_w);
  if (p->norms && has_table(p->plan, node)) mark_input(p, n, 0, 0);
}

static void count_push(planner *p, int n, int edge, int dy, int dx, int to_dy, int to_dx)
{
  (void)dy;
  (void)dx;
  const int to = p->plan->nodes[n].edge[edge].to;
  p->pending[to][class_at(&p->plan->nodes[to], to_dy, to_dx)]++;
  p->push_room++;
}

static int class_needed(const planner *p, int n, int cy, int cx)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  if (node->wrapped == 1 && (cy < 0 || cx < 0)) return 0; /* classes are named by their displacement in [0, size) */
  return p->need_in[n][grid_at(node->in_h, node->in_w, cy, cx)];
}

static void count_steps(planner *p, int n)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  for (int cy = 1 - node->in_h; cy < node->in_h; cy++)
    for (int cx = 1 - node->in_w; cx < node->in_w; cx++)
      if (class_needed(p, n, cy, cx)) {
        p->step_room++;
        for_each_output(p, n, cy, cx, count_push);
      }
}

static void record_push(planner *p, int n, int edge, int dy, int dx, int to_dy, int to_dx)
{
  const int to = p->plan->nodes[n].edge[edge].to;
  const int64_t at = class_at(&p->plan->nodes[to], to_dy, to_dx);
  const int first = p->pending[to][at] == p->total[to][at];
  if (first) p->slot[to][at] = p->n_free[to] > 0 ? p->free_slots[to][--p->n_free[to]] : p->out->slots[to]++;
  p->pending[to][at]--;
  p->out->pushes[p->out->n_pushes++] = (nke_plane_push){
      .edge = edge, .slot = p->slot[to][at], .first = first, .dy = dy, .dx = dx, .to_dy = to_dy, .to_dx = to_dx};
}

static void record_step(planner *p, int n, int cy, int cx);

/* Run class (cy, cx) of node n if all that it gathers has been pushed. For the norms plane 0 goes first: the others
 * wait for the tables that it makes. */
static void record_if_ready(planner *p, int n, int cy, int cx)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  const int64_t at = class_at(node, cy, cx), zero = class_at(node, 0, 0);
  if (p->total[n][at] == 0 || p->pending[n][at] != 0) return;
  if (p->norms && at != zero && p->total[n][zero] > 0 && p->pending[n][zero] >= 0) return;
  p->pending[n][at] = -1;
  record_step(p, n, cy, cx);
  if (!p->norms || at != zero) return;
  for (int y = 1 - node->in_h; y < node->in_h; y++)
    for (int x = 1 - node->in_w; x < node->in_w; x++)
      if (class_needed(p, n, y, x)) record_if_ready(p, n, y, x);
}

/* Record the step of node n's class (cy, cx), then those of the later planes that it completed. */
static void record_step(planner *p, int n, int cy, int cx)
{
  const nke_plane_node *node = &p->plan->nodes[n];
  const int64_t at = class_at(node, cy, cx);
  const int begin = p->out->n_pushes;
  for_each_output(p, n, cy, cx, record_push);
  const int end = p->out->n_pushes;
  p->out->steps[p->out->n_steps++] = (nke_plane_step){
      .node = n, .dy = cy, .dx = cx, .slot = n == 0 ? -1 : p->slot[n][at], .push_begin = begin, .push_end = end};
  if (end - begin > p->out->most_pushes) p->out->most_pushes = end - begin;
  if (n > 0) p->free_slots[n][p->n_free[n]++] = p->slot[n][at];
  for (int k = begin; k < end; k++) {
    const nke_plane_push push = p->out->pushes[k];
    const int to = node->edge[push.edge].to;
    const nke_plane_node *next = &p->plan->nodes[to];
    record_if_ready(p, to, nke_plane_class(next->wrapped, next->in_h, push.to_dy),
                    nke_plane_class(next->wrapped, next->in_w, push.to_dx));
  }
}

/* Distance of displacement class c from 0. */
static int distance(int wrapped, int n, int c)
{
  return wrapped == 1 && n - c < c ? n - c : abs(c);
}

/* All needed planes of the data: strip by strip of a few dx, so that few planes of later nodes are gathered at a time
 * and stay in the cache; for the norms by distance from 0, so that plane 0 of every node, which makes the tables, comes
 * before its other planes. */
static void record_all(planner *p)
{
  const nke_plane_node *node = &p->plan->nodes[0];
  const int rings = p->norms ? (node->in_h > node->in_w ? node->in_h : node->in_w) : 1;
  for (int ring = 0; ring < rings; ring++)
    for (int strip = 1 - node->in_w; strip < node->in_w; strip += STRIP)
      for (int cy = 1 - node->in_h; cy < node->in_h; cy++)
        for (int cx = strip; cx < strip + STRIP && cx < node->in_w; cx++) {
          if (!class_needed(p, 0, cy, cx)) continue;
          const int y = distance(node->wrapped, node->in_h, cy), x = distance(node->wrapped, node->in_w, cx);
          if (!p->norms || (y > x ? y : x) == ring) record_step(p, 0, cy, cx);
        }
}

static nke_status alloc_grids(planner *p)
{
  nke_status st = NKE_OK;
  const int nodes = p->plan->n_nodes;
  const char *what = "the schedule of an exact kernel";
  NKE_TRY(nke_calloc(nodes, sizeof *p->need_in, what, &p->need_in));
  NKE_TRY(nke_calloc(nodes, sizeof *p->need_out, what, &p->need_out));
  NKE_TRY(nke_calloc(nodes, sizeof *p->pending, what, &p->pending));
  NKE_TRY(nke_calloc(nodes, sizeof *p->total, what, &p->total));
  NKE_TRY(nke_calloc(nodes, sizeof *p->slot, what, &p->slot));
  NKE_TRY(nke_calloc(nodes, sizeof *p->free_slots, what, &p->free_slots));
  NKE_TRY(nke_calloc(nodes, sizeof *p->n_free, what, &p->n_free));
  NKE_TRY(nke_calloc(nodes, sizeof *p->out->slots, what, &p->out->slots));
  for (int n = 0; n < nodes; n++) {
    const nke_plane_node *node = &p->plan->nodes[n];
    const int64_t in = grid_size(node->in_h, node->in_w);
    NKE_TRY(nke_calloc(in, 1, what, &p->need_in[n]));
    NKE_TRY(nke_calloc(grid_size(node->out_h, node->out_w), 1, what, &p->need_out[n]));
    NKE_TRY(nke_calloc(in, sizeof **p->pending, what, &p->pending[n]));
    NKE_TRY(nke_calloc(in, sizeof **p->total, what, &p->total[n]));
    NKE_TRY(nke_calloc(in, sizeof **p->slot, what, &p->slot[n]));
    NKE_TRY(nke_calloc(in, sizeof **p->free_slots, what, &p->free_slots[n]));
  }
done:
  return st;
}

static void free_grids(planner *p)
{
  for (int n = 0; n < p->plan->n_nodes; n++) {
    if (p->need_in) nke_free(p->need_in[n]);
    if (p->need_out) nke_free(p->need_out[n]);
    if (p->pending) nke_free(p->pending[n]);
    if (p->total) nke_free(p->total[n]);
    if (p->slot) nke_free(p->slot[n]);
    if (p->free_slots) nke_free(p->free_slots[n]);
  }
  nke_free(p->need_in);
  nke_free(p->need_out);
  nke_free(p->pending);
  nke_free(p->total);
  nke_free(p->slot);
  nke_free(p->free_slots);
  nke_free(p->n_free);
}

nke_status nke_plane_schedule_init(const nke_plane_plan *plan, int norms, nke_plane_schedule *schedule)
{
  nke_status st = NKE_OK;
  planner p = {.plan = plan, .norms = norms, .out = schedule};
  memset(schedule, 0, sizeof *schedule);
  NKE_TRY(alloc_grids(&p));
  for (int n = plan->n_nodes - 1; n >= 0; n--) {
    mark_outputs(&p, n);
    mark_inputs(&p, n);
  }
  for (int n = 0; n < plan->n_nodes; n++) count_steps(&p, n);
  for (int n = 0; n < plan->n_nodes; n++) {
    const int64_t in = grid_size(plan->nodes[n].in_h, plan->nodes[n].in_w);
    memcpy(p.total[n], p.pending[n], (size_t)in * sizeof **p.total);
  }
  NKE_TRY(nke_alloc(p.step_room, sizeof *schedule->steps, "the steps of an exact kernel", &schedule->steps));
  NKE_TRY(nke_alloc(p.push_room, sizeof *schedule->pushes, "the steps of an exact kernel", &schedule->pushes));
  record_all(&p);
  if (schedule->n_steps != p.step_room || schedule->n_pushes != p.push_room)
    st = nke_fail(NKE_ERR_INTERNAL, "exact kernel: scheduled %d of %lld planes", schedule->n_steps,
                  (long long)p.step_room);
done:
  free_grids(&p);
  if (st != NKE_OK) nke_plane_schedule_clear(schedule);
  return st;
}

void nke_plane_schedule_clear(nke_plane_schedule *schedule)
{
  nke_free(schedule->steps);
  nke_free(schedule->pushes);
  nke_free(schedule->slots);
  memset(schedule, 0, sizeof *schedule);
}
