#include "base/checked.h"
#include "solve/petsc_status.h"
#include "solve/shell.h"

#include <math.h>

typedef struct cg {
  const nke_operator *a;
  const nke_preconditioner *p;
  double shift, flops;
  int k;
  int64_t n_loc;
} cg;

static nke_status multiply(void *context, const double *in, double *out)
{
  cg *const s = context;
  const nke_status st = s->a->multiply(s->a->context, s->k, in, out);
  for (int64_t i = 0; st == NKE_OK && i < s->n_loc * s->k; i++) out[i] += s->shift * in[i];
  s->flops += s->k * s->a->flops;
  return st;
}

static nke_status precondition(void *context, const double *in, double *out)
{
  cg *const s = context;
  s->flops += s->k * s->p->flops;
  return s->p->apply(s->p->context, s->k, in, out);
}

/* For -nke_pc_type jacobi: the diagonal of A, for each column again. */
static nke_status diagonal(void *context, const double *in, double *out)
{
  (void)in;
  const cg *const s = context;
  const nke_status st = s->a->diagonal(s->a->context, out);
  for (int64_t i = s->n_loc; st == NKE_OK && i-- > 0;) { /* in place, from the end */
    const double d = out[i] + s->shift;
    for (int c = 0; c < s->k; c++) out[i * s->k + c] = d;
  }
  return st;
}

nke_status nke_cg_solve(const nke_operator *a, const nke_preconditioner *p, double shift, int k, const double *b_loc,
                        double tolerance, int iterations, nke_stats *stats, double *x_loc, nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  cg s = {.a = a, .p = p, .shift = shift, .k = k, .n_loc = a->parts.mine.end - a->parts.mine.begin};
  nke_shell shell = {.comm = a->parts.comm, .rows_loc = s.n_loc * k, .cols_loc = s.n_loc * k, .context = &s,
                     .multiply = multiply, .diagonal = a->diagonal ? diagonal : NULL, .precondition = p ? precondition : NULL};
  int total;
  *info = (nke_krylov_info){0};
  if (!(shift > 0)) return nke_fail(NKE_ERR_NUMERIC, "a Krylov method needs a lambda above 0, not %g", shift);
  NKE_TRY(nke_to_int(a->parts.n * k, "entries of a right-hand side", &total));
  if (p) NKE_TRY(p->set(p->context, shift));
  NKE_TRY(nke_shell_init(KSPCG, tolerance, iterations, &shell));
  NKE_TRY_PETSC(KSPSetNormType(shell.ksp, KSP_NORM_UNPRECONDITIONED));
  NKE_TRY_PETSC(MatSetOption(shell.mat, MAT_SYMMETRIC, PETSC_TRUE));
  NKE_TRY(nke_shell_solve(&shell, b_loc, x_loc, info));
  NKE_TRY(nke_operator_residual(a, shift, k, b_loc, x_loc, &info->residual));
  if (!isfinite(info->residual)) st = nke_fail(NKE_ERR_NUMERIC, "the matrix or the targets are not finite");
done:
  if (stats) stats->flops[NKE_STAGE_SOLVE] += s.flops;
  nke_shell_clear(&shell);
  return st;
}
