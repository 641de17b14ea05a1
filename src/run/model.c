#include "run/model.h"

#include "base/memory.h"
#include "data/h5file.h"
#include "dist/split.h"
#include "kernel/features.h"
#include "run/matrix_file.h"

#include <string.h>

/* Largest weights that a model file may ask us to hold on every rank. */
static const int64_t max_weight_bytes = (int64_t)1 << 34;
static const int64_t max_name_bytes = (int64_t)1 << 29;

/* This rank's part of the training rows, a block at a time. */
static nke_status write_my_rows(nke_h5file *file, const nke_model *model, int rank, const int64_t *dims)
{
  nke_status st = NKE_OK;
  const nke_range mine = nke_split_mine(nke_h5file_comm(file), model->m);
  int64_t start[NKE_H5_MAX_RANK] = {0}, count[NKE_H5_MAX_RANK];
  double *x = NULL;
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * nke_dataset_length(model->rows), sizeof *x, "rows to save", &x));
  memcpy(count, dims, (size_t)rank * sizeof *count);
  for (start[0] = mine.begin; start[0] < mine.end; start[0] += count[0]) {
    count[0] = nke_min(NKE_BLOCK_ROWS, mine.end - start[0]);
    NKE_TRY(nke_dataset_read_range(model->rows, (nke_range){start[0], start[0] + count[0]}, x, NULL));
    NKE_TRY(nke_preprocess_apply(model->preprocess, count[0], x));
    NKE_TRY(nke_h5file_write(file, "/train/x", NKE_H5_F64, rank, start, count, x));
  }
done:
  nke_free(x);
  return st;
}

static nke_status write_rows(nke_h5file *file, const nke_model *model)
{
  nke_status st = NKE_OK;
  const nke_shape s = model->shape;
  const int rank = s.axes + 2;
  const int64_t dims[3][4] = {{model->m, s.channels}, {model->m, s.width, s.channels},
                              {model->m, s.height, s.width, s.channels}};
  NKE_TRY(nke_h5file_create_dataset(file, "/train/x", NKE_H5_F64, rank, dims[s.axes], NULL));
  st = nke_agree(nke_h5file_comm(file), write_my_rows(file, model, rank, dims[s.axes]));
done:
  return st;
}

static nke_status write_model(nke_h5file *file, const nke_model *model)
{
  nke_status st = NKE_OK;
  const int64_t shape[4] = {model->shape.axes, model->shape.height, model->shape.width, model->shape.channels};
  NKE_TRY(nke_h5file_put_string(file, "/", "kind", "model"));
  NKE_TRY(nke_h5file_put_int(file, "/", "features_revision", NKE_FEATURES_REVISION));
  NKE_TRY(nke_h5file_put_string(file, "/", "config", model->config));
  NKE_TRY(nke_h5file_put_double(file, "/", "lambda_relative", model->lambda_relative));
  NKE_TRY(nke_h5file_put_double(file, "/", "lambda_absolute", model->lambda_absolute));
  NKE_TRY(nke_h5file_put(file, "/shape", NKE_H5_I64, 1, (const int64_t[]){4}, shape));
  NKE_TRY(nke_h5file_put(file, "/weights", NKE_H5_F64, 2, (const int64_t[]){model->m, model->k}, model->weights));
  if (model->sketch_period > 0)
    NKE_TRY(nke_h5file_put(file, "/sketch_period", NKE_H5_I64, 1, (const int64_t[]){1}, &model->sketch_period));
  if (model->names)
    NKE_TRY(nke_h5file_put(file, "/columns", NKE_H5_U8, 1, (const int64_t[]){(int64_t)strlen(model->names) + 1},
                           model->names));
  NKE_TRY(nke_preprocess_save(model->preprocess, file));
  NKE_TRY(nke_targets_save(model->targets, file));
  if (model->rows) NKE_TRY(write_rows(file, model));
  if (model->factor) st = nke_matrix_file_write(file, "/factor", model->factor);
done:
  return st;
}

nke_status nke_model_save(MPI_Comm comm, const char *path, bool force, const nke_model *model)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  NKE_TRY(nke_h5file_create(comm, path, force, &file));
  NKE_TRY(write_model(file, model));
  st = nke_h5file_commit(&file);
done:
  nke_h5file_close(&file);
  return st;
}

static nke_status check_kind(nke_h5file *file)
{
  nke_status st = NKE_OK;
  char *kind = NULL;
  NKE_TRY(nke_h5file_get_string(file, "/", "kind", &kind));
  if (strcmp(kind, "model") != 0)
    st = nke_fail(NKE_ERR_DATA, "%s: expected a model, got a file of kind '%s'", nke_h5file_path(file), kind);
done:
  nke_free(kind);
  return st;
}

static nke_status check_revision(nke_h5file *file)
{
  int64_t revision;
  const nke_status st = nke_h5file_get_int(file, "/", "features_revision", &revision);
  if (st != NKE_OK || revision == NKE_FEATURES_REVISION) return st;
  return nke_fail(NKE_ERR_DATA, "%s: made with revision %lld of the features, this program has %d; fit again, or use the "
                                "program that made it",
                  nke_h5file_path(file), (long long)revision, NKE_FEATURES_REVISION);
}

static nke_status read_shape(nke_h5file *file, nke_shape *shape)
{
  nke_status st = NKE_OK;
  int64_t dims[1] = {4}, *stored = NULL;
  NKE_TRY(nke_h5file_get(file, "/shape", NKE_H5_I64, 1, dims, 64, &stored));
  int64_t left = (int64_t)1 << 40;
  for (int i = 1; i < 4; i++) left = stored[i] < 1 ? 0 : left / stored[i];
  if (left < 1 || stored[0] < 0 || stored[0] > 2)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: corrupt /shape", nke_h5file_path(file)));
  *shape = (nke_shape){.axes = (int)stored[0], .height = stored[1], .width = stored[2], .channels = stored[3]};
done:
  nke_free(stored);
  return st;
}

/* Models of before it was written have none. */
static nke_status read_sketch_period(nke_h5file *file, int64_t *period)
{
  nke_status st = NKE_OK;
  int64_t dims[1] = {1}, *stored = NULL;
  if (!nke_h5file_has(file, "/sketch_period")) return NKE_OK;
  NKE_TRY(nke_h5file_get(file, "/sketch_period", NKE_H5_I64, 1, dims, 8, &stored));
  *period = *stored;
done:
  nke_free(stored);
  return st;
}

static nke_status read_names(nke_h5file *file, char **names)
{
  nke_status st = NKE_OK;
  int64_t dims[1] = {-1};
  if (!nke_h5file_has(file, "/columns")) return NKE_OK;
  NKE_TRY(nke_h5file_get(file, "/columns", NKE_H5_U8, 1, dims, max_name_bytes, names));
  if (dims[0] < 1 || (*names)[dims[0] - 1] != '\0')
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt /columns", nke_h5file_path(file));
done:
  return st;
}

static nke_status read_model(nke_h5file *file, nke_model *model)
{
  nke_status st = NKE_OK;
  int64_t dims[2] = {-1, -1};
  NKE_TRY(check_kind(file));
  NKE_TRY(check_revision(file));
  NKE_TRY(nke_h5file_get_string(file, "/", "config", &model->config));
  NKE_TRY(nke_h5file_get_double(file, "/", "lambda_relative", &model->lambda_relative));
  NKE_TRY(nke_h5file_get_double(file, "/", "lambda_absolute", &model->lambda_absolute));
  NKE_TRY(read_shape(file, &model->shape));
  NKE_TRY(read_names(file, &model->names));
  NKE_TRY(read_sketch_period(file, &model->sketch_period));
  NKE_TRY(nke_h5file_get(file, "/weights", NKE_H5_F64, 2, dims, max_weight_bytes, &model->weights));
  model->m = dims[0];
  model->k = dims[1];
  NKE_TRY(nke_preprocess_load(file, model->shape, &model->preprocess));
  NKE_TRY(nke_targets_load(file, &model->targets));
  if (nke_targets_count(model->targets) != model->k)
    st = nke_fail(NKE_ERR_DATA, "%s: corrupt model: %lld targets but %lld columns of weights", nke_h5file_path(file),
                  (long long)nke_targets_count(model->targets), (long long)model->k);
done:
  return st;
}

nke_status nke_model_load(MPI_Comm comm, const char *path, nke_model *model)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  *model = (nke_model){0};
  NKE_TRY(nke_h5file_open(comm, path, &file));
  st = read_model(file, model);
done:
  nke_h5file_close(&file);
  if (st != NKE_OK) nke_model_clear(model);
  return st;
}

nke_status nke_model_config(const nke_model *model, const char *path, nke_config **config)
{
  nke_status st = nke_config_parse(path, model->config, 0, NULL, config);
  if (st == NKE_OK) st = nke_config_require(*config, NKE_NEEDS_NETWORK);
  return st == NKE_ERR_USAGE ? nke_fail(NKE_ERR_DATA, "corrupt model: config: %s", nke_error_text()) : st;
}

void nke_model_clear(nke_model *model)
{
  nke_free(model->config);
  nke_free(model->names);
  nke_free(model->weights);
  nke_preprocess_destroy(&model->preprocess);
  nke_targets_destroy(&model->targets);
  *model = (nke_model){0};
}
