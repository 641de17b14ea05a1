/* The transform of fwht.h compiled for each precision and instruction set: x = H (diagonal .* in), diagonal NULL for
 * ones, `filled` entries of in and zeros behind them; in may be x. Called by fwht.c, and by its tests. */
#ifndef NKE_NUM_FWHT_VARIANTS_H
#define NKE_NUM_FWHT_VARIANTS_H

#include "num/fwht_sample.h"

#include <stdint.h>

/* Chosen entries (fwht_sample.h): the last levels join NKE_FWHT_BLOCKS sub-blocks, NKE_FWHT_TILE positions of each at
 * a time, and an entry of the list says which of the tile's numbers goes where in the result. */
enum { NKE_FWHT_BLOCKS = 16, NKE_FWHT_TILE = 16, NKE_FWHT_ENTRIES = NKE_FWHT_BLOCKS * NKE_FWHT_TILE };

struct nke_fwht_sample {
  int64_t n, filled, m;
  int64_t *first;  /* [n / NKE_FWHT_ENTRIES + 1], by tile */
  uint32_t *entry; /* [m] NKE_FWHT_ENTRIES j + row NKE_FWHT_TILE + column */
};

void nke_fwht_f32_plain(const float *diagonal, const float *in, int64_t filled, float *x, int64_t n);
void nke_fwht_f32_avx2(const float *diagonal, const float *in, int64_t filled, float *x, int64_t n);
void nke_fwht_f32_avx512(const float *diagonal, const float *in, int64_t filled, float *x, int64_t n);
void nke_fwht_f64_plain(const double *diagonal, const double *in, int64_t filled, double *x, int64_t n);
void nke_fwht_f64_avx2(const double *diagonal, const double *in, int64_t filled, double *x, int64_t n);
void nke_fwht_f64_avx512(const double *diagonal, const double *in, int64_t filled, double *x, int64_t n);

void nke_fwht_signed_f32_plain(const int8_t *signs, const float *in, int64_t filled, float *x, int64_t n);
void nke_fwht_signed_f32_avx2(const int8_t *signs, const float *in, int64_t filled, float *x, int64_t n);
void nke_fwht_signed_f32_avx512(const int8_t *signs, const float *in, int64_t filled, float *x, int64_t n);
void nke_fwht_signed_f64_plain(const int8_t *signs, const double *in, int64_t filled, double *x, int64_t n);
void nke_fwht_signed_f64_avx2(const int8_t *signs, const double *in, int64_t filled, double *x, int64_t n);
void nke_fwht_signed_f64_avx512(const int8_t *signs, const double *in, int64_t filled, double *x, int64_t n);

void nke_fwht_sample_f32_plain(const nke_fwht_sample *sample, const int8_t *signs, const float *in, float scale,
                               float *work, float *out);
void nke_fwht_sample_f32_avx2(const nke_fwht_sample *sample, const int8_t *signs, const float *in, float scale,
                              float *work, float *out);
void nke_fwht_sample_f32_avx512(const nke_fwht_sample *sample, const int8_t *signs, const float *in, float scale,
                                float *work, float *out);
void nke_fwht_sample_f64_plain(const nke_fwht_sample *sample, const int8_t *signs, const double *in, double scale,
                               double *work, double *out);
void nke_fwht_sample_f64_avx2(const nke_fwht_sample *sample, const int8_t *signs, const double *in, double scale,
                              double *work, double *out);
void nke_fwht_sample_f64_avx512(const nke_fwht_sample *sample, const int8_t *signs, const double *in, double scale,
                                double *work, double *out);

#endif
