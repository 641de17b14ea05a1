#include "run/model_session.h"

static nke_status open_kernel(const char *path, nke_session *s, nke_preprocess **as_they_are)
{
  nke_status st = NKE_OK;
  const nke_data_spec rows = {.file = path, .as_given = true, .x = "/train/x", .row_end = -1};
  NKE_TRY(nke_dataset_open(s->comm, &rows, &s->train));
  if (nke_dataset_rows(s->train) != s->m || nke_dataset_length(s->train) != nke_shape_length(s->shape))
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt model: /train/x does not match the weights", path));
  NKE_TRY(nke_preprocess_fit(s->comm, s->train, 0, NULL, s->config->run.memory_per_rank, as_they_are));
  st = nke_agree(s->comm, nke_session_kernel(s, s->train, *as_they_are));
done:
  return st;
}

nke_status nke_model_session(const char *path, const nke_model *model, nke_session *s, nke_preprocess **as_they_are)
{
  nke_status st = NKE_OK;
  *as_they_are = NULL;
  NKE_TRY(nke_agree(s->comm, nke_model_config(model, path, &s->config)));
  s->config->data.sketch.period = model->sketch_period;
  s->shape = model->shape;
  s->preprocess = model->preprocess;
  NKE_TRY(nke_session_shape(s->config, s->shape));
  NKE_TRY(nke_session_embedding(s, model->m));
  if (s->exact) NKE_TRY(open_kernel(path, s, as_they_are));
  if (s->m != model->m)
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt model: %lld rows of weights for %lld features", path, (long long)model->m,
                  (long long)s->m);
done:
  return st;
}

void nke_model_session_close(nke_session *s, nke_preprocess **as_they_are)
{
  s->preprocess = NULL; /* the model's, */
  s->targets = NULL;    /* both */
  nke_session_close(s);
  nke_preprocess_destroy(as_they_are);
  nke_config_destroy(&s->config);
}
