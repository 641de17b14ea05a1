/* One line of libsvm text. */
#include "fuzz.h"

#include "data/text_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  double label, again;
  nke_sparse row = {0}, same = {0};
  char *line = fuzz_text(data, size);
  FUZZ_CHECK(nke_sparse_begin(&row, 1, 0) == NKE_OK && nke_sparse_begin(&same, 1, 0) == NKE_OK);
  if (nke_libsvm_parse(line, NKE_LIBSVM_MOST, &label, &row) == NKE_OK) {
    const int64_t entries = row.start[1], largest = entries > 0 ? row.index[entries - 1] + 1 : 0;
    FUZZ_CHECK(nke_libsvm_parse(line, largest, &again, &same) == NKE_OK);
    FUZZ_CHECK(same.start[1] == entries && (again == label || again != again));
    if (largest > 0) {
      FUZZ_CHECK(nke_sparse_begin(&same, 1, 0) == NKE_OK);
      FUZZ_CHECK(nke_libsvm_parse(line, largest - 1, &again, &same) != NKE_OK);
    }
  }
  nke_sparse_clear(&row);
  nke_sparse_clear(&same);
  free(line);
  return 0;
}
