#include "run/plan.h"

#include "base/memory.h"
#include "dist/exchange.h"
#include "gram/gram.h"
#include "run/fit_cg.h"
#include "run/kernel_store.h"
#include "run/matrix_file.h"
#include "solve/ridge.h"

#include <math.h>
#include <stdio.h>

static const double mib = 1048576.0;

/* Slabs: rows in double, their targets as they come and encoded, features; a block of features in double to score; and
 * in the exchange. */
static double slab_bytes(const nke_session *s, int ranks, int n_sets)
{
  const nke_precision precision = s->exact ? NKE_DOUBLE : s->config->run.precision;
  const int64_t d = nke_shape_length(s->shape);
  const int64_t mine = nke_slab_size_of(d, s->m, precision, s->config->run.memory_per_rank, ranks).own;
  const double targets = 8.0 * (double)(nke_dataset_targets(s->train) + s->k);
  const double row = 8.0 * (double)d + 16 + targets + (double)(s->m * nke_precision_bytes(precision));
  return (double)mine * row + 8.0 * NKE_BLOCK_ROWS * (double)s->m + 8.0 * (double)(mine * s->k * n_sets);
}

/* Whether the path goes by an eigendecomposition; a lone lambda takes a factor. */
static int by_eigen(const nke_fit *fit)
{
  return (fit->session.config->solver.type == NKE_SOLVER_EIGEN && fit->n_path > 1) || nke_fit_by_criterion(fit);
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

static void plan_primal(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const nke_precision precision = s->config->run.precision;
  const double m = (double)s->m, n = (double)nke_dataset_rows(s->train);
  const int64_t panel = nke_slab_size_of(nke_shape_length(s->shape), s->m, precision, s->config->run.memory_per_rank,
                                         grid->size).panel;
  const int solves = fit->n_path > 1 ? fit->n_path + 1 : 1;
  plan->matrix = (double)nke_gram_matrix_bytes(s->m, grid->size);
  plan->solve = solve_bytes(fit, grid, s->m);
  plan->slab += (double)nke_gram_panel_bytes(grid, s->m, panel, precision);
  plan->flops_gram = n * m * m;
  plan->flops_solve = solves * m * m * m / 3;
  /* Of every row a rank gets what its tiles need; all but its own share comes from the others. */
  plan->bytes_gram = n * (double)(nke_exchange_length(grid, grid->rank, s->m, nke_bc_block_size(s->m)) *
                                  nke_precision_bytes(precision)) * (grid->size - 1) / grid->size;
  plan->messages_gram = ceil(n / (double)panel) * (grid->size - 1);
}

static void plan_dual(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const int64_t rows = nke_dataset_rows(s->train);
  const double m = (double)s->m, n = (double)rows;
  const int solves = fit->n_path > 1 ? fit->n_path + 1 : 1;
  const double kept = (double)nke_ceil_div(rows, grid->size) * m * (double)nke_precision_bytes(s->config->run.precision);
  plan->matrix = (double)nke_gram_matrix_bytes(rows, grid->size) + kept * (fit->n_path > 1 ? 2 : 1);
  /* On every rank: targets of all rows, gathered, and dual weights of the whole path; those of its own rows, kept and
   * joined. */
  const double own = (double)nke_ceil_div(rows, grid->size);
  plan->solve = solve_bytes(fit, grid, rows) + 8.0 * (double)s->k * (n * (2 + fit->n_path) + 2 * own);
  plan->flops_gram = n * n * m * (fit->n_path > 1 ? 2 : 1);
  plan->flops_solve = solves * n * n * n / 3;
}

/* Of a Nystrom preconditioner for n unknowns, of which a rank has `mine`: its vectors, twice more while it is made, and
 * products with some of them at a time. */
static double nystrom_bytes(const nke_fit *fit, double n, double mine)
{
  const double rank = nke_fit_nystrom_rank((int64_t)n), columns = nke_nystrom_columns(fit->recompute);
  return 8.0 * rank * (3 * mine + rank) + 16.0 * (n + mine) * columns;
}

/* The features, twice while the held-out rows join them, or targets alone; vectors of n and m with k columns, in part on
 * every rank; rows of features in double. */
static void plan_krylov(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const double m = (double)s->m, rows = (double)nke_ceil_div(nke_dataset_rows(s->train), grid->size), k = (double)s->k;
  const double mine = (double)nke_ceil_div(s->m, grid->size);
  plan->matrix = rows * m * (double)nke_precision_bytes(s->config->run.precision) * (fit->held_out.n > 0 ? 2 : 1);
  plan->solve = 8.0 * (NKE_KEPT_ROWS * m + k * (6 * (mine + rows) + 4 * m));
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
  const int solves = fit->n_path > 1 ? fit->n_path + 1 : 1;
  plan->matrix = (double)nke_gram_matrix_bytes(s->m, grid->size) * (fit->held_out.n > 0 ? 2 : 1);
  plan->solve = solve_bytes(fit, grid, s->m) + 24.0 * n * (double)s->k;
  plan->slab += (double)s->config->run.memory_per_rank / 8 + (double)nke_exact_block_bytes(s->exact, NKE_BLOCK_ROWS, 64);
  plan->flops_gram = n * (n + 1) / 2 * nke_exact_flops_per_pair(s->exact);
  plan->flops_solve = solves * n * n * n / 3;
}

/* K or a tile of it; vectors of a product, those of a preconditioner with its factor or its random vectors. */
static void plan_exact_cg(const nke_fit *fit, const nke_grid *grid, nke_plan *plan)
{
  const nke_session *const s = &fit->session;
  const double n = (double)s->m, rows = (double)nke_ceil_div(s->m, grid->size), k = (double)s->k;
  plan_exact(fit, grid, plan);
  plan->matrix = (double)nke_kernel_store_bytes(s->m, s->config->run.precision, grid->size, !fit->recompute);
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

nke_plan nke_plan_of(const nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  const nke_config_data *const data = &s->config->data;
  const nke_grid grid = planned_grid(s);
  nke_plan plan = {0};
  plan.program = (double)nke_peak_rss();
  plan.preprocess_peak =
    (double)nke_preprocess_fit_bytes(data->n_preprocess, data->preprocess, s->shape);
  for (int i = 0; i < data->n_preprocess; i++)
    if (data->preprocess[i].kind == NKE_PREPROCESS_ZCA)
      plan.preprocess += 8.0 * (double)(nke_shape_length(s->shape) * nke_shape_length(s->shape));
  plan.weights = 8.0 * (double)(s->m * s->k) * (fit->n_path + 3);
  plan.slab = slab_bytes(s, grid.size, fit->n_path);
  if (fit->trainer == &nke_trainer_exact)
    plan_exact(fit, &grid, &plan);
  else if (fit->trainer == &nke_trainer_exact_cg)
    plan_exact_cg(fit, &grid, &plan);
  else if (fit->trainer == &nke_trainer_cg || fit->trainer == &nke_trainer_lsqr)
    plan_krylov(fit, &grid, &plan);
  else if (fit->trainer == &nke_trainer_dual)
    plan_dual(fit, &grid, &plan);
  else
    plan_primal(fit, &grid, &plan);
  if (s->invocation->variance) {
    plan.factor_file = nke_matrix_file_bytes(s->m); /* the factor itself takes the place of a solve's */
    plan.flops_solve += pow((double)s->m, 3) / 3;
  }
  double rows = (double)nke_dataset_rows(s->train);
  if (s->test) rows += (double)nke_dataset_rows(s->test);
  if (s->exact) rows -= (double)nke_dataset_rows(s->train);
  plan.flops_embed = rows * (s->exact ? nke_exact_flops_per_pair(s->exact) * (double)s->m
                                      : nke_features_flops_per_row(s->features));
  /* The embedding's tables were made before this point and are part of the program's resident size. */
  const double later = plan.preprocess + plan.slab + plan.matrix + plan.solve + plan.weights;
  plan.embedding = s->features ? (double)nke_features_bytes(s->features) : 0;
  plan.peak = plan.program + (later > plan.preprocess_peak ? later : plan.preprocess_peak);
  return plan;
}

/* Whether every rank has the memory. Collective. */
static int fits(const nke_fit *fit, nke_plan *plan)
{
  *plan = nke_plan_of(fit);
  int all = plan->peak <= (double)fit->session.config->run.memory_per_rank;
  MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, fit->session.comm);
  return all;
}

/* Whether ScaLAPACK's 32 bits count a rank's part of the matrix, and of what is made of it. Local. */
static nke_status check_parts(const nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  const nke_grid grid = planned_grid(s);
  if (fit->trainer != &nke_trainer_primal && fit->trainer != &nke_trainer_dual && fit->trainer != &nke_trainer_exact)
    return NKE_OK;
  const int64_t order = fit->trainer == &nke_trainer_dual ? nke_dataset_rows(s->train) : s->m;
  const nke_status st = nke_bcmat_check(&grid, order, order, nke_bc_block_size(order));
  return st == NKE_OK && by_eigen(fit) ? nke_eigen_check(&grid, order) : st;
}

static nke_status check_memory(nke_fit *fit)
{
  const nke_session *const s = &fit->session;
  const double limit = (double)s->config->run.memory_per_rank;
  nke_plan plan;
  if (fits(fit, &plan)) return NKE_OK;
  if (fit->trainer == &nke_trainer_exact_cg || fit->trainer == &nke_trainer_cg || fit->trainer == &nke_trainer_lsqr) {
    fit->recompute = 1;
    if (fits(fit, &plan)) return NKE_OK;
    fit->recompute = 0; /* it would not help */
  }
  return nke_fail(NKE_ERR_USAGE,
                  "run.memory_per_rank: a rank needs about %.0f MiB (matrix %.0f, factor %.0f, rows in flight %.0f), got "
                  "%.0f MiB; use more ranks, fewer features, or a larger limit",
                  plan.peak / mib, plan.matrix / mib, plan.solve / mib, plan.slab / mib, limit / mib);
}

nke_status nke_plan_check(nke_fit *fit)
{
  const nke_status st = check_memory(fit);
  return st == NKE_OK ? check_parts(fit) : st;
}

static void print_plan(const nke_fit *fit, const nke_plan *plan, const char *config)
{
  const nke_session *const s = &fit->session;
  printf("%s\n", config);
  printf("# rows %lld, entries a row %lld, features %lld, targets from %s, solver %s\n",
         (long long)nke_dataset_rows(s->train), (long long)nke_shape_length(s->shape), (long long)s->m,
         nke_dataset_path(s->train), fit->trainer->name);
  if (s->invocation->ranks > 0) printf("# for %lld ranks\n", (long long)s->invocation->ranks);
  printf("# memory of a rank, MiB: peak %.0f of %.0f allowed\n", plan->peak / mib,
         (double)s->config->run.memory_per_rank / mib);
  printf("#   program and embedding %.0f (embedding %.0f), preprocessing %.0f (its fit %.0f), rows in flight %.0f\n",
         plan->program / mib, plan->embedding / mib, plan->preprocess / mib, plan->preprocess_peak / mib,
         plan->slab / mib);
  printf("#   matrix %.0f, factor and right-hand sides %.0f, weights %.0f\n", plan->matrix / mib, plan->solve / mib,
         plan->weights / mib);
  printf("# work, GFlop in all: embedding %.0f, Gram matrix %.0f, solves %.0f\n", plan->flops_embed * 1e-9,
         plan->flops_gram * 1e-9, plan->flops_solve * 1e-9);
  if (plan->flops_pass > 0) printf("#   each pass of an iteration again: %.0f\n", plan->flops_pass * 1e-9);
  if (plan->factor_file > 0)
    printf("# model.h5: %.1f MiB more, the factor for the posterior variance\n", plan->factor_file / mib);
  if (plan->messages_gram > 0)
    printf("# a rank receives, for the Gram matrix: %.0f MiB in %.0f messages\n", plan->bytes_gram / mib,
           plan->messages_gram);
}

nke_status nke_plan_print(const nke_fit *fit)
{
  const nke_plan plan = nke_plan_of(fit);
  char *config = NULL;
  nke_status st = nke_config_print(fit->session.config, &config);
  int rank;
  MPI_Comm_rank(fit->session.comm, &rank);
  if (st == NKE_OK && rank == 0) print_plan(fit, &plan, config);
  nke_free(config);
  return nke_agree(fit->session.comm, st);
}
