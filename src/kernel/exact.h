/* Exact NNGP and NTK of a network, blocks of pairs at a time, by displacement planes (plane.h).
 *
 * A pair needs the variances of both images at every activation ("norms"), which cost a small fraction of a pair and
 * are made once an image. Rows x are [n, d] row-major doubles, d = height * width * channels, channels fastest. */
#ifndef NKE_KERNEL_EXACT_H
#define NKE_KERNEL_EXACT_H

#include "base/checked.h"
#include "base/status.h"
#include "kernel/network.h"

#include <stdint.h>

typedef struct nke_exact nke_exact;

/* Plan for a shaped network; does not keep it. precision is that of the arithmetic; outputs are double.
 * flip: kernels become (K(x, x') + K(x, mirrored x')) / 2, at twice the cost; NKE_ERR_USAGE where the network does not
 * mirror (nke_network_check_flip). Local, same result on every rank. A plan may be used by several threads unless an
 * activation has no closed form of its own here. */
nke_status nke_exact_create(const nke_network *network, nke_precision precision, int flip, nke_exact **out);
void nke_exact_destroy(nke_exact **exact);

/* Variances that nke_exact_norms() makes of one row. */
int64_t nke_exact_norms_length(const nke_exact *exact);

/* norms [n, norms_length]: the variance of every pixel before every activation and layer norm, in double precision.
 * NKE_ERR_NUMERIC naming the row where one is not finite. Local. Cost: about as many pixel pairs as lie within the
 * poolings' reach of plane 0 (Myrtle-5: 49 of 3969 planes). */
nke_status nke_exact_norms(const nke_exact *exact, int64_t n, const double *x, double *norms);

/* nngp and ntk [nx, ny], leading dimension ldk (either may be NULL): all pairs of a tile. The kernel of a pair does not
 * depend on the other rows of the tile. NKE_ERR_NUMERIC naming the pair where a kernel is not finite. Local.
 * Cost: nx ceil(ny / lanes) lanes pairs of nke_exact_flops_per_pair(). */
nke_status nke_exact_block(const nke_exact *exact, int64_t nx, const double *x, const double *norms_x, int64_t ny,
                           const double *y, const double *norms_y, double *nngp, double *ntk, int64_t ldk);

/* The same for a tile of rows with themselves: computes i > j, mirrors, and takes the diagonal from
 * nke_exact_diagonal(). Local. */
nke_status nke_exact_triangle(const nke_exact *exact, int64_t n, const double *x, const double *norms, double *nngp,
                              double *ntk, int64_t ldk);

/* nngp and ntk [n] (either may be NULL): the kernel of each row with itself, correlation exactly 1 where pixels meet
 * themselves, in double precision. Local. Cost: one pair a row. */
nke_status nke_exact_diagonal(const nke_exact *exact, int64_t n, const double *x, const double *norms, double *nngp,
                              double *ntk);

/* Floating-point operations of one pair, counted by formula (a square root or division is one, an activation without
 * vector code of its own counts 100), and bytes of work space of an nx x ny block. */
double nke_exact_flops_per_pair(const nke_exact *exact);
int64_t nke_exact_block_bytes(const nke_exact *exact, int64_t nx, int64_t ny);

/* The vector instructions in use, e.g. "f32_avx512", and a change to others that this CPU runs (tests and benchmarks):
 * the best (0), second best, ... of the precision; NKE_ERR_USAGE where there is none. Local. */
const char *nke_exact_variant_name(const nke_exact *exact);
nke_status nke_exact_choose_variant(nke_exact *exact, int index);

#endif
