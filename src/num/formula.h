/* A formula in x, parsed once and evaluated at many points. */
#ifndef NKE_NUM_FORMULA_H
#define NKE_NUM_FORMULA_H

#include "base/status.h"

#include <stdint.h>

typedef struct nke_formula nke_formula;

/* Parse. Operators + - * / ^ < <= > >= == != && || ?: and parentheses, the constants _pi and _e, the functions
 * sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp log (natural) ln log2 log10 sqrt abs sign rint
 * min max sum avg, and erf erfc expm1 log1p pow relu sigmoid softplus. x is the only variable; nothing can be assigned.
 * NKE_ERR_USAGE with the place of the mistake; also where the text is longer than NKE_ACT_FORMULA_CHARS. Local. */
nke_status nke_formula_create(const char *text, nke_formula **out);
void nke_formula_destroy(nke_formula **formula);

/* f[i] = formula at x[i]. NKE_ERR_NUMERIC naming the first x where it is not finite. Local; some 0.1 us a point. */
nke_status nke_formula_eval(nke_formula *formula, int64_t n, const double *x, double *f);

#endif
