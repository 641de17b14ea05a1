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

/* Columns of a product while nke_nystrom_create() is at work, with an operator that is dear or not. Local. */
int nke_nystrom_columns(bool dear);

/* The vectors that nke_nystrom_create() takes: as asked for, or as -nke_nystrom_rank says. NKE_ERR_USAGE. Local. */
nke_status nke_nystrom_rank(int64_t asked, int64_t *rank);

/* Randomised Nystrom approximation U diag(w) U' of A from products with `rank` vectors (at most n; -nke_nystrom_rank
 * overrides it), w ascending:
 *   z = r + U ((w_1 + s) / (w + s) - 1) U'r      [Frangella, Tropp, Udell, SIAM J. Matrix Anal. Appl. 44 (2023) 718].
 * The vectors are random normals, or `guide` times those, for a guide that is close to A and cheaper (a sketch of it;
 * else NULL): then U is as good as after a step of subspace iteration with A itself [Halko, Martinsson, Tropp, SIAM
 * Rev. 53 (2011) 217]. Collective. Work: one product of A, and one of the guide, with `rank` columns, once for all s;
 * 8 n rank^2 flops over all ranks (12 with a guide) and eigenproblems of order rank on every rank (2, with a guide 3);
 * 4 n rank k and an allreduce of rank k doubles to apply. Memory: 24 n rank / ranks bytes while it is made, and three
 * matrices of rank x rank on every rank. NKE_ERR_NUMERIC where A is not finite or is zero. */
nke_status nke_nystrom_create(const nke_operator *a, const nke_operator *guide, int64_t rank, uint64_t seed,
                              nke_preconditioner **out);

#endif
