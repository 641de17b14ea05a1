/* `nke embed`: the features of every row of data.train and data.test, as float32, in <out>/features.h5. */
#include "base/memory.h"
#include "data/h5file.h"
#include "run/plan.h"
#include "run/progress.h"

#include <stdio.h>

/* labels here and below: NULL where the rows have none. */
static nke_status create_group(nke_h5file *file, const char *features, const char *labels, int64_t n, int64_t m,
                               int64_t columns)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_h5file_create_dataset(file, features, NKE_H5_F32, 2, (const int64_t[]){n, m}, NULL));
  if (labels) NKE_TRY(nke_h5file_create_dataset(file, labels, NKE_H5_F64, 2, (const int64_t[]){n, columns}, NULL));
done:
  return st;
}

static nke_status write_slab(const nke_session *s, nke_h5file *file, const char *features, const char *labels,
                             const nke_slab *slab)
{
  nke_status st = NKE_OK;
  const int64_t start[2] = {slab->first, 0}, count[2] = {slab->n, s->m};
  const nke_h5type type = s->embedder.precision == NKE_SINGLE ? NKE_H5_F32 : NKE_H5_F64;
  NKE_TRY(nke_h5file_write(file, features, type, 2, start, count, slab->z));
  if (labels) {
    const int64_t label_count[2] = {slab->n, nke_targets_columns(s->targets)};
    NKE_TRY(nke_h5file_write(file, labels, NKE_H5_F64, 2, start, label_count, slab->raw_y));
  }
done:
  return st;
}

static nke_status embed_dataset(nke_session *s, nke_h5file *file, nke_dataset *dataset, const char *features,
                                const char *labels)
{
  nke_status st = NKE_OK;
  nke_slab slab = {0};
  nke_progress progress;
  const nke_rows all = nke_rows_all(nke_dataset_rows(dataset));
  nke_embedder embedder = s->embedder;
  nke_progress_begin(&progress, s->comm, "embed", "rows", all.n);
  if (nke_dataset_targets(dataset) == 0) embedder.targets = NULL;
  if (!embedder.targets) labels = NULL;
  NKE_TRY(create_group(file, features, labels, all.n, s->m, labels ? nke_targets_columns(s->targets) : 0));
  for (int64_t begin = 0; begin < all.n; begin += s->embedder.slab.all) {
    NKE_TRY(nke_slab_make(&embedder, dataset, &all, begin, &slab));
    NKE_TRY(nke_agree(s->comm, write_slab(s, file, features, labels, &slab)));
    nke_progress_update(&progress, slab.end);
  }
done:
  nke_progress_end(&progress);
  nke_slab_clear(&slab);
  return st;
}

static nke_status features_path(const nke_session *s, char *path, size_t size)
{
  return nke_config_out(s->config, "features.h5", path, size);
}

static nke_status write_features(nke_session *s, const char *path)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  char *config = NULL;
  int rank;
  MPI_Comm_rank(s->comm, &rank);
  NKE_TRY(nke_h5file_create(s->comm, path, s->invocation->force, &file));
  NKE_TRY(nke_session_fit(s));
  NKE_TRY(nke_agree(s->comm, nke_config_print(s->config, &config)));
  NKE_TRY(nke_h5file_put_string(file, "/", "kind", "features"));
  NKE_TRY(nke_h5file_put_string(file, "/", "config", config));
  NKE_TRY(embed_dataset(s, file, s->train, "/train/features", "/train/y"));
  if (s->test) NKE_TRY(embed_dataset(s, file, s->test, "/test/features", "/test/y"));
  NKE_TRY(nke_h5file_commit(&file));
  if (rank == 0) printf("%s: %lld features a row\n", path, (long long)s->m);
  fflush(stdout);
done:
  nke_free(config);
  nke_h5file_close(&file);
  return st;
}

static void make_plan(void *context, nke_plan *plan)
{
  const nke_session *const s = context;
  const int64_t n = nke_dataset_rows(s->train), n_test = s->test ? nke_dataset_rows(s->test) : 0;
  int ranks;
  MPI_Comm_size(s->comm, &ranks);
  *plan = nke_plan_begin(s->train, s->validation, s->test);
  snprintf(plan->what, sizeof plan->what, "rows %lld, entries a row %lld, features %lld", (long long)(n + n_test),
           (long long)nke_shape_length(s->shape), (long long)s->m);
  nke_plan_preprocess(s->config, s->shape, plan);
  nke_plan_slab(s, ranks, plan);
  plan->flops_embed = (double)(n + n_test) * nke_features_flops_per_row(s->features);
  plan->file = "features.h5";
  plan->file_bytes = (double)(n + n_test) * (4.0 * (double)s->m + 8.0 * (double)nke_dataset_targets(s->train));
}

nke_status nke_embed_run(const nke_invocation *invocation)
{
  nke_status st = NKE_OK;
  nke_session s;
  char path[4096];
  NKE_TRY(nke_session_open(invocation, &s));
  NKE_TRY(nke_session_need_features(&s, "embed"));
  NKE_TRY(nke_session_check_targets(&s));
  NKE_TRY(nke_plan_session(&s, make_plan, &s));
  NKE_TRY(features_path(&s, path, sizeof path));
  NKE_TRY(nke_session_spare(&s, path));
  NKE_TRY(nke_h5file_may_create(s.comm, path, invocation->force));
  if (!invocation->dry_run) st = write_features(&s, path);
done:
  nke_session_close(&s);
  return st;
}
