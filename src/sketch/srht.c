/* The subsampled randomised Hadamard transform. */
#include "base/memory.h"
#include "sketch/plan.h"

#include <math.h>
#include <string.h>

/* Which coordinates are kept: a list by tiles of the transform where it is long enough for tiles. */
static nke_status plan_sample(nke_sketch *s, nke_draws *draws)
{
  nke_status st = NKE_OK;
  int32_t *index = NULL;
  NKE_TRY(nke_sketch_alloc(s, s->m, sizeof *index, &index));
  NKE_TRY(nke_draw_subset(draws, s->m, s->length, index));
  if (s->length < NKE_FWHT_SAMPLE_MIN) {
    s->index = index;
    index = NULL;
  } else {
    NKE_TRY(nke_fwht_sample_create(s->length, s->n, s->m, index, &s->sample));
    s->bytes += nke_fwht_sample_bytes(s->sample) - s->m * (int64_t)sizeof *index;
  }
done:
  nke_free(index);
  return st;
}

static nke_status plan(nke_sketch *s, nke_draws *draws)
{
  nke_status st = NKE_OK;
  const size_t size = (size_t)nke_precision_bytes(s->precision);
  if (s->n > NKE_FWHT_MAX) {
    st = nke_fail(NKE_ERR_USAGE, "srht: rows of %lld entries, expected at most %d", (long long)s->n, NKE_FWHT_MAX);
    goto done;
  }
  s->length = nke_power_of_two(s->n);
  s->scale = 1 / sqrt((double)nke_min(s->m, s->length));
  NKE_TRY(nke_sketch_alloc(s, s->n, 1, &s->sign_bytes));
  nke_draw_sign_bytes(draws, s->n, s->sign_bytes);
  NKE_TRY(nke_sketch_alloc(s, s->length, size, &s->row));
  if (s->m < s->length)
    NKE_TRY(plan_sample(s, draws));
  else
    draws->next++; /* as many numbers taken at every size */
done:
  return st;
}

static void apply_sample(nke_sketch *s, const void *x, void *y)
{
  if (s->precision == NKE_SINGLE)
    nke_fwht_sample_f32(s->sample, s->sign_bytes, x, s->scale, s->row, y);
  else
    nke_fwht_sample_f64(s->sample, s->sign_bytes, x, s->scale, s->row, y);
}

static void apply(nke_sketch *s, const void *x, void *y)
{
  if (s->sample) {
    apply_sample(s, x, y);
    return;
  }
  nke_signed_fwht(s->precision, s->n, s->length, s->sign_bytes, x, s->row);
  if (s->index)
    s->k->gather(s->m, s->index, s->scale, s->row, y);
  else {
    s->k->scale(s->length, s->scale, s->row, y);
    memset(nke_entry(s->precision, y, s->length), 0,
           (size_t)((s->m - s->length) * nke_precision_bytes(s->precision)));
  }
}

/* The zeros that pad a row are left out of all but the last four levels (fwht_sample.h). */
static double flops(const nke_sketch *s)
{
  if (s->sample) return (double)s->n * (log2((double)s->length) - 3) + 4 * (double)s->length + (double)s->m;
  return (double)s->n + (double)s->length * log2((double)s->length) + (double)s->m;
}

const nke_sketch_kind nke_sketch_srht = {"srht", 0, plan, apply, NULL, flops};
