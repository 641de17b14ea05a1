/* ScaLAPACK on block-cyclic matrices: the factor of A + s I, and solves with it. The only place for its calls. */
#ifndef NKE_SOLVE_SCALAPACK_H
#define NKE_SOLVE_SCALAPACK_H

#include "dist/blockcyclic.h"

#include <stdbool.h>

/* A BLACS context on a matrix's grid. */
typedef struct nke_blacs {
  int handle, context;
  bool made; /* 0 is a handle and a context like others */
} nke_blacs;

nke_status nke_blacs_init(const nke_grid *grid, nke_blacs *b); /* collective */
void nke_blacs_clear(nke_blacs *b);                            /* collective; safe on zeros */

/* Lower Cholesky factor in place, from the lower triangle. Collective.
 * NKE_ERR_NUMERIC, on all ranks, naming the first leading minor that is not positive. Cost: rows^3 / 3 flops. */
nke_status nke_scalapack_cholesky(const nke_blacs *blacs, nke_bcmat *a);

/* x <- (L L')^-1 x with the factor L; x: row-major [rows, k], the same on every rank before and after. Collective.
 * Cost: 2 rows^2 k flops over all ranks and one allreduce of rows k doubles. */
nke_status nke_scalapack_backsolve(const nke_blacs *blacs, const nke_bcmat *factor, int k, double *x);

/* a <- L^-1 a L'^-1 with the factor L, in the lower triangle (read and written): the matrix whose eigenvalues are those
 * of a against L L'. a and factor have one layout. Collective. Cost: rows^3 flops over all ranks. */
nke_status nke_scalapack_reduce(const nke_blacs *blacs, const nke_bcmat *factor, nke_bcmat *a);

/* A = V diag(values) V': a is read in its lower triangle and left as it is, vectors has its layout, values[rows] comes
 * ascending on every rank. Collective. NKE_ERR_NUMERIC where it does not converge; NKE_ERR_USAGE as
 * nke_scalapack_eigen_check(). a must be finite.
 * Cost: about 9 rows^3 flops over all ranks; memory: a copy of a and work space of two more. */
nke_status nke_scalapack_eigen(const nke_bcmat *a, double *values, nke_bcmat *vectors);

/* NKE_ERR_USAGE where a rank's work space for the eigenproblem of a matrix of order n would pass 2^31 - 1 entries: from
 * about 2^30 entries of its part on. The same answer on all ranks. Local. */
nke_status nke_scalapack_eigen_check(const nke_grid *grid, int64_t n, int64_t nb);

#endif
