#include "num/activation.h"

#include "num/formula.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int is_list(const nke_activation_info *row)
{
  return row->params[0] && strcmp(row->params[0], "coefs") == 0;
}

static int param_count(const nke_activation_info *row)
{
  int n = 0;
  while (row->params[n] != NULL) n++;
  return n;
}

static int param_index(const nke_activation_info *row, const char *name)
{
  for (int i = 0; row->params[i] != NULL; i++)
    if (strcmp(row->params[i], name) == 0) return i;
  return -1;
}

static nke_status unknown_param(const nke_activation_info *row, const char *name)
{
  char known[64] = "none";
  int at = 0;
  for (int i = 0; row->params[i] != NULL; i++)
    at += snprintf(known + at, sizeof known - (size_t)at, "%s%s", i ? ", " : "", row->params[i]);
  return nke_fail(NKE_ERR_USAGE, "activation %s: unknown parameter '%s', expected %s", row->name, name, known);
}

static nke_status set_list(nke_activation *act, const nke_activation_info *row, int n, const char *const *names,
                           const double *values)
{
  if (n < 1 || n > NKE_ACT_MAX_PARAMS)
    return nke_fail(NKE_ERR_USAGE, "activation %s: expected 1 to %d coefs, got %d", row->name, NKE_ACT_MAX_PARAMS, n);
  for (int i = 0; i < n; i++) {
    if (strcmp(names[i], row->params[0]) != 0) return unknown_param(row, names[i]);
    act->param[i] = values[i];
  }
  act->n_params = n;
  return NKE_OK;
}

static nke_status set_named(nke_activation *act, const nke_activation_info *row, int n, const char *const *names,
                            const double *values)
{
  act->n_params = param_count(row);
  for (int i = 0; i < act->n_params; i++) act->param[i] = row->defaults[i];
  for (int i = 0; i < n; i++) {
    const int at = param_index(row, names[i]);
    if (at < 0) return unknown_param(row, names[i]);
    act->param[at] = values[i];
  }
  return NKE_OK;
}

static nke_status check_degree(const nke_activation_info *row, double degree)
{
  if (degree != floor(degree) || degree < 0 || degree > NKE_ACT_MAX_DEGREE)
    return nke_fail(NKE_ERR_USAGE, "activation %s: expected a whole degree from 0 to %d, got %g", row->name,
                    NKE_ACT_MAX_DEGREE, degree);
  return NKE_OK;
}

static nke_status check_range(const nke_activation *act, const nke_activation_info *row)
{
  for (int i = 0; i < act->n_params; i++)
    if (!isfinite(act->param[i]) || fabs(act->param[i]) > 1e100)
      return nke_fail(NKE_ERR_USAGE, "activation %s: %s: expected a number of at most 1e100, got %g", row->name,
                      row->params[is_list(row) ? 0 : i], act->param[i]);
  const double first = act->param[0];
  switch (act->kind) {
    case NKE_ACT_RECTIFIED_MONOMIAL:
    case NKE_ACT_MONOMIAL:
    case NKE_ACT_HERMITE:
      return check_degree(row, first);
    case NKE_ACT_RBF:
    case NKE_ACT_EXP_NORMALIZED:
      if (first < 0)
        return nke_fail(NKE_ERR_USAGE, "activation %s: gamma: expected 0 or more, got %g", row->name, first);
      return NKE_OK;
    case NKE_ACT_CELU:
      if (first <= 0)
        return nke_fail(NKE_ERR_USAGE, "activation %s: alpha: expected above 0, got %g", row->name, first);
      return NKE_OK;
    case NKE_ACT_GAUSSIAN: /* beyond it the second moment is infinite at large variances */
      if (act->param[1] > 0)
        return nke_fail(NKE_ERR_USAGE, "activation %s: b: expected 0 or less, got %g", row->name, act->param[1]);
      return NKE_OK;
    default:
      return NKE_OK;
  }
}

/* leaky_relu(alpha) and abs are stored as the abrelu that they are. */
static void resolve_alias(nke_activation *act, const char *name)
{
  if (strcmp(name, "abs") == 0) act->param[0] = -1;
  if (strcmp(name, "abs") == 0 || strcmp(name, "leaky_relu") == 0) {
    act->param[1] = 1;
    act->n_params = 2;
  }
}

nke_status nke_activation_init(nke_activation *act, const char *name, int n, const char *const *names,
                               const double *values)
{
  nke_status st = NKE_OK;
  const nke_activation_info *row = nke_activation_find(name);
  if (row == NULL)
    return nke_fail(NKE_ERR_USAGE, "activation '%s' is unknown; `nke info --activations` lists them",
                    name ? name : "(null)");
  if (row->kind == NKE_ACT_FORMULA)
    return nke_fail(NKE_ERR_USAGE, "activation formula: expected a text in x, such as \"x*tanh(x)\"");
  memset(act, 0, sizeof *act);
  act->kind = row->kind;
  NKE_TRY(is_list(row) ? set_list(act, row, n, names, values) : set_named(act, row, n, names, values));
  NKE_TRY(check_range(act, row));
  resolve_alias(act, row->name);
done:
  return st;
}

nke_status nke_activation_init_formula(nke_activation *act, const char *text)
{
  nke_status st = NKE_OK;
  nke_formula *formula = NULL;
  NKE_TRY(nke_formula_create(text, &formula)); /* only to say what is wrong with it */
  memset(act, 0, sizeof *act);
  act->kind = NKE_ACT_FORMULA;
  memcpy(act->formula, text, strlen(text) + 1);
done:
  nke_formula_destroy(&formula);
  return st;
}

double nke_activation_homogeneity(const nke_activation *act)
{
  switch (act->kind) {
    case NKE_ACT_IDENTITY:
    case NKE_ACT_RELU:
    case NKE_ACT_ABRELU:
    case NKE_ACT_EXP_NORMALIZED:
      return 1;
    case NKE_ACT_SIGN:
    case NKE_ACT_STEP:
      return 0;
    case NKE_ACT_MONOMIAL:
    case NKE_ACT_RECTIFIED_MONOMIAL:
      return act->param[0];
    default:
      return NAN;
  }
}
