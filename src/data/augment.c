#include "data/augment.h"

#include "base/rng.h"

#include <string.h>

nke_status nke_augment_check(const nke_augment *a, nke_shape shape)
{
  if (a->copies <= 1 && !a->flip && a->shift == 0) return NKE_OK;
  if (a->copies <= 1)
    return nke_fail(NKE_ERR_USAGE, "data.augment: flip and shift change copies: expected copies of at least 2");
  if (!a->flip && a->shift == 0)
    return nke_fail(NKE_ERR_USAGE, "data.augment.copies: expected flip or shift, without which all copies are equal");
  if (shape.axes == 0)
    return nke_fail(NKE_ERR_USAGE, "data.augment: expected rows that are signals [n, L, C] or images [n, H, W, C]");
  if (a->shift <= (shape.axes == 2 && shape.height < shape.width ? shape.height : shape.width)) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "data.augment.shift: expected no more than the image of %lld x %lld, got %lld",
                  (long long)shape.height, (long long)shape.width, (long long)a->shift);
}

/* A uniform whole number in [-shift, shift]: the high part of word * (2 shift + 1). */
static int64_t displacement(uint32_t word, int64_t shift)
{
  return (int64_t)(((uint64_t)word * (uint64_t)(2 * shift + 1)) >> 32) - shift;
}

/* Position `at` in [-n, 2 n) of an axis of n pixels that is mirrored at both ends. */
static int64_t reflect(int64_t at, int64_t n)
{
  if (at < 0) return -1 - at;
  return at < n ? at : 2 * n - 1 - at;
}

void nke_augment_row(const nke_augment *a, nke_shape shape, int64_t row, int64_t copy, double *x, double *scratch)
{
  uint32_t words[4];
  nke_random_words(a->seed, nke_stream(NKE_STREAM_AUGMENT, (uint32_t)copy), (uint64_t)row, words);
  const bool mirrored = a->flip && (words[0] & 1);
  const int64_t down = shape.axes == 2 ? displacement(words[1], a->shift) : 0, right = displacement(words[2], a->shift);
  const int64_t channels = shape.channels;
  memcpy(scratch, x, (size_t)nke_shape_length(shape) * sizeof *x);
  for (int64_t i = 0; i < shape.height; i++) {
    const double *const line = scratch + reflect(i - down, shape.height) * shape.width * channels;
    for (int64_t j = 0; j < shape.width; j++) {
      const int64_t at = reflect(j - right, shape.width);
      memcpy(x + (i * shape.width + j) * channels, line + (mirrored ? shape.width - 1 - at : at) * channels,
             (size_t)channels * sizeof *x);
    }
  }
}
