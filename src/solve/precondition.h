/* Preconditioners: symmetric positive definite maps close to (A + s I)^-1, one file each. */
#ifndef NKE_SOLVE_PRECONDITION_H
#define NKE_SOLVE_PRECONDITION_H

#include "solve/kept.h"
#include "solve/operator.h"

typedef struct nke_preconditioner {
  double flops; /* of this rank, to apply it to one column */
  void *context;
  nke_status (*set)(void *context, double shift); /* Collective */
  nke_status (*apply)(void *context, int k, const double *r_loc, double *z_loc); /* vectors as the operator's. Collective */
  void (*destroy)(void *context);
} nke_preconditioner;
void nke_preconditioner_destroy(nke_preconditioner **p);

/* z = r / (diag(A) + s). Collective. */
nke_status nke_jacobi_create(const nke_operator *a, nke_preconditioner **out);

/* Randomised Nystrom approximation U diag(w) U' of A from `rank` random vectors (at most n; -nke_nystrom_rank overrides
 * it), w ascending:
 *   z = r + U ((w_1 + s) / (w + s) - 1) U'r      [Frangella, Tropp, Udell, SIAM J. Matrix Anal. Appl. 44 (2023) 718].
 * Collective. Work: one product of A with `rank` columns, once for all s; 4 n rank k / ranks flops and an allreduce of
 * rank k doubles to apply. Memory: 16 n rank / ranks bytes while it is made, and a few matrices of rank x rank.
 * NKE_ERR_NUMERIC where A is not finite or is zero. */
nke_status nke_nystrom_create(const nke_operator *a, int64_t rank, uint64_t seed, nke_preconditioner **out);

/* M = D Z Z' D + (s + t) I from features Z [n, m] (borrowed; dealt to the ranks as the rows of the operator) whose inner
 * products are close to K in A = D K D, D = diag(scale_loc [rows_loc]) (borrowed) or NULL for ones. For m <= n by
 *   z = (r - D Z (Z'D^2 Z + u I)^-1 Z'D r) / u,   u = s + t,
 * else by the factor of M itself. t is what A is on average on vectors that the features cannot see: the rest of the
 * spectrum, in place of the zeros of Z Z'. [t = 0: Avron, Clarkson, Woodruff, SIAM J. Matrix Anal. Appl. 38 (2017) 1116.]
 * Collective. Work over all ranks: n m^2 flops once, m^3 / 3 once and for each s, 4 n m + 2 m^2 a
 * column to apply (m <= n); an allreduce of m k doubles. In double, whatever the precision of Z. Memory: 16 m^2 / ranks
 * bytes, n in place of m where it is smaller. NKE_ERR_NUMERIC, here and from set(), where M is not numerically positive definite. */
nke_status nke_woodbury_create(const nke_operator *a, const nke_kept *kept, const double *scale_loc, uint64_t seed,
                               nke_stats *stats, nke_preconditioner **out);

#endif
