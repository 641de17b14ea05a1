#include "run/input_wide.h"

#include "sketch/sketch.h"
#include "sketch/wide.h"

#include <stdio.h>
#include <string.h>

static const nke_sketch_kind *const kinds[] = {NULL, NULL, &nke_sketch_countsketch, &nke_sketch_osnap, &nke_sketch_srft};

/* What an array may keep of unpacked chunks: the memory of a rank by this. */
enum { CACHE_PART = 8 };

/* Of a column of the widest kind of sketch. */
static const double table_bytes = 16;

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
    wrong = "data.layout rows and data.sketch.kind none: expected for rows in memory";
  else if (nke_dataset_shape(dataset).axes > 0)
    wrong = "data.layout rows and data.sketch.kind none: expected for images and signals";
  if (!wrong) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "%s: %s: rows are sketched: %s", config->name, nke_dataset_path(dataset), wrong);
}

/* The map of an srft follows from the length that rows are padded to. */
static nke_status check_period(nke_config *config, const nke_dataset *dataset)
{
  const nke_config_data *const data = &config->data;
  const int64_t n = nke_dataset_length(dataset), before = data->sketch.period,
                period = data->layout == NKE_LAYOUT_COLUMNS ? nke_wide_srft_period(n) : nke_srft_period(n);
  if (data->sketch.kind != NKE_INPUT_SRFT || before == period) return NKE_OK;
  config->data.sketch.period = period;
  if (before == 0) return NKE_OK;
  return nke_fail(
      NKE_ERR_DATA,
      "%s: rows of %lld columns have another srft, of period %lld, than the training rows, %lld: expected as "
      "many columns in every file (libsvm: x gives their number), of one data.layout",
      nke_dataset_path(dataset), (long long)n, (long long)period, (long long)before);
}

static nke_status attach(nke_config *config, const nke_data_spec *spec, nke_dataset *dataset)
{
  nke_status st = NKE_OK;
  const nke_config_sketch *const options = &config->data.sketch;
  nke_draws draws = {config->run.seed, NKE_INPUT_STREAM};
  nke_sketch *sketch = NULL;
  NKE_TRY(check(config, spec, dataset));
  NKE_TRY(check_period(config, dataset));
  const double mib = 1048576, tables = table_bytes * (double)nke_dataset_length(dataset);
  if (tables > 0.5 * (double)config->run.memory_per_rank)
    return nke_fail(NKE_ERR_USAGE,
                    "%s: the sketch of rows of %lld entries needs %.0f MiB on every rank, more than half of "
                    "run.memory_per_rank (%.0f MiB)",
                    nke_dataset_path(dataset), (long long)nke_dataset_length(dataset), tables / mib,
                    (double)config->run.memory_per_rank / mib);
  NKE_TRY(nke_sketch_create(kinds[options->kind], NKE_DOUBLE, nke_dataset_length(dataset), options->columns, &draws,
                            &sketch));
  nke_dataset_set_map(dataset, (nke_row_map){options->columns, sketch, sketch_dense, sketch_sparse, sketch_destroy});
done:
  return st;
}

/* Whether a block of rows is more than a rank's memory can hold beside what is made of it. */
static int too_wide(const nke_config *config, const nke_dataset *dataset)
{
  const nke_input_sketch kind = config->data.sketch.kind;
  const double block = 8.0 * NKE_BLOCK_ROWS * (double)nke_dataset_length(dataset);
  return nke_dataset_has_columns(dataset) && config->data.n_preprocess == 0 &&
         (kind == NKE_INPUT_AUTO || kind == NKE_INPUT_COUNTSKETCH || kind == NKE_INPUT_SRFT) &&
         block > 0.5 * (double)config->run.memory_per_rank;
}

nke_status nke_input_open(MPI_Comm comm, nke_config *config, const nke_data_spec *spec, nke_dataset **out)
{
  nke_status st = NKE_OK;
  nke_dataset *dataset = NULL;
  nke_data_spec bounded = *spec;
  bounded.cache = config->run.memory_per_rank / CACHE_PART;
  *out = NULL;
  NKE_TRY(nke_dataset_open(comm, &bounded, &dataset));
  if (too_wide(config, dataset)) config->data.layout = NKE_LAYOUT_COLUMNS;
  if (config->data.layout == NKE_LAYOUT_COLUMNS) {
    NKE_TRY(nke_agree(comm, check(config, spec, dataset)));
    NKE_TRY(nke_agree(comm, check_period(config, dataset)));
    NKE_TRY(nke_input_gather(comm, config, spec, dataset, out));
    goto done;
  }
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

int64_t nke_input_least(const nke_config *config, int64_t d)
{
  const nke_config_data *const data = &config->data;
  const bool padded =
      data->train.file && nke_dataset_is_libsvm(data->train.file) && data->sketch.kind == NKE_INPUT_AS_IT_IS;
  return padded ? d : 0;
}

nke_status nke_input_in_use(const char *output, const char *option)
{
  return nke_fail(NKE_ERR_USAGE, "%s: is read by this run and cannot be written by it; give another %s", output,
                  option);
}

nke_status nke_input_spare(MPI_Comm comm, const nke_dataset *dataset, const char *output, const char *option)
{
  int rank;
  MPI_Comm_rank(comm, &rank);
  const bool same = rank == 0 && dataset && nke_dataset_is_file(dataset, output);
  return nke_agree(comm, same ? nke_input_in_use(output, option) : NKE_OK);
}

nke_status nke_input_fingerprint(MPI_Comm comm, nke_dataset *train, nke_dataset *validation, nke_dataset *test,
                                 bool targets, char *text, size_t size)
{
  nke_status st = NKE_OK;
  nke_dataset *const sets[] = {train, validation, test};
  static const char *const names[] = {"train", "validation", "test"};
  size_t length = 0;
  for (int i = 0; i < 3; i++) {
    nke_fingerprint found;
    if (!sets[i]) continue;
    NKE_TRY(nke_dataset_fingerprint(comm, sets[i], &found));
    length += (size_t)snprintf(text + length, size - length, "%s%s %08llx", length > 0 ? ", " : "", names[i],
                               (unsigned long long)found.x);
    if (targets) length += (size_t)snprintf(text + length, size - length, "/%08llx", (unsigned long long)found.y);
  }
done:
  return st;
}

const char *nke_input_other(const char *stored, const char *now)
{
  const char *const was = strstr(stored, NKE_INPUT_DATA), *const is = strstr(now, NKE_INPUT_DATA);
  if (!is) return "another config";
  const size_t length = (size_t)(is - now);
  if (strncmp(stored, now, length) != 0) return "another config";
  if (was) return "other data";
  return stored[length] == '\0' ? "an earlier version of nke" : "another config";
}
