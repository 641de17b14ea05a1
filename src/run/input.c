#include "run/input.h"

#include "sketch/sketch.h"

#include <string.h>

/* Far from the streams that the embedding's own sketches count up from 0. */
static const uint32_t input_stream = UINT32_C(1) << 31;

static void sketch_dense(void *context, const double *x, double *out)
{
  nke_sketch_apply(context, x, out);
}

static void sketch_sparse(void *context, int64_t nnz, const int64_t *index, const double *value, double *out)
{
  nke_sketch_apply_sparse(context, nnz, index, value, out);
}

static void sketch_destroy(void *context)
{
  nke_sketch *sketch = context;
  nke_sketch_destroy(&sketch);
}

static nke_status check(const nke_config *config, const nke_data_spec *spec, const nke_dataset *dataset)
{
  const char *wrong = NULL;
  if (config->data.n_preprocess > 0)
    wrong = "data.preprocess: expected [] (steps would have to fill the rows in); data.sketch.kind: none fills them in";
  else if (spec->memory.n_dims > 0)
    wrong = "data.sketch.kind: expected none for rows in memory";
  else if (nke_dataset_shape(dataset).axes > 0)
    wrong = "data.sketch.kind: expected none for images and signals";
  if (!wrong) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "%s: %s: rows are sketched: %s", config->name, nke_dataset_path(dataset), wrong);
}

static nke_status attach(const nke_config *config, const nke_data_spec *spec, nke_dataset *dataset)
{
  nke_status st = NKE_OK;
  const nke_config_sketch *const options = &config->data.sketch;
  nke_draws draws = {config->run.seed, input_stream};
  nke_sketch *sketch = NULL;
  NKE_TRY(check(config, spec, dataset));
  NKE_TRY(nke_sketch_create(options->kind == NKE_INPUT_OSNAP ? &nke_sketch_osnap : &nke_sketch_countsketch, NKE_DOUBLE,
                            nke_dataset_length(dataset), options->columns, &draws, &sketch));
  nke_dataset_set_map(dataset, (nke_row_map){options->columns, sketch, sketch_dense, sketch_sparse, sketch_destroy});
done:
  return st;
}

nke_status nke_input_open(MPI_Comm comm, nke_config *config, const nke_data_spec *spec, nke_dataset **out)
{
  nke_status st = NKE_OK;
  nke_dataset *dataset = NULL;
  *out = NULL;
  NKE_TRY(nke_dataset_open(comm, spec, &dataset));
  if (config->data.sketch.kind == NKE_INPUT_AUTO)
    config->data.sketch.kind = nke_dataset_is_sparse(dataset) && nke_dataset_length(dataset) > config->data.sketch.columns &&
                                       strcmp(config->embedding.method, "none") != 0
                                   ? NKE_INPUT_OSNAP
                                   : NKE_INPUT_AS_IT_IS;
  if (config->data.sketch.kind != NKE_INPUT_AS_IT_IS) NKE_TRY(nke_agree(comm, attach(config, spec, dataset)));
  *out = dataset;
  dataset = NULL;
done:
  nke_dataset_close(&dataset);
  return st;
}
