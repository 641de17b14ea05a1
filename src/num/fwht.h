/* The fast Walsh-Hadamard transform: x <- H x, H the unnormalised n x n Sylvester matrix with entries
 * (-1)^popcount(i & j), so that H H = n I. In place, n a power of two from 1 to 2^24, vectors aligned to their
 * element only.
 *
 * The butterflies are done from the lowest bit of the index to the highest at every size and on every instruction set,
 * so the result is the same bit for bit on all CPUs. Cost: n log2(n) additions a vector. */
#ifndef NKE_NUM_FWHT_H
#define NKE_NUM_FWHT_H

#include "base/status.h"

#include <stdint.h>

/* Largest length. */
enum { NKE_FWHT_MAX = 1 << 24 };

/* Transform one vector. Local; n must be a power of two in [1, NKE_FWHT_MAX] (asserted). */
void nke_fwht_f32(float *x, int64_t n);
void nke_fwht_f64(double *x, int64_t n);

/* out [n] = H (diagonal .* in), the random signs of a sketch in the same pass; diagonal NULL stands for ones. `in` and
 * the diagonal have `filled` entries, 1 to n, behind which zeros are implied and left out of the work. out may be in or
 * lie apart from it. Local. */
void nke_fwht_diagonal_f32(const float *diagonal, const float *in, int64_t filled, float *out, int64_t n);
void nke_fwht_diagonal_f64(const double *diagonal, const double *in, int64_t filled, double *out, int64_t n);

/* The same by signs, 1 or -1, of one byte each: a table that is read once a row weighs on the caches. */
void nke_fwht_signed_f32(const int8_t *signs, const float *in, int64_t filled, float *out, int64_t n);
void nke_fwht_signed_f64(const int8_t *signs, const double *in, int64_t filled, double *out, int64_t n);

/* The smallest power of two that is at least n (1 for n <= 1). Local. */
int64_t nke_power_of_two(int64_t n);

#endif
