#include "num/activation.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const none[] = {NULL};
static const char *const ab[] = {"a", "b", NULL};
static const char *const abc[] = {"a", "b", "c", NULL};
static const char *const alpha[] = {"alpha", NULL};
static const char *const degree[] = {"degree", NULL};
static const char *const coefs[] = {"coefs", NULL};
static const char *const gamma_only[] = {"gamma", NULL};
static const char *const gamma_shift[] = {"gamma", "shift", NULL};

static const double zero_one[] = {0, 1};
static const double one_one_zero[] = {1, 1, 0};
static const double one_minus_one[] = {1, -1};
static const double leak[] = {0.01};
static const double one[] = {1};
static const double two[] = {2};
static const double required[] = {NAN};

/* A default of NAN means: must be given. Homogeneity of the monomials is that of the default degree. */
static const nke_activation_info table[] = {
    {NKE_ACT_IDENTITY, "identity", none, NULL, "x", 1, 1},
    {NKE_ACT_RELU, "relu", none, NULL, "max(x, 0)", 1, 1},
    {NKE_ACT_ABRELU, "abrelu", ab, zero_one, "a min(x, 0) + b max(x, 0)", 1, 1},
    {NKE_ACT_ABRELU, "leaky_relu", alpha, leak, "alpha min(x, 0) + max(x, 0)", 1, 1},
    {NKE_ACT_ABRELU, "abs", none, NULL, "|x|", 1, 1},
    {NKE_ACT_SIGN, "sign", none, NULL, "sign(x)", 1, 0},
    {NKE_ACT_STEP, "step", none, NULL, "(1 + sign(x)) / 2", 1, 0},
    {NKE_ACT_RECTIFIED_MONOMIAL, "rectified_monomial", degree, two, "max(x, 0)^degree", 1, 2},
    {NKE_ACT_MONOMIAL, "monomial", degree, two, "x^degree", 1, 2},
    {NKE_ACT_POLYNOMIAL, "polynomial", coefs, required, "sum_i coefs[i] x^i", 1, NAN},
    {NKE_ACT_HERMITE, "hermite", degree, one, "He_degree(x) / sqrt(degree!)", 1, NAN},
    {NKE_ACT_ERF, "erf", abc, one_one_zero, "a erf(b x) + c", 1, NAN},
    {NKE_ACT_SIGMOID_LIKE, "sigmoid_like", none, NULL, "(erf(x / 2.4020563531719796) + 1) / 2", 1, NAN},
    {NKE_ACT_GELU, "gelu", none, NULL, "x (1 + erf(x / sqrt 2)) / 2", 1, NAN},
    {NKE_ACT_SIN, "sin", abc, one_one_zero, "a sin(b x + c)", 1, NAN},
    {NKE_ACT_COS, "cos", abc, one_one_zero, "a cos(b x + c)", 1, NAN},
    {NKE_ACT_RBF, "rbf", gamma_only, one, "sqrt 2 sin(sqrt(2 gamma) x + pi / 4)", 1, NAN},
    {NKE_ACT_EXP, "exp", ab, one_one_zero, "a exp(b x)", 1, NAN},
    {NKE_ACT_GAUSSIAN, "gaussian", ab, one_minus_one, "a exp(b x^2), b <= 0", 1, NAN},
    {NKE_ACT_GABOR, "gabor", none, NULL, "exp(-x^2) sin(x)", 1, NAN},
    {NKE_ACT_EXP_NORMALIZED, "exp_normalized", gamma_shift, one_minus_one,
     "kernel only: sqrt(q q') exp(gamma (rho + shift))", 1, 1},
    {NKE_ACT_ELU, "elu", alpha, one, "x > 0: x; else alpha (exp(x) - 1)", 0, NAN},
    {NKE_ACT_TANH, "tanh", none, NULL, "tanh(x)", 0, NAN},
    {NKE_ACT_SIGMOID, "sigmoid", none, NULL, "1 / (1 + exp(-x))", 0, NAN},
    {NKE_ACT_SOFTPLUS, "softplus", none, NULL, "log(1 + exp(x))", 0, NAN},
    {NKE_ACT_SILU, "silu", none, NULL, "x / (1 + exp(-x))", 0, NAN},
    {NKE_ACT_SILU, "swish", none, NULL, "x / (1 + exp(-x))", 0, NAN},
    {NKE_ACT_CELU, "celu", alpha, one, "x > 0: x; else alpha (exp(x / alpha) - 1)", 0, NAN},
    {NKE_ACT_SELU, "selu", none, NULL, "1.0507009873554805 (x > 0: x; else 1.6732632423543772 (exp(x) - 1))", 0, NAN},
    {NKE_ACT_RELU6, "relu6", none, NULL, "min(max(x, 0), 6)", 0, NAN},
    {NKE_ACT_HARD_TANH, "hard_tanh", none, NULL, "min(max(x, -1), 1)", 0, NAN},
    {NKE_ACT_HARD_SIGMOID, "hard_sigmoid", none, NULL, "min(max(x + 3, 0), 6) / 6", 0, NAN},
    {NKE_ACT_HARD_SILU, "hard_silu", none, NULL, "x min(max(x + 3, 0), 6) / 6", 0, NAN},
    {NKE_ACT_MISH, "mish", none, NULL, "x tanh(log(1 + exp(x)))", 0, NAN},
    {NKE_ACT_SOFTSIGN, "softsign", none, NULL, "x / (1 + |x|)", 0, NAN},
    {NKE_ACT_LOG_SIGMOID, "log_sigmoid", none, NULL, "-log(1 + exp(-x))", 0, NAN},
    {NKE_ACT_FORMULA, "formula", none, NULL, "any expression in x, such as x*tanh(log(1+exp(x)))", 0, NAN},
    {NKE_ACT_COUNT, NULL, NULL, NULL, NULL, 0, NAN},
};

const nke_activation_info *nke_activation_table(void) { return table; }

const nke_activation_info *nke_activation_find(const char *name)
{
  if (name == NULL) return NULL;
  for (const nke_activation_info *row = table; row->name != NULL; row++)
    if (strcmp(row->name, name) == 0) return row;
  return NULL;
}
