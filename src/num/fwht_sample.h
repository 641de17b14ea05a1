/* Chosen entries of a Walsh-Hadamard transform, of a random sample as a rule:
 *   out[j] = scale (H (signs .* in))[index[j]],   j = 0 .. m - 1.
 * The last four levels of butterflies are made a few positions at a time, from which the chosen entries go straight to
 * their places: the whole transform is never stored, and sub-blocks of zeros are neither written nor read. Same bits
 * as nke_fwht_signed_* and a look-up. Cost: filled log2(n / 16) + 4 n additions at most. */
#ifndef NKE_NUM_FWHT_SAMPLE_H
#define NKE_NUM_FWHT_SAMPLE_H

#include "base/status.h"

#include <stdint.h>

typedef struct nke_fwht_sample nke_fwht_sample;

/* Shortest transform. */
enum { NKE_FWHT_SAMPLE_MIN = 256 };

/* n a power of two from NKE_FWHT_SAMPLE_MIN to NKE_FWHT_MAX, n / 2 < filled <= n, 1 <= m <= n (asserted); index [m] in
 * [0, n). Local. */
nke_status nke_fwht_sample_create(int64_t n, int64_t filled, int64_t m, const int32_t *index, nke_fwht_sample **out);
void nke_fwht_sample_destroy(nke_fwht_sample **sample);
int64_t nke_fwht_sample_bytes(const nke_fwht_sample *sample);

/* signs (1 or -1), in [filled]; work [n] is overwritten and may be in; out [m] lies apart. Local. */
void nke_fwht_sample_f32(const nke_fwht_sample *sample, const int8_t *signs, const float *in, double scale,
                         float *work, float *out);
void nke_fwht_sample_f64(const nke_fwht_sample *sample, const int8_t *signs, const double *in, double scale,
                         double *work, double *out);

#endif
