#include "num/formula.h"

#include "base/memory.h"
#include "num/activation.h"

#include <math.h>
#include <muParserDLL.h>
#include <string.h>

struct nke_formula {
  muParserHandle_t parser;
  double x; /* the parser's variable */
  char text[NKE_ACT_FORMULA_CHARS];
};

static double relu_of(double x)
{
  return fmax(x, 0);
}
static double sigmoid_of(double x)
{
  return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}
static double softplus_of(double x)
{
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* Without a handler of ours the library prints its errors; they are read after each call instead. */
static void keep_quiet(muParserHandle_t parser)
{
  (void)parser;
}

static void define_all(nke_formula *formula)
{
  muParserHandle_t p = formula->parser;
  mupSetErrorHandler(p, keep_quiet);
  mupDefineVar(p, "x", &formula->x);
  mupDefineFun1(p, "erf", erf, 1);
  mupDefineFun1(p, "erfc", erfc, 1);
  mupDefineFun1(p, "expm1", expm1, 1);
  mupDefineFun1(p, "log1p", log1p, 1);
  mupDefineFun2(p, "pow", pow, 1);
  mupDefineFun1(p, "relu", relu_of, 1);
  mupDefineFun1(p, "sigmoid", sigmoid_of, 1);
  mupDefineFun1(p, "softplus", softplus_of, 1);
}

/* The parser knows assignment and strings, a formula does not. */
static nke_status check_characters(const char *text)
{
  const size_t length = strlen(text);
  if (length >= NKE_ACT_FORMULA_CHARS)
    return nke_fail(NKE_ERR_USAGE, "formula of %zu characters, at most %d are allowed", length,
                    NKE_ACT_FORMULA_CHARS - 1);
  for (size_t i = 0; i < length; i++) {
    const char c = text[i];
    if (c < 32 || c > 126 || strchr("\"'`;\\#$@{}[]", c) != NULL)
      return nke_fail(NKE_ERR_USAGE, "formula '%.80s': character %zu is not allowed", text, i + 1);
    if (c != '=') continue;
    const int pair = (i > 0 && strchr("<>!=", text[i - 1]) != NULL) || text[i + 1] == '=';
    if (!pair) return nke_fail(NKE_ERR_USAGE, "formula '%s': character %zu: nothing can be assigned", text, i + 1);
  }
  return NKE_OK;
}

static nke_status check_parse(nke_formula *formula)
{
  int results = 0;
  mupEvalMulti(formula->parser, &results);
  if (mupError(formula->parser))
    return nke_fail(NKE_ERR_USAGE, "formula '%s': %s", formula->text, mupGetErrorMsg(formula->parser));
  if (results != 1)
    return nke_fail(NKE_ERR_USAGE, "formula '%s': expected one value, got a list of %d", formula->text, results);
  return NKE_OK;
}

nke_status nke_formula_create(const char *text, nke_formula **out)
{
  nke_status st = NKE_OK;
  nke_formula *formula = NULL;
  *out = NULL;
  NKE_TRY(check_characters(text));
  NKE_TRY(nke_calloc(1, sizeof *formula, "formula", &formula));
  memcpy(formula->text, text, strlen(text) + 1);
  formula->parser = mupCreate(muBASETYPE_FLOAT);
  if (formula->parser == NULL) {
    st = nke_fail(NKE_ERR_MEMORY, "formula parser: out of memory");
    goto done;
  }
  define_all(formula);
  mupSetExpr(formula->parser, formula->text);
  NKE_TRY(check_parse(formula));
  *out = formula;
done:
  if (st != NKE_OK) nke_formula_destroy(&formula);
  return st;
}

void nke_formula_destroy(nke_formula **formula)
{
  if (*formula == NULL) return;
  if ((*formula)->parser != NULL) mupRelease((*formula)->parser);
  nke_free(*formula);
  *formula = NULL;
}

/* Point by point: the parser's bulk call starts threads of its own. */
nke_status nke_formula_eval(nke_formula *formula, int64_t n, const double *x, double *f)
{
  for (int64_t i = 0; i < n; i++) {
    formula->x = x[i];
    f[i] = mupEval(formula->parser);
    if (!isfinite(f[i]))
      return nke_fail(NKE_ERR_NUMERIC, "formula '%s' is not finite at x = %.9g", formula->text, x[i]);
  }
  return NKE_OK;
}
