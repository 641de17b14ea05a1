/* One line of libsvm text. */
#include "fuzz.h"

#include "data/text_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  enum { MOST = 4096 };
  double label, again;
  int64_t largest, same;
  char *line = fuzz_text(data, size);
  if (nke_libsvm_parse(line, 0, &label, &largest, NULL) == NKE_OK && largest <= MOST) {
    double *x = malloc((size_t)(largest + 1) * sizeof *x);
    if (!x) abort();
    FUZZ_CHECK(nke_libsvm_parse(line, largest, &again, &same, x) == NKE_OK);
    FUZZ_CHECK(same == largest && (again == label || again != again));
    free(x);
    if (largest > 0) {
      x = malloc((size_t)largest * sizeof *x);
      if (!x) abort();
      FUZZ_CHECK(nke_libsvm_parse(line, largest - 1, &again, &same, x) != NKE_OK);
      free(x);
    }
  }
  free(line);
  return 0;
}
