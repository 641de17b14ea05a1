#include "run/made_features.h"

#include "base/memory.h"
#include "data/h5file.h"

#include <math.h>
#include <string.h>

/* The open file of `nke embed` that a data set is in; *file NULL: it is in no such file. Collective. */
static nke_status open_made(MPI_Comm comm, const nke_data_spec *spec, nke_h5file **file)
{
  char *path = NULL, *kind = NULL;
  *file = NULL;
  if (!spec->file || spec->memory.n_dims > 0) return NKE_OK;
  nke_status st = nke_agree(comm, nke_dataset_find(spec, &path));
  if (st == NKE_OK) st = nke_h5file_open(comm, path, file);
  if (st == NKE_OK) st = nke_h5file_get_string(*file, "/", "kind", &kind);
  if (st != NKE_OK || strcmp(kind, "features") != 0) nke_h5file_close(file);
  nke_free(kind);
  nke_free(path);
  return st == NKE_ERR_DATA ? NKE_OK : st;
}

/* Such a file has no data set named as the config names the rows of others. */
static void name_rows(const nke_h5file *file, nke_data_spec *spec, const char *other, const char *features)
{
  if (file && spec->x && strcmp(spec->x, other) == 0) spec->x = features;
}

static nke_status name_test_rows(MPI_Comm comm, nke_data_spec *spec)
{
  nke_h5file *file = NULL;
  const nke_status st = open_made(comm, spec, &file);
  name_rows(file, spec, "/test/x", "/test/features");
  if (file && spec->y && strcmp(spec->y, "/test/y") == 0 && !nke_h5file_has(file, spec->y)) spec->y = NULL;
  nke_h5file_close(&file);
  return st;
}

/* Sigma0 = <z, z'> / m: a layer of w_std^2 = m gives <z, z'>, in the NTK too. Local. */
static nke_status make_linear(nke_config *config, int64_t m)
{
  nke_status st = NKE_OK;
  const nke_layer layer = nke_layer_dense(sqrt((double)m), 0);
  nke_network_destroy(&config->network);
  NKE_TRY(nke_network_create(&config->network));
  NKE_TRY(nke_network_append(config->network, &layer));
  if (strcmp(config->embedding.method, "none") != 0) config->embedding.method = "random_features";
  config->embedding.features = m;
  config->embedding.n_widths = 0;
  config->embedding.flip = 0;
  config->embedding.scale_to_exact = 0;
  config->data.n_preprocess = 0;
  config->data.sketch.kind = NKE_INPUT_AS_IT_IS;
  config->data.layout = NKE_LAYOUT_ROWS;
done:
  return st;
}

/* The kernel that the features are of, as the file says. */
static nke_status read_kernel(nke_h5file *file, nke_config *config)
{
  nke_status st = NKE_OK;
  char *text = NULL;
  nke_config *made = NULL;
  NKE_TRY(nke_h5file_get_string(file, "/", "config", &text));
  NKE_TRY(nke_agree(nke_h5file_comm(file), nke_config_parse(nke_h5file_path(file), text, 0, NULL, &made)));
  config->embedding.kernel = made->embedding.kernel;
done:
  if (st == NKE_ERR_USAGE) st = nke_fail(NKE_ERR_DATA, "%s: corrupt features: its config", nke_h5file_path(file));
  nke_config_destroy(&made);
  nke_free(text);
  return st;
}

nke_status nke_made_features_take(MPI_Comm comm, nke_config *config, char **path)
{
  nke_status st = NKE_OK;
  nke_h5file *file = NULL;
  int64_t dims[NKE_H5_MAX_RANK];
  int rank = 0;
  *path = NULL;
  NKE_TRY(open_made(comm, &config->data.train, &file));
  if (!file) goto done;
  if (!config->data.train.x) goto done;
  name_rows(file, &config->data.train, "/train/x", "/train/features");
  NKE_TRY(name_test_rows(comm, &config->data.test));
  NKE_TRY(nke_h5file_dims(file, config->data.train.x, &rank, dims));
  if (rank != 2)
    NKE_TRY(nke_fail(NKE_ERR_DATA, "%s: %s: expected features [n, m], got %d dimension%s", nke_h5file_path(file),
                     config->data.train.x, rank, rank == 1 ? "" : "s"));
  NKE_TRY(read_kernel(file, config));
  NKE_TRY(nke_agree(comm, make_linear(config, dims[1])));
  st = nke_agree(comm, nke_strdup(nke_h5file_path(file), path));
done:
  nke_h5file_close(&file);
  return st;
}
