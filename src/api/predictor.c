/* A trained model over rows in memory. */
#include "api/given.h"
#include "api/map.h"
#include "base/memory.h"
#include "nke.h"
#include "run/model_session.h"
#include "run/score.h"

struct nke_predictor {
  nke_model model;
  nke_session session;
  nke_preprocess *as_they_are;
};

nke_status nke_predictor_load(MPI_Comm comm, const char *path, nke_predictor **out)
{
  nke_status st = NKE_OK;
  nke_predictor *p = NULL;
  if (out) *out = NULL;
  st = nke_given("path", path);
  if (st == NKE_OK) st = nke_given("out", out);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(nke_agree(comm, nke_calloc(1, sizeof *p, "a model", &p)));
  NKE_TRY(nke_model_load(comm, path, &p->model));
  p->session.comm = comm;
  NKE_TRY(nke_model_session(path, &p->model, &p->session, &p->as_they_are));
  if (p->session.config->data.sketch.kind > NKE_INPUT_AS_IT_IS)
    NKE_TRY(nke_fail(NKE_ERR_USAGE, "%s: rows in memory: the model was trained on sketched rows (data.sketch)", path));
  nke_session_ready(&p->session);
  *out = p;
  p = NULL;
done:
  nke_predictor_destroy(&p);
  return st;
}

void nke_predictor_destroy(nke_predictor **predictor)
{
  nke_predictor *const p = predictor ? *predictor : NULL;
  if (!p) return;
  nke_model_session_close(&p->session, &p->as_they_are);
  nke_model_clear(&p->model);
  nke_free(p);
  *predictor = NULL;
}

int64_t nke_predictor_row_length(const nke_predictor *p) { return p ? nke_shape_length(p->model.shape) : 0; }
int64_t nke_predictor_count(const nke_predictor *p) { return p ? p->model.k : 0; }

nke_status nke_predictor_apply(nke_predictor *p, int64_t n, const double *x, double *scores, double *values)
{
  nke_status st = NKE_OK;
  void *z = NULL;
  double *own = NULL;
  NKE_TRY(nke_given("predictor", p));
  NKE_TRY(nke_given_rows("x", n, x));
  const nke_embedder *const e = &p->session.embedder;
  const int64_t k = p->model.k, d = nke_shape_length(p->model.shape), most = nke_min(n, e->slab.own);
  const int64_t columns = nke_targets_task(p->model.targets) == NKE_TASK_CLASSIFICATION ? 1 : k;
  NKE_TRY(nke_alloc(most * e->m, (size_t)nke_precision_bytes(e->precision), "features", &z));
  if (!scores) NKE_TRY(nke_alloc(most * k, sizeof *own, "scores", &own));
  for (int64_t first = 0; first < n; first += most) {
    const int64_t count = nke_min(most, n - first);
    double *const to = scores ? scores + first * k : own;
    NKE_TRY(nke_map_apply(e, count, d, x + first * d, z));
    NKE_TRY(nke_score_rows(e->precision, count, e->m, k, z, p->model.weights, to));
    if (values) nke_targets_decode(p->model.targets, count, to, values + first * columns);
  }
done:
  nke_free(z);
  nke_free(own);
  return st;
}
