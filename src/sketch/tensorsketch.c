#include "sketch/tensorsketch.h"

#include "base/memory.h"
#include "sketch/plan.h"

#include <math.h>
#include <string.h>

struct nke_tensorsketch {
  const nke_sketch_kernels *k;
  nke_precision precision;
  int q;
  int64_t n, m;
  nke_sketch **count; /* [q] */
  nke_fft *fft;
  void *bucket;                   /* [m] */
  void *product, *factor, *spare; /* [m / 2 + 1] complex */
};

static nke_status plan(nke_tensorsketch *t, nke_draws *draws)
{
  nke_status st = NKE_OK;
  const size_t size = (size_t)nke_precision_bytes(t->precision);
  const int64_t half = t->m / 2 + 1;
  NKE_TRY(nke_calloc(t->q, sizeof *t->count, "TensorSketch", &t->count));
  for (int j = 0; j < t->q; j++)
    NKE_TRY(nke_sketch_create(&nke_sketch_countsketch, t->precision, t->n, t->m, draws, &t->count[j]));
  NKE_TRY(nke_fft_create(t->precision, t->m, &t->fft));
  NKE_TRY(nke_alloc(t->m, size, "TensorSketch", &t->bucket));
  NKE_TRY(nke_alloc(half, 2 * size, "TensorSketch", &t->product));
  NKE_TRY(nke_alloc(half, 2 * size, "TensorSketch", &t->factor));
  NKE_TRY(nke_alloc(half, 2 * size, "TensorSketch", &t->spare));
done:
  return st;
}

nke_status nke_tensorsketch_create(nke_precision precision, int q, int64_t n, int64_t m, nke_draws *draws,
                                   nke_tensorsketch **out)
{
  nke_status st = NKE_OK;
  nke_tensorsketch *t = NULL;
  *out = NULL;
  if (q < 1) {
    st = nke_fail(NKE_ERR_USAGE, "TensorSketch: degree %d, expected at least 1", q);
    goto done;
  }
  NKE_TRY(nke_calloc(1, sizeof *t, "TensorSketch", &t));
  t->k = nke_sketch_kernels_get(precision);
  t->precision = precision;
  t->q = q;
  t->n = n;
  t->m = m;
  NKE_TRY(plan(t, draws));
  *out = t;
  t = NULL;
done:
  nke_tensorsketch_destroy(&t);
  return st;
}

void nke_tensorsketch_destroy(nke_tensorsketch **sketch)
{
  nke_tensorsketch *t = *sketch;
  if (!t) return;
  for (int j = 0; t->count && j < t->q; j++) nke_sketch_destroy(&t->count[j]);
  nke_free(t->count);
  nke_fft_destroy(&t->fft);
  nke_free(t->bucket);
  nke_free(t->product);
  nke_free(t->factor);
  nke_free(t->spare);
  nke_free(t);
  *sketch = NULL;
}

void nke_tensorsketch_spectrum(nke_tensorsketch *t, int j, const void *x, void *spectrum)
{
  nke_sketch_apply(t->count[j], x, t->bucket);
  nke_fft_forward(t->fft, t->bucket, spectrum);
}

/* product *= spectrum of CountSketch j of x; the first one starts it. */
static void multiply_in(nke_tensorsketch *t, int j, const void *x)
{
  if (j == 0) {
    nke_tensorsketch_spectrum(t, 0, x, t->product);
    return;
  }
  nke_tensorsketch_spectrum(t, j, x, t->factor);
  t->k->multiply_complex(t->m / 2 + 1, t->product, t->factor, t->product);
}

/* y = the inverse transform of the product, which is kept. */
static void invert(nke_tensorsketch *t, void *y)
{
  memcpy(t->spare, t->product, (size_t)((t->m / 2 + 1) * 2 * nke_precision_bytes(t->precision)));
  nke_fft_inverse(t->fft, t->spare, t->bucket);
  t->k->scale(t->m, 1 / (double)t->m, t->bucket, y);
}

void nke_tensorsketch_apply(nke_tensorsketch *t, const void *const *x, void *y)
{
  for (int j = 0; j < t->q; j++) multiply_in(t, j, x[j]);
  invert(t, y);
}

void nke_tensorsketch_powers(nke_tensorsketch *t, const void *x, void *powers)
{
  for (int j = 0; j < t->q; j++) {
    multiply_in(t, j, x);
    invert(t, nke_entry(t->precision, powers, j * t->m));
  }
}

double nke_tensorsketch_flops(const nke_tensorsketch *t)
{
  const double m = (double)t->m;
  return t->q * (2.0 * (double)t->n + 2.5 * m * log2(m + 1) + 3 * m) + 2.5 * m * log2(m + 1);
}

int64_t nke_tensorsketch_bytes(const nke_tensorsketch *t)
{
  int64_t bytes = (t->m + 6 * (t->m / 2 + 1)) * nke_precision_bytes(t->precision);
  for (int j = 0; j < t->q; j++) bytes += nke_sketch_bytes(t->count[j]);
  return bytes;
}
