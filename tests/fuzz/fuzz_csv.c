/* One line of csv text. */
#include "fuzz.h"

#include "data/text_parse.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char *line = fuzz_text(data, size);
  const char *const last = line + strlen(line), *begin, *end;
  const int64_t fields = nke_csv_fields(line);
  double *out = malloc((size_t)fields * sizeof *out);
  if (!out) abort();
  const nke_status st = nke_csv_parse(line, fields, out);
  if (st == NKE_OK) FUZZ_CHECK(!nke_csv_is_header(line));
  FUZZ_CHECK(fields == 1 || nke_csv_parse(line, fields - 1, out) != NKE_OK);
  for (int64_t j = 0; j <= fields && j < 40; j++) {
    nke_csv_field(line, j, &begin, &end);
    FUZZ_CHECK(line <= begin && begin <= end && end <= last);
  }
  free(out);
  free(line);
  return 0;
}
