/* Weights of the exact kernel: (K + shift I) A = Y over the training rows. The features of a row are its kernel with the
 * training rows (kernel_rows.h), so A are the weights, one a training row.
 *
 * K of all rows is computed once. While rows are held out, the system is that of the others in the same numbering: rows
 * and columns of the held-out ones are those of the identity, and their targets zero, so their weights are exactly zero
 * and the others' as if they had never been there. */
#include "run/fit_cg.h"

#include "base/memory.h"
#include "run/class_weights.h"
#include "run/fit_store.h"
#include "run/kernel_file.h"
#include "run/kernel_score.h"
#include "run/score.h"
#include "solve/symmetric.h"

#include <string.h>

/* Where conjugate gradients stop, unless PETSc's options say otherwise: -nke_ksp_rtol, -nke_ksp_max_it. */
static const double tolerance = 1e-6;

typedef struct exact {
  nke_bcmat *kernel;
  char path[4096]; /* of the file that it was read from; else empty */
  nke_bcmat *masked; /* the system, where it is not the kernel: rows are held out, or classes weighted; else NULL */
  double *targets;            /* [n, k], on every rank */
  double *right;              /* [n, k]: targets of the fitted rows */
  double *roots;              /* [n], with class weights; else NULL */
  unsigned char *fitted;      /* [n] */
  int64_t n_fitted;
  nke_fit_store sketch; /* of all rows, with solver.precondition sketch */
} exact;

static void exact_destroy(void *state)
{
  exact *const e = state;
  if (!e) return;
  nke_bcmat_destroy(&e->kernel);
  nke_bcmat_destroy(&e->masked);
  nke_free(e->targets);
  nke_free(e->right);
  nke_free(e->roots);
  nke_free(e->fitted);
  nke_fit_store_clear(&e->sketch);
  nke_free(e);
}

static nke_status exact_create(nke_fit *fit, void **state)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  exact *e = NULL;
  NKE_TRY(nke_calloc(1, sizeof *e, "the solver", &e));
  NKE_TRY(nke_alloc(s->m * s->k, sizeof *e->targets, "targets of all rows", &e->targets));
  NKE_TRY(nke_alloc(s->m * s->k, sizeof *e->right, "targets of the fitted rows", &e->right));
  if (s->class_roots) NKE_TRY(nke_alloc(s->m, sizeof *e->roots, "weights of all rows", &e->roots));
  NKE_TRY(nke_calloc(s->m, 1, "the map of fitted rows", &e->fitted));
done:
  st = nke_agree(s->comm, st);
  if (st != NKE_OK) {
    exact_destroy(e);
    e = NULL;
  }
  *state = e;
  return st;
}

/* The system of the fitted rows alone; this rank's part. */
static void mask(const exact *e, nke_bcmat *a)
{
  for (int64_t jl = 0; jl < a->cols_loc; jl++) {
    const int64_t j = nke_bc_global(jl, a->nb, a->grid.npcol, a->grid.mycol);
    for (int64_t il = 0; il < a->rows_loc; il++) {
      const int64_t i = nke_bc_global(il, a->nb, a->grid.nprow, a->grid.myrow);
      if (!e->fitted[i] || !e->fitted[j]) a->a[il + jl * a->ld] = i == j;
    }
  }
}

static nke_status make_masked(const nke_session *s, exact *e)
{
  nke_status st = NKE_OK;
  const nke_bcmat *const k = e->kernel;
  if (e->masked || (e->n_fitted == s->m && !e->roots)) return NKE_OK;
  NKE_TRY(nke_bcmat_create(s->comm, k->rows, k->cols, k->nb, &e->masked));
  memcpy(e->masked->a, k->a, (size_t)(k->ld * k->cols_loc) * sizeof *k->a);
  if (e->roots) nke_class_weights_matrix(e->roots, e->masked);
  mask(e, e->masked);
done:
  return st;
}

static void set_fitted(const nke_session *s, exact *e, const nke_rows *rows)
{
  for (int64_t p = 0; p < rows->n; p++) e->fitted[rows->index ? rows->index[p] : p] = 1;
  e->n_fitted += rows->n;
  for (int64_t i = 0; i < s->m; i++)
    for (int64_t c = 0; c < s->k; c++) e->right[i * s->k + c] = e->fitted[i] ? e->targets[i * s->k + c] : 0;
  if (!e->roots) return;
  nke_class_weights_roots(s, s->m, e->targets, e->roots);
  nke_class_weights_scale(s->m, s->k, e->roots, e->right);
}

/* K of all training rows: from the file that `nke kernel` made, where it is there, or computed now. */
static nke_status form_kernel(nke_session *s, exact *e)
{
  nke_status st = NKE_OK;
  char *identity = NULL;
  const nke_tiling tiling = nke_tiling_of(s->m, s->test ? nke_dataset_rows(s->test) : 0, s->config->kernel.tile);
  if (nke_kernel_file_path(s->config, e->path, sizeof e->path) >= (int)sizeof e->path)
    return nke_fail(NKE_ERR_OUTPUT, "kernel.file: path too long");
  if (!nke_kernel_file_exists(s->comm, e->path)) {
    e->path[0] = '\0';
    return nke_kernel_rows_matrix(s->comm, s->kernel, NULL, &e->kernel);
  }
  NKE_TRY(nke_agree(s->comm, nke_kernel_identity(s->config, &tiling, &identity)));
  NKE_TRY(nke_bcmat_create(s->comm, s->m, s->m, nke_bc_block_size(s->m), &e->kernel));
  st = nke_kernel_file_matrix(s->comm, e->path, identity, s->config->embedding.kernel, e->kernel);
done:
  nke_free(identity);
  return st;
}

static nke_status exact_add(nke_fit *fit, void *state, const nke_rows *rows)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  exact *const e = state;
  NKE_TRY(nke_session_targets(s, e->targets));
  set_fitted(s, e, rows);
  nke_stage_begin(&s->stats, NKE_STAGE_GRAM);
  st = form_kernel(s, e);
  nke_stage_end(&s->stats, NKE_STAGE_GRAM);
  if (st == NKE_OK && !e->path[0])
    s->stats.flops[NKE_STAGE_GRAM] += nke_exact_flops_per_pair(s->exact) * (double)s->m * (double)(s->m + 1) / 2 /
                                      e->kernel->grid.size;
done:
  return st;
}

/* The mean diagonal of the fitted rows. */
static nke_status mean_diagonal(const nke_session *s, const exact *e, double *mean)
{
  nke_status st = NKE_OK;
  double *diagonal = NULL;
  *mean = 0;
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m, sizeof *diagonal, "the diagonal", &diagonal)));
  NKE_TRY(nke_bcmat_diagonal(e->kernel, diagonal));
  for (int64_t i = 0; i < s->m; i++)
    if (e->fitted[i]) *mean += diagonal[i] * (e->roots ? e->roots[i] * e->roots[i] : 1) / (double)e->n_fitted;
done:
  nke_free(diagonal);
  return st;
}

static nke_status exact_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  exact *const e = state;
  double mean;
  NKE_TRY(make_masked(&fit->session, e));
  NKE_TRY(mean_diagonal(&fit->session, e, &mean));
  NKE_TRY(nke_fit_path(fit, e->masked ? e->masked : e->kernel, mean, e->right, n_points, points, weights));
  if (e->roots) nke_class_weights_scale(fit->session.m, fit->session.k * n_points, e->roots, weights);
done:
  return st;
}

static const nke_bcmat *exact_matrix(const void *state)
{
  return ((const exact *)state)->kernel;
}

/* Features of all rows by the sketch, in place of the kernel. */
static nke_status embed_sketch(nke_session *s, nke_fit_store *out)
{
  nke_session view = *s;
  const nke_rows all = nke_rows_all(s->m);
  view.kernel = NULL;
  view.features = s->sketch;
  view.m = nke_features_length(s->sketch);
  nke_session_ready(&view);
  view.embedder.stats = &s->stats;
  return nke_fit_store_rows(&view, &all, out);
}

static nke_status exact_cg_add(nke_fit *fit, void *state, const nke_rows *rows)
{
  nke_status st = NKE_OK;
  exact *const e = state;
  NKE_TRY(exact_add(fit, state, rows));
  if (fit->session.sketch) st = embed_sketch(&fit->session, &e->sketch);
done:
  return st;
}

/* *scale, new: what a row of the system is scaled by, 0 where it is held out; NULL where all are 1. */
static nke_status make_scale(const nke_session *s, const exact *e, double **scale)
{
  nke_status st = NKE_OK;
  if (e->n_fitted == s->m && !e->roots) return NKE_OK;
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m, sizeof **scale, "scales of the rows", scale)));
  for (int64_t i = 0; i < s->m; i++) (*scale)[i] = e->fitted[i] ? (e->roots ? e->roots[i] : 1) : 0;
done:
  return st;
}

static nke_status make_preconditioner(nke_fit *fit, const exact *e, const nke_operator *a, const double *scale,
                                      nke_preconditioner **out)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &fit->session;
  nke_operator *guide = NULL;
  if (!s->sketch) return nke_fit_preconditioner(fit, a, NULL, out);
  const nke_kept kept = {.comm = s->comm, .rows_loc = e->sketch.n, .m = nke_features_length(s->sketch),
                         .precision = s->config->run.precision, .z = e->sketch.z};
  NKE_TRY(nke_outer_operator(&kept, scale ? scale + a->parts.mine.begin : NULL, &guide));
  st = nke_fit_preconditioner(fit, a, guide, out);
done:
  nke_operator_destroy(&guide);
  return st;
}

static nke_status exact_cg_solve(nke_fit *fit, void *state, int n_points, nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const exact *const e = state;
  double mean, *scale = NULL;
  nke_operator *a = NULL;
  nke_preconditioner *p = NULL;
  nke_stage_begin(&s->stats, NKE_STAGE_SOLVE);
  NKE_TRY(mean_diagonal(s, e, &mean));
  NKE_TRY(make_scale(s, e, &scale));
  NKE_TRY(nke_kernel_operator(e->kernel, scale, &a));
  NKE_TRY(make_preconditioner(fit, e, a, scale, &p));
  NKE_TRY(nke_fit_cg_path(fit, a, p, mean, tolerance, e->right + a->parts.mine.begin * s->k, n_points, points, weights));
  if (e->roots) nke_class_weights_scale(s->m, s->k * n_points, e->roots, weights);
done:
  nke_stage_end(&s->stats, NKE_STAGE_SOLVE);
  nke_preconditioner_destroy(&p);
  nke_operator_destroy(&a);
  nke_free(scale);
  return st;
}

/* Metrics of the rows whose `fitted` is `which`, from scores [n, k n_sets] = K weights; each rank adds its share. */
static nke_status add_metrics(const nke_session *s, const exact *e, int which, int n_sets, const double *scores,
                              nke_metrics_sum **sums)
{
  nke_status st = NKE_OK;
  int rank, size;
  MPI_Comm_rank(s->comm, &rank);
  MPI_Comm_size(s->comm, &size);
  double *one = NULL;
  NKE_TRY(nke_alloc(s->k, sizeof *one, "scores of a row", &one));
  for (int64_t i = rank; i < s->m; i += size)
    for (int set = 0; set < n_sets && e->fitted[i] == which; set++) {
      memcpy(one, scores + (i * n_sets + set) * s->k, (size_t)s->k * sizeof *one);
      nke_metrics_add(sums[set], 1, one, e->targets + i * s->k);
    }
done:
  nke_free(one);
  return st;
}

static nke_status score_rows(nke_session *s, const exact *e, int which, int n_sets, const double *weights,
                             nke_metrics *metrics)
{
  nke_status st = NKE_OK;
  nke_metrics_sum **sums = NULL;
  double *scores = NULL;
  NKE_TRY(nke_agree(s->comm, nke_score_sums_create(&s->embedder, n_sets, &sums)));
  NKE_TRY(nke_agree(s->comm, nke_alloc(s->m * s->k * n_sets, sizeof *scores, "scores of the rows", &scores)));
  nke_stage_begin(&s->stats, NKE_STAGE_PREDICT);
  st = nke_symmetric_product(e->kernel, 0, (int)(s->k * n_sets), weights, scores);
  nke_stage_end(&s->stats, NKE_STAGE_PREDICT);
  if (st == NKE_OK) st = nke_agree(s->comm, add_metrics(s, e, which, n_sets, scores, sums));
  if (st == NKE_OK) st = nke_score_sums_reduce(&s->embedder, n_sets, sums, metrics);
done:
  nke_score_sums_destroy(n_sets, &sums);
  nke_free(scores);
  return st;
}

static nke_status exact_criterion(nke_fit *fit, void *state, int n_points, nke_path_point *points, const double *weights)
{
  (void)weights;
  return nke_fit_criterion_dual(fit, ((exact *)state)->targets, n_points, points);
}

static nke_status exact_validate(nke_fit *fit, void *state, int n_sets, const double *weights, nke_metrics *metrics)
{
  nke_session *const s = &fit->session;
  exact *const e = state;
  const nke_status st = score_rows(s, e, 0, n_sets, weights, metrics);
  if (st != NKE_OK) return st;
  nke_bcmat_destroy(&e->masked);
  set_fitted(s, e, &fit->held_out);
  return NKE_OK;
}

/* The test rows' kernel is in the file too. */
static nke_status exact_score(nke_fit *fit, void *state, nke_dataset *dataset, const char *what, int n_sets,
                              const double *weights, nke_metrics *metrics)
{
  nke_session *const s = &fit->session;
  const exact *const e = state;
  if (dataset == s->test && n_sets == 1 && e->path[0]) return nke_kernel_score_test(s, e->path, weights, metrics);
  return nke_fit_score(fit, state, dataset, what, n_sets, weights, metrics);
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

const nke_trainer nke_trainer_exact_cg = {
  .name = "exact cg",
  .create = exact_create,
  .destroy = exact_destroy,
  .add = exact_cg_add,
  .solve = exact_cg_solve,
  .validate = exact_validate,
  .score = exact_score,
  .training_metrics = exact_training_metrics,
};
