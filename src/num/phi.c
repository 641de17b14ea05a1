#include "num/phi.h"

#include "base/memory.h"
#include "num/formula.h"

#include <math.h>

struct nke_phi {
  nke_activation act;
  nke_formula *formula;                 /* NULL for the named activations */
  nke_pieces *level[NKE_PIECES_LEVELS]; /* those asked for so far */
};

nke_status nke_phi_create(const nke_activation *act, nke_phi **out)
{
  nke_status st = NKE_OK;
  nke_phi *phi = NULL;
  double value, zero = 0;
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *phi, "activation plan", &phi));
  phi->act = *act;
  if (act->kind == NKE_ACT_FORMULA)
    NKE_TRY(nke_formula_create(act->formula, &phi->formula));
  else
    NKE_TRY(nke_activation_eval(act, 1, &zero, &value, NULL));
  *out = phi;
done:
  if (st != NKE_OK) nke_phi_destroy(&phi);
  return st;
}

void nke_phi_destroy(nke_phi **phi)
{
  if (*phi == NULL) return;
  nke_formula_destroy(&(*phi)->formula);
  for (int i = 0; i < NKE_PIECES_LEVELS; i++) nke_pieces_destroy(&(*phi)->level[i]);
  nke_free(*phi);
  *phi = NULL;
}

static nke_status value_only(void *context, int64_t n, const double *x, double *f)
{
  nke_phi *phi = context;
  if (phi->formula != NULL) return nke_formula_eval(phi->formula, n, x, f);
  return nke_activation_eval(&phi->act, n, x, f, NULL);
}

/* Of the range asked for, not of a wider one that is there: results do not depend on what was asked before. */
nke_status nke_phi_pieces(nke_phi *phi, double reach, const nke_pieces **out)
{
  nke_status st = NKE_OK;
  int level;
  NKE_TRY(nke_pieces_level(reach, &level));
  if (!phi->level[level]) NKE_TRY(nke_pieces_create(value_only, phi, level, &phi->level[level]));
  *out = phi->level[level];
done:
  return st;
}

static nke_status eval_pieces(nke_phi *phi, int64_t n, const double *x, double *f, double *d)
{
  nke_status st = NKE_OK;
  const nke_pieces *pieces;
  double reach = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) return nke_fail(NKE_ERR_NUMERIC, "activation: argument %lld is not finite", (long long)i);
    reach = fmax(reach, fabs(x[i]));
  }
  NKE_TRY(nke_phi_pieces(phi, reach, &pieces));
  nke_pieces_eval(pieces, n, x, f, d);
done:
  return st;
}

/* phi and phi' together come from the pieces, three times faster than the parser alone. */
nke_status nke_phi_eval(nke_phi *phi, int64_t n, const double *x, double *f, double *d)
{
  if (phi->formula == NULL) return nke_activation_eval(&phi->act, n, x, f, d);
  return eval_pieces(phi, n, x, f, d);
}
