#include "run/rows.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>

nke_rows nke_rows_all(int64_t n)
{
  return (nke_rows){.n = n};
}

/* Row p + i, where i of those left out are before it: those with out[i] - i <= p, which ascends. */
int64_t nke_rows_at(const nke_rows *rows, int64_t position)
{
  int64_t least = 0, most = rows->n_out;
  if (rows->index) return rows->index[position];
  while (least < most) {
    const int64_t i = (least + most) / 2;
    if (rows->out[i] - i <= position)
      least = i + 1;
    else
      most = i;
  }
  return position + least;
}

/* Which originals are held out; row r is a copy of row r mod originals. */
typedef int row_test(const void *context, int64_t original);

static nke_status split(int64_t n, int64_t originals, row_test *is_out, const void *context, const char *what,
                        nke_rows *kept, nke_rows *held_out)
{
  nke_status st = NKE_OK;
  int64_t held = 0;
  *kept = *held_out = (nke_rows){0};
  for (int64_t r = 0; r < n; r++) held += is_out(context, r % originals);
  if (held == 0 || held == n)
    return nke_fail(NKE_ERR_USAGE, "%s leaves no %s rows of %lld; expected another, or solver.select: loo", what,
                    held == 0 ? "validation" : "training", (long long)n);
  NKE_TRY(nke_alloc(held, sizeof *held_out->index, "validation rows", &held_out->index));
  for (int64_t r = 0; r < n; r++)
    if (is_out(context, r % originals)) held_out->index[held_out->n++] = r;
  *kept = (nke_rows){.n = n - held, .n_out = held, .out = held_out->index};
done:
  return st;
}

typedef struct fraction {
  uint64_t seed;
  double below;
} fraction;

static int is_below(const void *context, int64_t row)
{
  const fraction *const f = context;
  return nke_random_uniform(f->seed, nke_stream(NKE_STREAM_VALIDATION, 0), (uint64_t)row) < f->below;
}

nke_status nke_rows_split(int64_t n, int64_t originals, double part, uint64_t seed, nke_rows *kept, nke_rows *held_out)
{
  const fraction f = {.seed = seed, .below = part};
  char what[64];
  snprintf(what, sizeof what, "data.validation: a fraction of %g", part);
  return split(n, originals, is_below, &f, what, kept, held_out);
}

typedef struct drawn {
  double number;
  int64_t row;
} drawn;

static int by_number(const void *left, const void *right)
{
  const drawn *const a = left, *const b = right;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  return a->row < b->row ? -1 : a->row > b->row;
}

nke_status nke_rows_check_folds(int64_t originals, int64_t folds)
{
  if (folds <= originals) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "solver.select: expected no more folds than training rows, %lld, got kfold %lld",
                  (long long)originals, (long long)folds);
}

nke_status nke_rows_deal(int64_t originals, int64_t folds, uint64_t seed, int64_t **fold_of)
{
  nke_status st = NKE_OK;
  drawn *order = NULL;
  int64_t *dealt = NULL;
  NKE_TRY(nke_rows_check_folds(originals, folds));
  NKE_TRY(nke_alloc(originals, sizeof *order, "the order of folds", &order));
  NKE_TRY(nke_alloc(originals, sizeof *dealt, "the folds of the rows", &dealt));
  for (int64_t r = 0; r < originals; r++)
    order[r] = (drawn){nke_random_uniform(seed, nke_stream(NKE_STREAM_SAMPLE, 0), (uint64_t)r), r};
  qsort(order, (size_t)originals, sizeof *order, by_number);
  for (int64_t p = 0; p < originals; p++) dealt[order[p].row] = folds * p / originals;
done:
  nke_free(order);
  *fold_of = dealt;
  return st;
}

typedef struct one_fold {
  const int64_t *fold_of;
  int64_t number;
} one_fold;

static int is_in_fold(const void *context, int64_t row)
{
  const one_fold *const fold = context;
  return fold->fold_of[row] == fold->number;
}

nke_status nke_rows_fold(int64_t n, int64_t originals, const int64_t *fold_of, int64_t fold, nke_rows *kept,
                         nke_rows *held_out)
{
  const one_fold context = {.fold_of = fold_of, .number = fold};
  return split(n, originals, is_in_fold, &context, "solver.select: a fold", kept, held_out);
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
