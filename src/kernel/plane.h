/* The displacement-plane plan of an exact kernel (internal to exact*.c and plane*.c).
 *
 * Plane D = (dy, dx) of a pair of images holds the kernel entries of pixel i of the first and pixel i + D of the second
 * image. Convolutions and pointwise layers never mix planes, so a network becomes a graph of nodes: a node gathers the
 * planes of its input, runs its operations on one plane at a time, and pushes the rows of the result along its edges
 * (poolings, sums of residual parts, the final mean) into the input planes of later nodes.
 *
 *     node 0: conv relu conv relu --pool 2--> node 1: conv relu --pool 2--> ... --mean--> node k: dense = output
 *
 * A plan lists which (node, D) to run in which order (steps), and which slot of memory holds a plane until its step.
 * A node with circular convolutions runs on classes of displacements modulo the image size: all pixels i of the first
 * image, with pixel (i + D) mod size of the second. */
#ifndef NKE_KERNEL_PLANE_H
#define NKE_KERNEL_PLANE_H

#include "base/checked.h"
#include "base/status.h"
#include "kernel/network.h"
#include "num/dual.h"

#include <stdint.h>

typedef enum nke_plane_op_kind { NKE_OP_LINEAR, NKE_OP_CONV, NKE_OP_NORMALIZE, NKE_OP_DUAL } nke_plane_op_kind;

/* The duals that have a vector form of their own; all others go through nke_dual_apply(). */
typedef enum nke_plane_dual_kind {
  NKE_DUAL_GENERIC,
  NKE_DUAL_ABRELU,
  NKE_DUAL_RELU, /* abrelu without a product a b, where the NTK is the NNGP */
  NKE_DUAL_ERF,
  NKE_DUAL_GELU,
  NKE_DUAL_EXP
} nke_plane_dual_kind;

/* What is known of the NTK beside the NNGP: all zero, the same, or an array of its own. */
typedef enum nke_plane_ntk { NKE_NTK_ZERO, NKE_NTK_SAME, NKE_NTK_OWN } nke_plane_ntk;

typedef struct nke_plane_op {
  nke_plane_op_kind kind;
  int in_h, in_w, out_h, out_w;
  nke_plane_ntk ntk_in, ntk_out;
  /* Rows hold raw values: true value = scale * raw, for the NNGP and the NTK alike. */
  double scale_in, scale_out;
  /* linear, conv: raw S' = factor * (box) S + offset */
  double factor, offset;
  int filter_h, filter_w, stride_h, stride_w, pad_h, pad_w, circular;
  /* normalize, dual: the table of what it needs of each image's pixels, `entries` numbers a pixel made from the pixel's
   * variance q. The first number of table t of pixel p stands at (table_offset + p * entries). */
  int table, entries;
  int64_t table_offset, norm_offset;
  nke_plane_dual_kind dual_kind;
  double dual_param[3];
  nke_dual *dual; /* generic; owned by the plan */
  int nonnegative;      /* S >= 0 always, so rho >= 0 */
} nke_plane_op;

typedef enum nke_plane_edge_kind { NKE_EDGE_POOL, NKE_EDGE_DIAGONAL } nke_plane_edge_kind;

/* pool: sum over the window (1 x 1: a plain move); diagonal: sum over all entries of plane 0. */
typedef struct nke_plane_edge {
  nke_plane_edge_kind kind;
  int to;
  int window_h, window_w, stride_h, stride_w;
  double factor;
} nke_plane_edge;

enum { NKE_NODE_EDGES = 2 };

typedef struct nke_plane_node {
  int in_h, in_w, out_h, out_w;
  int stride_h, stride_w; /* product over its convolutions: input plane s D gives output plane D */
  int wrapped;            /* -1 while no convolution has settled it */
  int op_begin, op_end;
  nke_plane_ntk ntk_in, ntk_out;
  int nonnegative;
  double scale_in, scale_out;
  int n_edges;
  nke_plane_edge edge[NKE_NODE_EDGES];
} nke_plane_node;

/* Rows of output plane (dy, dx) go along `edge` into the slot of plane (to_dy, to_dx) of the node at its end. */
typedef struct nke_plane_push {
  int edge, slot, first; /* first: nothing has been added to the slot yet */
  int dy, dx, to_dy, to_dx;
} nke_plane_push;

typedef struct nke_plane_step {
  int node, dy, dx; /* plane of the node's input */
  int slot;         /* -1: node 0, made from the images */
  int push_begin, push_end;
} nke_plane_step;

typedef struct nke_plane_schedule {
  int n_steps, n_pushes, most_pushes; /* most_pushes: of one step */
  nke_plane_step *steps;
  nke_plane_push *pushes;
  int *slots; /* per node: slots of its input planes alive at once */
} nke_plane_schedule;

typedef struct nke_plane_plan {
  nke_shape input;
  int n_nodes, n_ops, n_tables;
  nke_plane_node *nodes;
  nke_plane_op *ops;
  int64_t norm_length;  /* variances of one image, all tables */
  int64_t table_length; /* table entries of one image */
  nke_plane_schedule full;  /* all planes that the output needs */
  nke_plane_schedule norms; /* plane 0 at every table, and what it needs */
} nke_plane_plan;

/* Graph and schedules of a shaped network; mirrored: images are also run mirrored. Local. */
nke_status nke_plane_plan_create(const nke_network *network, int mirrored, nke_plane_plan **out);
void nke_plane_plan_destroy(nke_plane_plan **plan);

/* Steps of the planes needed; norms: those for plane 0 at every table instead of the output. Local. */
nke_status nke_plane_schedule_init(const nke_plane_plan *plan, int norms, nke_plane_schedule *schedule);
void nke_plane_schedule_clear(nke_plane_schedule *schedule);

/* The rows or columns [begin, end) of the first image that plane d of images of n pixels along this axis covers. */
static inline int nke_plane_begin(int d) { return d < 0 ? -d : 0; }
static inline int nke_plane_end(int n, int d) { return d < 0 ? n : n - d; }

/* Plane d modulo n for wrapped nodes, d itself for others. */
static inline int nke_plane_class(int wrapped, int n, int d) { return wrapped == 1 ? ((d % n) + n) % n : d; }

#endif
