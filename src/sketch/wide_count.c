/* CountSketch of wide rows. */
#include "sketch/plan.h"
#include "sketch/plan_wide.h"

#include <mpi.h>
#include <string.h>

static nke_status plan(nke_wide *w, nke_draws *draws)
{
  nke_status st = NKE_OK;
  int size, rank;
  MPI_Comm_size(w->comm, &size);
  MPI_Comm_rank(w->comm, &rank);
  w->columns = nke_split(w->n, size, rank);
  w->sums = w->m;
  const int64_t width = w->columns.end - w->columns.begin;
  NKE_TRY(nke_wide_alloc(w, width, sizeof *w->index, &w->index));
  nke_draw_buckets(draws, w->columns.begin, width, 1, w->m, w->index);
done:
  return st;
}

/* Summed in double: the order of the columns over the ranks does not show in float. */
static void partial(nke_wide *w, const void *x, double *sum)
{
  const int64_t width = w->columns.end - w->columns.begin;
  memset(sum, 0, (size_t)w->m * sizeof *sum);
  for (int64_t i = 0; i < width; i++)
    sum[w->index[i] >> 1] += nke_entry_get(w->precision, x, i) * (1 - 2 * (w->index[i] & 1));
}

static void finish(const nke_wide *w, const double *sum, void *y)
{
  for (int64_t i = 0; i < w->m; i++) nke_entry_set(w->precision, y, i, sum[i]);
}

static void destroy(nke_wide *w)
{
  (void)w;
}

const nke_wide_kind nke_wide_countsketch = {"countsketch", (int64_t)1 << 40, plan, partial, finish, destroy};
