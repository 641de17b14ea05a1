#include "run/variance.h"

#include "base/memory.h"
#include "num/blas.h"
#include "num/gemm.h"
#include "run/matrix_file.h"
#include "run/score.h"

#include <math.h>
#include <string.h>

struct nke_variance {
  const nke_model *model;
  const nke_session *session;
  nke_h5file *file;
  int64_t nb;
  int rank, ranks;
  double *own, *block; /* [nb, nb] of the factor: the last that this rank read, and that another did */
};

enum { KEPT_BY_ITSELF = 4096 };

bool nke_variance_wanted(const nke_fit *fit)
{
  const nke_config *const c = fit->session.config;
  const nke_solver_type type = c->solver.type;
  if (fit->session.invocation->variance) return true;
  return c->embedding.kernel == NKE_KERNEL_NNGP && fit->session.m <= KEPT_BY_ITSELF &&
         c->data.class_weighting == NKE_CLASS_WEIGHTS_NONE &&
         (type == NKE_SOLVER_AUTO || type == NKE_SOLVER_CHOLESKY || type == NKE_SOLVER_EIGEN);
}

nke_status nke_variance_check(const nke_fit *fit)
{
  const nke_config *const c = fit->session.config;
  if (c->embedding.kernel != NKE_KERNEL_NNGP)
    return nke_fail(NKE_ERR_USAGE, "--variance: posterior variance is that of a Gaussian process: expected embedding.kernel "
                                   "nngp, got ntk");
  if (!fit->trainer->matrix)
    return nke_fail(NKE_ERR_USAGE, "--variance: needs a Cholesky factor: expected solver.type auto, cholesky or eigen, got "
                                   "the solver %s", fit->trainer->name);
  if (c->data.class_weighting != NKE_CLASS_WEIGHTS_NONE)
    return nke_fail(NKE_ERR_USAGE, "--variance: not with data.class_weights");
  return NKE_OK;
}

nke_status nke_variance_open(const char *path, const nke_model *model, const nke_session *session, nke_variance **out)
{
  nke_status st = NKE_OK;
  nke_variance *v = NULL;
  *out = NULL;
  NKE_TRY(nke_agree(session->comm, nke_calloc(1, sizeof *v, "the posterior variance", &v)));
  v->model = model;
  v->session = session;
  MPI_Comm_rank(session->comm, &v->rank);
  MPI_Comm_size(session->comm, &v->ranks);
  NKE_TRY(nke_h5file_open(session->comm, path, &v->file));
  if (nke_h5file_has(v->file, "/factor")) {
    NKE_TRY(nke_matrix_file_open(v->file, "/factor", model->m, &v->nb));
    st = nke_alloc(v->nb * v->nb, sizeof *v->own, "a block of the factor", &v->own);
    if (st == NKE_OK) st = nke_alloc(v->nb * v->nb, sizeof *v->block, "a block of the factor", &v->block);
    NKE_TRY(nke_agree(session->comm, st));
    *out = v;
    v = NULL;
  }
done:
  nke_variance_close(&v);
  return st;
}

int64_t nke_variance_bytes(const nke_variance *v, int64_t n)
{
  return 8 * (n * (v->model->m + v->nb + 1) + 2 * v->nb * v->nb);
}

void nke_variance_close(nke_variance **v)
{
  if (!*v) return;
  nke_h5file_close(&(*v)->file);
  nke_free((*v)->own);
  nke_free((*v)->block);
  nke_free(*v);
  *v = NULL;
}

/* *block <- (i, j) of the factor, on every rank; blocks are asked for row by row. Each of the next ones, as many as
 * there are ranks, is read by one of them. Collective. */
static nke_status share_block(const nke_variance *v, int64_t i, int64_t j, double **block)
{
  nke_status st = NKE_OK;
  const int reader = (int)((i * (i + 1) / 2 + j) % v->ranks);
  if (reader == 0) {
    for (j += v->rank; j > i; i++) j -= i + 1;
    if (i * v->nb < v->model->m) st = nke_matrix_file_block(v->file, "/factor", v->nb, i, j, v->own);
    NKE_TRY(nke_agree(v->session->comm, st));
  }
  *block = reader == v->rank ? v->own : v->block;
  NKE_TRY_MPI(MPI_Bcast(*block, (int)(v->nb * v->nb), MPI_DOUBLE, reader, v->session->comm));
done:
  return st;
}

/* Columns i of y [n, m] by block (i, j): sum [n, nb] of y_j C_ij' over the blocks before the diagonal's. Local. */
static nke_status use_block(const nke_variance *v, int64_t i, int64_t j, const double *block, int64_t n, double *sum,
                            double *y)
{
  const int64_t m = v->model->m, nb = v->nb, rows = nke_min(nb, m - i * nb);
  double *const to = y + i * nb;
  if (j < i)
    return nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_TRANSPOSED, n, rows, nb, y + j * nb, m, block, nb, j > 0, sum, nb);
  for (int64_t r = 0; i > 0 && r < n; r++)
    for (int64_t c = 0; c < rows; c++) to[r * m + c] -= sum[r * nb + c];
  /* Row-major C is to the BLAS the upper C'; the rows of y are its right-hand sides. */
  return nke_dtrsm('U', 'T', rows, n, block, nb, to, m);
}

/* y [n, m] <- y C'^-1, so that a row is C^-1 z: forward substitution, a block of columns at a time. Collective. */
static nke_status substitute(const nke_variance *v, int64_t n, double *y)
{
  nke_status st = NKE_OK, mine = NKE_OK;
  double *block, *sum = NULL;
  NKE_TRY(nke_agree(v->session->comm, nke_alloc(n * v->nb, sizeof *sum, "columns of the rows", &sum)));
  for (int64_t i = 0; i * v->nb < v->model->m; i++)
    for (int64_t j = 0; j <= i; j++) {
      NKE_TRY(share_block(v, i, j, &block));
      if (n > 0 && mine == NKE_OK) mine = use_block(v, i, j, block, n, sum, y);
    }
  st = mine;
done:
  nke_free(sum);
  return st;
}

/* k(x, x) of preprocessed rows x [n, d]. */
static nke_status diagonal(const nke_session *s, int64_t n, const double *x, double *out)
{
  nke_status st = NKE_OK;
  double *norms = NULL;
  NKE_TRY(nke_alloc(n * nke_exact_norms_length(s->exact), sizeof *norms, "norms of rows", &norms));
  NKE_TRY(nke_exact_norms(s->exact, n, x, norms));
  st = nke_exact_diagonal(s->exact, n, x, norms, out, NULL);
done:
  nke_free(norms);
  return st;
}

nke_status nke_variance_apply(const nke_variance *v, const nke_slab *slab, double *out)
{
  nke_status st = NKE_OK;
  const nke_session *const s = v->session;
  const int64_t m = v->model->m, n = slab->n;
  double *y = NULL;
  NKE_TRY(nke_agree(s->comm, nke_alloc(n * m, sizeof *y, "rows of the posterior variance", &y)));
  if (n > 0) nke_score_to_double(s->embedder.precision, n * m, slab->z, y);
  NKE_TRY(substitute(v, n, y));
  if (s->exact && n > 0) NKE_TRY(diagonal(s, n, slab->x, out));
  for (int64_t i = 0; i < n; i++) {
    double squares = 0;
    for (int64_t j = 0; j < m; j++) squares += y[i * m + j] * y[i * m + j];
    out[i] = s->exact ? fmax(0, out[i] - squares) : v->model->lambda_absolute * squares; /* below 0 by rounding alone */
    if (!isfinite(squares))
      NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt: by /factor the variance of row %lld is not finite",
                       nke_h5file_path(v->file), (long long)(slab->rows[i] + nke_dataset_first_row(s->test))));
  }
done:
  nke_free(y);
  return st;
}
