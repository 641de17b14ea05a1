#include "data/sums.h"

#include "base/checked.h"

static void add_pairs(void *in, void *inout, int *length, MPI_Datatype *type)
{
  (void)type;
  const nke_dd *a = in;
  nke_dd *b = inout;
  for (int i = 0; i < *length; i++) b[i] = nke_dd_add(a[i], b[i]);
}

nke_status nke_dd_allreduce(MPI_Comm comm, int64_t n, nke_dd *sums)
{
  enum { MESSAGE = 1 << 20 };
  nke_status st = NKE_OK;
  MPI_Datatype pair = MPI_DATATYPE_NULL;
  MPI_Op op = MPI_OP_NULL;
  NKE_TRY_MPI(MPI_Type_contiguous(2, MPI_DOUBLE, &pair));
  NKE_TRY_MPI(MPI_Type_commit(&pair));
  NKE_TRY_MPI(MPI_Op_create(add_pairs, 1, &op));
  for (int64_t i = 0; i < n; i += MESSAGE)
    NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, sums + i, (int)nke_min(MESSAGE, n - i), pair, op, comm));

done:
  if (op != MPI_OP_NULL) MPI_Op_free(&op);
  if (pair != MPI_DATATYPE_NULL) MPI_Type_free(&pair);
  return st;
}
