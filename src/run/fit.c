/* `nke fit`: the spine. Data -> features -> Gram -> ridge path -> validation -> final weights -> model and report. */
#include "run/checkpoint.h"

#include "base/memory.h"
#include "data/folder.h"
#include "run/class_weights.h"
#include "run/fit_keep.h"
#include "run/fit_output.h"
#include "run/fit_plan.h"
#include "run/fold_file.h"
#include "run/made_features.h"
#include "run/variance.h"
#include "solve/library.h"
#include "solve/ridge.h"

#include <math.h>
#include <string.h>

/* Which training rows are held out. Memory: a list of them, which the plan has counted. */
static nke_status split_rows(nke_fit *fit)
{
  const nke_config *const config = fit->session.config;
  const int64_t n = nke_dataset_rows(fit->session.train);
  fit->kept = nke_rows_all(n);
  if (!nke_fit_holds_out(fit)) return NKE_OK;
  return nke_rows_split(n, nke_dataset_originals(fit->session.train), config->data.validation_fraction,
                        config->run.seed, &fit->kept, &fit->held_out);
}

static nke_status create_path(nke_fit *fit)
{
  const nke_reals *const lambda = &fit->session.config->solver.lambda;
  fit->n_path = lambda->n;
  const nke_status st = nke_calloc(lambda->n, sizeof *fit->path, "the lambda path", &fit->path);
  for (int i = 0; st == NKE_OK && i < lambda->n; i++)
    fit->path[i] = (nke_path_point){.lambda = lambda->at[i], .validation = NKE_METRICS_UNKNOWN};
  return st;
}

static nke_status validate(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  nke_metrics *metrics = NULL;
  NKE_TRY(nke_agree(s->comm, nke_calloc(fit->n_path, sizeof *metrics, "metrics", &metrics)));
  if (s->validation)
    st = fit->trainer->score(fit, state, s->validation, "fit: validation rows", fit->n_path, fit->path_weights, metrics);
  else
    st = fit->trainer->validate(fit, state, fit->n_path, fit->path_weights, metrics);
  for (int i = 0; st == NKE_OK && i < fit->n_path; i++)
    if (fit->path[i].solved) fit->path[i].validation = metrics[i];
done:
  nke_free(metrics);
  return st;
}

/* Of a row that a solution fits exactly, as one of lambda 0 may, the left-out error is 0 / 0: judged last. */
static double judged(const nke_path_point *p)
{
  return isnan(p->validation.mse) ? INFINITY : p->validation.mse;
}

/* The smallest mean squared error of the scores; ties to the larger lambda. Local; the same on all ranks. */
static nke_status choose(nke_fit *fit)
{
  fit->best = -1;
  for (int i = 0; i < fit->n_path; i++) {
    const nke_path_point *const p = &fit->path[i];
    if (p->solved && (fit->best < 0 || judged(p) <= judged(&fit->path[fit->best]))) fit->best = i;
  }
  if (fit->best < 0) {
    fit->best = 0;
    return nke_fail(NKE_ERR_NUMERIC,
                    "solver.lambda: no lambda of the path, %g to %g, could be solved; a larger one helps",
                    fit->path[0].lambda, fit->path[fit->n_path - 1].lambda);
  }
  fit->validation = fit->path[fit->best].validation;
  return NKE_OK;
}

/* The final solve with every training row; a failing factor moves to ten times the lambda, at most 1, and says so. */
static nke_status solve_final(nke_fit *fit, void *state)
{
  nke_status st;
  fit->final = (nke_path_point){.lambda = fit->path[fit->best].lambda, .validation = NKE_METRICS_UNKNOWN};
  do {
    st = fit->trainer->solve(fit, state, 1, &fit->final, fit->weights);
    if (st != NKE_ERR_NUMERIC || fit->final.lambda >= 1) return st;
    fit->failed_lambda = fit->path[fit->best].lambda;
    fit->final.lambda = fmin(1, fmax(10 * fit->final.lambda, 1e-12));
  } while (1);
}

static nke_status test(nke_fit *fit, void *state)
{
  const nke_session *const s = &fit->session;
  if (!s->test || nke_dataset_targets(s->test) == 0) return NKE_OK;
  return fit->trainer->score(fit, state, s->test, "fit: test rows", 1, fit->weights, &fit->test);
}

/* The solutions of the path, and where they can be judged without other rows, the criterion. */
static nke_status solve_path(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  NKE_TRY(fit->trainer->solve(fit, state, fit->n_path, fit->path, fit->path_weights));
  if (nke_fit_by_criterion(fit)) st = fit->trainer->criterion(fit, state, fit->n_path, fit->path, fit->path_weights);
done:
  nke_eigen_destroy(&fit->eigen);
  return st;
}

/* What was chosen by a criterion over all rows is the solution. */
static void take_best(nke_fit *fit)
{
  const int64_t m = fit->session.m, k = fit->session.k;
  fit->final = fit->path[fit->best];
  for (int64_t i = 0; i < m; i++)
    memcpy(fit->weights + i * k, fit->path_weights + (i * fit->n_path + fit->best) * k, (size_t)k * sizeof *fit->weights);
}

/* One phase, from fit->position on. */
static nke_status run_phase(nke_fit *fit, void *state)
{
  nke_status st = NKE_OK;
  const int judges = nke_fit_by_criterion(fit), folds = nke_fit_by_folds(fit), selects = nke_fit_selects(fit);
  switch (fit->phase) {
    case NKE_PHASE_ADD:
      return fit->trainer->add(fit, state);
    case NKE_PHASE_PATH:
      if (!selects) return NKE_OK;
      return folds ? nke_fit_folds(fit, state) : solve_path(fit, state);
    case NKE_PHASE_VALIDATE: return selects && !judges && !folds ? validate(fit, state) : NKE_OK;
    case NKE_PHASE_FINAL:
      if (selects) NKE_TRY(choose(fit));
      if (judges)
        take_best(fit);
      else
        NKE_TRY(solve_final(fit, state));
      if (!selects) fit->path[0] = fit->final;
      st = fit->trainer->training_metrics(fit, state, fit->weights, &fit->train);
      break;
    case NKE_PHASE_TEST: return test(fit, state);
  }
done:
  return st;
}

static nke_status alloc_weights(nke_fit *fit)
{
  nke_status st = NKE_OK;
  const int64_t length = fit->session.m * fit->session.k;
  NKE_TRY(nke_alloc(length, sizeof *fit->weights, "weights", &fit->weights));
  if (nke_fit_selects(fit))
    NKE_TRY(nke_alloc(length * fit->n_path, sizeof *fit->path_weights, "weights of the path", &fit->path_weights));
done:
  return st;
}

static nke_status keep_factor(nke_fit *fit, const void *state)
{
  nke_stats *const stats = &fit->session.stats;
  nke_stage_begin(stats, NKE_STAGE_SOLVE);
  const nke_status st = nke_ridge_factor(fit->trainer->matrix(state), fit->final.shift, stats, &fit->factor);
  nke_stage_end(stats, NKE_STAGE_SOLVE);
  return st;
}

/* Test rows that cannot be scored cost the test's metrics, not the model that is solved by then. */
static nke_status keep_test_failure(nke_fit *fit, nke_status st)
{
  if (st != NKE_ERR_DATA && st != NKE_ERR_NUMERIC) return st;
  fit->test_status = st;
  fit->test = NKE_METRICS_UNKNOWN;
  return nke_agree(fit->session.comm, nke_strdup(nke_error_text(), &fit->test_error));
}

static nke_status train(nke_fit *fit)
{
  nke_status st = NKE_OK;
  void *state = NULL;
  NKE_TRY(nke_agree(fit->session.comm, alloc_weights(fit)));
  NKE_TRY(fit->trainer->create(fit, &state));
  NKE_TRY(nke_checkpoint_begin(fit));
  NKE_TRY(nke_fit_keep_begin(fit));
  for (; fit->phase < NKE_PHASE_TEST; fit->phase++, fit->position = 0) {
    NKE_TRY(run_phase(fit, state));
    NKE_TRY(nke_fit_keep_step(fit));
  }
  NKE_TRY(keep_test_failure(fit, run_phase(fit, state)));
  if (fit->with_variance) st = keep_factor(fit, state);
done:
  if (state) fit->trainer->destroy(state);
  fit->gram = NULL;
  return st;
}

static nke_status choose_trainer(nke_fit *fit)
{
  const nke_config_solver *const solver = &fit->session.config->solver;
  if (nke_fit_by_criterion(fit) && (solver->type == NKE_SOLVER_CHOLESKY || solver->type == NKE_SOLVER_CG ||
                                    solver->type == NKE_SOLVER_LSQR))
    return nke_fail(NKE_ERR_USAGE, "solver.select: loo and gcv need an eigendecomposition; expected solver.type auto, "
                                   "eigen or dual");
  if (fit->session.config->data.class_weighting != NKE_CLASS_WEIGHTS_NONE &&
      (nke_fit_by_criterion(fit) ||
       (!fit->session.exact && (solver->type == NKE_SOLVER_CG || solver->type == NKE_SOLVER_LSQR))))
    return nke_fail(NKE_ERR_USAGE, "data.class_weights: not with solver.select loo or gcv, nor with solver.type cg or lsqr "
                                   "on features");
  /* Of the dual problem predict would need the training rows' features as well. */
  const int more_features = !fit->with_variance && nke_dataset_rows(fit->session.train) < fit->session.m;
  if (fit->session.exact) {
    fit->trainer = solver->type == NKE_SOLVER_CG ? &nke_trainer_exact_cg : &nke_trainer_exact;
    if (solver->type != NKE_SOLVER_LSQR) return NKE_OK;
    return nke_fail(NKE_ERR_USAGE, "solver.type: expected auto, cholesky, eigen, dual or cg with embedding.method none");
  }
  switch (solver->type) {
    case NKE_SOLVER_AUTO:
    case NKE_SOLVER_EIGEN: fit->trainer = more_features ? &nke_trainer_dual : &nke_trainer_primal; break;
    case NKE_SOLVER_CHOLESKY: fit->trainer = &nke_trainer_primal; break;
    case NKE_SOLVER_DUAL: fit->trainer = &nke_trainer_dual; break;
    case NKE_SOLVER_CG: fit->trainer = &nke_trainer_cg; break;
    case NKE_SOLVER_LSQR: fit->trainer = &nke_trainer_lsqr; break;
  }
  return NKE_OK;
}

/* solver.precondition: whether it fits the solver; the features of a sketch. */
static nke_status plan_preconditioner(nke_fit *fit)
{
  nke_session *const s = &fit->session;
  const nke_config *const config = s->config;
  if (config->solver.precondition == NKE_PRECONDITION_NONE) return NKE_OK;
  if (config->solver.type != NKE_SOLVER_CG)
    return nke_fail(NKE_ERR_USAGE, "%s: solver.precondition: expected none, as only solver.type cg has a preconditioner",
                    config->name);
  if (config->solver.precondition != NKE_PRECONDITION_SKETCH) return NKE_OK;
  if (!s->exact)
    return nke_fail(NKE_ERR_USAGE, "%s: solver.precondition: expected none, jacobi or nystrom; a sketch is for the exact "
                                   "kernel, embedding.method none", config->name);
  nke_embedding_options options = config->embedding;
  options.method = "random_features";
  return nke_agree(s->comm, nke_features_create(config->network, &options, &s->sketch));
}

/* data.augment: the training rows become copies as well. */
static nke_status set_copies(nke_fit *fit)
{
  nke_session *const s = &fit->session;
  const nke_config_augment *const given = &s->config->data.augment;
  const nke_augment augment = {.copies = given->copies, .flip = given->flip, .shift = given->shift,
                               .seed = s->config->run.seed};
  const nke_status st = nke_dataset_set_copies(s->train, &augment);
  if (st == NKE_ERR_USAGE) return nke_fail(st, "%s: %s", s->config->name, nke_error_text());
  if (st != NKE_OK || augment.copies == 1) return st;
  if (s->exact)
    return nke_fail(NKE_ERR_USAGE, "%s: data.augment.copies: expected 1 with embedding.method none, got %lld",
                    s->config->name, (long long)augment.copies);
  if (nke_fit_by_criterion(fit)) /* a row's copies would answer for it */
    return nke_fail(NKE_ERR_USAGE, "%s: solver.select: expected validation or kfold with data.augment, as leaving one "
                                   "row out leaves its copies in", s->config->name);
  return NKE_OK;
}

/* Whether what is asked for goes together, and is there; the trainer for it. */
static nke_status set_up(nke_fit *fit)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const int64_t pairs = s->invocation->validate_pairs;
  if (nke_dataset_targets(s->train) == 0)
    return nke_fail(NKE_ERR_DATA, "%s: no targets to fit: expected data.train.y", nke_dataset_path(s->train));
  NKE_TRY(nke_session_check_targets(s));
  if (s->validation && !nke_fit_by_criterion(fit) && !nke_fit_by_folds(fit) && nke_dataset_targets(s->validation) == 0)
    return nke_fail(NKE_ERR_DATA, "%s: no targets to choose lambda by: expected data.validation.y",
                    nke_dataset_path(s->validation));
  if (pairs > 0 && s->exact)
    return nke_fail(NKE_ERR_USAGE, "--validate-pairs: expected features to compare with the exact kernel, got "
                                   "embedding.method none");
  if (pairs > 0 && fit->made)
    return nke_fail(NKE_ERR_USAGE, "--validate-pairs: expected rows that features are made of, got the features of %s",
                    fit->made);
  NKE_TRY(nke_agree(s->comm, set_copies(fit)));
  NKE_TRY(nke_agree(s->comm, create_path(fit)));
  if (nke_fit_by_folds(fit)) NKE_TRY(nke_rows_check_folds(nke_dataset_originals(s->train), s->config->solver.folds));
  fit->with_variance = nke_variance_wanted(fit);
  NKE_TRY(choose_trainer(fit));
  s->exchanged = fit->trainer == &nke_trainer_primal;
  if (fit->with_variance) NKE_TRY(nke_variance_check(fit));
  st = plan_preconditioner(fit);
done:
  return st;
}

static nke_status run(nke_fit *fit)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const int64_t pairs = s->invocation->validate_pairs;
  int folder = -1;
  NKE_TRY(set_up(fit));
  NKE_TRY(nke_plan_session(s, nke_fit_plan, fit));
  NKE_TRY(nke_class_weights_fit(s));
  NKE_TRY(nke_fit_check_parts(fit));
  NKE_TRY(nke_agree(s->comm, split_rows(fit)));
  NKE_TRY(nke_solve_init(s->comm, s->invocation->petsc_argc, s->invocation->petsc_argv)); /* checks its options */
  NKE_TRY(nke_fit_output_check(fit));
  if (s->invocation->dry_run) goto done;
  NKE_TRY(nke_fit_output_try(fit));
  NKE_TRY(nke_folder_hold(s->comm, s->config->run.out, &folder));
  NKE_TRY(nke_session_fit(s));
  /* Before the training, so that nothing is lost if it fails. */
  if (pairs > 0) NKE_TRY(nke_certificate_make(s, pairs, s->config->run.seed, &fit->certificate));
  NKE_TRY(train(fit));
  NKE_TRY(nke_fit_output_write(fit));
  nke_checkpoint_remove(fit);
  nke_fold_file_remove(fit);
  nke_fit_keep_remove(fit);
  if (fit->test_error)
    st = nke_fail(fit->test_status, "%s; the model is in %s, without a test", fit->test_error, s->config->run.out);
done:
  nke_folder_release(&folder);
  return st;
}

nke_status nke_fit_run(const nke_invocation *invocation)
{
  nke_status st = NKE_OK;
  nke_fit *fit = NULL;
  NKE_TRY(nke_agree(invocation->comm, nke_calloc(1, sizeof *fit, "the fit", &fit)));
  fit->train = fit->validation = fit->test = NKE_METRICS_UNKNOWN;
  fit->failed_lambda = -1;
  NKE_TRY(nke_made_features_take(invocation->comm, invocation->config, &fit->made));
  NKE_TRY(nke_session_open(invocation, &fit->session));
  st = run(fit);
done:
  if (fit) {
    nke_fit_keep_end(fit);
    nke_session_close(&fit->session);
    nke_rows_clear(&fit->kept);
    nke_rows_clear(&fit->held_out);
    nke_free(fit->path);
    nke_bcmat_destroy(&fit->factor);
    nke_free(fit->weights);
    nke_free(fit->path_weights);
    nke_free(fit->resumed_sums);
    nke_free(fit->test_error);
    nke_free(fit->made);
    nke_checkpoint_end(fit);
  }
  nke_free(fit);
  nke_solve_finalize();
  return st;
}
