/* Weights of the exact kernel: (K + shift I) A = Y over the training rows, K a matrix. The features of a row are its
 * kernel with the training rows (kernel_rows.h), so A are the weights, one a training row. */
#include "run/fit_exact.h"

#include "base/memory.h"
#include "run/class_weights.h"
#include "run/kernel_file.h"
#include "solve/symmetric.h"

#include <string.h>

typedef struct exact {
  nke_exact_rows rows;
  nke_bcmat *kernel;
  nke_bcmat *masked; /* the system, where it is not the kernel: rows are held out, or classes weighted; else NULL */
} exact;

static void exact_destroy(void *state)
{
  exact *const e = state;
  if (!e) return;
  nke_bcmat_destroy(&e->kernel);
  nke_bcmat_destroy(&e->masked);
  nke_exact_rows_clear(&e->rows);
  nke_free(e);
}

static nke_status exact_create(nke_fit *fit, void **state)
{
  return nke_agree(fit->session.comm, nke_calloc(1, sizeof(exact), "the solver", state));
}

/* The system of the fitted rows alone; this rank's part. Rows and columns of the others are those of the identity times
 * `level`, an entry of the kernel's own size: at another one an eigendecomposition would round the fitted rows away. */
static void mask(const nke_exact_rows *rows, double level, nke_bcmat *a)
{
  for (int64_t jl = 0; jl < a->cols_loc; jl++) {
    const int64_t j = nke_bc_global(jl, a->nb, a->grid.npcol, a->grid.mycol);
    for (int64_t il = 0; il < a->rows_loc; il++) {
      const int64_t i = nke_bc_global(il, a->nb, a->grid.nprow, a->grid.myrow);
      if (!rows->fitted[i] || !rows->fitted[j]) a->a[il + jl * a->ld] = i == j ? level : 0;
    }
  }
}

static nke_status make_masked(const nke_session *s, double mean, exact *e)
{
  nke_status st = NKE_OK;
  const nke_bcmat *const k = e->kernel;
  if (e->masked || (e->rows.n_fitted == s->m && !e->rows.roots)) return NKE_OK;
  NKE_TRY(nke_bcmat_create(s->comm, k->rows, k->cols, k->nb, &e->masked));
  memcpy(e->masked->a, k->a, (size_t)(k->ld * k->cols_loc) * sizeof *k->a);
  if (e->rows.roots) nke_class_weights_matrix(e->rows.roots, e->masked);
  mask(&e->rows, mean, e->masked);
done:
  return st;
}

/* K of all training rows: from the file that `nke kernel` made, where it is there, or computed now. */
static nke_status form_kernel(nke_session *s, exact *e)
{
  nke_status st = NKE_OK;
  if (!e->rows.path[0]) {
    NKE_TRY(nke_kernel_rows_matrix(s->comm, s->kernel, NULL, &e->kernel));
    s->stats.flops[NKE_STAGE_GRAM] += nke_exact_flops_per_pair(s->exact) * (double)s->m * (double)(s->m + 1) / 2 /
                                      e->kernel->grid.size;
    return NKE_OK;
  }
  NKE_TRY(nke_bcmat_create(s->comm, s->m, s->m, nke_bc_block_size(s->m), &e->kernel));
  st = nke_kernel_file_matrix(s->comm, e->rows.path, e->rows.identity, s->config->embedding.kernel, e->kernel);
done:
  return st;
}

static nke_status exact_add(nke_fit *fit, void *state, const nke_rows *rows)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  exact *const e = state;
  NKE_TRY(nke_exact_rows_init(s, &e->rows));
  nke_exact_rows_fit(s, rows, &e->rows);
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  st = form_kernel(s, e);
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
done:
  return st;
}

static nke_status mean_diagonal(const nke_session *s, const exact *e, double *mean)
{
  nke_status st = NKE_OK;
  double *diagonal = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m, sizeof *diagonal, "the diagonal", &diagonal)));
  NKE_TRY(nke_bcmat_diagonal(e->kernel, diagonal));
  *mean = nke_exact_rows_mean(s, &e->rows, diagonal);
done:
  nke_free(diagonal);
  return st;
}

static nke_status exact_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  exact *const e = state;
  double mean;
  NKE_TRY(mean_diagonal(s, e, &mean));
  NKE_TRY(make_masked(s, mean, e));
  NKE_TRY(nke_fit_path(fit, e->masked ? e->masked : e->kernel, mean, e->rows.right, n_points, points, weights));
  if (e->rows.roots) nke_class_weights_scale(s->m, s->k * n_points, e->rows.roots, weights);
done:
  return st;
}

static const nke_bcmat *exact_matrix(const void *state)
{
  return ((const exact *)state)->kernel;
}

static nke_status product(void *kernel, int k, const double *x, double *y)
{
  return nke_symmetric_product(kernel, 0, k, x, y);
}

static nke_symmetric_matrix matrix_of(const exact *e)
{
  return (nke_symmetric_matrix){.comm = e->kernel->grid.comm, .n = e->kernel->rows, .context = e->kernel, .product = product};
}

static nke_status score_rows(nke_session *s, const exact *e, int which, int n_sets, const double *weights,
                             nke_metrics *metrics)
{
  const nke_symmetric_matrix kernel = matrix_of(e);
  return nke_exact_rows_metrics(s, &e->rows, &kernel, which, n_sets, weights, metrics);
}

static nke_status exact_criterion(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights)
{
  (void)weights;
  return nke_fit_criterion_dual(fit, ((exact *)state)->rows.targets, n_points, points);
}

static nke_status exact_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_session *const s = &fit->session;
  exact *const e = state;
  const nke_status st = score_rows(s, e, 0, n_sets, weights, metrics);
  if (st != NKE_OK) return st;
  nke_bcmat_destroy(&e->masked);
  nke_exact_rows_fit(s, &fit->held_out, &e->rows);
  return NKE_OK;
}

static nke_status exact_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                              const double *weights, nke_metrics *metrics)
{
  return nke_exact_rows_score(fit, &((const exact *)state)->rows, dataset, what, n_sets, weights, metrics);
}

static nke_status exact_training_metrics(nke_fit *fit, void *state, const double *weights, nke_metrics *metrics)
{
  return score_rows(&fit->session, state, 1, 1, weights, metrics);
}

const nke_trainer nke_trainer_exact = {
  .name = "exact",
  .create = exact_create,
  .destroy = exact_destroy,
  .add = exact_add,
  .solve = exact_solve,
  .criterion = exact_criterion,
  .matrix = exact_matrix,
  .validate = exact_validate,
  .score = exact_score,
  .training_metrics = exact_training_metrics,
};
