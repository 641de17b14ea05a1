#include "base/memory.h"
#include "sketch/plan_wide.h"

#include <mpi.h>

nke_status nke_wide_alloc(nke_wide *wide, int64_t count, size_t size, void *out)
{
  wide->bytes += count * (int64_t)size;
  return nke_alloc(count, size, "tables of a sketch of wide rows", out);
}

static nke_status plan(nke_wide *wide, nke_draws *draws)
{
  nke_status st = NKE_OK;
  int count;
  NKE_TRY(wide->kind->plan(wide, draws));
  NKE_TRY(nke_to_int(NKE_WIDE_ROWS * wide->sums, "sketch of wide rows", &count));
  NKE_TRY(nke_wide_alloc(wide, NKE_WIDE_ROWS * wide->sums, sizeof *wide->partial, &wide->partial));
done:
  return nke_agree(wide->comm, st);
}

nke_status nke_wide_create(MPI_Comm comm, const nke_wide_kind *kind, nke_precision precision, int64_t n, int64_t m,
                           nke_draws *draws, nke_wide **out)
{
  nke_status st = NKE_OK;
  nke_wide *wide = NULL;
  *out = NULL;
  if (n < 1 || n > kind->max_n || m < 1 || m > 1 << 26) {
    st = nke_fail(NKE_ERR_USAGE, "%s of wide rows: %lld columns to %lld, expected 1 to %lld, and to 2^26 at most",
                  kind->name, (long long)n, (long long)m, (long long)kind->max_n);
    goto done;
  }
  st = nke_calloc(1, sizeof *wide, "sketch of wide rows", &wide);
  if (wide) wide->kind = kind; /* destroy needs it where another rank failed */
  NKE_TRY(nke_agree(comm, st));
  wide->comm = comm;
  wide->precision = precision;
  wide->n = n;
  wide->m = m;
  NKE_TRY(plan(wide, draws));
  *out = wide;
  wide = NULL;
done:
  nke_wide_destroy(&wide);
  return st;
}

void nke_wide_destroy(nke_wide **wide)
{
  if (!*wide) return;
  (*wide)->kind->destroy(*wide);
  nke_free((*wide)->partial);
  nke_free((*wide)->index);
  nke_free((*wide)->signs);
  nke_free(*wide);
  *wide = NULL;
}

nke_range nke_wide_columns(const nke_wide *wide)
{
  return wide->columns;
}

nke_status nke_wide_apply(nke_wide *wide, int64_t rows, const void *x, void *y)
{
  nke_status st = NKE_OK;
  const int64_t size = nke_precision_bytes(wide->precision), width = wide->columns.end - wide->columns.begin;
  for (int64_t first = 0; first < rows; first += NKE_WIDE_ROWS) {
    const int64_t count = nke_min(NKE_WIDE_ROWS, rows - first);
    for (int64_t i = 0; i < count; i++)
      wide->kind->partial(wide, (const char *)x + (first + i) * width * size, wide->partial + i * wide->sums);
    NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, wide->partial, (int)(count * wide->sums), MPI_DOUBLE, MPI_SUM, wide->comm));
    for (int64_t i = 0; i < count; i++)
      wide->kind->finish(wide, wide->partial + i * wide->sums, (char *)y + (first + i) * wide->m * size);
  }
done:
  return st;
}

int64_t nke_wide_bytes(const nke_wide *wide)
{
  return wide->bytes;
}
