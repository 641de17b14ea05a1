/* A PETSc method on a matrix and a preconditioner that are known by products only. */
#ifndef NKE_SOLVE_SHELL_H
#define NKE_SOLVE_SHELL_H

#include "solve/krylov.h"

#include <petscksp.h>

/* out <- a linear map of in (the diagonal: no in); this rank's parts. */
typedef nke_status nke_shell_map(void *context, const double *in, double *out);

/* The caller sets the first group; maps that the method does not need stay NULL. */
typedef struct nke_shell {
  MPI_Comm comm;
  int64_t rows_loc, cols_loc;
  void *context;
  nke_shell_map *multiply, *transpose, *diagonal, *precondition;
  nke_status failure; /* of a map */
  Mat mat;
  KSP ksp;
  Vec rhs, solution;
} nke_shell;

/* PETSc's method `type`, with its options under the prefix nke_. Collective; same status on all ranks. */
nke_status nke_shell_init(const char *type, double tolerance, int iterations, nke_shell *shell);
void nke_shell_clear(nke_shell *shell);

/* Makes the method's own vectors and prepares its preconditioner, so that its iterations need no more memory; before
 * the first solution at the latest. NKE_ERR_USAGE where a method or preconditioner that the options name cannot work
 * with what is known of the matrix; NKE_ERR_MEMORY. Collective; same status on all ranks. */
nke_status nke_shell_set_up(nke_shell *shell);

/* x_loc [cols_loc] <- the solution for rhs_loc [rows_loc]; fills info->iterations. Statuses of
 * nke_shell_set_up(); NKE_ERR_NUMERIC where it has not converged. Collective; same status on all ranks. */
nke_status nke_shell_solve(nke_shell *shell, const double *rhs_loc, double *x_loc, nke_krylov_info *info);

#endif
