/* Ridge regression by Krylov methods of PETSc, all columns of the right-hand side in one block: they share products with
 * the matrix and stop together.
 *
 *   cg    (A + s I) X = B       for any operator A, with a preconditioner
 *   lsqr  min |Z X - Y|^2 + s |X|^2    on features that are kept: [Z; sqrt(s) I] X = [Y; 0] */
#ifndef NKE_SOLVE_KRYLOV_H
#define NKE_SOLVE_KRYLOV_H

#include "solve/kept.h"
#include "solve/operator.h"
#include "solve/precondition.h"

typedef struct nke_krylov_info {
  int iterations;
  double residual; /* |(A + s I) X - B|_F / |B|_F (lsqr: A = Z'Z, B = Z'Y), by a product of its own; 0 for B = 0 */
} nke_krylov_info;

/* Conjugate gradients for (A + shift I) X = B from 0 until |residual|_F <= tolerance |B|_F. Collective, after
 * nke_solve_init(). p: NULL, or set to this shift by the call. b_loc, x_loc: row-major [rows of this rank in a->parts,
 * k]. It is CG for diag(A, ..., A) and the columns of B below each other, so an iteration is one product with k
 * columns. NKE_ERR_NUMERIC if it has not converged after `iterations`, shift <= 0, or numbers are not finite;
 * NKE_ERR_USAGE for bad PETSc options, or n k beyond 32 bits; NKE_ERR_MEMORY also where PETSc has none for its vectors,
 * on all ranks; the options' prefix is nke_: -nke_ksp_monitor, -nke_ksp_rtol, ... stats (may be NULL) gets flops of
 * NKE_STAGE_SOLVE. Memory: about 5 vectors. */
nke_status nke_cg_solve(const nke_operator *a, const nke_preconditioner *p, double shift, int k, const double *b_loc,
                        double tolerance, int iterations, nke_stats *stats, double *x_loc, nke_krylov_info *info);

/* LSQR, which sees the condition number of Z and not its square [Paige, Saunders, ACM TOMS 8 (1982) 43]. Collective, as
 * above; stops by the tests of its paper. y_loc: row-major [rows_loc, k]; x_loc [m_loc, k] as of
 * nke_normal_operator().
 * An iteration: 4 n m k flops over all ranks, a gather and an allreduce of m k doubles. */
nke_status nke_lsqr_solve(const nke_kept *kept, double shift, int k, const double *y_loc, double tolerance,
                          int iterations, nke_stats *stats, double *x_loc, nke_krylov_info *info);

#endif
