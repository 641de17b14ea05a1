/* A trained model over rows in memory. */
#include "api/map.h"
#include "base/memory.h"
#include "nke.h"
#include "run/model.h"
#include "run/score.h"
#include "run/session.h"

struct nke_predictor {
  nke_model model;
  nke_config *config;
  nke_map map;
};

static nke_status prepare(const char *path, nke_predictor *p)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_model_config(&p->model, path, &p->config));
  NKE_TRY(nke_session_shape(p->config, p->model.shape));
  NKE_TRY(nke_features_create(p->config->network, &p->config->embedding, &p->map.features));
  p->map.preprocess = p->model.preprocess;
  p->map.precision = p->config->run.precision;
  p->map.d = nke_shape_length(p->model.shape);
  p->map.m = nke_features_length(p->map.features);
  p->map.piece = nke_slab_size_of(p->map.d, p->map.m, p->map.precision, p->config->run.memory_per_rank, 1).own;
  if (p->map.m != p->model.m)
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt model: %lld rows of weights for %lld features", path,
                  (long long)p->model.m, (long long)p->map.m);
done:
  return st;
}

nke_status nke_predictor_load(MPI_Comm comm, const char *path, nke_predictor **out)
{
  nke_status st = NKE_OK;
  nke_predictor *p = NULL;
  *out = NULL;
  NKE_TRY(nke_agree(comm, nke_calloc(1, sizeof *p, "a model", &p)));
  NKE_TRY(nke_model_load(comm, path, &p->model));
  NKE_TRY(nke_agree(comm, prepare(path, p)));
  *out = p;
  p = NULL;
done:
  nke_predictor_destroy(&p);
  return st;
}

void nke_predictor_destroy(nke_predictor **predictor)
{
  nke_predictor *const p = *predictor;
  if (!p) return;
  nke_features_destroy(&p->map.features);
  nke_config_destroy(&p->config);
  nke_model_clear(&p->model);
  nke_free(p);
  *predictor = NULL;
}

int64_t nke_predictor_row_length(const nke_predictor *p) { return p->map.d; }
int64_t nke_predictor_count(const nke_predictor *p) { return p->model.k; }

nke_status nke_predictor_apply(nke_predictor *p, int64_t n, const double *x, double *scores, double *values)
{
  nke_status st = NKE_OK;
  const int64_t k = p->model.k, most = nke_min(n, p->map.piece);
  const int64_t columns = nke_targets_task(p->model.targets) == NKE_TASK_CLASSIFICATION ? 1 : k;
  void *z = NULL;
  double *own = NULL;
  NKE_TRY(nke_alloc(most * p->map.m, (size_t)nke_precision_bytes(p->map.precision), "features", &z));
  if (!scores) NKE_TRY(nke_alloc(most * k, sizeof *own, "scores", &own));
  for (int64_t first = 0; first < n; first += most) {
    const int64_t count = nke_min(most, n - first);
    double *const to = scores ? scores + first * k : own;
    NKE_TRY(nke_map_apply(&p->map, count, x + first * p->map.d, z));
    NKE_TRY(nke_score_rows(p->map.precision, count, p->map.m, k, z, p->model.weights, to));
    if (values) nke_targets_decode(p->model.targets, count, to, values + first * columns);
  }
done:
  nke_free(z);
  nke_free(own);
  return st;
}
