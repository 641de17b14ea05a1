#include "dist/blockcyclic.h"

#include "base/memory.h"

nke_grid nke_grid_first(int size)
{
  nke_grid g = {.comm = MPI_COMM_NULL, .size = size};
  for (int r = 1; r * r <= size; r++)
    if (size % r == 0) g.nprow = r;
  g.npcol = size / g.nprow;
  return g;
}

nke_grid nke_grid_of(MPI_Comm comm)
{
  int size;
  MPI_Comm_size(comm, &size);
  nke_grid g = nke_grid_first(size);
  g.comm = comm;
  MPI_Comm_rank(comm, &g.rank);
  g.myrow = g.rank / g.npcol;
  g.mycol = g.rank % g.npcol;
  return g;
}

int64_t nke_bc_count(int64_t n, int64_t nb, int nproc, int proc)
{
  const int64_t whole = n / nb;
  const int64_t extra = whole % nproc;
  return whole / nproc * nb + (proc < extra ? nb : proc == extra ? n % nb : 0);
}

int64_t nke_bc_block_size(int64_t n)
{
  /* 512 gives the tile products nine tenths of the BLAS's peak; small matrices keep about eight blocks a side, so that
   * a few ranks all get work. */
  const int64_t largest = 512, step = 32;
  return nke_min(largest, nke_max(1, nke_ceil_div(n, 8 * step)) * step);
}

int64_t nke_bc_largest_part(const nke_grid *grid, int64_t rows, int64_t cols, int64_t nb)
{
  enum { ROOM = 1 << 10 }; /* for a number of matrices, and the bytes of an entry */
  int64_t entries;
  if (__builtin_mul_overflow(nke_max(1, nke_bc_count(rows, nb, grid->nprow, 0)), nke_bc_count(cols, nb, grid->npcol, 0),
                             &entries))
    entries = INT64_MAX;
  return nke_min(entries, INT64_MAX / ROOM);
}

int64_t nke_bc_panels(const nke_grid *grid, int64_t n, int64_t nb)
{
  return nb * (nke_bc_count(n, nb, grid->nprow, 0) + nke_bc_count(n, nb, grid->npcol, 0));
}

nke_status nke_bcmat_check(const nke_grid *grid, int64_t rows, int64_t cols, int64_t nb)
{
  int narrow;
  return nke_part_to_int(nke_bc_largest_part(grid, rows, cols, nb), "entries of a rank's part of a distributed matrix",
                         &narrow);
}

nke_status nke_bcmat_create(MPI_Comm comm, int64_t rows, int64_t cols, int64_t nb, nke_bcmat **out)
{
  nke_status st = NKE_OK;
  nke_bcmat *a = NULL;
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *a, "distributed matrix", &a));
  *a = (nke_bcmat){.grid = nke_grid_of(comm), .rows = rows, .cols = cols, .nb = nb};
  a->rows_loc = nke_bc_count(rows, nb, a->grid.nprow, a->grid.myrow);
  a->cols_loc = nke_bc_count(cols, nb, a->grid.npcol, a->grid.mycol);
  a->ld = nke_max(1, a->rows_loc);
  NKE_TRY(nke_bcmat_check(&a->grid, rows, cols, nb));
  NKE_TRY(nke_calloc(a->ld * a->cols_loc, sizeof(double), "distributed matrix", &a->a));

done:
  st = nke_agree(comm, st);
  if (st != NKE_OK) nke_bcmat_destroy(&a);
  *out = a;
  return st;
}

void nke_bcmat_destroy(nke_bcmat **a)
{
  if (!*a) return;
  nke_free((*a)->a);
  nke_free(*a);
  *a = NULL;
}

nke_status nke_bcmat_diagonal(const nke_bcmat *a, double *diagonal)
{
  nke_status st = NKE_OK;
  const nke_grid *g = &a->grid;
  int n = 0;
  NKE_TRY(nke_to_int(a->rows, "order of a distributed matrix", &n));
  for (int64_t i = 0; i < a->rows; i++) {
    const int mine = nke_bc_owner(i, a->nb, g->nprow) == g->myrow && nke_bc_owner(i, a->nb, g->npcol) == g->mycol;
    diagonal[i] = mine ? a->a[nke_bc_local(i, a->nb, g->nprow) + nke_bc_local(i, a->nb, g->npcol) * a->ld] : 0;
  }
  NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, diagonal, n, MPI_DOUBLE, MPI_SUM, g->comm)); /* one term is not zero */
done:
  return st;
}

nke_status nke_bcmat_trace(const nke_bcmat *a, double *trace)
{
  nke_status st = NKE_OK;
  double *diagonal = NULL;
  *trace = 0;
  NKE_TRY(nke_agree(a->grid.comm, nke_alloc(a->rows, sizeof *diagonal, "diagonal", &diagonal)));
  NKE_TRY(nke_bcmat_diagonal(a, diagonal));
  for (int64_t i = 0; i < a->rows; i++) *trace += diagonal[i];
done:
  nke_free(diagonal);
  return st;
}

void nke_bcmat_add_to_diagonal(nke_bcmat *a, double shift)
{
  const nke_grid *g = &a->grid;
  for (int64_t j = 0; j < a->cols_loc; j++) {
    const int64_t i = nke_bc_global(j, a->nb, g->npcol, g->mycol);
    if (nke_bc_owner(i, a->nb, g->nprow) == g->myrow) a->a[nke_bc_local(i, a->nb, g->nprow) + j * a->ld] += shift;
  }
}
