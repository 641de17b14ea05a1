#include "kernel/plane.h"

#include "base/memory.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* Raw values may grow by this before a factor is applied; keeps squares of them inside the range of float. */
static const double largest_scale = 1e12;

typedef struct builder {
  nke_plane_plan *plan;
  int node; /* under construction; earlier ones are closed */
} builder;

static int count_layers(const nke_network *network)
{
  int n = 0;
  for (int l = 0; network && l < network->n_layers; l++)
    n += 1 + count_layers(network->layers[l].branch) + count_layers(network->layers[l].shortcut);
  return n;
}

/* A node for images of h x w pixels whose input is like the output of `from` (NULL: the data). */
static int open_node(builder *b, int h, int w, const nke_plane_node *from)
{
  nke_plane_node *node = &b->plan->nodes[b->plan->n_nodes];
  memset(node, 0, sizeof *node);
  node->in_h = node->out_h = h;
  node->in_w = node->out_w = w;
  node->stride_h = node->stride_w = 1;
  node->wrapped = -1;
  node->op_begin = node->op_end = b->plan->n_ops;
  node->ntk_in = from && from->ntk_out != NKE_NTK_ZERO ? NKE_NTK_OWN : NKE_NTK_ZERO;
  node->ntk_out = node->ntk_in;
  node->nonnegative = from && from->nonnegative;
  node->scale_in = node->scale_out = from ? from->scale_out : 1;
  b->node = b->plan->n_nodes++;
  return b->node;
}

static nke_plane_edge *add_edge(nke_plane_node *from, int to)
{
  nke_plane_edge *edge = &from->edge[from->n_edges++];
  *edge = (nke_plane_edge){.kind = NKE_EDGE_POOL, .to = to, .window_h = 1, .window_w = 1, .stride_h = 1,
                           .stride_w = 1, .factor = 1};
  return edge;
}

static void continue_in_new_node(builder *b)
{
  nke_plane_node *from = &b->plan->nodes[b->node];
  const int to = open_node(b, from->out_h, from->out_w, from);
  add_edge(from, to);
}

static nke_plane_op *append_op(builder *b, nke_plane_op_kind kind, const nke_layer *layer)
{
  nke_plane_node *node = &b->plan->nodes[b->node];
  nke_plane_op *op = &b->plan->ops[b->plan->n_ops++];
  node->op_end = b->plan->n_ops;
  memset(op, 0, sizeof *op);
  op->kind = kind;
  op->in_h = node->out_h;
  op->in_w = node->out_w;
  op->out_h = (int)layer->out.height;
  op->out_w = (int)layer->out.width;
  op->ntk_in = op->ntk_out = node->ntk_out;
  op->scale_in = op->scale_out = node->scale_out;
  op->factor = 1;
  op->nonnegative = node->nonnegative;
  return op;
}

/* The node goes on from the output of its last operation. */
static void close_op(builder *b, const nke_plane_op *op)
{
  nke_plane_node *node = &b->plan->nodes[b->node];
  node->out_h = op->out_h;
  node->out_w = op->out_w;
  node->ntk_out = op->ntk_out;
  node->scale_out = op->scale_out;
}

/* Without a bias the factor of a linear layer is only noted; with one it is applied. */
static void set_affine(nke_plane_op *op, double factor, double b_std)
{
  const double scale = op->scale_in * factor;
  if (b_std == 0 && scale > 1 / largest_scale && scale < largest_scale) {
    op->scale_out = scale;
  } else {
    op->factor = scale;
    op->offset = b_std * b_std;
    op->scale_out = 1;
  }
  op->ntk_out = op->ntk_in == NKE_NTK_ZERO ? NKE_NTK_SAME : NKE_NTK_OWN;
}

static void add_linear(builder *b, const nke_layer *layer)
{
  nke_plane_op *op = append_op(b, NKE_OP_LINEAR, layer);
  set_affine(op, layer->w_std * layer->w_std, layer->b_std);
  close_op(b, op);
}

static void add_conv(builder *b, const nke_layer *layer)
{
  const int wrapped = layer->padding == NKE_PAD_CIRCULAR;
  if (b->plan->nodes[b->node].wrapped == !wrapped) continue_in_new_node(b);
  nke_plane_node *node = &b->plan->nodes[b->node];
  node->wrapped = wrapped;
  nke_plane_op *op = append_op(b, NKE_OP_CONV, layer);
  op->circular = wrapped;
  op->filter_h = layer->filter_h;
  op->filter_w = layer->filter_w;
  op->stride_h = layer->stride_h;
  op->stride_w = layer->stride_w;
  op->pad_h = (int)nke_conv_pad_before(layer->padding, layer->in.height, layer->filter_h, layer->stride_h);
  op->pad_w = (int)nke_conv_pad_before(layer->padding, layer->in.width, layer->filter_w, layer->stride_w);
  set_affine(op, layer->w_std * layer->w_std / ((double)layer->filter_h * layer->filter_w), layer->b_std);
  node->stride_h *= op->stride_h;
  node->stride_w *= op->stride_w;
  close_op(b, op);
}

/* Each pixel of a table-op has one variance and `entries` numbers made from it. */
static void set_table(builder *b, nke_plane_op *op, int entries)
{
  const int64_t pixels = (int64_t)op->in_h * op->in_w;
  op->entries = entries;
  op->table = b->plan->n_tables++;
  op->norm_offset = b->plan->norm_length;
  op->table_offset = b->plan->table_length;
  b->plan->norm_length += pixels;
  b->plan->table_length += pixels * entries;
}

static void add_normalize(builder *b, const nke_layer *layer)
{
  nke_plane_op *op = append_op(b, NKE_OP_NORMALIZE, layer);
  set_table(b, op, 1);
  op->scale_out = 1;
  close_op(b, op);
}

/* Returns whether the activation is of the family a min(x, 0) + b max(x, 0) with a bend. */
static int is_abrelu(const nke_activation *act, double ab[2])
{
  if (act->kind != NKE_ACT_RELU && act->kind != NKE_ACT_ABRELU) return 0;
  ab[0] = act->kind == NKE_ACT_RELU ? 0 : act->param[0];
  ab[1] = act->kind == NKE_ACT_RELU ? 1 : act->param[1];
  return fabs(ab[0] - ab[1]) > 1e-3 * fmax(fabs(ab[0]), fabs(ab[1]));
}

/* Returns whether the activation is a erf(b x) + c. */
static int is_erf(const nke_activation *act, double abc[3])
{
  if (act->kind != NKE_ACT_ERF && act->kind != NKE_ACT_SIGMOID_LIKE) return 0;
  const double sigmoid[3] = {0.5, 1 / 2.4020563531719796, 0.5};
  memcpy(abc, act->kind == NKE_ACT_ERF ? act->param : sigmoid, sizeof sigmoid);
  return 1;
}

/* Larger exponents would pass the range of a float. */
#define NKE_DUAL_MOST_EXPONENT 8.0

static nke_status set_dual(builder *b, nke_plane_op *op, const nke_activation *act)
{
  double ab[2];
  op->scale_out = 1;
  if (is_abrelu(act, ab)) {
    const double bend = (ab[0] - ab[1]) * (ab[0] - ab[1]) / 2;
    op->dual_kind = NKE_DUAL_ABRELU;
    op->dual_param[0] = ab[0] * ab[1] / bend;
    op->scale_out = op->scale_in * bend;
    if (op->dual_param[0] == 0 && op->ntk_in == NKE_NTK_SAME) {
      op->dual_kind = NKE_DUAL_RELU;
      op->scale_out /= 2;
    }
    set_table(b, op, 2);
    return NKE_OK;
  }
  double erf[3];
  if (is_erf(act, erf)) {
    op->dual_kind = NKE_DUAL_ERF;
    op->dual_param[0] = 2 * erf[0] * erf[0] / 3.14159265358979323846;
    op->dual_param[1] = erf[2] * erf[2];
    op->dual_param[2] = 2 * erf[1] * erf[1];
    set_table(b, op, 1);
    return NKE_OK;
  }
  if (act->kind == NKE_ACT_GELU) {
    op->dual_kind = NKE_DUAL_GELU;
    set_table(b, op, 2);
    return NKE_OK;
  }
  if (act->kind == NKE_ACT_EXP_NORMALIZED && fabs(act->param[0]) <= NKE_DUAL_MOST_EXPONENT) {
    const double gamma = act->param[0];
    int halvings = 0;
    while (ldexp(fabs(gamma), -halvings) > 0.5) halvings++;
    op->dual_kind = NKE_DUAL_EXP;
    op->dual_param[0] = gamma;
    op->dual_param[1] = ldexp(gamma, -halvings);
    op->dual_param[2] = halvings;
    op->scale_out = op->scale_in * exp(gamma * act->param[1]);
    set_table(b, op, 2);
    return NKE_OK;
  }
  op->dual_kind = NKE_DUAL_GENERIC;
  set_table(b, op, 1);
  return nke_dual_create(act, NKE_DUAL_TOLERANCE, &op->dual);
}

static nke_status add_dual(builder *b, const nke_layer *layer)
{
  if (layer->activation.kind == NKE_ACT_IDENTITY) return NKE_OK;
  nke_plane_op *op = append_op(b, NKE_OP_DUAL, layer);
  const nke_status st = set_dual(b, op, &layer->activation);
  op->ntk_out = op->ntk_in == NKE_NTK_ZERO ? NKE_NTK_ZERO : NKE_NTK_OWN;
  close_op(b, op);
  /* Odd activations give kernels of either sign, activations >= 0 kernels >= 0. */
  b->plan->nodes[b->node].nonnegative =
      op->dual_kind == NKE_DUAL_RELU || (op->dual_kind == NKE_DUAL_ABRELU && op->dual_param[0] <= 0);
  return st;
}

static void add_pool(builder *b, const nke_layer *layer, int window_h, int window_w)
{
  nke_plane_node *from = &b->plan->nodes[b->node];
  const double pixels = (double)window_h * window_w;
  const int to = open_node(b, (int)layer->out.height, (int)layer->out.width, from);
  nke_plane_edge *edge = add_edge(from, to);
  edge->window_h = window_h;
  edge->window_w = window_w;
  edge->stride_h = layer->kind == NKE_LAYER_AVGPOOL ? layer->stride_h : 1;
  edge->stride_w = layer->kind == NKE_LAYER_AVGPOOL ? layer->stride_w : 1;
  b->plan->nodes[to].scale_in = b->plan->nodes[to].scale_out = from->scale_out / (pixels * pixels);
}

static void add_flatten(builder *b)
{
  nke_plane_node *from = &b->plan->nodes[b->node];
  const int to = open_node(b, 1, 1, from);
  add_edge(from, to)->kind = NKE_EDGE_DIAGONAL;
  b->plan->nodes[to].scale_in = b->plan->nodes[to].scale_out = from->scale_out / ((double)from->out_h * from->out_w);
}

static nke_status add_layers(builder *b, const nke_network *network);

/* The part runs from the end of node `from`; returns the node it ends in. */
static nke_status add_part(builder *b, int from, const nke_network *part, int *end)
{
  nke_status st = NKE_OK;
  b->node = from;
  if (part && part->n_layers > 0) {
    continue_in_new_node(b);
    st = add_layers(b, part);
  }
  *end = b->node;
  return st;
}

static nke_status add_residual(builder *b, const nke_layer *layer)
{
  const int from = b->node;
  int end[2];
  nke_status st = add_part(b, from, layer->branch, &end[0]);
  if (st == NKE_OK) st = add_part(b, from, layer->shortcut, &end[1]);
  if (st != NKE_OK) return st;
  nke_plane_node *part[2] = {&b->plan->nodes[end[0]], &b->plan->nodes[end[1]]};
  const int to = open_node(b, (int)layer->out.height, (int)layer->out.width, part[0]);
  nke_plane_node *sum = &b->plan->nodes[to];
  sum->scale_in = sum->scale_out = 1;
  sum->nonnegative = part[0]->nonnegative && part[1]->nonnegative;
  if (part[1]->ntk_out != NKE_NTK_ZERO) sum->ntk_in = sum->ntk_out = NKE_NTK_OWN;
  for (int k = 0; k < 2; k++) add_edge(part[k], to)->factor = part[k]->scale_out;
  return NKE_OK;
}

static nke_status add_layer(builder *b, const nke_layer *layer)
{
  switch (layer->kind) {
    case NKE_LAYER_DENSE: add_linear(b, layer); return NKE_OK;
    case NKE_LAYER_CONV: add_conv(b, layer); return NKE_OK;
    case NKE_LAYER_ACTIVATION: return add_dual(b, layer);
    case NKE_LAYER_LAYERNORM: add_normalize(b, layer); return NKE_OK;
    case NKE_LAYER_AVGPOOL: add_pool(b, layer, layer->filter_h, layer->filter_w); return NKE_OK;
    case NKE_LAYER_GLOBAL_AVGPOOL:
      if (layer->in.axes > 0) add_pool(b, layer, (int)layer->in.height, (int)layer->in.width);
      return NKE_OK;
    case NKE_LAYER_FLATTEN:
      if (layer->in.axes > 0 && b->plan->input.axes > 0) add_flatten(b);
      return NKE_OK;
    case NKE_LAYER_RESIDUAL: return add_residual(b, layer);
    case NKE_LAYER_IDENTITY: return NKE_OK;
  }
  return nke_fail(NKE_ERR_INTERNAL, "exact kernel: layer of kind %d", (int)layer->kind);
}

static nke_status add_layers(builder *b, const nke_network *network)
{
  nke_status st = NKE_OK;
  for (int l = 0; l < network->n_layers && st == NKE_OK; l++) st = add_layer(b, &network->layers[l]);
  return st;
}

/* Displacements are counted in 32 bits, and a plan lists each of them. */
static nke_status check_size(nke_shape s)
{
  const int64_t planes = (2 * s.height - 1) * (2 * s.width - 1);
  if (s.height < 1 || s.width < 1 || s.channels < 1 || s.height > 4096 || s.width > 1 << 20 || planes > 1 << 22)
    return nke_fail(NKE_ERR_USAGE, "exact kernel: images of %lld x %lld x %lld; expected at least 1 and at most 2^22 "
                    "displacements (1024 x 1024 pixels)", (long long)s.height, (long long)s.width,
                    (long long)s.channels);
  return NKE_OK;
}

static nke_status check_channels(int64_t channels)
{
  if (channels <= INT_MAX) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "exact kernel: vectors of %lld entries; expected at most 2^31 - 1",
                  (long long)channels);
}

/* Images that are flattened at once are vectors: <x, x'> over pixels and channels alike. Not where they are mirrored. */
static nke_shape input_of(const nke_network *network, int mirrored)
{
  const nke_shape s = network->input;
  if (mirrored || network->n_layers == 0 || network->layers[0].kind != NKE_LAYER_FLATTEN) return s;
  return (nke_shape){.axes = 0, .height = 1, .width = 1, .channels = nke_shape_length(s)};
}

nke_status nke_plane_plan_create(const nke_network *network, int mirrored, nke_plane_plan **out)
{
  nke_status st = NKE_OK;
  nke_plane_plan *plan = NULL;
  const int layers = count_layers(network);
  *out = NULL;
  NKE_TRY(check_size(network->input));
  NKE_TRY(nke_calloc(1, sizeof *plan, "the plan of an exact kernel", &plan));
  NKE_TRY(nke_calloc(3 * layers + 2, sizeof *plan->nodes, "the nodes of an exact kernel", &plan->nodes));
  NKE_TRY(nke_calloc(layers + 1, sizeof *plan->ops, "the operations of an exact kernel", &plan->ops));
  plan->input = input_of(network, mirrored);
  NKE_TRY(check_channels(plan->input.channels));
  builder b = {.plan = plan, .node = 0};
  open_node(&b, (int)plan->input.height, (int)plan->input.width, NULL);
  plan->nodes[0].scale_in = plan->nodes[0].scale_out = 1.0 / (double)plan->input.channels;
  NKE_TRY(add_layers(&b, network));
  NKE_TRY(nke_plane_schedule_init(plan, 0, &plan->full));
  NKE_TRY(nke_plane_schedule_init(plan, 1, &plan->norms));
  *out = plan;
  plan = NULL;
done:
  nke_plane_plan_destroy(&plan);
  return st;
}

void nke_plane_plan_destroy(nke_plane_plan **plan)
{
  if (!plan || !*plan) return;
  nke_plane_plan *p = *plan;
  for (int k = 0; k < p->n_ops; k++) nke_dual_destroy(&p->ops[k].dual);
  nke_plane_schedule_clear(&p->full);
  nke_plane_schedule_clear(&p->norms);
  nke_free(p->nodes);
  nke_free(p->ops);
  nke_free(p);
  *plan = NULL;
}
