/* Leave-one-out and generalised cross-validation of a whole path from one eigendecomposition. */
#include "base/memory.h"
#include "run/fit.h"
#include "run/score.h"

#include <math.h>
#include <string.h>

/* GCV as a mean squared error, which is what the other criteria are. */
static void set_gcv(nke_path_point *point, int64_t n, int64_t k, double gcv)
{
  point->validation = (nke_metrics){.n = n, .accuracy = NAN, .mse = gcv / (double)k, .r2 = NAN};
  point->validation.rmse = sqrt(point->validation.mse);
}

/* ---- dual ---- */

nke_status nke_fit_criterion_dual(nke_fit *fit, const double *targets, int n_points, nke_path_point *points)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const int64_t n = nke_dataset_rows(s->train);
  double *residuals = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(n * s->k, sizeof *residuals, "left-out residuals", &residuals)));
  for (int i = 0; i < n_points; i++) {
    if (!points[i].solved) continue;
    if (s->config->solver.select == NKE_SELECT_GCV) {
      set_gcv(&points[i], n, s->k, nke_eigen_gcv_dual(fit->eigen, points[i].shift));
      continue;
    }
    NKE_TRY(nke_eigen_loo_dual(fit->eigen, points[i].shift, residuals));
    NKE_TRY(nke_score_left_out(&s->embedder, n, targets, residuals, &points[i].validation));
  }
done:
  nke_free(residuals);
  return st;
}

/* ---- primal ---- */

typedef struct leaving {
  nke_fit *fit;
  int n_points;
  double *shifts;           /* [n_points] */
  double *block, *leverage; /* [NKE_BLOCK_ROWS, m], [NKE_BLOCK_ROWS, n_points] */
  double *score;            /* [k] */
  nke_metrics_sum **sums;
} leaving;

/* Each left-out prediction y - (y - s) / (1 - h). Local. */
static void add_left_out(const leaving *l, const nke_slab *slab, int64_t first, int64_t n, const double *scores)
{
  const int64_t k = l->fit->session.k;
  for (int64_t r = 0; r < n; r++)
    for (int p = 0; p < l->n_points; p++) {
      const double *const y = slab->y + (first + r) * k, *const s = scores + ((first + r) * l->n_points + p) * k;
      for (int64_t c = 0; c < k; c++) l->score[c] = y[c] - (y[c] - s[c]) / (1 - l->leverage[r * l->n_points + p]);
      nke_metrics_add(l->sums[p], 1, l->score, y);
    }
}

/* The ranks' rows in turn: every rank holds a part of the eigenvectors, so all work on the same block. */
static nke_status leave_out(void *context, const nke_slab *slab, const double *scores)
{
  nke_status st = NKE_OK;
  const leaving *const l = context;
  const nke_session *const s = &l->fit->session;
  int rank, size;
  MPI_Comm_rank(s->comm, &rank);
  MPI_Comm_size(s->comm, &size);
  for (int owner = 0; owner < size; owner++) {
    int64_t rows = slab->n;
    MPI_Bcast(&rows, 1, MPI_INT64_T, owner, s->comm);
    for (int64_t first = 0; first < rows; first += NKE_BLOCK_ROWS) {
      const int64_t n = nke_min(NKE_BLOCK_ROWS, rows - first);
      if (rank == owner)
        nke_score_to_double(s->embedder.precision, n * s->m,
                            (const char *)slab->z + first * s->m * nke_precision_bytes(s->embedder.precision), l->block);
      NKE_TRY_MPI(MPI_Bcast(l->block, (int)(n * s->m), MPI_DOUBLE, owner, s->comm));
      NKE_TRY(nke_eigen_leverage(l->fit->eigen, n, l->block, l->n_points, l->shifts, l->leverage));
      if (rank == owner) add_left_out(l, slab, first, n, scores);
    }
  }
done:
  return st;
}

static nke_status leaving_init(leaving *l, const nke_path_point *points)
{
  nke_status st = NKE_OK;
  const nke_session *const s = &l->fit->session;
  NKE_TRY(nke_alloc(l->n_points, sizeof *l->shifts, "the lambda path", &l->shifts));
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * s->m, sizeof *l->block, "features of a block", &l->block));
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * l->n_points, sizeof *l->leverage, "leverages", &l->leverage));
  NKE_TRY(nke_alloc(s->k, sizeof *l->score, "scores of a row", &l->score));
  NKE_TRY(nke_score_sums_create(&s->embedder, l->n_points, &l->sums));
  /* An unsolved point has zero weights; its leverages are computed with the others and its metrics dropped. */
  for (int i = 0; i < l->n_points; i++) l->shifts[i] = points[i].solved ? points[i].shift : points[l->n_points - 1].shift;
done:
  return st;
}

static nke_status loo_primal(nke_fit *fit, int n_points, nke_path_point *points, const double *weights)
{
  nke_status st = NKE_OK;
  nke_session *const s = &fit->session;
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->train));
  leaving l = {.fit = fit, .n_points = n_points};
  nke_metrics *metrics = NULL;
  st = leaving_init(&l, points);
  if (st == NKE_OK) st = nke_calloc(n_points, sizeof *metrics, "metrics", &metrics);
  NKE_TRY(nke_agree(s->comm, st));
  NKE_TRY(nke_score_dataset(&s->embedder, s->train, &all, 0, "fit: leave one out", s->m, s->k, n_points, weights, NULL,
                            leave_out, &l));
  NKE_TRY(nke_score_sums_reduce(&s->embedder, n_points, l.sums, metrics));
  for (int i = 0; i < n_points; i++)
    if (points[i].solved) points[i].validation = metrics[i];
done:
  nke_score_sums_destroy(n_points, &l.sums);
  nke_free(metrics);
  nke_free(l.shifts);
  nke_free(l.block);
  nke_free(l.leverage);
  nke_free(l.score);
  return st;
}

nke_status nke_fit_criterion_primal(nke_fit *fit, const nke_gram *gram, int n_points, nke_path_point *points,
                                    const double *weights)
{
  const nke_session *const s = &fit->session;
  if (s->config->solver.select == NKE_SELECT_LOO) return loo_primal(fit, n_points, points, weights);
  for (int i = 0; i < n_points; i++)
    if (points[i].solved)
      set_gcv(&points[i], nke_gram_rows(gram), s->k,
              nke_eigen_gcv_primal(fit->eigen, points[i].shift, nke_gram_rows(gram), nke_gram_squares(gram)));
  return NKE_OK;
}
