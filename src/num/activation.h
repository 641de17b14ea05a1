/* Activations: phi, phi', and the dual kernels they induce on pairs of correlated Gaussians.
 *
 * The dual of phi:   k(q, q', s) = E[phi(u) phi(v)],  kdot(q, q', s) = E[phi'(u) phi'(v)],
 *                    (u, v) ~ N(0, [[q, s], [s, q']]),  rho = s / sqrt(q q').
 * Conventions (parameters, sign and step with kdot = 0) are those of neural-tangents' stax. */
#ifndef NKE_NUM_ACTIVATION_H
#define NKE_NUM_ACTIVATION_H

#include "base/status.h"

#include <stdint.h>

typedef enum nke_activation_kind {
  NKE_ACT_IDENTITY,
  NKE_ACT_RELU,
  NKE_ACT_ABRELU, /* a min(x, 0) + b max(x, 0); leaky_relu(alpha) is abrelu(alpha, 1), abs is abrelu(-1, 1) */
  NKE_ACT_SIGN,
  NKE_ACT_STEP,               /* (1 + sign x) / 2 */
  NKE_ACT_RECTIFIED_MONOMIAL, /* max(x, 0)^k */
  NKE_ACT_MONOMIAL,           /* x^k */
  NKE_ACT_POLYNOMIAL,         /* sum_i coefs[i] x^i */
  NKE_ACT_HERMITE,            /* probabilists' Hermite polynomial of degree k, normalised to unit variance */
  NKE_ACT_ERF,                /* a erf(b x) + c */
  NKE_ACT_SIGMOID_LIKE,       /* (erf(x / 2.4020563531719796) + 1) / 2 */
  NKE_ACT_GELU,               /* x (1 + erf(x / sqrt 2)) / 2 */
  NKE_ACT_SIN,                /* a sin(b x + c) */
  NKE_ACT_COS,                /* a cos(b x + c) */
  NKE_ACT_RBF,                /* sqrt 2 sin(sqrt(2 gamma) x + pi / 4) */
  NKE_ACT_EXP,                /* a exp(b x) */
  NKE_ACT_GAUSSIAN,           /* a exp(b x^2), b <= 0 */
  NKE_ACT_GABOR,              /* exp(-x^2) sin x */
  NKE_ACT_EXP_NORMALIZED, /* no phi: k = sqrt(q q') exp(gamma (rho + shift)), kdot = gamma exp(gamma (rho + shift)) */
  NKE_ACT_ELU,
  NKE_ACT_TANH,
  NKE_ACT_SIGMOID,
  NKE_ACT_SOFTPLUS,
  NKE_ACT_SILU,
  NKE_ACT_CELU,
  NKE_ACT_SELU,
  NKE_ACT_RELU6,
  NKE_ACT_HARD_TANH,
  NKE_ACT_HARD_SIGMOID,
  NKE_ACT_HARD_SILU,
  NKE_ACT_MISH,
  NKE_ACT_SOFTSIGN,
  NKE_ACT_LOG_SIGMOID,
  NKE_ACT_FORMULA,
  NKE_ACT_COUNT
} nke_activation_kind;

enum { NKE_ACT_MAX_PARAMS = 32, NKE_ACT_MAX_DEGREE = 16, NKE_ACT_FORMULA_CHARS = 512 };

/* What `nke info --activations` prints of one activation. */
typedef struct nke_activation_info {
  nke_activation_kind kind;
  const char *name;          /* config name */
  const char *const *params; /* parameter names, NULL-terminated; {"coefs", NULL} stands for a list of any length */
  const double *defaults;    /* one per parameter; NAN: must be given */
  const char *definition;    /* phi as a formula */
  int exact_dual;            /* closed-form k and kdot */
  double
      homogeneity; /* a with phi(c x) = c^a phi(x) for c > 0; NAN where it is not homogeneous; of the default degree */
} nke_activation_info;

/* One activation with its parameters; a plain value, copyable, no owned memory. */
typedef struct nke_activation {
  nke_activation_kind kind;
  int n_params;
  double param[NKE_ACT_MAX_PARAMS];
  char formula[NKE_ACT_FORMULA_CHARS];
} nke_activation;

/* All rows of the table, ended by one whose name is NULL (aliases such as leaky_relu and abs are rows too). Local. */
const nke_activation_info *nke_activation_table(void);

/* Find by config name; NULL where there is none. Local. */
const nke_activation_info *nke_activation_find(const char *name);

/* Make an activation from its config name and named parameters (n names and values; the rest keep their defaults).
 * A list (`coefs`) is given as entries that all carry the list's name, in order.
 * NKE_ERR_USAGE on an unknown name or parameter, or a value out of its range. Local. */
nke_status nke_activation_init(nke_activation *act, const char *name, int n, const char *const *names,
                               const double *values);

/* Make an activation from a formula in x (see formula.h); its parse errors are NKE_ERR_USAGE. Local. */
nke_status nke_activation_init_formula(nke_activation *act, const char *text);

/* The a with phi(c x) = c^a phi(x) for c > 0 (for exp_normalized: of its kernel), NAN where there is none. Local. */
double nke_activation_homogeneity(const nke_activation *act);

/* phi and phi' at n points (either output may be NULL). NKE_ACT_EXP_NORMALIZED has none: NKE_ERR_USAGE.
 * At a kink phi' is the mean of its one-sided values. A formula is parsed anew at each call: make a plan (phi.h) where
 * there are many. Local. */
nke_status nke_activation_eval(const nke_activation *act, int64_t n, const double *x, double *phi, double *dphi);

#endif
