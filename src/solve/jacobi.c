#include "solve/precondition.h"

#include "base/memory.h"

typedef struct jacobi {
  int64_t n_loc;
  double shift;
  double *diagonal; /* of A */
} jacobi;

static nke_status set(void *context, double shift)
{
  ((jacobi *)context)->shift = shift;
  return NKE_OK;
}

static nke_status apply(void *context, int k, const double *r_loc, double *z_loc)
{
  const jacobi *const j = context;
  for (int64_t i = 0; i < j->n_loc; i++)
    for (int c = 0; c < k; c++) z_loc[i * k + c] = r_loc[i * k + c] / (j->diagonal[i] + j->shift);
  return NKE_OK;
}

static void destroy(void *context)
{
  jacobi *const j = context;
  nke_free(j->diagonal);
  nke_free(j);
}

nke_status nke_jacobi_create(const nke_operator *a, nke_preconditioner **out)
{
  nke_status st = NKE_OK;
  jacobi *j = NULL;
  *out = NULL;
  NKE_TRY(nke_calloc(1, sizeof *j, "preconditioner", &j));
  j->n_loc = a->parts.mine.end - a->parts.mine.begin;
  NKE_TRY(nke_alloc(j->n_loc, sizeof *j->diagonal, "diagonal", &j->diagonal));
  NKE_TRY(nke_alloc(1, sizeof **out, "preconditioner", out));
  **out = (nke_preconditioner){.context = j, .set = set, .apply = apply, .destroy = destroy, .flops = (double)j->n_loc};
done:
  st = nke_agree(a->parts.comm, st);
  if (st == NKE_OK) st = a->diagonal(a->context, j->diagonal);
  if (st != NKE_OK && *out)
    nke_preconditioner_destroy(out);
  else if (st != NKE_OK && j)
    destroy(j);
  return st;
}
