/* A formula: parsed, and its values at a few points are finite or refused. */
#include "fuzz.h"

#include "num/formula.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const double x[] = {0, -1, 1, 0.5, -7.25, 1e-300, -1e300, 40};
  enum { N = sizeof x / sizeof *x };
  double f[N];
  nke_formula *formula = NULL;
  char *text = fuzz_text(data, size);
  if (nke_formula_create(text, &formula) == NKE_OK) {
    if (nke_formula_eval(formula, N, x, f) == NKE_OK)
      for (int i = 0; i < N; i++) FUZZ_CHECK(isfinite(f[i]));
    nke_formula_destroy(&formula);
  }
  FUZZ_CHECK(formula == NULL);
  free(text);
  return 0;
}
