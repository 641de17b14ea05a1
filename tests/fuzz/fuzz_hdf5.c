/* An HDF5 data set: opened, and its rows read. */
#include "h5_edit.h"

#include "data/dataset.h"

#include <hdf5.h>

static const char *const objects[] = {"/x", "/y", NULL};
static const char *const keys[] = {"units", NULL};
static h5_base base = {.objects = objects, .keys = keys};

static void put(hid_t file, const char *name, int rank, const hsize_t *dims, const hsize_t *chunk)
{
  static float values[512];
  for (int i = 0; i < 512; i++) values[i] = (float)(i % 7);
  const hid_t space = H5Screate_simple(rank, dims, NULL), layout = H5Pcreate(H5P_DATASET_CREATE);
  if (chunk) H5Pset_chunk(layout, rank, chunk);
  if (chunk) H5Pset_deflate(layout, 6);
  const hid_t set = H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  FUZZ_CHECK(set >= 0 && H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(set);
  H5Pclose(layout);
  H5Sclose(space);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc, (void)argv;
  fuzz_start();
  const hid_t file = H5Fcreate(fuzz_path("base.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put(file, "/x", 3, (hsize_t[]){8, 4, 3}, (hsize_t[]){3, 4, 3});
  put(file, "/y", 1, (hsize_t[]){8}, NULL);
  FUZZ_CHECK(H5Fclose(file) >= 0);
  h5_base_take("base.h5", &base);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  enum { MOST = 1 << 16 };
  nke_dataset *d = NULL;
  const nke_data_spec spec = {.file = h5_edit(&base, "in.h5", data, size), .x = "/x", .y = "/y", .row_end = -1};
  if (nke_dataset_open(MPI_COMM_SELF, &spec, &d) == NKE_OK) {
    const int64_t rows = nke_dataset_rows(d), length = nke_dataset_length(d), k = nke_dataset_targets(d);
    FUZZ_CHECK(rows > 0 && length > 0 && k > 0);
    if (length <= MOST && k <= MOST) {
      const int64_t n = rows < MOST / (length + k) + 1 ? rows : MOST / (length + k) + 1;
      double *x = malloc((size_t)(n * length) * sizeof *x), *y = malloc((size_t)(n * k) * sizeof *y);
      if (!x || !y) abort();
      nke_dataset_read_range(d, (nke_range){0, n}, x, y);
      nke_dataset_read_range(d, (nke_range){rows - n, rows}, x, y);
      free(y);
      free(x);
    }
  }
  nke_dataset_close(&d);
  h5_check_closed();
  return 0;
}
