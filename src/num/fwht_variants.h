/* The transform of fwht.h compiled for each precision and instruction set: x = H (diagonal .* in), diagonal NULL for
 * ones; in may be x. Called by fwht.c, and by its tests. */
#ifndef NKE_NUM_FWHT_VARIANTS_H
#define NKE_NUM_FWHT_VARIANTS_H

#include <stdint.h>

void nke_fwht_f32_plain(const float *diagonal, const float *in, float *x, int64_t n);
void nke_fwht_f32_avx2(const float *diagonal, const float *in, float *x, int64_t n);
void nke_fwht_f32_avx512(const float *diagonal, const float *in, float *x, int64_t n);
void nke_fwht_f64_plain(const double *diagonal, const double *in, double *x, int64_t n);
void nke_fwht_f64_avx2(const double *diagonal, const double *in, double *x, int64_t n);
void nke_fwht_f64_avx512(const double *diagonal, const double *in, double *x, int64_t n);

#endif
