/* Real Fourier transforms of one vector (FFTW, serial). Plans are made by FFTW_ESTIMATE: no timing, so the same plan,
 * and the same rounding, on every rank and in every run. */
#ifndef NKE_NUM_FFT_H
#define NKE_NUM_FFT_H

#include "base/checked.h"
#include "base/status.h"

#include <stdint.h>

typedef struct nke_fft nke_fft;

/* Plan transforms of length n >= 1. NKE_ERR_USAGE where n does not fit an int, NKE_ERR_INTERNAL where FFTW refuses.
 * Local. */
nke_status nke_fft_create(nke_precision precision, int64_t n, nke_fft **out);
void nke_fft_destroy(nke_fft **fft);

/* out_k = sum_j in_j exp(-2 pi i j k / n) for k = 0 .. n/2, as (re, im) pairs. in is kept. Both arrays must be aligned
 * to 16 bytes and distinct; so for the inverse. Local; about 2.5 n log2 n operations. */
void nke_fft_forward(const nke_fft *fft, void *in, void *out);

/* The inverse without its factor: inverse(forward(x)) = n x. in is overwritten. Local. */
void nke_fft_inverse(const nke_fft *fft, void *in, void *out);

/* The smallest 2^a 3^b 5^c that is at least n: lengths that are fast. Local. */
int64_t nke_fft_good_length(int64_t n);

#endif
