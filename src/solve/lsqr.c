#include "base/memory.h"
#include "dist/collect.h"
#include "solve/petsc_status.h"
#include "solve/shell.h"

#include <math.h>
#include <string.h>

/* Vectors of n + m are this rank's rows followed by its part of m. */
typedef struct lsqr {
  const nke_kept *kept;
  nke_kept_work work;
  nke_parts parts; /* of m */
  int k;
  double root;
  double *x;      /* [m, k], the same on every rank */
  double columns; /* that Z or Z' has met */
} lsqr;

/* out = [Z; root I] in */
static nke_status multiply(void *context, const double *in, double *out)
{
  nke_status st = NKE_OK;
  lsqr *const s = context;
  const int64_t m_loc = s->parts.mine.end - s->parts.mine.begin;
  NKE_TRY(nke_parts_gather(&s->parts, s->k, in, s->x));
  NKE_TRY(nke_kept_multiply(s->kept, &s->work, s->k, s->x, out));
  for (int64_t i = 0; i < m_loc * s->k; i++) out[s->kept->rows_loc * s->k + i] = s->root * in[i];
  s->columns += s->k;
done:
  return st;
}

/* out = [Z; root I]' in */
static nke_status transpose(void *context, const double *in, double *out)
{
  nke_status st = NKE_OK;
  lsqr *const s = context;
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, s->k, in, s->x));
  for (int64_t i = 0; i < (s->parts.mine.end - s->parts.mine.begin) * s->k; i++)
    out[i] = s->x[s->parts.mine.begin * s->k + i] + s->root * in[s->kept->rows_loc * s->k + i];
  s->columns += s->k;
done:
  return st;
}

/* |(Z'Z + shift I) X - Z'Y| / |Z'Y| */
static nke_status residual(lsqr *s, double shift, const double *y_loc, const double *x_loc, double *value)
{
  nke_status st = NKE_OK;
  nke_operator *a = NULL;
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, s->k, y_loc, s->x));
  NKE_TRY(nke_normal_operator(s->kept, &a));
  NKE_TRY(nke_operator_residual(a, shift, s->k, s->x + s->parts.mine.begin * s->k, x_loc, value));
  if (!isfinite(*value)) st = nke_fail(NKE_ERR_NUMERIC, "features or targets are not finite");
  s->columns += 3 * s->k;
done:
  nke_operator_destroy(&a);
  return st;
}

/* Others of PETSc's want a square matrix; they see that on some ranks only, and hang. */
static nke_status check_options(KSP ksp)
{
  nke_status st = NKE_OK;
  PC pc;
  KSPType method;
  PCType preconditioner;
  NKE_TRY_PETSC(KSPGetType(ksp, &method));
  NKE_TRY_PETSC(KSPGetPC(ksp, &pc));
  NKE_TRY_PETSC(PCGetType(pc, &preconditioner));
  if (strcmp(method, KSPLSQR) != 0 && strcmp(method, KSPCGLS) != 0)
    st = nke_fail(NKE_ERR_USAGE, "-nke_ksp_type: expected lsqr or cgls with solver.type lsqr, got %.60s", method);
  else if (strcmp(preconditioner, PCNONE) != 0)
    st = nke_fail(NKE_ERR_USAGE, "-nke_pc_type: expected none with solver.type lsqr, got %.60s", preconditioner);
done:
  return st;
}

nke_status nke_lsqr_solve(const nke_kept *kept, double shift, int k, const double *y_loc, double tolerance,
                          int iterations, nke_stats *stats, double *x_loc, nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  int total;
  lsqr s = {.kept = kept, .k = k, .root = sqrt(shift)};
  nke_shell shell = {.comm = kept->comm, .context = &s, .multiply = multiply, .transpose = transpose};
  double *right = NULL;
  *info = (nke_krylov_info){0};
  if (!(shift > 0)) return nke_fail(NKE_ERR_NUMERIC, "a Krylov method needs a lambda above 0, not %g", shift);
  NKE_TRY(nke_parts_init(kept->comm, kept->m, nke_split, &s.parts));
  shell.cols_loc = (s.parts.mine.end - s.parts.mine.begin) * k;
  shell.rows_loc = kept->rows_loc * k + shell.cols_loc;
  NKE_TRY(nke_to_int((nke_rows_total(kept->comm, kept->rows_loc) + kept->m) * k, "entries of a right-hand side", &total));
  NKE_TRY(nke_kept_work_init(kept, &s.work));
  st = nke_alloc(kept->m * k, sizeof *s.x, "Krylov method", &s.x);
  if (st == NKE_OK) st = nke_calloc(shell.rows_loc, sizeof *right, "Krylov method", &right);
  NKE_TRY(nke_agree(kept->comm, st));
  if (kept->rows_loc > 0) memcpy(right, y_loc, (size_t)(kept->rows_loc * k) * sizeof *right);
  NKE_TRY(nke_shell_init(KSPLSQR, tolerance, iterations, &shell));
  NKE_TRY(check_options(shell.ksp));
  NKE_TRY(nke_shell_solve(&shell, right, x_loc, info));
  st = residual(&s, shift, y_loc, x_loc, &info->residual);
done:
  if (stats) stats->flops[NKE_STAGE_SOLVE] += 2 * s.columns * (double)kept->rows_loc * (double)kept->m;
  nke_shell_clear(&shell);
  nke_free(right);
  nke_free(s.x);
  nke_kept_work_clear(&s.work);
  nke_parts_clear(&s.parts);
  return st;
}
