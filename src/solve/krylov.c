#include "solve/krylov.h"

#include "base/memory.h"
#include "solve/kept.h"
#include "solve/petsc_status.h"

#include <math.h>
#include <petscksp.h>
#include <string.h>

/* What a solve holds. PETSc's vectors of m are spread by rows as PETSc likes, those of n + m (for LSQR) are this rank's
 * rows followed by its part of m. */
typedef struct krylov {
  const nke_kept *kept;
  nke_kept_work work;
  double shift, root;
  int m_loc, first; /* this rank's part of m */
  int *counts, *starts;
  double *x, *y, *t; /* [m], [m] the same on every rank; [rows_loc] */
  double products;   /* with Z or Z', so far */
  Mat mat;
  KSP ksp;
  Vec rhs, solution;
} krylov;

/* Within PETSc's callbacks our failures travel as its codes; the text stays ours. */
static PetscErrorCode code_of(nke_status st)
{
  return st == NKE_OK ? 0 : PETSC_ERR_LIB;
}

/* all [m], on every rank, <- the ranks' parts. Collective. */
static nke_status gather(krylov *s, const double *part, double *all)
{
  nke_status st = NKE_OK;
  NKE_TRY_MPI(MPI_Allgatherv(part, s->m_loc, MPI_DOUBLE, all, s->counts, s->starts, MPI_DOUBLE, s->kept->comm));
done:
  return st;
}

/* to = (Z'Z + s I) from */
static nke_status normal_product(krylov *s, const double *from, double *to)
{
  nke_status st = NKE_OK;
  NKE_TRY(gather(s, from, s->x));
  NKE_TRY(nke_kept_multiply(s->kept, &s->work, s->x, s->t));
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, s->t, 1, s->y));
  for (int i = 0; i < s->m_loc; i++) to[i] = s->y[s->first + i] + s->shift * from[i];
  s->products += 2;
done:
  return st;
}

/* to = [Z; root I] from */
static nke_status stacked_product(krylov *s, const double *from, double *to)
{
  nke_status st = NKE_OK;
  NKE_TRY(gather(s, from, s->x));
  NKE_TRY(nke_kept_multiply(s->kept, &s->work, s->x, to));
  for (int i = 0; i < s->m_loc; i++) to[s->kept->rows_loc + i] = s->root * from[i];
  s->products += 1;
done:
  return st;
}

/* to = [Z; root I]' from */
static nke_status stacked_transpose(krylov *s, const double *from, double *to)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, from, 1, s->y));
  for (int i = 0; i < s->m_loc; i++) to[i] = s->y[s->first + i] + s->root * from[s->kept->rows_loc + i];
  s->products += 1;
done:
  return st;
}

static nke_status diagonal(krylov *s, double *to)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_kept_squares(s->kept, s->y));
  for (int i = 0; i < s->m_loc; i++) to[i] = s->y[s->first + i] + s->shift;
done:
  return st;
}

typedef nke_status product(krylov *s, const double *from, double *to);

static PetscErrorCode apply(Mat mat, Vec from, Vec to, product *f)
{
  krylov *s;
  const double *in;
  double *out;
  PetscCall(MatShellGetContext(mat, &s));
  PetscCall(VecGetArrayRead(from, &in));
  PetscCall(VecGetArray(to, &out));
  const nke_status st = f(s, in, out);
  PetscCall(VecRestoreArray(to, &out));
  PetscCall(VecRestoreArrayRead(from, &in));
  return code_of(st);
}

static PetscErrorCode apply_normal(Mat mat, Vec from, Vec to)
{
  return apply(mat, from, to, normal_product);
}

static PetscErrorCode apply_stacked(Mat mat, Vec from, Vec to)
{
  return apply(mat, from, to, stacked_product);
}

static PetscErrorCode apply_transposed(Mat mat, Vec from, Vec to)
{
  return apply(mat, from, to, stacked_transpose);
}

static PetscErrorCode get_diagonal(Mat mat, Vec to)
{
  krylov *s;
  double *out;
  PetscCall(MatShellGetContext(mat, &s));
  PetscCall(VecGetArray(to, &out));
  const nke_status st = diagonal(s, out);
  PetscCall(VecRestoreArray(to, &out));
  return code_of(st);
}

static nke_status allocate(const nke_kept *kept, krylov *s)
{
  nke_status st = NKE_OK;
  int size, rank, m = 0;
  MPI_Comm_size(kept->comm, &size);
  MPI_Comm_rank(kept->comm, &rank);
  NKE_TRY(nke_to_int(kept->m, "number of features", &m));
  NKE_TRY(nke_alloc(size, sizeof *s->counts, "Krylov method", &s->counts));
  NKE_TRY(nke_alloc(size, sizeof *s->starts, "Krylov method", &s->starts));
  NKE_TRY(nke_alloc(m, sizeof *s->x, "Krylov method", &s->x));
  NKE_TRY(nke_alloc(m, sizeof *s->y, "Krylov method", &s->y));
  NKE_TRY(nke_alloc(kept->rows_loc, sizeof *s->t, "Krylov method", &s->t));
  for (int q = 0, at = 0; q < size; q++) {
    s->starts[q] = at;
    s->counts[q] = m / size + (q < m % size);
    at += s->counts[q];
  }
  s->m_loc = s->counts[rank];
  s->first = s->starts[rank];
done:
  return st;
}

static nke_status krylov_init(const nke_kept *kept, double shift, krylov *s)
{
  nke_status st = NKE_OK;
  *s = (krylov){.kept = kept, .shift = shift, .root = sqrt(shift)};
  if (!(shift > 0)) return nke_fail(NKE_ERR_NUMERIC, "a Krylov method needs a lambda above 0, not %g", shift);
  NKE_TRY(nke_kept_work_init(kept, &s->work));
  NKE_TRY(nke_agree(kept->comm, allocate(kept, s)));
done:
  return st;
}

static void krylov_clear(krylov *s)
{
  VecDestroy(&s->solution);
  VecDestroy(&s->rhs);
  KSPDestroy(&s->ksp);
  MatDestroy(&s->mat);
  nke_free(s->t);
  nke_free(s->y);
  nke_free(s->x);
  nke_free(s->starts);
  nke_free(s->counts);
  nke_kept_work_clear(&s->work);
}

/* The operator of `rows_loc` local rows and the method on it. */
static nke_status set_up(krylov *s, int64_t rows_loc, const char *type, double tolerance, int iterations)
{
  nke_status st = NKE_OK;
  const MPI_Comm comm = s->kept->comm;
  PC pc;
  NKE_TRY_PETSC(MatCreateShell(comm, (PetscInt)rows_loc, s->m_loc, PETSC_DETERMINE, PETSC_DETERMINE, s, &s->mat));
  NKE_TRY_PETSC(MatCreateVecs(s->mat, &s->solution, &s->rhs));
  NKE_TRY_PETSC(KSPCreate(comm, &s->ksp));
  NKE_TRY_PETSC(KSPSetOperators(s->ksp, s->mat, s->mat));
  NKE_TRY_PETSC(KSPSetOptionsPrefix(s->ksp, "nke_"));
  NKE_TRY_PETSC(KSPSetType(s->ksp, type));
  NKE_TRY_PETSC(KSPGetPC(s->ksp, &pc));
  NKE_TRY_PETSC(PCSetType(pc, PCNONE));
  NKE_TRY_PETSC(KSPSetTolerances(s->ksp, tolerance, 0.0, PETSC_DEFAULT, iterations));
  NKE_TRY_PETSC_AS(NKE_ERR_USAGE, KSPSetFromOptions(s->ksp));
done:
  return st;
}

static nke_status iterate(krylov *s, int target, nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  KSPConvergedReason reason;
  PetscInt count;
  NKE_TRY_PETSC(KSPSolve(s->ksp, s->rhs, s->solution));
  NKE_TRY_PETSC(KSPGetConvergedReason(s->ksp, &reason));
  NKE_TRY_PETSC(KSPGetIterationNumber(s->ksp, &count));
  info->iterations = info->iterations > count ? info->iterations : (int)count;
  if (reason < 0)
    st = nke_fail(NKE_ERR_NUMERIC,
                  "target %d has not converged after %d iterations (%s); a larger lambda or a preconditioner helps",
                  target, (int)count, KSPConvergedReasons[reason]);
done:
  return st;
}

/* The solution to column c of x [m, k]. Collective. */
static nke_status take(krylov *s, int k, int c, double *x)
{
  nke_status st = NKE_OK;
  const double *part;
  NKE_TRY_PETSC(VecGetArrayRead(s->solution, &part));
  NKE_TRY(gather(s, part, s->x));
  NKE_TRY_PETSC(VecRestoreArrayRead(s->solution, &part));
  for (int64_t i = 0; i < s->kept->m; i++) x[i * k + c] = s->x[i];
done:
  return st;
}

/* *error and *size += the squares of (Z'Z + s I) x_c - Z'y_c and of Z'y_c. Collective. */
static nke_status add_residual(krylov *s, int k, int c, const double *y_loc, const double *x, double *error,
                               double *size)
{
  nke_status st = NKE_OK;
  double *b = NULL;
  const int64_t m = s->kept->m;
  NKE_TRY(nke_agree(s->kept->comm, nke_alloc(m, sizeof *b, "residual", &b)));
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, y_loc + c, k, b));
  for (int64_t i = 0; i < m; i++) s->x[i] = x[i * k + c];
  NKE_TRY(nke_kept_multiply(s->kept, &s->work, s->x, s->t));
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, s->t, 1, s->y));
  for (int64_t i = 0; i < m; i++) {
    const double r = s->y[i] + s->shift * s->x[i] - b[i];
    *error += r * r;
    *size += b[i] * b[i];
  }
  s->products += 3;
done:
  nke_free(b);
  return st;
}

/* Fill the right-hand side of target c. Collective. */
typedef nke_status fill_rhs(krylov *s, int k, int c, const double *y_loc, double *rhs);

static nke_status solve_targets(krylov *s, fill_rhs *fill, int k, const double *y_loc, nke_stats *stats, double *x,
                                nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  double error = 0, size = 0, *rhs, rows = (double)s->kept->rows_loc;
  for (int c = 0; c < k; c++) {
    NKE_TRY_PETSC(VecGetArray(s->rhs, &rhs));
    NKE_TRY(fill(s, k, c, y_loc, rhs));
    NKE_TRY_PETSC(VecRestoreArray(s->rhs, &rhs));
    NKE_TRY(iterate(s, c, info));
    NKE_TRY(take(s, k, c, x));
    NKE_TRY(add_residual(s, k, c, y_loc, x, &error, &size));
  }
  if (size > 0) info->residual = sqrt(error / size);
  if (!isfinite(info->residual)) st = nke_fail(NKE_ERR_NUMERIC, "features or targets are not finite");
  if (stats) stats->flops[NKE_STAGE_SOLVE] += 2 * s->products * rows * (double)s->kept->m;
done:
  return st;
}

static nke_status fill_normal(krylov *s, int k, int c, const double *y_loc, double *rhs)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_kept_transpose(s->kept, &s->work, y_loc + c, k, s->y));
  if (s->m_loc > 0) memcpy(rhs, s->y + s->first, (size_t)s->m_loc * sizeof *rhs);
done:
  return st;
}

static nke_status fill_stacked(krylov *s, int k, int c, const double *y_loc, double *rhs)
{
  for (int64_t i = 0; i < s->kept->rows_loc; i++) rhs[i] = y_loc[i * k + c];
  if (s->m_loc > 0) memset(rhs + s->kept->rows_loc, 0, (size_t)s->m_loc * sizeof *rhs);
  return NKE_OK;
}

static nke_status solve_cg(const nke_kept *kept, double shift, int k, const double *y_loc, double tolerance,
                           int iterations, nke_stats *stats, double *x, nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  krylov s;
  *info = (nke_krylov_info){0};
  NKE_TRY(krylov_init(kept, shift, &s));
  NKE_TRY(set_up(&s, s.m_loc, KSPCG, tolerance, iterations));
  NKE_TRY_PETSC(KSPSetNormType(s.ksp, KSP_NORM_UNPRECONDITIONED));
  NKE_TRY_PETSC(MatShellSetOperation(s.mat, MATOP_MULT, (void (*)(void))apply_normal));
  NKE_TRY_PETSC(MatShellSetOperation(s.mat, MATOP_GET_DIAGONAL, (void (*)(void))get_diagonal));
  NKE_TRY_PETSC(MatSetOption(s.mat, MAT_SYMMETRIC, PETSC_TRUE));
  NKE_TRY(solve_targets(&s, fill_normal, k, y_loc, stats, x, info));
done:
  krylov_clear(&s);
  return st;
}

static nke_status solve_lsqr(const nke_kept *kept, double shift, int k, const double *y_loc, double tolerance,
                             int iterations, nke_stats *stats, double *x, nke_krylov_info *info)
{
  nke_status st = NKE_OK;
  krylov s;
  *info = (nke_krylov_info){0};
  NKE_TRY(krylov_init(kept, shift, &s));
  NKE_TRY(set_up(&s, kept->rows_loc + s.m_loc, KSPLSQR, tolerance, iterations));
  NKE_TRY_PETSC(MatShellSetOperation(s.mat, MATOP_MULT, (void (*)(void))apply_stacked));
  NKE_TRY_PETSC(MatShellSetOperation(s.mat, MATOP_MULT_TRANSPOSE, (void (*)(void))apply_transposed));
  NKE_TRY(solve_targets(&s, fill_stacked, k, y_loc, stats, x, info));
done:
  krylov_clear(&s);
  return st;
}

static const nke_krylov_method methods[] = {{"cg", solve_cg}, {"lsqr", solve_lsqr}};

const nke_krylov_method *nke_krylov_find(const char *name)
{
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (strcmp(name, methods[i].name) == 0) return &methods[i];
  return NULL;
}
