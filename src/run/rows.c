#include "run/rows.h"

#include "base/memory.h"
#include "base/rng.h"

nke_rows nke_rows_all(int64_t n)
{
  return (nke_rows){.n = n, .index = NULL};
}

static int is_held_out(uint64_t seed, double fraction, int64_t row)
{
  return nke_random_uniform(seed, nke_stream(NKE_STREAM_VALIDATION, 0), (uint64_t)row) < fraction;
}

nke_status nke_rows_split(int64_t n, double fraction, uint64_t seed, nke_rows *kept, nke_rows *held_out)
{
  nke_status st = NKE_OK;
  int64_t held = 0;
  *kept = *held_out = (nke_rows){0};
  for (int64_t r = 0; r < n; r++) held += is_held_out(seed, fraction, r);
  if (held == 0 || held == n)
    return nke_fail(NKE_ERR_USAGE, "data.validation: a fraction of %g leaves %s of %lld rows", fraction,
                    held == 0 ? "no validation rows" : "no training rows", (long long)n);
  NKE_TRY(nke_alloc(held, sizeof *held_out->index, "validation rows", &held_out->index));
  NKE_TRY(nke_alloc(n - held, sizeof *kept->index, "training rows", &kept->index));
  for (int64_t r = 0; r < n; r++) {
    nke_rows *const to = is_held_out(seed, fraction, r) ? held_out : kept;
    to->index[to->n++] = r;
  }
done:
  if (st != NKE_OK) {
    nke_rows_clear(kept);
    nke_rows_clear(held_out);
  }
  return st;
}

void nke_rows_clear(nke_rows *rows)
{
  nke_free(rows->index);
  *rows = (nke_rows){0};
}
