/* Counter-based random numbers: entry `index` of stream `stream` under `seed` depends on nothing else, so any rank or
 * thread can make any part of any random operator. Generator: Philox4x32-10 [Salmon et al., SC 2011], by Random123. */
#ifndef NKE_BASE_RNG_H
#define NKE_BASE_RNG_H

#include <stdint.h>

/* Streams. A stream is one random object of a run; objects that come in numbers (layers, degrees, copies) add their
 * number in the low 32 bits: nke_stream(NKE_STREAM_SIGNS, layer * 16 + k). */
typedef enum nke_stream_id {
  NKE_STREAM_VALIDATION = 1, /* which rows are held out */
  NKE_STREAM_PROJECTION = 2, /* signs and entries of the random projections of the features */
  NKE_STREAM_SHIFT = 3,
  NKE_STREAM_PHASE = 4,
  NKE_STREAM_SKETCH = 5, /* CountSketch, SRHT, TensorSRHT, PolySketch */
  NKE_STREAM_SYNTH_X = 6,
  NKE_STREAM_SYNTH_NOISE = 7,
  NKE_STREAM_SYNTH_TEACHER = 8,
  NKE_STREAM_AUGMENT = 9,
  NKE_STREAM_SAMPLE = 10, /* sampled pairs, probes and folds */
  NKE_STREAM_TEST = 99
} nke_stream_id;

uint64_t nke_stream(nke_stream_id id, uint32_t number);

/* Four 32-bit words of counter `index`. All functions here are local and pure. */
void nke_random_words(uint64_t seed, uint64_t stream, uint64_t index, uint32_t words[4]);

/* A uniform in (0, 1), a standard normal (Box-Muller, double) for counter `index`. */
double nke_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);
double nke_random_normal(uint64_t seed, uint64_t stream, uint64_t index);

/* Whether entry j of a sign stream is -1: bit j mod 128 of counter j / 128, whose words these are. */
static inline int nke_random_sign_bit(const uint32_t words[4], int64_t j)
{
  return (words[j % 128 / 32] >> (j % 32)) & 1u;
}

/* out[j] = +1 or -1 for j in [0, n), the entries of a sign stream. */
void nke_random_signs(uint64_t seed, uint64_t stream, int64_t n, double *out);

#endif
