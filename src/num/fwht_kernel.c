/* One variant of the fast Walsh-Hadamard transform; NKE_REAL, NKE_LANES and NKE_SUFFIX come from the build.
 *
 * n = LANES x radix x radix x ...: the lowest bits are transformed inside a vector by permutations, together with the
 * next ones across up to RADIX vectors, in one pass over registers; each further pass combines up to RADIX sub-blocks.
 * Above LEAF elements (a part of the first-level cache) the passes recurse, sub-blocks first, so that all but the last
 * few passes run in a near cache. */
#include "num/fwht_variants.h"

#include <stddef.h>
#include <string.h>

typedef NKE_REAL vec __attribute__((vector_size(NKE_LANES * sizeof(NKE_REAL)), aligned(sizeof(NKE_REAL)), may_alias));

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define INLINE static inline __attribute__((always_inline))

/* Vectors of one pass over registers: 32 registers on AVX-512, 16 else. Later passes take at most 8 sub-blocks: more
 * streams a power of two apart fall into the same few sets of the first-level cache. */
#ifdef NKE_ISA_avx512
enum { RADIX = 16 };
#else
enum { RADIX = 8 };
#endif
enum { LOG_COMBINE = 3, LEAF = 16384 / sizeof(NKE_REAL) };

/* One butterfly inside a vector: y = (partner + self) where the bit of the lane is 0, (partner - self) else. */
#if NKE_LANES == 16
INLINE vec within(vec x)
{
  x = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14) +
      x * (vec){1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
  x = __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13) +
      x * (vec){1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
  x = __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11) +
      x * (vec){1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
  x = __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) +
      x * (vec){1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  return x;
}
#elif NKE_LANES == 8
INLINE vec within(vec x)
{
  x = __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6) + x * (vec){1, -1, 1, -1, 1, -1, 1, -1};
  x = __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5) + x * (vec){1, 1, -1, -1, 1, 1, -1, -1};
  x = __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3) + x * (vec){1, 1, 1, 1, -1, -1, -1, -1};
  return x;
}
#elif NKE_LANES == 4
INLINE vec within(vec x)
{
  x = __builtin_shufflevector(x, x, 1, 0, 3, 2) + x * (vec){1, -1, 1, -1};
  x = __builtin_shufflevector(x, x, 2, 3, 0, 1) + x * (vec){1, 1, -1, -1};
  return x;
}
#else
INLINE vec within(vec x)
{
  return __builtin_shufflevector(x, x, 1, 0) + x * (vec){1, -1};
}
#endif

/* DO(0), DO(1), ... DO(radix - 1) as straight-line code, radix a compile-time constant: vectors stay in registers. */
#define EACH(radix, DO)                                                                     \
  do {                                                                                      \
    DO(0);                                                                                  \
    if (radix > 1) DO(1);                                                                   \
    if (radix > 2) DO(2), DO(3);                                                            \
    if (radix > 4) DO(4), DO(5), DO(6), DO(7);                                              \
    if (radix > 8) DO(8), DO(9), DO(10), DO(11), DO(12), DO(13), DO(14), DO(15);            \
  } while (0)

INLINE void butterfly(vec *a, vec *b)
{
  const vec difference = *a - *b;
  *a += *b;
  *b = difference;
}

INLINE void butterfly4(vec *a, vec *b)
{
  butterfly(a, b);
  butterfly(a + 1, b + 1);
  butterfly(a + 2, b + 2);
  butterfly(a + 3, b + 3);
}

INLINE void across4(vec *v)
{
  butterfly(v, v + 1);
  butterfly(v + 2, v + 3);
  butterfly(v, v + 2);
  butterfly(v + 1, v + 3);
}

INLINE void across8(vec *v)
{
  across4(v);
  across4(v + 4);
  butterfly4(v, v + 4);
}

INLINE void across(vec *v, int radix)
{
  if (radix == 2) butterfly(v, v + 1);
  if (radix == 4) across4(v);
  if (radix == 8) across8(v);
  if (radix == 16) {
    across8(v);
    across8(v + 8);
    butterfly4(v, v + 8);
    butterfly4(v + 4, v + 12);
  }
}

/* What the input is multiplied by: numbers, signs of one byte each, or, where both are NULL, nothing. */
typedef struct weights {
  const NKE_REAL *number;
  const int8_t *sign;
} weights;

INLINE weights weights_from(weights w, int64_t i)
{
  return (weights){w.number ? w.number + i : NULL, w.sign ? w.sign + i : NULL};
}

/* Transform every block of radix * LANES consecutive elements of w .* in into x. */
INLINE void first_pass(weights w, const NKE_REAL *in, NKE_REAL *x, int64_t n, int radix)
{
#define LOAD(i) v[i] = within(*(const vec *)(in + j + (i) * NKE_LANES))
#define LOAD_SCALED(i) \
  v[i] = within(*(const vec *)(in + j + (i) * NKE_LANES) * *(const vec *)(w.number + j + (i) * NKE_LANES))
#define LOAD_SIGNED(i) v[i] = within(*(const vec *)(in + j + (i) * NKE_LANES) * *(const vec *)(sign + (i) * NKE_LANES))
#define STORE(i) *(vec *)(x + j + (i) * NKE_LANES) = v[i]
  for (int64_t j = 0; j < n; j += radix * NKE_LANES) {
    vec v[16];
    if (w.number) {
      EACH(radix, LOAD_SCALED);
    } else if (w.sign) {
      NKE_REAL sign[16 * NKE_LANES];
#pragma omp simd
      for (int i = 0; i < radix * NKE_LANES; i++) sign[i] = w.sign[j + i];
      EACH(radix, LOAD_SIGNED);
    } else {
      EACH(radix, LOAD);
    }
    across(v, radix);
    EACH(radix, STORE);
  }
#undef LOAD
#undef LOAD_SCALED
#undef LOAD_SIGNED
#undef STORE
}

/* Combine `radix` transformed sub-blocks of `sub` elements into one. */
INLINE void combine(NKE_REAL *x, int64_t sub, int radix)
{
#define LOAD(i) v[i] = *(const vec *)(p + (i) * sub)
#define STORE(i) *(vec *)(p + (i) * sub) = v[i]
  for (NKE_REAL *p = x; p < x + sub; p += NKE_LANES) {
    vec v[16];
    EACH(radix, LOAD);
    across(v, radix);
    EACH(radix, STORE);
  }
#undef LOAD
#undef STORE
}

static void combine_by(NKE_REAL *x, int64_t sub, int log_radix)
{
  switch (log_radix) {
    case 1: combine(x, sub, 2); break;
    case 2: combine(x, sub, 4); break;
    case 3: combine(x, sub, 8); break;
    default: break;
  }
}

static int log2_of(int64_t n)
{
  return __builtin_ctzll((unsigned long long)n);
}

/* `bits` butterfly levels are cut into the fewest passes, as even as can be; this is the share of the first. */
static int pass_share(int bits)
{
  const int passes = (bits + LOG_COMBINE - 1) / LOG_COMBINE;
  return (bits + passes - 1) / passes;
}

static void leaf(weights w, const NKE_REAL *in, NKE_REAL *x, int64_t n)
{
  const int64_t first = n < RADIX * NKE_LANES ? n : RADIX * NKE_LANES;
  switch (first / NKE_LANES) {
    case 1: first_pass(w, in, x, n, 1); break;
    case 2: first_pass(w, in, x, n, 2); break;
    case 4: first_pass(w, in, x, n, 4); break;
    case 8: first_pass(w, in, x, n, 8); break;
    default: first_pass(w, in, x, n, RADIX); break;
  }
  for (int64_t sub = first; sub < n;) {
    const int log_radix = pass_share(log2_of(n / sub));
    const int64_t block = sub << log_radix;
    for (int64_t base = 0; base < n; base += block) combine_by(x + base, sub, log_radix);
    sub = block;
  }
}

static void transform(weights w, const NKE_REAL *in, NKE_REAL *x, int64_t n)
{
  if (n <= LEAF) {
    leaf(w, in, x, n);
    return;
  }
  const int log_radix = pass_share(log2_of(n / LEAF));
  const int64_t sub = n >> log_radix;
  for (int64_t base = 0; base < n; base += sub) transform(weights_from(w, base), in + base, x + base, sub);
  combine_by(x, sub, log_radix);
}

/* x [n] = w .* in, then zeros. */
static void pad(weights w, const NKE_REAL *in, int64_t filled, NKE_REAL *x, int64_t n)
{
  for (int64_t i = 0; i < filled; i++) x[i] = w.number ? w.number[i] * in[i] : w.sign ? w.sign[i] * in[i] : in[i];
  for (int64_t i = filled; i < n; i++) x[i] = 0;
}

/* Shorter than one vector, in place. */
static void transform_short(NKE_REAL *x, int64_t n)
{
  for (int64_t h = 1; h < n; h *= 2)
    for (int64_t i = 0; i < n; i++)
      if (!(i & h)) {
        const NKE_REAL a = x[i], b = x[i + h];
        x[i] = a + b;
        x[i + h] = a - b;
      }
}

/* The transform of `filled` entries and zeros behind them: an empty upper half makes the halves of the result equal. */
static void transform_filled(weights w, const NKE_REAL *in, int64_t filled, NKE_REAL *x, int64_t n)
{
  const int64_t half = n / 2;
  if (n < NKE_LANES) {
    pad(w, in, filled, x, n);
    transform_short(x, n);
  } else if (filled == n) {
    transform(w, in, x, n);
  } else if (n == NKE_LANES) {
    pad(w, in, filled, x, n);
    transform((weights){0}, x, x, n);
  } else if (filled <= half) {
    transform_filled(w, in, filled, x, half);
    memcpy(x + half, x, (size_t)half * sizeof *x);
  } else {
    transform(w, in, x, half);
    transform_filled(weights_from(w, half), in + half, filled - half, x + half, half);
    combine(x, half, 2);
  }
}

/* Entries up to the last one that is not zero, at least 1: powers without a coefficient and short rows end early. */
static int64_t without_zeros(const NKE_REAL *in, int64_t n)
{
  const int64_t step = 64;
  while (n > step) {
    int zero = 1;
    for (int64_t i = n - step; i < n; i++) zero &= in[i] == 0;
    if (!zero) break;
    n -= step;
  }
  while (n > 1 && in[n - 1] == 0) n--;
  return n;
}

void JOIN(nke_fwht_signed_, NKE_SUFFIX)(const int8_t *signs, const NKE_REAL *in, int64_t filled, NKE_REAL *x, int64_t n)
{
  transform_filled((weights){.sign = signs}, in, without_zeros(in, filled), x, n);
}

void JOIN(nke_fwht_, NKE_SUFFIX)(const NKE_REAL *diagonal, const NKE_REAL *in, int64_t filled, NKE_REAL *x, int64_t n)
{
  transform_filled((weights){.number = diagonal}, in, without_zeros(in, filled), x, n);
}

/* The last levels at LANES positions of NKE_FWHT_BLOCKS sub-blocks, `live` of them filled; the rows of `tile` lie a
 * tile's width apart. A single filled sub-block of the upper half needs no butterflies of its own. */
INLINE void last_levels(const NKE_REAL *p, int64_t sub, int live, NKE_REAL *tile)
{
  enum { HALF = NKE_FWHT_BLOCKS / 2 };
  vec v[NKE_FWHT_BLOCKS];
#define LOAD(i) v[i] = *(const vec *)(p + (i) * sub)
#define LOAD_LIVE(i) v[HALF + (i)] = HALF + (i) < live ? *(const vec *)(p + (HALF + (i)) * sub) : (vec){0}
#define STORE(i) *(vec *)(tile + (i) * NKE_FWHT_TILE) = v[i]
#define STORE_PAIR(i)                                          \
  *(vec *)(tile + (i) * NKE_FWHT_TILE) = v[i] + v[HALF],       \
  *(vec *)(tile + (HALF + (i)) * NKE_FWHT_TILE) = v[i] - v[HALF]
  EACH(HALF, LOAD);
  if (live == HALF + 1) {
    v[HALF] = *(const vec *)(p + HALF * sub);
    across(v, HALF);
    EACH(HALF, STORE_PAIR);
  } else {
    EACH(HALF, LOAD_LIVE);
    across(v, NKE_FWHT_BLOCKS);
    EACH(NKE_FWHT_BLOCKS, STORE);
  }
#undef LOAD
#undef LOAD_LIVE
#undef STORE
#undef STORE_PAIR
}

void JOIN(nke_fwht_sample_, NKE_SUFFIX)(const nke_fwht_sample *s, const int8_t *signs, const NKE_REAL *in,
                                        NKE_REAL scale, NKE_REAL *work, NKE_REAL *out)
{
  const int64_t sub = s->n / NKE_FWHT_BLOCKS, live = (s->filled + sub - 1) / sub;
  NKE_REAL tile[NKE_FWHT_BLOCKS * NKE_FWHT_TILE];
  for (int64_t base = 0; base < s->filled; base += sub)
    transform_filled((weights){.sign = signs + base}, in + base,
                     without_zeros(in + base, s->filled - base < sub ? s->filled - base : sub), work + base, sub);
  for (int64_t i = 0; i < sub; i += NKE_FWHT_TILE) {
    for (int64_t j = 0; j < NKE_FWHT_TILE; j += NKE_LANES) last_levels(work + i + j, sub, (int)live, tile + j);
    for (int64_t e = s->first[i / NKE_FWHT_TILE]; e < s->first[i / NKE_FWHT_TILE + 1]; e++)
      out[s->entry[e] / NKE_FWHT_ENTRIES] = scale * tile[s->entry[e] % NKE_FWHT_ENTRIES];
  }
}
