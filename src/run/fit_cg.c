#include "run/fit_cg.h"

#include "base/memory.h"

#include <string.h>

int nke_fit_nystrom_rank(int64_t n)
{
  return (int)nke_max(512, nke_min(n / 5, 2048));
}

nke_status nke_fit_preconditioner(const nke_fit *fit, const nke_operator *a, const nke_operator *guide,
                                  nke_preconditioner **out)
{
  const nke_config *const config = fit->session.config;
  *out = NULL;
  if (config->solver.precondition == NKE_PRECONDITION_NONE) return NKE_OK;
  if (config->solver.precondition == NKE_PRECONDITION_JACOBI) return nke_jacobi_create(a, out);
  return nke_nystrom_create(a, guide, nke_fit_nystrom_rank(a->parts.n), config->run.seed, out);
}

nke_status nke_fit_take(const nke_fit *fit, const nke_parts *parts, nke_status status, const nke_krylov_info *info,
                        const double *x_loc, int i, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  const int64_t k = fit->session.k;
  double *x = NULL;
  if (status != NKE_OK && status != NKE_ERR_NUMERIC) return status;
  points[i].solved = status == NKE_OK;
  points[i].residual = info->residual;
  points[i].iterations = info->iterations;
  if (status != NKE_OK) return NKE_OK;
  NKE_TRY(nke_agree(parts->comm, nke_alloc(parts->n * k, sizeof *x, "weights", &x)));
  NKE_TRY(nke_parts_gather(parts, (int)k, x_loc, x));
  nke_fit_place(parts->n, k, i, n_points, x, weights);
done:
  nke_free(x);
  return st;
}

nke_status nke_fit_cg_path(nke_fit *fit, const nke_operator *a, const nke_preconditioner *p, double mean_diagonal,
                           double tolerance, const double *b_loc, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  double *x = NULL;
  int solved = 0;
  memset(weights, 0, (size_t)(a->parts.n * s->k * n_points) * sizeof *weights);
  NKE_TRY(nke_agree(s->comm, nke_alloc((a->parts.mine.end - a->parts.mine.begin) * s->k, sizeof *x, "weights", &x)));
  for (int i = 0; i < n_points; i++) {
    nke_krylov_info info = {0};
    points[i].shift = points[i].lambda * mean_diagonal;
    st = nke_cg_solve(a, p, points[i].shift, (int)s->k, b_loc, tolerance, NKE_KRYLOV_ITERATIONS, &s->stats, x, &info);
    solved += st == NKE_OK;
    NKE_TRY(nke_fit_take(fit, &a->parts, st, &info, x, i, n_points, points, weights));
  }
  if (!solved) st = NKE_ERR_NUMERIC; /* with the text of the last */
done:
  nke_free(x);
  return st;
}
