#include "run/fit_plan.h"

#include "dist/exchange.h"
#include "gram/gram.h"
#include "num/blas.h"
#include "run/fit_cg.h"
#include "run/kernel_store.h"
#include "run/matrix_file.h"
#include "solve/ridge.h"

#include <math.h>
#include <stdio.h>

/* Whether the path goes by an eigendecomposition; a lone lambda takes a factor. */
static int by_eigen(const nke_fit *fit)
{
  return (fit->session.config->solver.type == NKE_SOLVER_EIGEN && fit->n_path > 1) || nke_fit_by_criterion(fit);
}

/* Matrices of an n x n system: one more where it is not the kernel itself. */
static int systems(const nke_fit *fit)
{
  const int weighted = fit->session.config->data.class_weighting != NKE_CLASS_WEIGHTS_NONE;
  return nke_fit_holds_out(fit) || nke_fit_by_folds(fit) || weighted ? 2 : 1;
}

/* Solutions: of the path, of each fold where there are folds, and the last one. */
static int solutions(const nke_fit *fit)
{
  const int64_t paths = nke_fit_by_folds(fit) ? fit->session.config->solver.folds : 1;
  return nke_fit_selects(fit) ? (int)paths * fit->n_path + 1 : 1;
}

/* The larger of a factor and, where the path goes by it, an eigendecomposition. */
static double solve_bytes(const nke_fit *fit, const nke_grid *grid, int64_t order)
{
  const int k = (int)fit->session.k;
  const double factor = (double)nke_ridge_bytes(grid, order, k);
  if (!by_eigen(fit)) return factor;
  const double decomposition = (double)nke_eigen_bytes(grid, order, k);
  return factor > decomposition ? factor : decomposition;
}

/* Of the slabs of the largest fold, without their inputs. */
static double fold_bytes(const nke_fit *fit, int ranks, const nke_slab_size *size)
{
  const nke_session *const s = &fit->session;
  const int64_t rows = nke_dataset_rows(s->train), originals = nke_dataset_originals(s->train);
  const int64_t fold = nke_ceil_div(originals, s->config->solver.folds) * (rows / originals);
  const int64_t mine = fold / size->all * size->own + nke_slab_most(size, fold % size->all, ranks);
  const int64_t features = s->m * nke_precision_bytes(s->config->run.precision);
  return (double)mine * (double)(features + 8 * (1 + nke_dataset_targets(s->train) + s->k));
}

static void plan_primal(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const nke_precision precision = s->config->run.precision;
  const double m = (double)s->m, n = (double)nke_dataset_rows(s->train);
  const nke_slab_size rows = nke_plan_slab_size(s, grid->size);
  const int64_t blocks = rows.panel / NKE_BLOCK_ROWS;
  const double senders = (double)nke_min(blocks, grid->size * rows.panel / rows.all); /* of a panel */
  const int solves = solutions(fit);
  const int folds = nke_fit_by_folds(fit); /* each in a Gram matrix of its own as well */
  plan->matrix = (double)nke_gram_matrix_bytes(s->m, grid->size) * (1 + folds);
  plan->solve = solve_bytes(fit, grid, s->m);
  plan->slab += (double)nke_gram_panel_bytes(grid, s->m, rows.panel, precision) * (1 + folds);
  if (fit->keeps_fold) plan->matrix += fold_bytes(fit, grid->size, &rows);
  plan->flops_gram = n * m * m * (1 + folds);
  plan->flops_solve = solves * m * m * m / 3;
  /* Of every row a rank gets what its tiles need, at most so much; all but its own share comes from the others. */
  plan->bytes_gram = n * (1 + folds) *
                     (double)(nke_exchange_most(grid, s->m, nke_bc_block_size(s->m)) * nke_precision_bytes(precision)) *
                     (grid->size - 1) / grid->size;
  plan->messages_gram = ceil(n / (double)rows.panel) * (1 + folds) * senders * (grid->size - 1) / grid->size;
}

static void plan_dual(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const int64_t rows = nke_dataset_rows(s->train);
  const double m = (double)s->m, n = (double)rows;
  const int solves = solutions(fit);
  const double kept =
      (double)nke_ceil_div(rows, grid->size) * m * (double)nke_precision_bytes(s->config->run.precision);
  plan->matrix = (double)nke_gram_matrix_bytes(rows, grid->size) * systems(fit) + kept;
  /* On every rank: targets of all rows and of those fitted, while they are gathered, and dual weights of the whole
   * path; those of its own rows. */
  const double own = (double)nke_ceil_div(rows, grid->size);
  plan->solve = solve_bytes(fit, grid, rows) + 8.0 * (double)s->k * (n * (3 + fit->n_path) + 2 * own);
  plan->flops_gram = n * n * m;
  plan->flops_solve = solves * n * n * n / 3;
}

/* Of a Nystrom preconditioner for n unknowns, of which a rank has `mine`: its vectors, twice more while it is made, and
 * products with some of them at a time; a small eigenproblem. */
static double nystrom_bytes(const nke_fit *fit, double n, double mine)
{
  const double rank = nke_fit_nystrom_rank((int64_t)n), columns = nke_nystrom_columns(fit->recompute);
  const double small = 8.0 * rank * rank + (double)nke_dsyevd_bytes((int64_t)rank);
  return 24.0 * rank * mine + small + 16.0 * (n + mine) * columns;
}

/* The features, or targets alone; vectors of n and m with k columns, in part
 * on every rank; rows of features in double. */
static void plan_krylov(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const double m = (double)s->m, rows = (double)nke_ceil_div(nke_dataset_rows(s->train), grid->size), k = (double)s->k;
  const double mine = (double)nke_ceil_div(s->m, grid->size);
  plan->matrix = rows * m * (double)nke_precision_bytes(s->config->run.precision);
  plan->solve = 8.0 * (NKE_KEPT_ROWS * m + k * (6 * (mine + rows) + 4 * m) + rows);
  if (s->config->solver.precondition == NKE_PRECONDITION_NYSTROM) plan->solve += nystrom_bytes(fit, m, mine);
  if (!fit->recompute) return;
  plan->matrix = 0;
  plan->slab *= 2; /* what scores the rows has one of its own */
  plan->flops_pass = (double)nke_dataset_rows(s->train) * nke_features_flops_per_row(s->features);
}

/* K, K without the held-out rows, the factor; the kernel of a slab counts as its features. */
static void plan_exact(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const double n = (double)s->m;
  const int solves = solutions(fit);
  plan->matrix = (double)nke_gram_matrix_bytes(s->m, grid->size) * systems(fit);
  plan->solve = solve_bytes(fit, grid, s->m) + 24.0 * n * (double)s->k;
  plan->flops_gram = n * (n + 1) / 2 * nke_exact_flops_per_pair(s->exact);
  plan->flops_solve = solves * n * n * n / 3;
}

/* K or a tile of it; vectors of a product, those of a preconditioner with its factor or its random vectors. */
static void plan_exact_cg(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const double n = (double)s->m, rows = (double)nke_ceil_div(s->m, grid->size), k = (double)s->k;
  plan_exact(fit, grid, plan);
  plan->matrix = nke_kernel_store_bytes(s->m, s->config->run.precision, grid->size, !fit->recompute);
  plan->solve = 8.0 * (5 * n * k + 8 * rows * k);
  plan->flops_solve = 0; /* the number of iterations is not known */
  if (fit->recompute) {
    plan->flops_pass = plan->flops_gram;
    plan->flops_gram = 0;
  }
  if (s->config->solver.precondition < NKE_PRECONDITION_NYSTROM) return;
  plan->solve += nystrom_bytes(fit, n, rows);
  plan->flops_solve = 2 * n * n * nke_fit_nystrom_rank(s->m);
  if (!s->sketch) return;
  const double m = (double)nke_features_length(s->sketch);
  plan->matrix += rows * m * (double)nke_precision_bytes(s->config->run.precision);
  plan->solve += 8.0 * NKE_KEPT_ROWS * (m + rows);
  plan->flops_solve += 4 * n * m * nke_fit_nystrom_rank(s->m);
}

/* Of --ranks, or of the ranks there are. */
static nke_grid planned_grid(const nke_session *s)
{
  return s->invocation->ranks > 0 ? nke_grid_first((int)s->invocation->ranks) : nke_grid_of(s->comm);
}

static void plan_trainer(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  if (fit->trainer == &nke_trainer_exact)
    plan_exact(fit, grid, plan);
  else if (fit->trainer == &nke_trainer_exact_cg)
    plan_exact_cg(fit, grid, plan);
  else if (fit->trainer == &nke_trainer_cg || fit->trainer == &nke_trainer_lsqr)
    plan_krylov(fit, grid, plan);
  else if (fit->trainer == &nke_trainer_dual)
    plan_dual(fit, grid, plan);
  else
    plan_primal(fit, grid, plan);
}

/* Weights, preprocessing, an exact model's rows, the factor. */
static void plan_file(const nke_fit *fit, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const double n = (double)nke_dataset_rows(s->train), m = (double)s->m;
  plan->file = "model.h5";
  plan->file_bytes = 8 * m * (double)s->k + plan->preprocess;
  if (s->exact) plan->file_bytes += 8 * n * (double)nke_shape_length(s->shape);
  if (!fit->with_variance) return;
  plan->factor_bytes = nke_matrix_file_bytes(s->m); /* in memory it takes the place of a solve's */
  plan->file_bytes += plan->factor_bytes;
  plan->flops_solve += pow(m, 3) / 3;
}

/* Lists on every rank: the rows held out, and what folds are dealt by. */
static double list_bytes(const nke_fit *fit)
{
  const nke_config *const c = fit->session.config;
  const double rows = (double)nke_dataset_rows(fit->session.train);
  if (nke_fit_by_folds(fit))
    return 8 * rows / (double)c->solver.folds +
           (double)NKE_FOLD_BYTES * (double)nke_dataset_originals(fit->session.train);
  return nke_fit_holds_out(fit) ? 8 * rows * c->data.validation_fraction : 0;
}

static void describe(const nke_fit *fit, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  snprintf(plan->what, sizeof plan->what,
           "rows %lld, entries a row %lld, features %lld, targets from %.256s, solver %s",
           (long long)nke_dataset_rows(s->train), (long long)nke_shape_length(s->shape), (long long)s->m,
           nke_dataset_path(s->train), fit->trainer->name);
}

static nke_plan plan_of(const nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  const nke_grid grid = planned_grid(s);
  nke_plan plan = nke_plan_begin(s->train, s->validation, s->test);
  describe(fit, &plan);
  plan.data += list_bytes(fit);
  nke_plan_preprocess(s->config, s->shape, &plan);
  nke_plan_slab(s, grid.size, &plan);
  nke_plan_scores(s, grid.size, fit->n_path, &plan);
  plan.weights = 8.0 * (double)(s->m * s->k) * (fit->n_path + 3);
  plan_trainer(fit, &grid, &plan);
  plan_file(fit, &plan);
  double rows = s->exact ? 0 : (double)nke_dataset_rows(s->train);
  if (fit->trainer == &nke_trainer_primal && nke_fit_by_folds(fit))
    rows *= fit->keeps_fold ? 2 : 3; /* all, and each fold once or twice */
  if (s->test) rows += (double)nke_dataset_rows(s->test);
  plan.flops_embed =
      rows * (s->exact ? nke_exact_flops_per_pair(s->exact) * (double)s->m : nke_features_flops_per_row(s->features));
  return plan;
}

bool nke_fit_is_iterative(const nke_fit *fit)
{
  return fit->trainer == &nke_trainer_exact_cg || fit->trainer == &nke_trainer_cg || fit->trainer == &nke_trainer_lsqr;
}

/* Class weights scale features where they are: a fold's could not be scored afterwards. */
static bool may_keep_fold(const nke_fit *fit)
{
  return fit->trainer == &nke_trainer_primal && nke_fit_by_folds(fit) &&
         fit->session.config->data.class_weighting == NKE_CLASS_WEIGHTS_NONE;
}

/* What can be kept is kept where that fits, and else made anew. */
void nke_fit_plan(void *context, nke_plan *plan)
{
  nke_fit *const fit = context;
  const nke_session *const s = &fit->session;
  fit->recompute = 0;
  fit->keeps_fold = may_keep_fold(fit);
  *plan = plan_of(fit);
  if (!(nke_fit_is_iterative(fit) || fit->keeps_fold) || nke_plan_fits(s->comm, s->config, plan)) return;
  fit->recompute = nke_fit_is_iterative(fit);
  fit->keeps_fold = 0;
  const nke_plan again = plan_of(fit);
  if (!fit->recompute || nke_plan_fits(s->comm, s->config, &again))
    *plan = again;
  else
    fit->recompute = 0; /* it would not help */
}

/* Rows of the solver's right-hand side. */
static int64_t unknowns(const nke_fit *fit)
{
  const int64_t n = nke_dataset_rows(fit->session.train), m = fit->session.m;
  if (fit->trainer == &nke_trainer_lsqr) return n + m;
  return fit->trainer == &nke_trainer_primal || fit->trainer == &nke_trainer_cg ? m : n;
}

nke_status nke_fit_check_parts(const nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  const nke_grid grid = planned_grid(s);
  int narrow;
  const nke_status fits = nke_to_int(unknowns(fit) * s->k, "entries of a right-hand side", &narrow);
  if (fits != NKE_OK) return fits;
  if (fit->trainer != &nke_trainer_primal && fit->trainer != &nke_trainer_dual && fit->trainer != &nke_trainer_exact)
    return NKE_OK;
  const int64_t order = fit->trainer == &nke_trainer_dual ? nke_dataset_rows(s->train) : s->m;
  const nke_status st = nke_bcmat_check(&grid, order, order, nke_bc_block_size(order));
  return st == NKE_OK && by_eigen(fit) ? nke_eigen_check(&grid, order) : st;
}
