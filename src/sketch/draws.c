#include "sketch/draws.h"

#include "base/memory.h"
#include "base/rng.h"

static uint64_t take(nke_draws *draws)
{
  return nke_stream(NKE_STREAM_SKETCH, draws->next++);
}

/* Uniform in [0, range) from 32 bits; each value's probability is off by less than 2^-32. */
static int32_t below(uint32_t word, int64_t range)
{
  return (int32_t)(((uint64_t)word * (uint64_t)range) >> 32);
}

/* Whether coordinate j is negative; w holds the words of the last counter drawn. */
static int negative(const nke_draws *draws, uint64_t stream, int64_t j, int first, uint32_t w[4])
{
  if (first || j % 128 == 0) nke_random_words(draws->seed, stream, (uint64_t)(j / 128), w);
  return nke_random_sign_bit(w, j);
}

void nke_draw_sign_bytes(nke_draws *draws, int64_t n, int8_t *out)
{
  const uint64_t stream = take(draws);
  uint32_t w[4];
  for (int64_t j = 0; j < n; j++) out[j] = negative(draws, stream, j, j == 0, w) ? -1 : 1;
}

void nke_draw_signs(nke_draws *draws, nke_precision precision, int64_t first, int64_t n, double scale, void *out)
{
  const uint64_t stream = take(draws);
  uint32_t w[4];
  for (int64_t j = first; j < first + n; j++) {
    const double sign = negative(draws, stream, j, j == first, w) ? -scale : scale;
    if (precision == NKE_SINGLE)
      ((float *)out)[j - first] = (float)sign;
    else
      ((double *)out)[j - first] = sign;
  }
}

void nke_draw_indices(nke_draws *draws, int64_t n, int64_t range, int32_t *out)
{
  const uint64_t stream = take(draws);
  for (int64_t first = 0; first < n; first += 4) {
    uint32_t w[4];
    nke_random_words(draws->seed, stream, (uint64_t)(first / 4), w);
    for (int64_t j = first; j < n && j < first + 4; j++) out[j] = below(w[j - first], range);
  }
}

/* Coordinate i takes words 0, 1, ... of its own counters: counter i * ceil(copies / 2), two words a copy (bucket,
 * sign). */
void nke_draw_buckets(nke_draws *draws, int64_t first, int64_t n, int copies, int64_t range, int32_t *out)
{
  const uint64_t stream = take(draws);
  const int64_t counters = nke_ceil_div(copies, 2);
  for (int64_t i = 0; i < n; i++) {
    for (int b = 0; b < copies; b += 2) {
      uint32_t w[4];
      nke_random_words(draws->seed, stream, (uint64_t)((first + i) * counters + b / 2), w);
      for (int c = b; c < copies && c < b + 2; c++) {
        const int64_t begin = c * range / copies, end = (c + 1) * range / copies;
        out[i * copies + c] = (int32_t)(2 * (begin + below(w[2 * (c - b)], end - begin)) + (w[2 * (c - b) + 1] & 1));
      }
    }
  }
}

/* The first m steps of a Fisher-Yates shuffle say which are in the set; a pass over the marks puts them in order. */
nke_status nke_draw_subset(nke_draws *draws, int64_t m, int64_t n, int32_t *out)
{
  nke_status st = NKE_OK;
  const uint64_t stream = take(draws);
  int32_t *deck = NULL;
  char *chosen = NULL;
  NKE_TRY(nke_alloc(n, sizeof *deck, "sample of coordinates", &deck));
  NKE_TRY(nke_calloc(n, 1, "sample of coordinates", &chosen));
  for (int64_t i = 0; i < n; i++) deck[i] = (int32_t)i;
  for (int64_t i = 0; i < m; i++) {
    uint32_t w[4];
    nke_random_words(draws->seed, stream, (uint64_t)i, w);
    const int64_t other = i + below(w[0], n - i);
    const int32_t pick = deck[other];
    deck[other] = deck[i];
    chosen[pick] = 1;
  }
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++)
    if (chosen[i]) out[count++] = (int32_t)i;
done:
  nke_free(deck);
  nke_free(chosen);
  return st;
}
