/* How one symmetric matrix lies against another: the eigenvalues mu of (A + s I) v = mu (B + s I) v.
 *
 *   (1 - eps)(B + s I) <= A + s I <= (1 + eps)(B + s I)   with   eps = max |mu - 1|
 *
 * B + s I is factored once for any number of A. */
#ifndef NKE_SOLVE_GENERALIZED_H
#define NKE_SOLVE_GENERALIZED_H

#include "base/status.h"
#include "dist/blockcyclic.h"

typedef struct nke_generalized nke_generalized;

/* Factor B + shift I. b (square, blocks on and below the diagonal are read) is kept by reference and left as it is.
 * Collective, after nke_solve_init(). NKE_ERR_NUMERIC where it is not positive definite. Work: rows^3 / 3 flops over all
 * ranks; memory: b once more. */
nke_status nke_generalized_create(const nke_bcmat *b, double shift, nke_generalized **out);
void nke_generalized_destroy(nke_generalized **g);

/* All mu, ascending in values[rows] on every rank, for (d_i a_ij d_j) + shift I; d [rows] the same on every rank, NULL:
 * ones. a has b's layout and is left as it is. Collective. Work: about 10 rows^3 flops over all ranks; memory of a
 * rank: three matrices like a and work space of two more. */
nke_status nke_generalized_values(const nke_generalized *g, const nke_bcmat *a, const double *d, double *values);

typedef struct nke_generalized_range {
  double min, max; /* estimates of the smallest and largest mu, from inside */
  double error;    /* of both, by the residuals of their vectors */
  int iterations;
} nke_generalized_range;

/* The two ends alone, by Lanczos on (B + s I)^-1 (A - B) in the inner product of B + s I with full orthogonalisation
 * [Parlett, The Symmetric Eigenvalue Problem, ch. 13, 15], until error <= tolerance max |mu - 1|, or `iterations`.
 * Collective. Work of an iteration: 6 rows^2 flops over all ranks; memory: two vectors an iteration on every rank. */
nke_status nke_generalized_ends(const nke_generalized *g, const nke_bcmat *a, double tolerance, int iterations,
                                nke_generalized_range *range);

#endif
