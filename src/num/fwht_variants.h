/* The transform of fwht.h compiled for each precision and instruction set; called by fwht.c, and by its tests. */
#ifndef NKE_NUM_FWHT_VARIANTS_H
#define NKE_NUM_FWHT_VARIANTS_H

#include <stdint.h>

void nke_fwht_f32_plain(float *x, int64_t n, int64_t count, int64_t stride);
void nke_fwht_f32_avx2(float *x, int64_t n, int64_t count, int64_t stride);
void nke_fwht_f32_avx512(float *x, int64_t n, int64_t count, int64_t stride);
void nke_fwht_f64_plain(double *x, int64_t n, int64_t count, int64_t stride);
void nke_fwht_f64_avx2(double *x, int64_t n, int64_t count, int64_t stride);
void nke_fwht_f64_avx512(double *x, int64_t n, int64_t count, int64_t stride);

#endif
