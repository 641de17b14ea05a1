/* The solutions of a path of lambda: what the trainers share. */
#include "base/memory.h"
#include "run/checkpoint.h"
#include "solve/ridge.h"
#include "solve/symmetric.h"

#include <stdio.h>
#include <string.h>

typedef struct visit {
  nke_fit *fit;
  int64_t rows, k;
  int first; /* points that a checkpoint had */
  int n_points, solved;
  nke_path_point *points;
  double *weights;
  char text[256]; /* why the last point failed */
} visit;

void nke_fit_place(int64_t m, int64_t k, int set, int n_sets, const double *x, double *out)
{
  for (int64_t i = 0; i < m; i++)
    memcpy(out + (i * n_sets + set) * k, x + i * k, (size_t)k * sizeof *out);
}

/* A lambda that is too small for the precision is passed over. */
static nke_status take(void *context, int index, nke_status status, const char *text, const double *x,
                       const nke_ridge_info *info)
{
  visit *const v = context;
  const int at = v->first + index;
  nke_path_point *const point = &v->points[at];
  point->shift = info->shift;
  point->solved = status == NKE_OK;
  if (!point->solved) snprintf(v->text, sizeof v->text, "%s", text);
  if (point->solved) {
    point->residual = info->residual;
    point->condition = info->condition;
    nke_fit_place(v->rows, v->k, at, v->n_points, x, v->weights);
    v->solved++;
  }
  if (v->fit->in_folds) return nke_checkpoint_step(v->fit);
  if (v->fit->phase != NKE_PHASE_PATH || v->fit->eigen) return NKE_OK;
  v->fit->position = at + 1;
  return nke_checkpoint_step(v->fit);
}

int nke_fit_by_criterion(const nke_fit *fit)
{
  const nke_select select = fit->session.config->solver.select;
  return select == NKE_SELECT_LOO || select == NKE_SELECT_GCV;
}

int nke_fit_by_folds(const nke_fit *fit)
{
  return fit->session.config->solver.select == NKE_SELECT_KFOLD;
}

/* Whether the config says what lambdas are judged by, instead of rows that are held out. */
static int judge_given(const nke_fit *fit)
{
  return fit->session.validation || nke_fit_by_criterion(fit) || nke_fit_by_folds(fit);
}

int nke_fit_holds_out(const nke_fit *fit)
{
  return fit->n_path > 1 && !judge_given(fit);
}

int nke_fit_selects(const nke_fit *fit)
{
  return fit->n_path > 1 || judge_given(fit);
}

static nke_status path_by_eigen(nke_fit *fit, const nke_bcmat *a, double scale, const double *b, visit *v)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  double *x = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(a->rows * s->k, sizeof *x, "solution", &x)));
  NKE_TRY(nke_eigen_create(a, (int)s->k, b, &s->stats, &fit->eigen));
  for (int i = 0; i < v->n_points; i++) {
    nke_ridge_info info = {.shift = v->points[i].lambda * scale};
    const nke_status solved = nke_eigen_solve(fit->eigen, info.shift, x);
    if (solved != NKE_OK && solved != NKE_ERR_NUMERIC) NKE_TRY(solved);
    if (solved == NKE_OK) {
      NKE_TRY(nke_symmetric_residual(a, info.shift, (int)s->k, b, x, &info.residual));
      NKE_TRY(nke_eigen_condition(fit->eigen, info.shift, &info.condition));
    }
    NKE_TRY(take(v, i, solved, solved == NKE_OK ? "" : nke_error_text(), x, &info));
  }
done:
  nke_free(x);
  if (st != NKE_OK || !nke_fit_by_criterion(fit)) nke_eigen_destroy(&fit->eigen);
  return st;
}

/* One decomposition costs about 27 factors and serves any number of lambda. */
static int by_eigen(const nke_fit *fit, int n_points)
{
  return (n_points > 1 && fit->session.config->solver.type == NKE_SOLVER_EIGEN) ||
         (fit->phase == NKE_PHASE_PATH && nke_fit_by_criterion(fit));
}

nke_status nke_fit_path(nke_fit *fit, const nke_bcmat *a, double mean_diagonal, const double *b, int n_points,
                        nke_path_point *points, double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  double *lambda = NULL;
  const int first = fit->phase == NKE_PHASE_PATH && !fit->in_folds ? (int)fit->position : 0;
  visit v = {.fit = fit, .rows = a->rows, .k = s->k, .first = first, .n_points = n_points, .points = points,
             .weights = weights};
  NKE_TRY(nke_ridge_check_mean(mean_diagonal));
  if (first == 0) memset(weights, 0, (size_t)(a->rows * s->k * n_points) * sizeof *weights);
  NKE_TRY(nke_agree(s->comm, nke_alloc(n_points, sizeof *lambda, "the lambda path", &lambda)));
  for (int i = 0; i < n_points; i++) lambda[i] = points[i].lambda;
  for (int i = 0; i < first; i++) v.solved += points[i].solved;
  nke_stage_begin(&s->stats, NKE_STAGE_SOLVE);
  if (by_eigen(fit, n_points))
    st = path_by_eigen(fit, a, mean_diagonal, b, &v);
  else
    st = nke_ridge_path(a, mean_diagonal, n_points - first, lambda + first, (int)s->k, b, &s->stats, take, &v);
  nke_stage_end(&s->stats, NKE_STAGE_SOLVE);
  if (st == NKE_OK && v.solved == 0)
    st = nke_fail(NKE_ERR_NUMERIC, "lambda %g: %s", lambda[n_points - 1], v.text);
done:
  nke_free(lambda);
  return st;
}
