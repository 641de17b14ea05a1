#include "num/phi.h"

#include "base/memory.h"
#include "num/formula.h"

#include <math.h>

struct nke_phi {
  nke_activation act;
  nke_formula *formula; /* NULL for the named activations */
  nke_pieces pieces;
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
  nke_pieces_clear(&(*phi)->pieces);
  nke_free(*phi);
  *phi = NULL;
}

static nke_status value_only(void *context, int64_t n, const double *x, double *f)
{
  nke_phi *phi = context;
  if (phi->formula != NULL) return nke_formula_eval(phi->formula, n, x, f);
  return nke_activation_eval(&phi->act, n, x, f, NULL);
}

/* Made anew for a wider range; ranges grow by steps of 2^(1/4), so that this happens seldom. */
nke_status nke_phi_pieces(nke_phi *phi, double reach, const nke_pieces **out)
{
  nke_status st = NKE_OK;
  if (phi->pieces.n == 0 || reach > phi->pieces.reach)
    NKE_TRY(nke_pieces_make(value_only, phi, exp2(ceil(4 * log2(fmax(reach, 2))) / 4), &phi->pieces));
  *out = &phi->pieces;
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
