#include "solve/scratch.h"

#include "base/memory.h"

void nke_scratch_clear(nke_scratch *s)
{
  nke_free(s->at);
  *s = (nke_scratch){0};
}

nke_status nke_scratch_reserve(MPI_Comm comm, int64_t rows, int k, nke_scratch *s)
{
  if (k <= s->columns) return NKE_OK;
  nke_scratch_clear(s);
  const nke_status st = nke_agree(comm, nke_alloc(rows * k, sizeof *s->at, "vectors of a product", &s->at));
  if (st == NKE_OK) s->columns = k;
  return st;
}
