/* The header of an npy file. */
#include "fuzz.h"

#include "data/npy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  nke_npy_header h;
  if (nke_npy_parse(data, (int64_t)size, &h) != NKE_OK) return 0;
  FUZZ_CHECK(h.size == 1 || h.size == 2 || h.size == 4 || h.size == 8);
  FUZZ_CHECK(h.rank >= 0 && h.rank <= NKE_NPY_MAX_RANK);
  FUZZ_CHECK(h.data > 0 && h.data <= (int64_t)size);
  for (int i = 0; i < h.rank; i++) FUZZ_CHECK(h.dims[i] >= 0);
  return 0;
}
