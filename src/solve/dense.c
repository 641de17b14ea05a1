#include "solve/dense.h"

#include "base/memory.h"
#include "dist/collect.h"
#include "solve/petsc_status.h"

#include <string.h>

/* One side of the matrix: which global index a local one is. */
typedef struct side {
  int64_t n, n_loc, nb;
  int nproc, proc;
} side;

static side row_side(const nke_bcmat *v)
{
  return (side){v->rows, v->rows_loc, v->nb, v->grid.nprow, v->grid.myrow};
}

static side col_side(const nke_bcmat *v)
{
  return (side){v->cols, v->cols_loc, v->nb, v->grid.npcol, v->grid.mycol};
}

static int64_t global(const side *s, int64_t local)
{
  return nke_bc_global(local, s->nb, s->nproc, s->proc);
}

nke_status nke_dense_product(const nke_bcmat *v, nke_transpose trans, int64_t k, const double *x, double *y)
{
  nke_status st = NKE_OK;
  double *in = NULL, *out = NULL;
  const side from = trans == NKE_PLAIN ? col_side(v) : row_side(v), to = trans == NKE_PLAIN ? row_side(v) : col_side(v);
  nke_event_begin(NKE_EVENT_PRODUCT);
  st = nke_alloc(from.n_loc * k, sizeof *in, "product", &in);
  if (st == NKE_OK) st = nke_calloc(to.n_loc * k, sizeof *out, "product", &out);
  NKE_TRY(nke_agree(v->grid.comm, st));
  for (int64_t i = 0; i < from.n_loc; i++) memcpy(in + i * k, x + global(&from, i) * k, (size_t)k * sizeof *in);
  /* The column-major part is to a row-major product its own transpose. */
  if (from.n_loc > 0 && to.n_loc > 0)
    st = nke_gemm(NKE_DOUBLE, trans == NKE_PLAIN ? NKE_TRANSPOSED : NKE_PLAIN, NKE_PLAIN, to.n_loc, k, from.n_loc, v->a,
                  v->ld, in, k, 0.0, out, k);
  NKE_TRY(nke_agree(v->grid.comm, st));
  memset(y, 0, (size_t)(to.n * k) * sizeof *y);
  for (int64_t i = 0; i < to.n_loc; i++) memcpy(y + global(&to, i) * k, out + i * k, (size_t)k * sizeof *out);
  nke_sum_over_ranks(v->grid.comm, to.n * k, y);
done:
  nke_event_end(NKE_EVENT_PRODUCT, 2.0 * (double)(v->rows_loc * v->cols_loc * k));
  nke_free(out);
  nke_free(in);
  return st;
}
