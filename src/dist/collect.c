#include "dist/collect.h"

#include "base/checked.h"
#include "base/memory.h"

int64_t nke_rows_total(MPI_Comm comm, int64_t n_loc)
{
  MPI_Allreduce(MPI_IN_PLACE, &n_loc, 1, MPI_INT64_T, MPI_SUM, comm);
  return n_loc;
}

bool nke_same_on_ranks(MPI_Comm comm, int n, const int64_t *numbers)
{
  int same = 1;
  for (int i = 0; i < n; i++) {
    int64_t ends[2] = {numbers[i], -numbers[i]}; /* largest, and smallest negated */
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT64_T, MPI_MAX, comm);
    same = same && ends[0] == -ends[1];
  }
  return same;
}

nke_status nke_gather_rows(MPI_Comm comm, int64_t n_loc, int64_t k, const double *mine, double *all)
{
  nke_status st = NKE_OK;
  int size, total, *counts = NULL, *starts = NULL;
  MPI_Comm_size(comm, &size);
  NKE_TRY(nke_to_int(nke_rows_total(comm, n_loc * k), "gathered rows", &total));
  const int count = (int)(n_loc * k);
  st = nke_alloc(size, sizeof *counts, "counts of gathered rows", &counts);
  if (st == NKE_OK) st = nke_alloc(size, sizeof *starts, "counts of gathered rows", &starts);
  NKE_TRY(nke_agree(comm, st));
  MPI_Allgather(&count, 1, MPI_INT, counts, 1, MPI_INT, comm);
  starts[0] = 0;
  for (int r = 1; r < size; r++) starts[r] = starts[r - 1] + counts[r - 1];
  MPI_Allgatherv(mine, count, MPI_DOUBLE, all, counts, starts, MPI_DOUBLE, comm);
done:
  nke_free(counts);
  nke_free(starts);
  return st;
}

void nke_sum_over_ranks(MPI_Comm comm, int64_t n, double *x)
{
  enum { CHUNK = 1 << 24 }; /* entries a message: MPI counts by int */
  for (int64_t first = 0; first < n; first += CHUNK)
    MPI_Allreduce(MPI_IN_PLACE, x + first, (int)nke_min(CHUNK, n - first), MPI_DOUBLE, MPI_SUM, comm);
}

void nke_share_bytes(MPI_Comm comm, int64_t bytes, void *data)
{
  enum { CHUNK = 1 << 27 };
  for (int64_t first = 0; first < bytes; first += CHUNK)
    MPI_Bcast((char *)data + first, (int)nke_min(CHUNK, bytes - first), MPI_BYTE, 0, comm);
}
