/* Ridge regression without a matrix: Krylov methods of PETSc on features that are kept, spread over the ranks by rows.
 *
 *   (Z'Z + s I) X = Z'Y, column by column. An iteration reads the features once or twice: 4 n m flops over all ranks,
 * and one allreduce of m doubles. Products are in double, whatever the precision of the features. */
#ifndef NKE_SOLVE_KRYLOV_H
#define NKE_SOLVE_KRYLOV_H

#include "base/checked.h"
#include "base/status.h"
#include "base/timer.h"

#include <stdint.h>

/* Features [n, m], n rows dealt to the ranks: this rank's are z, row-major [rows_loc, m]; rows_loc may be 0. */
typedef struct nke_kept {
  MPI_Comm comm;
  int64_t rows_loc, m;
  nke_precision precision;
  const void *z;
} nke_kept;

typedef struct nke_krylov_info {
  int iterations;  /* the largest over the targets */
  double residual; /* |(Z'Z + s I) X - Z'Y|_F / |Z'Y|_F, by a product of its own; 0 for Z'Y = 0 */
} nke_krylov_info;

/* A method: `name` as in solver.type. */
typedef struct nke_krylov_method {
  const char *name;
  nke_status (*solve)(const nke_kept *kept, double shift, int k, const double *y_loc, double tolerance, int iterations,
                      nke_stats *stats, double *x, nke_krylov_info *info);
} nke_krylov_method;

/* "cg": conjugate gradients on the normal equations. "lsqr": LSQR on [Z; sqrt(s) I], which sees the condition number of
 * Z and not its square [Paige, Saunders, ACM TOMS 8 (1982) 43]. NULL for any other name. Local. */
const nke_krylov_method *nke_krylov_find(const char *name);

/* method->solve: collective, after nke_solve_init(). y_loc: row-major [rows_loc, k]; x: row-major [m, k], the solution,
 * the same on every rank; starts from 0. Each target's iteration stops at `tolerance`: for cg |residual| / |Z'y|, for
 * lsqr the tests of its paper. NKE_ERR_NUMERIC if a target has not converged after `iterations`, shift <= 0, or numbers
 * are not finite. NKE_ERR_USAGE for bad PETSc options; their prefix is nke_: -nke_ksp_monitor, -nke_pc_type jacobi, ...
 * stats (may be NULL) gets flops of NKE_STAGE_SOLVE. Memory: 32 rows of doubles and a few vectors of n and m. */

#endif
