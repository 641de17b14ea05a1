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

/* As those there are, which asks no other rank: one without memory for a method's vectors goes back alone. */
static PetscErrorCode create_vectors(Mat mat, Vec *right, Vec *left)
{
  nke_shell *s;
  PetscCall(MatShellGetContext(mat, &s));
  if (right) PetscCall(VecDuplicate(s->solution, right));
  if (left) PetscCall(VecDuplicate(s->rhs, left));
  return 0;
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
done:
  return st;
}

/* One of the two: PETSc has them ask the other ranks each. */
static nke_status create_vector(nke_shell *s, Vec *right, Vec *left)
{
  nke_status st = NKE_OK;
  NKE_TRY_PETSC(MatCreateVecs(s->mat, right, left));
done:
  return nke_agree(s->comm, st);
}

/* PETSc would show a vector that it makes with the other option only. */
static nke_status check_views(KSP ksp)
{
  nke_status st = NKE_OK;
  PetscBool scaled, shown;
  NKE_TRY_PETSC(KSPGetDiagonalScale(ksp, &scaled));
  NKE_TRY_PETSC(PetscOptionsHasName(NULL, "nke_", "-ksp_view_diagonal_scale", &shown));
  if (shown && !scaled)
    st = nke_fail(NKE_ERR_USAGE, "-nke_ksp_view_diagonal_scale: expected -nke_ksp_diagonal_scale too");
done:
  return st;
}

static nke_status create_method(const char *type, double tolerance, int iterations, nke_shell *s)
{
  nke_status st = NKE_OK;
  PC pc;
  NKE_TRY_PETSC(MatShellSetOperation(s->mat, MATOP_CREATE_VECS, (void (*)(void))create_vectors));
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
  st = check_views(s->ksp);
done:
  return st;
}

/* PETSc lets a rank without memory go back alone, and the others wait for it in the next call: so they agree first. */
nke_status nke_shell_init(const char *type, double tolerance, int iterations, nke_shell *s)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_agree(s->comm, create_matrix(s)));
  NKE_TRY(create_vector(s, &s->solution, NULL));
  NKE_TRY(create_vector(s, NULL, &s->rhs));
  st = nke_agree(s->comm, create_method(type, tolerance, iterations, s));
done:
  return st;
}

/* Of a solution: the options' fault where a method or preconditioner that they name asks for more than products. */
static nke_status failure_of(PetscErrorCode code)
{
  switch (code) {
    case PETSC_ERR_SUP:
    case PETSC_ERR_ARG_SIZ:
    case PETSC_ERR_ARG_INCOMP:
    case PETSC_ERR_ARG_WRONG:
    case PETSC_ERR_ARG_WRONGSTATE:
    case PETSC_ERR_USER:
      return NKE_ERR_USAGE;
    case PETSC_ERR_NOT_CONVERGED:
      return NKE_ERR_NUMERIC;
    default:
      return NKE_ERR_INTERNAL;
  }
}

/* After PETSc has failed, on all ranks: it would destroy what it has not made. */
static void leave(nke_shell *s)
{
  s->ksp = NULL;
}

/* Local but for the callbacks. */
static nke_status set_up(nke_shell *s)
{
  const PetscErrorCode code = KSPSetUp(s->ksp);
  if (s->failure != NKE_OK) return s->failure;
  /* Our own choices can be set up. */
  return code == 0 ? NKE_OK : nke_petsc_fail(NKE_ERR_USAGE, (int)code, "KSPSetUp");
}

nke_status nke_shell_set_up(nke_shell *s)
{
  const nke_status st = nke_agree(s->comm, set_up(s));
  if (st != NKE_OK) leave(s);
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
  NKE_TRY(nke_shell_set_up(s));
  NKE_TRY(copy(s->rhs, s->rows_loc, rhs_loc, NULL));
  const PetscErrorCode code = KSPSolve(s->ksp, s->rhs, s->solution);
  if (s->failure != NKE_OK) return s->failure;
  if (code != 0) {
    leave(s);
    return nke_petsc_fail(failure_of(code), (int)code, "KSPSolve");
  }
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
