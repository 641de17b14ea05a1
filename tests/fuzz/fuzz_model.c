/* A model file: loaded, its config parsed and its network shaped, and listed as `nke info` does. */
#include "h5_edit.h"

#include "base/memory.h"
#include "data/contents.h"
#include "data/dataset.h"
#include "run/model.h"

#include <hdf5.h>

static const char *const objects[] = {"/",           "/shape",            "/weights",
                                      "/preprocess", "/preprocess/step0", "/preprocess/step0/mean",
                                      "/targets",    "/targets/classes",  "/preprocess/step0/scale",
                                      "/more/deep",  NULL};
static const char *const keys[] = {"nke",    "kind",     "config", "lambda_relative", "lambda_absolute", "steps", "axes",
                                   "height", "width",    "channels", "eps",           "task",            "columns",
                                   "crc32",  NULL};
static h5_base base = {.objects = objects, .keys = keys};
static char text[] = "network: [flatten, dense, {activation: relu}, dense]\n";

static void make_data(const char *path)
{
  double x[48], y[8];
  for (int i = 0; i < 48; i++) x[i] = i * i % 11;
  for (int i = 0; i < 8; i++) y[i] = i % 2;
  const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t dims[4] = {8, 3, 2, 1};
  for (int k = 0; k < 2; k++) {
    const hid_t space = H5Screate_simple(k ? 1 : 4, dims, NULL);
    const hid_t set = H5Dcreate2(file, k ? "/y" : "/x", H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    FUZZ_CHECK(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, k ? y : x) >= 0);
    H5Dclose(set);
    H5Sclose(space);
  }
  FUZZ_CHECK(H5Fclose(file) >= 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc, (void)argv;
  static double weights[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const nke_preprocess_step step = {.kind = NKE_PREPROCESS_STANDARDIZE};
  nke_dataset *d = NULL;
  fuzz_start();
  const nke_data_spec spec = {.file = fuzz_path("data.h5"), .x = "/x", .y = "/y", .row_end = -1};
  make_data(spec.file);
  FUZZ_CHECK(nke_dataset_open(MPI_COMM_SELF, &spec, &d) == NKE_OK);
  nke_model model = {.config = text, .shape = nke_dataset_shape(d), .m = 4, .k = 2, .weights = weights};
  FUZZ_CHECK(nke_preprocess_fit(MPI_COMM_SELF, d, 1, &step, 1 << 24, &model.preprocess) == NKE_OK);
  FUZZ_CHECK(nke_targets_fit(MPI_COMM_SELF, d, NKE_TASK_CLASSIFICATION, &model.targets) == NKE_OK);
  FUZZ_CHECK(nke_model_save(MPI_COMM_SELF, fuzz_path("base.h5"), true, &model) == NKE_OK);
  nke_preprocess_destroy(&model.preprocess);
  nke_targets_destroy(&model.targets);
  nke_dataset_close(&d);
  h5_base_take("base.h5", &base);
  return 0;
}

static void count_line(void *context, const char *line)
{
  *(int *)context += line[0] != '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  nke_model model;
  nke_config *config = NULL;
  int lines = 0;
  const char *const path = h5_edit(&base, "in.h5", data, size);
  if (nke_model_load(MPI_COMM_SELF, path, &model) == NKE_OK) {
    FUZZ_CHECK(nke_shape_length(model.shape) > 0 && model.m > 0 && model.k > 0);
    if (nke_model_config(&model, path, &config) == NKE_OK) nke_network_shape(config->network, model.shape);
    nke_config_destroy(&config);
    nke_model_clear(&model);
  }
  nke_hdf5_contents(path, count_line, &lines);
  h5_check_closed();
  return 0;
}
