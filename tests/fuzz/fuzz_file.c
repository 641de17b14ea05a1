/* A whole data file: the first byte names the format, the rest is the file; opened, and its first rows read. */
#include "fuzz.h"

#include "data/dataset.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc, (void)argv;
  fuzz_start();
  return 0;
}

static void read_rows(nke_dataset *d)
{
  enum { MOST = 1 << 16 };
  const int64_t length = nke_dataset_length(d), k = nke_dataset_targets(d), rows = nke_dataset_rows(d);
  FUZZ_CHECK(rows > 0 && length > 0);
  if (length > MOST || k > MOST) return;
  const int64_t room = MOST / (length + k), n = rows < room ? rows : room;
  double *x = malloc((size_t)(n * length + 1) * sizeof *x), *y = malloc((size_t)(n * k + 1) * sizeof *y);
  if (!x || !y) abort();
  nke_dataset_read_range(d, (nke_range){0, n}, x, k > 0 ? y : NULL);
  nke_dataset_read_range(d, (nke_range){rows - n, rows}, x, NULL);
  free(y);
  free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const names[] = {"in.csv", "in.libsvm", "in.npy", "in.csv.gz", "in.libsvm.gz"};
  if (size == 0) return 0;
  nke_dataset *d = NULL;
  const char *const path = fuzz_file(names[data[0] % 5], data + 1, size - 1);
  const nke_data_spec spec = {.file = path, .row_end = -1};
  if (nke_dataset_open(MPI_COMM_SELF, &spec, &d) == NKE_OK) read_rows(d);
  nke_dataset_close(&d);
  return 0;
}
