#include "num/fwht_sample.h"

#include "base/memory.h"
#include "num/fwht.h"
#include "num/fwht_variants.h"
#include "num/simd.h"

#include <assert.h>

static int64_t tile_of(const nke_fwht_sample *s, int32_t index)
{
  return index % (s->n / NKE_FWHT_BLOCKS) / NKE_FWHT_TILE;
}

/* Sort the list by tile, in one counting pass. */
static nke_status fill(nke_fwht_sample *s, const int32_t *index)
{
  nke_status st = NKE_OK;
  const int64_t sub = s->n / NKE_FWHT_BLOCKS, tiles = sub / NKE_FWHT_TILE;
  int64_t *next = NULL;
  for (int64_t j = 0; j < s->m; j++) s->first[tile_of(s, index[j]) + 1]++;
  for (int64_t t = 0; t < tiles; t++) s->first[t + 1] += s->first[t];
  NKE_TRY(nke_alloc(tiles, sizeof *next, "sample of coordinates", &next));
  for (int64_t t = 0; t < tiles; t++) next[t] = s->first[t];
  for (int64_t j = 0; j < s->m; j++) {
    const int64_t row = index[j] / sub, column = index[j] % NKE_FWHT_TILE;
    s->entry[next[tile_of(s, index[j])]++] = (uint32_t)(NKE_FWHT_ENTRIES * j + row * NKE_FWHT_TILE + column);
  }
done:
  nke_free(next);
  return st;
}

nke_status nke_fwht_sample_create(int64_t n, int64_t filled, int64_t m, const int32_t *index, nke_fwht_sample **out)
{
  nke_status st = NKE_OK;
  nke_fwht_sample *s = NULL;
  assert(n >= NKE_FWHT_SAMPLE_MIN && n <= NKE_FWHT_MAX && (n & (n - 1)) == 0);
  assert(filled > n / 2 && filled <= n && m >= 1 && m <= n);
  NKE_TRY(nke_calloc(1, sizeof *s, "sample of coordinates", &s));
  s->n = n;
  s->filled = filled;
  s->m = m;
  NKE_TRY(nke_calloc(n / NKE_FWHT_ENTRIES + 1, sizeof *s->first, "sample of coordinates", &s->first));
  NKE_TRY(nke_alloc(m, sizeof *s->entry, "sample of coordinates", &s->entry));
  NKE_TRY(fill(s, index));
  *out = s;
  s = NULL;
done:
  nke_fwht_sample_destroy(&s);
  return st;
}

void nke_fwht_sample_destroy(nke_fwht_sample **sample)
{
  if (!*sample) return;
  nke_free((*sample)->first);
  nke_free((*sample)->entry);
  nke_free(*sample);
  *sample = NULL;
}

int64_t nke_fwht_sample_bytes(const nke_fwht_sample *s)
{
  return s->m * (int64_t)sizeof *s->entry + (s->n / NKE_FWHT_ENTRIES + 1) * (int64_t)sizeof *s->first;
}

void nke_fwht_sample_f32(const nke_fwht_sample *s, const int8_t *signs, const float *in, double scale, float *work,
                         float *out)
{
  switch (nke_simd_best()) {
    case NKE_SIMD_AVX512: nke_fwht_sample_f32_avx512(s, signs, in, (float)scale, work, out); break;
    case NKE_SIMD_AVX2: nke_fwht_sample_f32_avx2(s, signs, in, (float)scale, work, out); break;
    default: nke_fwht_sample_f32_plain(s, signs, in, (float)scale, work, out); break;
  }
}

void nke_fwht_sample_f64(const nke_fwht_sample *s, const int8_t *signs, const double *in, double scale,
                         double *work, double *out)
{
  switch (nke_simd_best()) {
    case NKE_SIMD_AVX512: nke_fwht_sample_f64_avx512(s, signs, in, scale, work, out); break;
    case NKE_SIMD_AVX2: nke_fwht_sample_f64_avx2(s, signs, in, scale, work, out); break;
    default: nke_fwht_sample_f64_plain(s, signs, in, scale, work, out); break;
  }
}
