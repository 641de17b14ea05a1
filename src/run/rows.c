#include "run/rows.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdio.h>

nke_rows nke_rows_all(int64_t n)
{
  return (nke_rows){.n = n, .index = NULL};
}

/* Rows with a uniform number of `stream` in [from, to) are held out. */
typedef struct draw {
  uint64_t seed, stream;
  double from, to;
  int64_t originals; /* row r is a copy of row r mod originals */
} draw;

static int is_held_out(const draw *d, int64_t row)
{
  const double u = nke_random_uniform(d->seed, d->stream, (uint64_t)(row % d->originals));
  return d->from <= u && u < d->to;
}

static nke_status split(int64_t n, const draw *d, const char *what, nke_rows *kept, nke_rows *held_out)
{
  nke_status st = NKE_OK;
  int64_t held = 0;
  *kept = *held_out = (nke_rows){0};
  for (int64_t r = 0; r < n; r++) held += is_held_out(d, r);
  if (held == 0 || held == n)
    return nke_fail(NKE_ERR_USAGE, "%s leaves %s of %lld rows", what,
                    held == 0 ? "no validation rows" : "no training rows", (long long)n);
  NKE_TRY(nke_alloc(held, sizeof *held_out->index, "validation rows", &held_out->index));
  NKE_TRY(nke_alloc(n - held, sizeof *kept->index, "training rows", &kept->index));
  for (int64_t r = 0; r < n; r++) {
    nke_rows *const to = is_held_out(d, r) ? held_out : kept;
    to->index[to->n++] = r;
  }
done:
  if (st != NKE_OK) {
    nke_rows_clear(kept);
    nke_rows_clear(held_out);
  }
  return st;
}

nke_status nke_rows_split(int64_t n, int64_t originals, double fraction, uint64_t seed, nke_rows *kept,
                          nke_rows *held_out)
{
  const draw d = {.seed = seed, .stream = nke_stream(NKE_STREAM_VALIDATION, 0), .from = 0, .to = fraction,
                  .originals = originals};
  char what[64];
  snprintf(what, sizeof what, "data.validation: a fraction of %g", fraction);
  return split(n, &d, what, kept, held_out);
}

nke_status nke_rows_fold(int64_t n, int64_t originals, int64_t folds, int64_t fold, uint64_t seed, nke_rows *kept,
                         nke_rows *held_out)
{
  const draw d = {.seed = seed, .stream = nke_stream(NKE_STREAM_SAMPLE, 0), .from = (double)fold / (double)folds,
                  .to = (double)(fold + 1) / (double)folds, .originals = originals};
  char what[64];
  snprintf(what, sizeof what, "solver.select: fold %lld of %lld", (long long)fold, (long long)folds);
  return split(n, &d, what, kept, held_out);
}

int64_t nke_rows_originals(const nke_rows *rows, int64_t begin, int64_t end, int64_t originals)
{
  int64_t n = 0;
  while (begin + n < end && nke_rows_at(rows, begin + n) < originals) n++;
  return n;
}

void nke_rows_clear(nke_rows *rows)
{
  nke_free(rows->index);
  *rows = (nke_rows){0};
}
