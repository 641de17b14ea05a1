#include "solve/parts.h"

#include "base/checked.h"
#include "base/memory.h"

nke_status nke_parts_init(MPI_Comm comm, int64_t n, nke_range (*split)(int64_t, int, int), nke_parts *l)
{
  nke_status st = NKE_OK;
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  *l = (nke_parts){.comm = comm, .n = n, .mine = split(n, size, rank)};
  st = nke_alloc(size + 1, sizeof *l->starts, "parts of vectors", &l->starts);
  if (st == NKE_OK) st = nke_alloc(size, sizeof *l->counts, "parts of vectors", &l->counts);
  if (st == NKE_OK) st = nke_alloc(size, sizeof *l->offsets, "parts of vectors", &l->offsets);
  NKE_TRY(nke_agree(comm, st));
  for (int q = 0; q < size; q++) l->starts[q] = split(n, size, q).begin;
  l->starts[size] = n;
done:
  if (st != NKE_OK) nke_parts_clear(l);
  return st;
}

void nke_parts_clear(nke_parts *l)
{
  nke_free(l->starts);
  nke_free(l->counts);
  nke_free(l->offsets);
  *l = (nke_parts){0};
}

nke_status nke_parts_gather(const nke_parts *l, int k, const double *part, double *all)
{
  nke_status st = NKE_OK;
  int size, total;
  MPI_Comm_size(l->comm, &size);
  NKE_TRY(nke_to_int(l->n * k, "entries of a vector", &total));
  for (int q = 0; q < size; q++) {
    l->offsets[q] = (int)l->starts[q] * k;
    l->counts[q] = (int)(l->starts[q + 1] - l->starts[q]) * k;
  }
  const int mine = (int)(l->mine.end - l->mine.begin) * k;
  NKE_TRY_MPI(MPI_Allgatherv(part, mine, MPI_DOUBLE, all, l->counts, l->offsets, MPI_DOUBLE, l->comm));
done:
  return st;
}
