/* The subsampled randomised Fourier transform: with X = F D x (unnormalised, X_k = conj X_{L-k} as x is real), the mean
 * of Re(X_k conj Y_k) over all L frequencies is <x, y>; a frequency drawn uniformly is an unbiased estimate. */
#include "sketch/plan.h"

#include <math.h>

int64_t nke_srft_period(int64_t n)
{
  return nke_fft_good_length(n);
}

static nke_status plan(nke_sketch *s, nke_draws *draws)
{
  nke_status st = NKE_OK;
  const size_t size = (size_t)nke_precision_bytes(s->precision);
  s->length = nke_srft_period(s->n);
  NKE_TRY(nke_sketch_alloc(s, s->n, size, &s->signs));
  nke_draw_signs(draws, s->precision, 0, s->n, 1, s->signs);
  NKE_TRY(nke_sketch_alloc(s, s->length, size, &s->row));
  NKE_TRY(nke_sketch_alloc(s, s->length / 2 + 1, 2 * size, &s->work));
  NKE_TRY(nke_sketch_alloc(s, nke_ceil_div(s->m, 2), sizeof *s->index, &s->index));
  nke_draw_indices(draws, nke_ceil_div(s->m, 2), s->length, s->index);
  NKE_TRY(nke_fft_create(s->precision, s->length, &s->fft));
done:
  return st;
}

/* Re X_k and Im X_k for any k of [0, L) from the half spectrum. */
static void coefficient(const nke_sketch *s, int64_t k, double *re, double *im)
{
  const int64_t half = k <= s->length / 2 ? k : s->length - k;
  *re = nke_entry_get(s->precision, s->work, 2 * half);
  *im = nke_entry_get(s->precision, s->work, 2 * half + 1) * (half == k ? 1 : -1);
}

/* A frequency weighs 2/m (two features), the last Hartley coefficient re - im of an odd m weighs 1/m. */
static void apply(nke_sketch *s, const void *x, void *y)
{
  s->k->multiply_pad(s->n, s->signs, x, s->length, s->row);
  nke_fft_forward(s->fft, s->row, s->work);
  double re, im;
  const double weight = sqrt(2 / (double)s->m);
  for (int64_t j = 0; j < s->m / 2; j++) {
    coefficient(s, s->index[j], &re, &im);
    nke_entry_set(s->precision, y, 2 * j, weight * re);
    nke_entry_set(s->precision, y, 2 * j + 1, weight * im);
  }
  if (s->m % 2) {
    coefficient(s, s->index[s->m / 2], &re, &im);
    nke_entry_set(s->precision, y, s->m - 1, (re - im) / sqrt((double)s->m));
  }
}

static double flops(const nke_sketch *s)
{
  return (double)s->n + 2.5 * (double)s->length * log2((double)s->length) + (double)s->m;
}

const nke_sketch_kind nke_sketch_srft = {"srft", 0, plan, apply, NULL, flops};
