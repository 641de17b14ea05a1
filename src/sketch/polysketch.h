/* PolySketch [Ahle et al. 2020, Theorem 1; used by arXiv 2106.07880 and 2209.04121]: sketches of x (x) ... (x) x by a
 * binary tree. The leaves are independent base sketches R^n -> R^m, each inner node an independent TensorSRHT of its
 * two children. All powers 1 .. q come from one tree of p = 2^ceil(log2 q) leaves:
 *   row l - 1 of the result is the tree on  x (x) ... (x) x  (x)  e1 (x) ... (x) e1,  l times x and p - l times e1,
 * so <., .'> estimates <x, x'>^l. The powers share leaves and nodes: they are dependent, and whoever sums them must
 * give each degree its own random signs first. */
#ifndef NKE_SKETCH_POLYSKETCH_H
#define NKE_SKETCH_POLYSKETCH_H

#include "sketch/sketch.h"

typedef struct nke_polysketch nke_polysketch;

/* Largest degree. */
enum { NKE_POLYSKETCH_MAX_DEGREE = 64 };

/* Plan for degree 1 <= q <= 64. `leaf`: nke_sketch_srht for dense rows, nke_sketch_countsketch or _osnap for sparse
 * ones. NKE_ERR_USAGE where a size is out of range. Local. */
nke_status nke_polysketch_create(const nke_sketch_kind *leaf, nke_precision precision, int q, int64_t n, int64_t m,
                                 nke_draws *draws, nke_polysketch **out);
void nke_polysketch_destroy(nke_polysketch **sketch);

/* powers [q][m]. Local; about q leaves, 2 (p - 1) Hadamard transforms of m for the full nodes, and up to log2 p a
 * degree for the nodes that mix x and e1 (those of e1 alone are constants of the plan). */
void nke_polysketch_apply(nke_polysketch *sketch, const void *x, void *powers);

/* The same for a row of non-zeros, as nke_sketch_apply_sparse. */
void nke_polysketch_apply_sparse(nke_polysketch *sketch, int64_t nnz, const int64_t *index, const void *value,
                                 void *powers);

double nke_polysketch_flops(const nke_polysketch *sketch);
int64_t nke_polysketch_bytes(const nke_polysketch *sketch);

#endif
