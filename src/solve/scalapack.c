#include "solve/scalapack.h"

#include "base/memory.h"
#include "solve/petsc_status.h"

#include <string.h>

/* Debian's ScaLAPACK has no header. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int nprow, int npcol);
void Cblacs_gridexit(int context);
void pdpotrf_(const char *uplo, const int *n, double *a, const int *ia, const int *ja, const int *desca, int *info);
void pdpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *ia, const int *ja,
              const int *desca, double *b, const int *ib, const int *jb, const int *descb, int *info);
void pdsygst_(const int *type, const char *uplo, const int *n, double *a, const int *ia, const int *ja, const int *desca,
              const double *b, const int *ib, const int *jb, const int *descb, double *scale, int *info);
void pdsyevd_(const char *job, const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, double *w, double *z, const int *iz, const int *jz, const int *descz, double *work,
              const int *lwork, int *iwork, const int *liwork, int *info);

/* What the PBLAS ask for the columns that they multiply at a time, meant to be set for a machine: their own answer is
 * 32, at which the updates of a factor run well below the BLAS's rate. This one takes its place. */
int pilaenv_(const int *context, const char *precision);
int pilaenv_(const int *context, const char *precision)
{
  (void)context;
  (void)precision;
  return 128;
}

static const int one = 1;

/* What ScaLAPACK wants to know of a matrix: type 1 (dense), context, sizes, blocks, source (0, 0), leading dimension.
 */
typedef struct descriptor {
  int d[9];
} descriptor;

static descriptor describe(const nke_blacs *blacs, const nke_bcmat *a, int64_t row_block, int64_t col_block)
{
  return (descriptor){
      {1, blacs->context, (int)a->rows, (int)a->cols, (int)row_block, (int)col_block, 0, 0, (int)a->ld}};
}

nke_status nke_blacs_init(const nke_grid *grid, nke_blacs *b)
{
  b->handle = Csys2blacs_handle(grid->comm);
  b->made = true;
  b->context = b->handle;
  Cblacs_gridinit(&b->context, "R", grid->nprow, grid->npcol);
  if (b->context >= 0) return NKE_OK;
  return nke_fail(NKE_ERR_INTERNAL, "BLACS: no %d x %d grid", grid->nprow, grid->npcol);
}

void nke_blacs_clear(nke_blacs *b)
{
  if (!b->made) return;
  if (b->context >= 0) Cblacs_gridexit(b->context);
  Cfree_blacs_system_handle(b->handle);
  *b = (nke_blacs){0};
}

nke_status nke_scalapack_cholesky(const nke_blacs *blacs, nke_bcmat *a)
{
  nke_status st = NKE_OK;
  const descriptor d = describe(blacs, a, a->nb, a->nb);
  const int n = (int)a->rows;
  const double order = (double)n;
  int info = 0;
  nke_event_begin(NKE_EVENT_FACTOR);
  pdpotrf_("L", &n, a->a, &one, &one, d.d, &info);
  nke_event_end(NKE_EVENT_FACTOR, order * order * order / 3 / a->grid.size);
  NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, &info, 1, MPI_INT, MPI_MAX, a->grid.comm));
  if (info > 0)
    st = nke_fail(NKE_ERR_NUMERIC, "not positive definite: the leading minor of order %d of %d fails", info, n);
  if (info < 0) st = nke_fail(NKE_ERR_INTERNAL, "pdpotrf: argument %d", -info);
done:
  return st;
}

/* A right-hand side [rows x k] in the factor's row blocks, its columns dealt evenly over the grid's columns. */
typedef struct rhs {
  nke_bcmat b;
  int64_t col_block;
} rhs;

/* Copy between the local part and the replicated row-major x, in either direction. */
static void copy_rhs(rhs *r, double *x, int to_local)
{
  const nke_grid *g = &r->b.grid;
  for (int64_t j = 0; j < r->b.cols_loc; j++)
    for (int64_t i = 0; i < r->b.rows_loc; i++) {
      double *outer = x + nke_bc_global(i, r->b.nb, g->nprow, g->myrow) * r->b.cols +
                      nke_bc_global(j, r->col_block, g->npcol, g->mycol);
      double *inner = r->b.a + i + j * r->b.ld;
      if (to_local)
        *inner = *outer;
      else
        *outer = *inner;
    }
}

nke_status nke_scalapack_backsolve(const nke_blacs *blacs, const nke_bcmat *factor, int k, double *x)
{
  nke_status st = NKE_OK;
  const nke_grid *g = &factor->grid;
  const int n = (int)factor->rows;
  rhs r = {.b = *factor, .col_block = nke_ceil_div(k, g->npcol)};
  int info = 0, count = 0;
  r.b.cols = k;
  r.b.cols_loc = nke_bc_count(k, r.col_block, g->npcol, g->mycol);
  r.b.a = NULL;
  st = nke_to_int(factor->rows * k, "entries of a right-hand side", &count);
  if (st == NKE_OK) st = nke_alloc(r.b.ld * r.b.cols_loc, sizeof *r.b.a, "right-hand side", &r.b.a);
  NKE_TRY(nke_agree(g->comm, st));
  copy_rhs(&r, x, 1);
  const descriptor da = describe(blacs, factor, factor->nb, factor->nb);
  const descriptor db = describe(blacs, &r.b, factor->nb, r.col_block);
  nke_event_begin(NKE_EVENT_BACKSOLVE);
  pdpotrs_("L", &n, &k, factor->a, &one, &one, da.d, r.b.a, &one, &one, db.d, &info);
  nke_event_end(NKE_EVENT_BACKSOLVE, 2.0 * n * n * k / g->size);
  memset(x, 0, (size_t)count * sizeof *x);
  copy_rhs(&r, x, 0);
  NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, x, count, MPI_DOUBLE, MPI_SUM, g->comm)); /* one owner each: exact */
  if (info != 0) st = nke_fail(NKE_ERR_INTERNAL, "pdpotrs: argument %d", -info);
done:
  nke_free(r.b.a);
  return st;
}

nke_status nke_scalapack_reduce(const nke_blacs *blacs, const nke_bcmat *factor, nke_bcmat *a)
{
  const descriptor da = describe(blacs, a, a->nb, a->nb), db = describe(blacs, factor, factor->nb, factor->nb);
  const int n = (int)a->rows;
  const double order = (double)n;
  double scale = 1;
  int info = 0;
  nke_event_begin(NKE_EVENT_FACTOR);
  pdsygst_(&one, "L", &n, a->a, &one, &one, da.d, factor->a, &one, &one, db.d, &scale, &info);
  nke_event_end(NKE_EVENT_FACTOR, order * order * order / a->grid.size);
  nke_status st = NKE_OK;
  if (info != 0) st = nke_fail(NKE_ERR_INTERNAL, "pdsygst: argument %d", -info);
  return nke_agree(a->grid.comm, st);
}

/* Entries of work space that pdsyevd needs beyond those it asks for: at blocks large beside the matrix its query leaves
 * out what PDORMTR and PDLASRT take, and it then returns wrong vectors with info = 0. */
static int64_t forgotten(int64_t n, int64_t nb, int64_t rows_loc, int64_t cols_loc)
{
  return n + nb * (2 * nb + 2 * rows_loc + cols_loc);
}

nke_status nke_scalapack_eigen_check(const nke_grid *grid, int64_t n, int64_t nb)
{
  int narrow;
  const int64_t rows = nke_bc_count(n, nb, grid->nprow, 0), cols = nke_bc_count(n, nb, grid->npcol, 0);
  /* By its own formula, which it works out in 32 bits: past them it asks for too little and writes beyond it. */
  return nke_part_to_int(2 * rows * cols + 8 * n + 1 + forgotten(n, nb, rows, cols),
                         "work space of an eigenproblem on a rank", &narrow);
}

/* The call itself, with work space. copy is destroyed. */
static nke_status divide_and_conquer(const nke_blacs *blacs, nke_bcmat *copy, double *values, nke_bcmat *vectors)
{
  nke_status st = NKE_OK;
  const descriptor d = describe(blacs, copy, copy->nb, copy->nb);
  const int n = (int)copy->rows, query = -1;
  double *work = NULL, size = 0;
  int *iwork = NULL, isize = 0, info = 0, lwork = 0;
  pdsyevd_("V", "L", &n, copy->a, &one, &one, d.d, values, vectors->a, &one, &one, d.d, &size, &query, &isize, &query,
           &info);
  st = nke_part_to_int((int64_t)size + forgotten(n, copy->nb, copy->rows_loc, copy->cols_loc),
                       "work space of the eigenproblem", &lwork);
  if (st == NKE_OK) st = nke_alloc(lwork, sizeof *work, "work space of the eigenproblem", &work);
  if (st == NKE_OK) st = nke_alloc(isize, sizeof *iwork, "work space of the eigenproblem", &iwork);
  NKE_TRY(nke_agree(copy->grid.comm, st));
  nke_event_begin(NKE_EVENT_EIGEN);
  pdsyevd_("V", "L", &n, copy->a, &one, &one, d.d, values, vectors->a, &one, &one, d.d, work, &lwork, iwork, &isize,
           &info);
  nke_event_end(NKE_EVENT_EIGEN, 9.0 * n * n * n / copy->grid.size);
  if (info != 0)
    st = nke_fail(NKE_ERR_NUMERIC, "eigenvalues of a %d x %d matrix: pdsyevd stopped with info = %d", n, n, info);
  NKE_TRY(nke_agree(copy->grid.comm, st));
done:
  nke_free(iwork);
  nke_free(work);
  return st;
}

nke_status nke_scalapack_eigen(const nke_bcmat *a, double *values, nke_bcmat *vectors)
{
  nke_status st = NKE_OK;
  nke_bcmat *copy = NULL;
  nke_blacs blacs = {0};
  NKE_TRY(nke_scalapack_eigen_check(&a->grid, a->rows, a->nb));
  NKE_TRY(nke_agree(a->grid.comm, nke_blacs_init(&a->grid, &blacs)));
  NKE_TRY(nke_bcmat_create(a->grid.comm, a->rows, a->cols, a->nb, &copy));
  memcpy(copy->a, a->a, (size_t)(a->ld * a->cols_loc) * sizeof *a->a);
  NKE_TRY(divide_and_conquer(&blacs, copy, values, vectors));
  /* A rank without entries may be left with other values. */
  NKE_TRY_MPI(MPI_Bcast(values, (int)a->rows, MPI_DOUBLE, 0, a->grid.comm));
done:
  nke_bcmat_destroy(&copy);
  nke_blacs_clear(&blacs);
  return st;
}
