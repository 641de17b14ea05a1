/* The exact side of a comparison. */
#include "run/compare.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "run/input.h"
#include "run/kernel_file.h"
#include "run/kernel_score.h"
#include "run/score.h"
#include "solve/ridge.h"

#include <math.h>
#include <string.h>

static nke_tiling tiling_of(const nke_compare *c)
{
  const nke_session *const s = &c->session;
  return nke_tiling_of(c->n, s->test ? nke_dataset_rows(s->test) : 0, s->config->kernel.tile);
}

static nke_status kernel_path(const nke_compare *c, char *path, size_t size)
{
  if (nke_kernel_file_path(c->session.config, path, size) < (int)size) return NKE_OK;
  return nke_fail(NKE_ERR_OUTPUT, "kernel.file: path too long");
}

nke_status nke_compare_exact_check(const nke_compare *c)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &c->session;
  const nke_tiling tiling = tiling_of(c);
  char path[4096], *identity = NULL;
  NKE_TRY(kernel_path(c, path, sizeof path));
  NKE_TRY(nke_input_spare(s->comm, s->train, path, "kernel.file"));
  NKE_TRY(nke_input_spare(s->comm, s->test, path, "kernel.file"));
  NKE_TRY(nke_kernel_identity(s->comm, s->config, &tiling, s->train, s->test, &identity));
  st = nke_kernel_file_check(s->comm, path, identity, &tiling, (nke_range){0, tiling.total}, false,
                             s->invocation->force);
done:
  nke_free(identity);
  return st;
}

/* The file of `nke kernel`, made or finished as that command does, and its training part. */
static nke_status read_kernel(nke_compare *c, char *path, size_t size)
{
  nke_status st = NKE_OK;
  nke_session *const s = &c->session;
  char *identity = NULL;
  nke_invocation invocation = *s->invocation;
  invocation.quiet = true;
  const nke_tiling tiling = tiling_of(c);
  NKE_TRY(kernel_path(c, path, size));
  c->kernel_measured = !nke_h5file_exists(s->comm, path);
  const double begun = nke_seconds();
  NKE_TRY(nke_kernel_run(&invocation));
  /* The test rows' part of the file is not the kernel's. */
  const double train = (double)c->n * (double)(c->n + 1) / 2, test = (double)tiling.n_test * (double)c->n;
  c->exact.make_seconds = nke_spread_over_ranks(s->comm, nke_seconds() - begun).max * train / (train + test);
  NKE_TRY(nke_kernel_identity(s->comm, s->config, &tiling, s->train, s->test, &identity));
  NKE_TRY(nke_bcmat_create(s->comm, c->n, c->n, nke_bc_block_size(c->n), &c->kernel));
  st = nke_kernel_file_matrix(s->comm, path, identity, s->config->embedding.kernel, c->kernel);
done:
  nke_free(identity);
  return st;
}

/* The lambda of the smallest mean squared error of the left-out scores, ties to the larger; those at which the matrix is
 * not positive definite are passed over. */
static nke_status choose_lambda(nke_compare *c, const nke_eigen *eigen)
{
  nke_status st = NKE_OK;
  nke_session *const s = &c->session;
  const nke_reals *const path = &s->config->solver.lambda;
  double *residuals = NULL, trace;
  nke_metrics metrics;
  c->exact.loo.mse = INFINITY;
  NKE_TRY(nke_bcmat_trace(c->kernel, &trace));
  NKE_TRY(nke_ridge_check_mean(trace / (double)c->n));
  NKE_TRY(nke_agree(s->comm, nke_alloc(c->n * s->k, sizeof *residuals, "left-out residuals", &residuals)));
  for (int i = 0; i < path->n; i++) {
    const double shift = path->at[i] * trace / (double)c->n;
    if (nke_eigen_values(eigen)[0] + shift <= 0) continue;
    NKE_TRY(nke_eigen_loo_dual(eigen, shift, residuals));
    NKE_TRY(nke_score_left_out(&s->embedder, c->n, c->targets, residuals, &metrics));
    if (!(metrics.mse <= c->exact.loo.mse)) continue;
    c->exact.loo = metrics;
    c->lambda = path->at[i];
    c->shift = shift;
  }
  if (isinf(c->exact.loo.mse))
    st = nke_fail(NKE_ERR_NUMERIC, "the exact kernel plus lambda is not positive definite at any solver.lambda; its "
                                   "smallest eigenvalue is %g of the mean diagonal",
                  nke_eigen_values(eigen)[0] * (double)c->n / trace);
done:
  nke_free(residuals);
  return st;
}

nke_status nke_compare_solve(nke_compare *c, const nke_bcmat *kernel, const nke_eigen *eigen, double shift, double *alpha,
                             nke_compare_result *result)
{
  nke_status st = NKE_OK;
  nke_session *const s = &c->session;
  double *residuals = NULL;
  nke_ridge_info info;
  NKE_TRY(nke_agree(s->comm, nke_alloc(c->n * s->k, sizeof *residuals, "left-out residuals", &residuals)));
  result->dimension = nke_eigen_dimension(eigen, shift);
  NKE_TRY(nke_eigen_loo_dual(eigen, shift, residuals));
  NKE_TRY(nke_score_left_out(&s->embedder, c->n, c->targets, residuals, &result->loo));
  const double begun = nke_seconds();
  NKE_TRY(nke_ridge_solve(kernel, shift, (int)s->k, c->targets, NULL, alpha, &info));
  result->condition = info.condition;
  result->solve_seconds = nke_spread_over_ranks(s->comm, nke_seconds() - begun).max;
done:
  nke_free(residuals);
  return st;
}

nke_status nke_compare_exact(nke_compare *c)
{
  nke_status st = NKE_OK;
  nke_session *const s = &c->session;
  nke_eigen *eigen = NULL;
  double *alpha = NULL;
  char path[4096];
  NKE_TRY(read_kernel(c, path, sizeof path));
  st = nke_alloc(c->n * s->k, sizeof *c->targets, "targets of all rows", &c->targets);
  if (st == NKE_OK) st = nke_alloc(c->n, sizeof *c->diagonal, "the diagonal", &c->diagonal);
  if (st == NKE_OK) st = nke_alloc(c->n, sizeof *c->spectrum, "the spectrum", &c->spectrum);
  if (st == NKE_OK) st = nke_alloc(c->n * s->k, sizeof *alpha, "dual weights", &alpha);
  NKE_TRY(nke_agree(s->comm, st));
  NKE_TRY(nke_session_targets(s, c->targets));
  NKE_TRY(nke_bcmat_diagonal(c->kernel, c->diagonal));
  NKE_TRY(nke_measure_pair(s, s->config->kernel.tile, &c->pair));
  NKE_TRY(nke_measure_rates(s->comm, s->config->run.precision, &c->gram_rate, &c->factor_rate));
  if (!c->kernel_measured)
    c->exact.make_seconds = nke_cost_mean(&c->pair) * (double)c->n * (double)(c->n + 1) / 2 / c->ranks;
  NKE_TRY(nke_eigen_create(c->kernel, (int)s->k, c->targets, NULL, &eigen));
  memcpy(c->spectrum, nke_eigen_values(eigen), (size_t)c->n * sizeof *c->spectrum);
  NKE_TRY(choose_lambda(c, eigen));
  NKE_TRY(nke_compare_solve(c, c->kernel, eigen, c->shift, alpha, &c->exact));
  nke_eigen_destroy(&eigen);
  if (s->test && nke_dataset_targets(s->test) > 0) NKE_TRY(nke_kernel_score_test(s, path, alpha, &c->exact.test));
  st = nke_generalized_create(c->kernel, c->shift, &c->against);
  c->exact_peak = (int64_t)nke_spread_over_ranks(s->comm, (double)nke_peak_rss()).max;
done:
  nke_free(alpha);
  nke_eigen_destroy(&eigen);
  return st;
}
