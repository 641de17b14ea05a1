#include "num/fft.h"

#include "base/memory.h"

#include <fftw3.h>

struct nke_fft {
  nke_precision precision;
  fftwf_plan forward_f32, inverse_f32;
  fftw_plan forward_f64, inverse_f64;
};

static void make_plans(nke_fft *fft, int n, void *real, void *complex)
{
  if (fft->precision == NKE_SINGLE) {
    fft->forward_f32 = fftwf_plan_dft_r2c_1d(n, real, complex, FFTW_ESTIMATE);
    fft->inverse_f32 = fftwf_plan_dft_c2r_1d(n, complex, real, FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  } else {
    fft->forward_f64 = fftw_plan_dft_r2c_1d(n, real, complex, FFTW_ESTIMATE);
    fft->inverse_f64 = fftw_plan_dft_c2r_1d(n, complex, real, FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  }
}

nke_status nke_fft_create(nke_precision precision, int64_t n, nke_fft **out)
{
  nke_status st = NKE_OK;
  nke_fft *fft = NULL;
  void *real = NULL, *complex = NULL;
  int length = 0;
  const size_t size = (size_t)nke_precision_bytes(precision);
  *out = NULL;
  NKE_TRY(nke_to_int(n, "length of a Fourier transform", &length));
  NKE_TRY(nke_calloc(1, sizeof *fft, "Fourier plan", &fft));
  fft->precision = precision;
  NKE_TRY(nke_alloc(n, size, "Fourier input", &real));
  NKE_TRY(nke_alloc(n / 2 + 1, 2 * size, "Fourier output", &complex));
  make_plans(fft, length, real, complex);
  if (precision == NKE_SINGLE ? !fft->forward_f32 || !fft->inverse_f32 : !fft->forward_f64 || !fft->inverse_f64)
    st = nke_fail(NKE_ERR_INTERNAL, "Fourier transform: FFTW has no plan for length %d", length);
  else {
    *out = fft;
    fft = NULL;
  }
done:
  nke_free(real);
  nke_free(complex);
  nke_fft_destroy(&fft);
  return st;
}

void nke_fft_destroy(nke_fft **fft)
{
  if (!*fft) return;
  if ((*fft)->forward_f32) fftwf_destroy_plan((*fft)->forward_f32);
  if ((*fft)->inverse_f32) fftwf_destroy_plan((*fft)->inverse_f32);
  if ((*fft)->forward_f64) fftw_destroy_plan((*fft)->forward_f64);
  if ((*fft)->inverse_f64) fftw_destroy_plan((*fft)->inverse_f64);
  nke_free(*fft);
  *fft = NULL;
}

void nke_fft_forward(const nke_fft *fft, void *in, void *out)
{
  if (fft->precision == NKE_SINGLE)
    fftwf_execute_dft_r2c(fft->forward_f32, in, out);
  else
    fftw_execute_dft_r2c(fft->forward_f64, in, out);
}

void nke_fft_inverse(const nke_fft *fft, void *in, void *out)
{
  if (fft->precision == NKE_SINGLE)
    fftwf_execute_dft_c2r(fft->inverse_f32, in, out);
  else
    fftw_execute_dft_c2r(fft->inverse_f64, in, out);
}

int64_t nke_fft_good_length(int64_t n)
{
  for (int64_t length = nke_max(n, 1);; length++) {
    int64_t rest = length;
    while (rest % 2 == 0) rest /= 2;
    while (rest % 3 == 0) rest /= 3;
    while (rest % 5 == 0) rest /= 5;
    if (rest == 1) return length;
  }
}
