/* Weights by conjugate gradients, of a kernel or of features: what the trainers share. */
#ifndef NKE_RUN_FIT_CG_H
#define NKE_RUN_FIT_CG_H

#include "run/fit.h"
#include "solve/krylov.h"

/* Random vectors of the preconditioners nystrom and sketch for n unknowns: a fifth, 512 to 2048; -nke_nystrom_rank
 * overrides it. Local. */
int nke_fit_nystrom_rank(int64_t n);

/* solver.precondition of the operator; NULL for none. guide: the sketch of a, for sketch. Collective; cost of nystrom and
 * sketch: a product with nke_fit_nystrom_rank() columns. */
nke_status nke_fit_preconditioner(const nke_fit *fit, const nke_operator *a, const nke_operator *guide,
                                  nke_preconditioner **out);

/* Note in point i how a solve went, and place its solution x_loc, this rank's part [rows, k], into weights [n, k n_points] on
 * every rank; a failure by NKE_ERR_NUMERIC is noted and passed over. Collective. */
nke_status nke_fit_take(const nke_fit *fit, const nke_parts *parts, nke_status status, const nke_krylov_info *info,
                        const double *x_loc, int i, int n_points, nke_path_point *points, double *weights);

/* (A + shift I) X = B for shift = lambda * mean_diagonal of every point, to a relative residual of `tolerance` unless
 * PETSc's options say otherwise. b_loc: this rank's rows. weights [n, k n_points], on every rank. NKE_ERR_NUMERIC where no
 * point converges. Collective. */
nke_status nke_fit_cg_path(nke_fit *fit, const nke_operator *a, const nke_preconditioner *p, double mean_diagonal,
                           double tolerance, const double *b_loc, int n_points, nke_path_point *points, double *weights);

/* Iterations after which a solve gives up (-nke_ksp_max_it). */
enum { NKE_KRYLOV_ITERATIONS = 10000 };

#endif
