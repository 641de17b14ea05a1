#include "solve/shell.h"

#include "solve/petsc_status.h"

#include <string.h>

/* Within PETSc's callbacks our failures travel as its code; the status and the text stay ours. */
static PetscErrorCode apply(nke_shell *s, nke_shell_map *map, Vec from, Vec to)
{
  const double *in = NULL;
  double *out;
  if (from) PetscCall(VecGetArrayRead(from, &in));
  PetscCall(VecGetArray(to, &out));
  s->failure = map(s->context, in, out);
  PetscCall(VecRestoreArray(to, &out));
  if (from) PetscCall(VecRestoreArrayRead(from, &in));
  return s->failure == NKE_OK ? 0 : PETSC_ERR_LIB;
}

static PetscErrorCode apply_multiply(Mat mat, Vec from, Vec to)
{
  nke_shell *s;
  PetscCall(MatShellGetContext(mat, &s));
  return apply(s, s->multiply, from, to);
}

static PetscErrorCode apply_transpose(Mat mat, Vec from, Vec to)
{
  nke_shell *s;
  PetscCall(MatShellGetContext(mat, &s));
  return apply(s, s->transpose, from, to);
}

static PetscErrorCode apply_diagonal(Mat mat, Vec to)
{
  nke_shell *s;
  PetscCall(MatShellGetContext(mat, &s));
  return apply(s, s->diagonal, NULL, to);
}

static PetscErrorCode apply_precondition(PC pc, Vec from, Vec to)
{
  nke_shell *s;
  PetscCall(PCShellGetContext(pc, &s));
  return apply(s, s->precondition, from, to);
}

static nke_status create_matrix(nke_shell *s)
{
  nke_status st = NKE_OK;
  NKE_TRY_PETSC(MatCreateShell(s->comm, (PetscInt)s->rows_loc, (PetscInt)s->cols_loc, PETSC_DETERMINE, PETSC_DETERMINE,
                               s, &s->mat));
  NKE_TRY_PETSC(MatShellSetOperation(s->mat, MATOP_MULT, (void (*)(void))apply_multiply));
  if (s->transpose)
    NKE_TRY_PETSC(MatShellSetOperation(s->mat, MATOP_MULT_TRANSPOSE, (void (*)(void))apply_transpose));
  if (s->diagonal) NKE_TRY_PETSC(MatShellSetOperation(s->mat, MATOP_GET_DIAGONAL, (void (*)(void))apply_diagonal));
  NKE_TRY_PETSC(MatCreateVecs(s->mat, &s->solution, &s->rhs));
done:
  return st;
}

nke_status nke_shell_init(const char *type, double tolerance, int iterations, nke_shell *s)
{
  nke_status st = NKE_OK;
  PC pc;
  NKE_TRY(create_matrix(s));
  NKE_TRY_PETSC(KSPCreate(s->comm, &s->ksp));
  NKE_TRY_PETSC(KSPSetOperators(s->ksp, s->mat, s->mat));
  NKE_TRY_PETSC(KSPSetOptionsPrefix(s->ksp, "nke_"));
  NKE_TRY_PETSC(KSPSetType(s->ksp, type));
  NKE_TRY_PETSC(KSPGetPC(s->ksp, &pc));
  NKE_TRY_PETSC(PCSetType(pc, s->precondition ? PCSHELL : PCNONE));
  if (s->precondition) {
    NKE_TRY_PETSC(PCShellSetContext(pc, s));
    NKE_TRY_PETSC(PCShellSetApply(pc, apply_precondition));
  }
  NKE_TRY_PETSC(KSPSetTolerances(s->ksp, tolerance, 0.0, PETSC_DEFAULT, iterations));
  NKE_TRY_PETSC_AS(NKE_ERR_USAGE, KSPSetFromOptions(s->ksp));
done:
  return st;
}

void nke_shell_clear(nke_shell *s)
{
  VecDestroy(&s->solution);
  VecDestroy(&s->rhs);
  KSPDestroy(&s->ksp);
  MatDestroy(&s->mat);
}

/* Copy between a vector's local part and an array. */
static nke_status copy(Vec v, int64_t count, const double *from, double *to)
{
  nke_status st = NKE_OK;
  double *part;
  NKE_TRY_PETSC(VecGetArray(v, &part));
  if (count > 0) memcpy(from ? part : to, from ? from : part, (size_t)count * sizeof *part);
  NKE_TRY_PETSC(VecRestoreArray(v, &part));
done:
  return st;
}

nke_status nke_shell_solve(nke_shell *s, const double *rhs_loc, double *x_loc, nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  KSPConvergedReason reason;
  KSPType type;
  PetscInt count;
  NKE_TRY(copy(s->rhs, s->rows_loc, rhs_loc, NULL));
  const PetscErrorCode code = KSPSolve(s->ksp, s->rhs, s->solution);
  if (s->failure != NKE_OK) return s->failure;
  NKE_TRY_PETSC(code);
  NKE_TRY_PETSC(KSPGetConvergedReason(s->ksp, &reason));
  NKE_TRY_PETSC(KSPGetIterationNumber(s->ksp, &count));
  NKE_TRY_PETSC(KSPGetType(s->ksp, &type));
  NKE_TRY(copy(s->solution, s->cols_loc, NULL, x_loc));
  info->iterations = (int)count;
  if (reason < 0)
    st = nke_fail(NKE_ERR_NUMERIC, "%s has not converged after %d iterations (%s); a larger lambda or another "
                                   "preconditioner helps", type, (int)count, KSPConvergedReasons[reason]);
done:
  return st;
}
