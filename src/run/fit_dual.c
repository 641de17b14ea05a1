/* Weights of an n x n system, (K + shift I) A = Y over the training rows: of the exact kernel, whose features of a row
 * are its kernel with the training rows (kernel_rows.h), so that A are the weights, one a training row; or of features
 * that are kept, for more features than rows: K = Z Z', W = Z'A. */
#include "run/fit_dual.h"

#include "base/memory.h"
#include "gram/gram.h"
#include "run/class_weights.h"
#include "run/fit_keep.h"
#include "run/kernel_file.h"
#include "solve/symmetric.h"

#include <string.h>

typedef struct dual {
  nke_dual_rows rows;
  nke_fit_store store; /* empty where the kernel is exact */
  nke_bcmat *kernel;
  nke_bcmat *masked; /* the system, where it is not the kernel: rows are held out, or classes weighted; else NULL */
} dual;

static void dual_destroy(void *state)
{
  dual *const d = state;
  if (!d) return;
  nke_bcmat_destroy(&d->kernel);
  nke_bcmat_destroy(&d->masked);
  nke_dual_rows_clear(&d->rows);
  nke_fit_store_clear(&d->store);
  nke_free(d);
}

static nke_status dual_create(nke_fit *fit, void **state)
{
  return nke_agree(fit->session.comm, nke_calloc(1, sizeof(dual), "the solver", state));
}

/* The system of the fitted rows alone; this rank's part. Rows and columns of the others are those of the identity times
 * `level`, an entry of the kernel's own size: at another one an eigendecomposition would round the fitted rows away. */
static void mask(const nke_dual_rows *rows, double level, nke_bcmat *a)
{
  for (int64_t jl = 0; jl < a->cols_loc; jl++) {
    const int64_t j = nke_bc_global(jl, a->nb, a->grid.npcol, a->grid.mycol);
    for (int64_t il = 0; il < a->rows_loc; il++) {
      const int64_t i = nke_bc_global(il, a->nb, a->grid.nprow, a->grid.myrow);
      if (!rows->fitted[i] || !rows->fitted[j]) a->a[il + jl * a->ld] = i == j ? level : 0;
    }
  }
}

static nke_status make_masked(const nke_session *s, double mean, dual *d)
{
  nke_status st = NKE_OK;
  const nke_bcmat *const k = d->kernel;
  if (d->masked || (d->rows.n_fitted == d->rows.n && !d->rows.roots)) return NKE_OK;
  NKE_TRY(nke_bcmat_create(s->comm, k->rows, k->cols, k->nb, &d->masked));
  memcpy(d->masked->a, k->a, (size_t)(k->ld * k->cols_loc) * sizeof *k->a);
  if (d->rows.roots) nke_class_weights_matrix(d->rows.roots, d->masked);
  mask(&d->rows, mean, d->masked);
done:
  return st;
}

/* Which rows are fitted; the system is another one then. */
static void set_fitted(nke_fit *fit, dual *d, int fitted)
{
  nke_bcmat_destroy(&d->masked);
  nke_dual_rows_fit(&fit->session, &fit->held_out, fitted, &d->rows);
  if (!fit->session.exact) nke_fit_store_fit(&d->store, &fit->held_out, fitted);
}

static nke_status dual_hold_out(nke_fit *fit, void *state)
{
  set_fitted(fit, state, 0);
  return NKE_OK;
}

/* K of all training rows: of the features, from the file that `nke kernel` made, or computed now. */
static nke_status form_kernel(nke_session *s, dual *d)
{
  nke_status st = NKE_OK;
  if (!s->exact)
    return nke_gram_outer(s->comm, d->store.mine.end - d->store.mine.begin, s->m, s->embedder.precision, d->store.z,
                          &s->stats, &d->kernel);
  if (!d->rows.path[0]) {
    NKE_TRY(nke_kernel_rows_matrix(s->comm, s->kernel, NULL, &d->kernel));
    s->stats.flops[NKE_STAGE_GRAM] +=
        nke_exact_flops_per_pair(s->exact) * (double)s->m * (double)(s->m + 1) / 2 / d->kernel->grid.size;
    return NKE_OK;
  }
  NKE_TRY(nke_bcmat_create(s->comm, s->m, s->m, nke_bc_block_size(s->m), &d->kernel));
  st = nke_kernel_file_matrix(s->comm, d->rows.path, d->rows.identity, s->config->embedding.kernel, d->kernel);
done:
  return st;
}

static nke_status dual_add(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  NKE_TRY(nke_dual_rows_init(s, &d->rows));
  if (!s->exact) NKE_TRY(nke_fit_keep_rows(fit, &d->store));
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  st = form_kernel(s, d);
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
  if (st == NKE_OK) set_fitted(fit, d, 0);
done:
  return st;
}

static nke_status mean_diagonal(const nke_session *s, const dual *d, double *mean)
{
  nke_status st = NKE_OK;
  double *diagonal = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(d->rows.n, sizeof *diagonal, "the diagonal", &diagonal)));
  NKE_TRY(nke_bcmat_diagonal(d->kernel, diagonal));
  *mean = nke_dual_rows_mean(&d->rows, diagonal);
done:
  nke_free(diagonal);
  return st;
}

/* alpha [n, k n_points]: of the exact kernel the weights. */
static nke_status exact_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *alpha)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  double mean;
  NKE_TRY(mean_diagonal(s, d, &mean));
  NKE_TRY(make_masked(s, mean, d));
  NKE_TRY(nke_fit_path(fit, d->masked ? d->masked : d->kernel, mean, d->rows.right, n_points, points, alpha));
  if (d->rows.roots) nke_class_weights_scale(d->rows.n, s->k * n_points, d->rows.roots, alpha);
done:
  return st;
}

static nke_status dual_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  dual *const d = state;
  const int64_t columns = s->k * n_points;
  double *alpha = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(d->rows.n * columns, sizeof *alpha, "dual weights", &alpha)));
  NKE_TRY(exact_solve(fit, d, n_points, points, alpha));
  st = nke_fit_store_primal(s, &d->store, columns, alpha, weights);
done:
  nke_free(alpha);
  return st;
}

static const nke_bcmat *exact_matrix(const void *state)
{
  return ((const dual *)state)->kernel;
}

static nke_status dual_criterion(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights)
{
  (void)weights;
  return nke_fit_criterion_dual(fit, ((const dual *)state)->rows.targets, n_points, points);
}

static nke_status product(void *kernel, int k, const double *x, double *y)
{
  return nke_symmetric_product(kernel, 0, k, x, y);
}

/* Metrics of the rows that are fitted (1), or held out. */
static nke_status score_rows(nke_session *s, dual *d, int which, int n_sets, const double *weights,
                             nke_metrics *metrics)
{
  if (!s->exact) return nke_fit_store_score(s, &d->store, which, n_sets, weights, metrics);
  const nke_symmetric_matrix kernel = {
      .comm = d->kernel->grid.comm, .n = d->kernel->rows, .context = d->kernel, .product = product};
  return nke_dual_rows_metrics(s, &d->rows, &kernel, which, n_sets, weights, metrics);
}

static nke_status dual_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  const nke_status st = score_rows(&fit->session, state, 0, n_sets, weights, metrics);
  if (st == NKE_OK) set_fitted(fit, state, 1);
  return st;
}

static nke_status exact_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                              const double *weights, nke_metrics *metrics)
{
  return nke_dual_rows_score(fit, &((const dual *)state)->rows, dataset, what, n_sets, weights, metrics);
}

static nke_status dual_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  return score_rows(&fit->session, state, 1, 1, weights, metrics);
}

const nke_trainer nke_trainer_dual = {
  .name = "dual",
  .create = dual_create,
  .destroy = dual_destroy,
  .add = dual_add,
  .hold_out = dual_hold_out,
  .solve = dual_solve,
  .criterion = dual_criterion,
  .validate = dual_validate,
  .score = nke_fit_score,
  .training_metrics = dual_training_metrics,
};

const nke_trainer nke_trainer_exact = {
  .name = "exact",
  .create = dual_create,
  .destroy = dual_destroy,
  .add = dual_add,
  .hold_out = dual_hold_out,
  .solve = exact_solve,
  .criterion = dual_criterion,
  .matrix = exact_matrix,
  .validate = dual_validate,
  .score = exact_score,
  .training_metrics = dual_training_metrics,
};
