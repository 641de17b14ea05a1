/* Random linear maps S: R^n -> R^m with E<S x, S y> = <x, y>, planned from (seed, stream number, n, m).
 *
 * With V = |x|^2 |y|^2 + <x,y>^2 - 2 sum_i x_i^2 y_i^2, the variance of <S x, S y> is
 *   countsketch, osnap  V / m                             (m a multiple of the copies a column)
 *   srht                V / m (N - m) / (N - 1)           (N: n padded to a power of two; 0 where m >= N)
 *   srft                V / m                             (two real features a frequency; a little more where padding
 *                                                          leaves pairs of coordinates half a period apart) */
#ifndef NKE_SKETCH_SKETCH_H
#define NKE_SKETCH_SKETCH_H

#include "sketch/draws.h"

typedef struct nke_sketch nke_sketch;

/* One variant of the map. */
typedef struct nke_sketch_kind {
  const char *name;
  int copies; /* entries a column of a sparse map; 0 for the dense ones */
  nke_status (*plan)(nke_sketch *sketch, nke_draws *draws);
  void (*apply)(nke_sketch *sketch, const void *x, void *y);
  /* NULL for dense maps. */
  void (*apply_sparse)(nke_sketch *sketch, int64_t nnz, const int64_t *index, const void *value, void *y);
  double (*flops)(const nke_sketch *sketch);
} nke_sketch_kind;

/* One signed bucket a coordinate [Charikar et al. 2002; Clarkson, Woodruff 2013]: n additions. */
extern const nke_sketch_kind nke_sketch_countsketch;
/* Four signed buckets a coordinate, one in each quarter of the output (min(4, m) of them), scaled by 1/2 [Nelson,
 * Nguyen 2013]; for another number copy the kind and set `copies`. */
extern const nke_sketch_kind nke_sketch_osnap;
/* sqrt(1/m) P H D: random signs, unnormalised Hadamard transform, m of the N coordinates without replacement; where
 * m >= N all of them and zeros, an isometry [Ailon, Chazelle 2006; Tropp 2011]. 1 <= n <= 2^24. */
extern const nke_sketch_kind nke_sketch_srht;
/* The same by the Fourier transform: m/2 frequencies drawn with replacement, each two real features (re, im); an odd m
 * adds one Hartley coefficient. n <= 2^30. */
extern const nke_sketch_kind nke_sketch_srft;

/* What srft pads rows of n to; of two lengths that it pads alike the shorter rows have the longer ones' map. Local. */
int64_t nke_srft_period(int64_t n);

/* Plan a map. NKE_ERR_USAGE where n or m is out of range. Local. */
nke_status nke_sketch_create(const nke_sketch_kind *kind, nke_precision precision, int64_t n, int64_t m,
                             nke_draws *draws, nke_sketch **out);
void nke_sketch_destroy(nke_sketch **sketch);

/* y [m] = S x, x [n], both in the plan's precision, distinct. Local; not for two threads on one plan. */
void nke_sketch_apply(nke_sketch *sketch, const void *x, void *y);

/* The same for a row given by its non-zeros: x[index[k]] = value[k], k < nnz, indices in [0, n) and different. Time
 * proportional to nnz + m for the sparse kinds; the dense ones fill the row in first. Local. */
void nke_sketch_apply_sparse(nke_sketch *sketch, int64_t nnz, const int64_t *index, const void *value, void *y);

/* Operations of one dense application, and bytes of tables and work space. */
double nke_sketch_flops(const nke_sketch *sketch);
int64_t nke_sketch_bytes(const nke_sketch *sketch);

#endif
