#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

static const double two_pi = 6.283185307179586476925286766559;

uint64_t nke_stream(nke_stream_id id, uint32_t number)
{
  return ((uint64_t)id << 32) | number;
}

void nke_random_words(uint64_t seed, uint64_t stream, uint64_t index, uint32_t words[4])
{
  const philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  const philox4x32_ctr_t counter = {
    {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
  const philox4x32_ctr_t r = philox4x32(counter, key);
  for (int i = 0; i < 4; i++) words[i] = r.v[i];
}

/* 53 bits, moved half a step off zero: never 0, never 1. */
static double unit_interval(uint32_t low, uint32_t high)
{
  const uint64_t bits = ((uint64_t)high << 32) | low;
  return ((double)(bits >> 11) + 0.5) * 0x1p-53;
}

double nke_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
  uint32_t w[4];
  nke_random_words(seed, stream, index, w);
  return unit_interval(w[0], w[1]);
}

double nke_random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
  uint32_t w[4];
  nke_random_words(seed, stream, index, w);
  return sqrt(-2.0 * log(unit_interval(w[0], w[1]))) * cos(two_pi * unit_interval(w[2], w[3]));
}

void nke_random_signs(uint64_t seed, uint64_t stream, int64_t n, double *out)
{
  for (int64_t first = 0; first < n; first += 128) {
    uint32_t w[4];
    nke_random_words(seed, stream, (uint64_t)(first / 128), w);
    for (int64_t j = first; j < n && j < first + 128; j++) out[j] = nke_random_sign_bit(w, j) ? -1.0 : 1.0;
  }
}
