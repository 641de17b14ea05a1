#include "run/session.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "run/input.h"

#include <stdio.h>
#include <string.h>

nke_status nke_session_shape(nke_config *config, nke_shape shape)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_network_shape(config->network, shape));
  if (config->embedding.flip) NKE_TRY(nke_network_check_flip(config->network));
done:
  if (st == NKE_ERR_USAGE) st = nke_fail(st, "%s: %s", config->name, nke_error_text());
  return st;
}

/* Columns of a table that x would be thought to choose; a data set's /name is left from a config of HDF5 files. */
static nke_status check_x(const nke_config *config, const nke_data_spec *spec)
{
  if (!spec->x || strcmp(spec->x, "*") == 0 || *spec->x == '/' || !nke_dataset_is_csv(spec->file)) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "%s: %s: x: expected none, as all columns but y are x, got '%.80s'", config->name,
                  spec->file, spec->x);
}

static nke_status open_data(nke_session *s, const nke_data_spec *spec, nke_dataset **out)
{
  nke_status st = NKE_OK;
  nke_data_spec padded = *spec;
  if (!spec->file) return st;
  NKE_TRY(check_x(s->config, spec));
  if (s->train) padded.least = nke_input_least(s->config, nke_dataset_length(s->train));
  NKE_TRY(nke_input_open(s->comm, s->config, &padded, out));
  if (!s->train || *out == s->train) goto done;
  NKE_TRY(nke_dataset_check_shape(s->train, *out));
  st = nke_dataset_check_names(*out, nke_dataset_names(s->train), nke_dataset_path(s->train));
done:
  return st;
}

static nke_status check_targets(const nke_dataset *train, const nke_dataset *other)
{
  const int64_t expected = nke_dataset_targets(train), got = other ? nke_dataset_targets(other) : 0;
  if (got == 0 || got == expected) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "%s: y: expected %lld target columns as in training, got %lld", nke_dataset_path(other),
                  (long long)expected, (long long)got);
}

nke_status nke_session_check_targets(const nke_session *s)
{
  const nke_status st = check_targets(s->train, s->validation);
  return st == NKE_OK ? check_targets(s->train, s->test) : st;
}

nke_status nke_session_embedding(nke_session *s, int64_t n_train)
{
  const nke_embedding_options *const options = &s->config->embedding;
  if (strcmp(options->method, "none") == 0) {
    s->m = n_train;
    return nke_agree(s->comm, nke_exact_create(s->config->network, options->precision, options->flip, &s->exact));
  }
  const nke_status st = nke_agree(s->comm, nke_features_create(s->config->network, options, &s->features));
  if (st == NKE_OK) s->m = nke_features_length(s->features);
  return st;
}

nke_status nke_session_need_features(const nke_session *s, const char *command)
{
  if (s->features) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "%s: embedding.method: `%s` needs features, got none", s->config->name, command);
}

nke_status nke_session_kernel(nke_session *s, nke_dataset *train, const nke_preprocess *preprocess)
{
  return nke_kernel_rows_create(train, preprocess, s->exact, s->config->embedding.kernel,
                                s->config->run.memory_per_rank / 8, &s->kernel);
}

/* Images of one to four channels that come first, as PyTorch has them, would be taken for small ones of many channels,
 * images without an axis of channels for signals of as many channels as points, and trained on without a word. */
static void warn_of_axes(const nke_session *s)
{
  const nke_shape x = s->shape;
  const long long channels = x.height, side = x.width;
  char text[NKE_SHAPE_CHARS];
  int rank;
  MPI_Comm_rank(s->comm, &rank);
  if (rank != 0 || x.axes == 0 || x.height > 4 || x.width < 8 || x.channels != x.width) return;
  nke_shape_text((nke_shape){2, side, side, x.axes == 1 ? 1 : channels}, text);
  if (x.axes == 1)
    fprintf(
        stderr,
        "warning: %s: signals of %lld points with %lld channels; if they are images of %lld x %lld pixels, these need "
        "an axis of channels: %s\n",
        nke_dataset_path(s->train), side, side, side, side, text);
  else
    fprintf(stderr,
            "warning: %s: images of %lld x %lld pixels with %lld channels; if they have %lld of %lld x %lld pixels, "
            "these have to come last: %s\n",
            nke_dataset_path(s->train), channels, side, side, channels, side, side, text);
}

nke_status nke_session_open(const nke_invocation *invocation, nke_session *s)
{
  nke_status st = NKE_OK;
  *s = (nke_session){.comm = invocation->comm, .invocation = invocation, .config = invocation->config};
  nke_stage_begin(&s->stats, NKE_STAGE_TOTAL);
  NKE_TRY(nke_config_require(s->config, NKE_NEEDS_TRAIN | NKE_NEEDS_NETWORK));
  NKE_TRY(open_data(s, &s->config->data.train, &s->train));
  NKE_TRY(open_data(s, &s->config->data.validation, &s->validation));
  NKE_TRY(open_data(s, &s->config->data.test, &s->test));
  s->shape = nke_dataset_shape(s->train);
  warn_of_axes(s); /* the network may not fit such rows */
  NKE_TRY(nke_session_shape(s->config, s->shape));
  st = nke_session_embedding(s, nke_dataset_rows(s->train));
done:
  return st;
}

nke_status nke_session_fit_targets(nke_session *s)
{
  if (s->targets || nke_dataset_targets(s->train) == 0) return NKE_OK;
  nke_stage_begin(&s->stats, NKE_STAGE_PREPROCESS);
  const nke_status st = nke_targets_fit(s->comm, s->train, s->config->data.task, &s->targets);
  nke_stage_end(&s->stats, NKE_STAGE_PREPROCESS);
  if (st == NKE_OK) s->k = nke_targets_count(s->targets);
  return st;
}

nke_status nke_session_fit(nke_session *s)
{
  nke_status st = NKE_OK;
  const nke_config_data *const data = &s->config->data;
  nke_stage_begin(&s->stats, NKE_STAGE_PREPROCESS);
  st = nke_preprocess_fit(s->comm, s->train, data->n_preprocess, data->preprocess, s->config->run.memory_per_rank,
                          &s->preprocess);
  nke_stage_end(&s->stats, NKE_STAGE_PREPROCESS);
  if (st == NKE_OK) st = nke_session_fit_targets(s);
  if (st == NKE_OK && s->exact) st = nke_agree(s->comm, nke_session_kernel(s, s->train, s->preprocess));
  if (st == NKE_OK) nke_session_ready(s);
  return st;
}

nke_status nke_session_read_targets(nke_session *s, const nke_rows *list, nke_range range, double *y)
{
  nke_status st = NKE_OK;
  const int64_t n = range.end - range.begin;
  int64_t *rows = NULL;
  double *raw = NULL;
  NKE_TRY(nke_alloc(n, sizeof *rows, "row numbers", &rows));
  NKE_TRY(nke_alloc(n * nke_targets_columns(s->targets), sizeof *raw, "targets", &raw));
  for (int64_t i = 0; i < n; i++) rows[i] = nke_rows_at(list, range.begin + i);
  NKE_TRY(nke_dataset_read(s->train, n, rows, NULL, raw));
  st = nke_targets_encode(s->targets, s->train, n, rows, raw, y);
done:
  nke_free(rows);
  nke_free(raw);
  return st;
}

nke_status nke_session_targets(nke_session *s, double *targets)
{
  const nke_rows all = nke_rows_all(nke_dataset_rows(s->train));
  const nke_range mine = nke_split_mine(s->comm, all.n);
  const int64_t n = mine.end - mine.begin;
  double *y = NULL;
  nke_status st = nke_alloc(n * s->k, sizeof *y, "targets", &y);
  if (st == NKE_OK) st = nke_session_read_targets(s, &all, mine, y);
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) st = nke_gather_rows(s->comm, n, s->k, y, targets);
  nke_free(y);
  return st;
}

void nke_session_ready(nke_session *s)
{
  s->k = s->targets ? nke_targets_count(s->targets) : 0;
  const nke_precision precision = s->kernel ? NKE_DOUBLE : s->config->run.precision;
  int ranks;
  MPI_Comm_size(s->comm, &ranks);
  s->embedder = (nke_embedder){
    .comm = s->comm,
    .preprocess = s->preprocess,
    .targets = s->targets,
    .features = s->features,
    .kernel = s->kernel,
    .m = s->m,
    .precision = precision,
    .flops_per_row = s->kernel ? nke_exact_flops_per_pair(s->exact) * (double)s->m
                               : nke_features_flops_per_row(s->features),
    .slab = nke_slab_size_of(nke_shape_length(s->shape), s->m, precision, s->config->run.memory_per_rank, ranks,
                             s->exchanged),
    .stats = &s->stats,
  };
}

nke_status nke_session_spare(const nke_session *s, const char *path)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_input_spare(s->comm, s->train, path, "run.out"));
  NKE_TRY(nke_input_spare(s->comm, s->validation, path, "run.out"));
  NKE_TRY(nke_input_spare(s->comm, s->test, path, "run.out"));
done:
  return st;
}

void nke_session_close(nke_session *s)
{
  nke_dataset_close(&s->train);
  nke_dataset_close(&s->validation);
  nke_dataset_close(&s->test);
  nke_preprocess_destroy(&s->preprocess);
  nke_targets_destroy(&s->targets);
  nke_features_destroy(&s->features);
  nke_features_destroy(&s->sketch);
  nke_free(s->class_roots);
  nke_kernel_rows_destroy(&s->kernel);
  nke_exact_destroy(&s->exact);
}
