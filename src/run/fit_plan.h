/* The plan of a fit: what its trainer keeps and solves. */
#ifndef NKE_RUN_FIT_PLAN_H
#define NKE_RUN_FIT_PLAN_H

#include "run/fit.h"
#include "run/plan.h"

/* The plan of a fit (nke_planner) whose trainer is chosen, for --ranks or the ranks there are. Sets fit->recompute
 * where only that makes an iterative trainer fit, and fit->keeps_fold where memory holds a fold. Collective. */
void nke_fit_plan(void *fit, nke_plan *plan);

/* Whether the chosen trainer iterates: it has no factor. Local. */
bool nke_fit_is_iterative(const nke_fit *fit);

/* NKE_ERR_USAGE where the right-hand side passes what MPI and PETSc count, or a rank's part of a matrix, or of what is
 * made of it, what ScaLAPACK does. Local; the same on all ranks. */
nke_status nke_fit_check_parts(const nke_fit *fit);

#endif
