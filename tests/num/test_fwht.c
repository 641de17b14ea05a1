/* The fast Walsh-Hadamard transform against the direct product with H, its inverse, and itself across CPU variants. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "num/fwht.h"
#include "num/fwht_variants.h"
#include "num/simd.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { SEED = 11 };

static double entry(uint64_t stream, int64_t i)
{
  return nke_random_normal(SEED, nke_stream(NKE_STREAM_TEST, (uint32_t)stream), (uint64_t)i);
}

/* (H x)_i by definition, in double. */
static double direct(const double *x, int64_t n, int64_t i)
{
  double sum = 0;
  for (int64_t j = 0; j < n; j++) sum += (__builtin_popcountll((unsigned long long)(i & j)) & 1) ? -x[j] : x[j];
  return sum;
}

/* Each output is a sum of n terms through log2 n roundings: |error| <= eps log2(n) sum |x_j|. */
static void matches_the_direct_product(void **state)
{
  (void)state;
  for (int bits = 0; bits <= 13; bits++) {
    const int64_t n = (int64_t)1 << bits;
    double *x, *y;
    float *z;
    assert_int_equal(nke_alloc(n, sizeof *x, "x", &x), NKE_OK);
    assert_int_equal(nke_alloc(n, sizeof *y, "y", &y), NKE_OK);
    assert_int_equal(nke_alloc(n, sizeof *z, "z", &z), NKE_OK);
    double norm1 = 0;
    for (int64_t i = 0; i < n; i++) {
      z[i] = (float)entry(1, i);
      x[i] = y[i] = (double)z[i];
      norm1 += fabs(x[i]);
    }
    nke_fwht_f64(y, n);
    nke_fwht_f32(z, n);
    const int64_t step = n > 512 ? 61 : 1;
    for (int64_t i = 0; i < n; i += step) {
      const double expected = direct(x, n, i);
      assert_true(fabs(y[i] - expected) <= DBL_EPSILON * (bits + 1) * 2 * norm1);
      assert_true(fabs((double)z[i] - expected) <= (double)FLT_EPSILON * (bits + 1) * norm1);
    }
    nke_free(x);
    nke_free(y);
    nke_free(z);
  }
}

static void is_its_own_inverse_up_to_n(void **state)
{
  (void)state;
  for (int bits = 14; bits <= 22; bits += 2) {
    const int64_t n = (int64_t)1 << bits;
    double *x;
    assert_int_equal(nke_alloc(n, sizeof *x, "x", &x), NKE_OK);
    for (int64_t i = 0; i < n; i++) x[i] = (double)((i * 2654435761u) % 1000) - 500;
    nke_fwht_f64(x, n);
    nke_fwht_f64(x, n);
    /* Integers below 2^53: exact. */
    for (int64_t i = 0; i < n; i++) assert_true(x[i] == (double)n * ((double)((i * 2654435761u) % 1000) - 500));
    nke_free(x);
  }
}

/* A unit vector e_k at the largest length: row k of H, so any wrong index shows. */
static void largest_length(void **state)
{
  (void)state;
  const int64_t n = NKE_FWHT_MAX, k = 0xABCDEF;
  float *x;
  assert_int_equal(nke_calloc(n, sizeof *x, "x", &x), NKE_OK);
  x[k] = 1;
  nke_fwht_f32(x, n);
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; i++)
    wrong += x[i] != ((__builtin_popcountll((unsigned long long)(i & k)) & 1) ? -1.0f : 1.0f);
  assert_int_equal(wrong, 0);
  nke_free(x);
}

/* Vectors need no more alignment than their element's; what lies about them is untouched. */
static void any_alignment_gives_the_same_bits(void **state)
{
  (void)state;
  enum { N = 64, AT = 3 };
  float x[AT + N + 1], single[N];
  for (int64_t i = 0; i < AT + N + 1; i++) x[i] = (float)entry(2, i);
  for (int64_t i = 0; i < N; i++) single[i] = x[AT + i];
  nke_fwht_f32(x + AT, N);
  nke_fwht_f32(single, N);
  assert_memory_equal(single, x + AT, sizeof single);
  for (int64_t i = 0; i < AT; i++) assert_true(x[i] == (float)entry(2, i));
  assert_true(x[AT + N] == (float)entry(2, AT + N));
}

typedef void transform_f32(const float *, const float *, int64_t, float *, int64_t);
typedef void transform_f64(const double *, const double *, int64_t, double *, int64_t);

static void same_bits(transform_f32 *f32, transform_f64 *f64)
{
  for (int bits = 0; bits <= 15; bits++) {
    const int64_t n = (int64_t)1 << bits;
    float *a, *b;
    double *c, *d;
    assert_int_equal(nke_alloc(n, sizeof *a, "a", &a), NKE_OK);
    assert_int_equal(nke_alloc(n, sizeof *b, "b", &b), NKE_OK);
    assert_int_equal(nke_alloc(n, sizeof *c, "c", &c), NKE_OK);
    assert_int_equal(nke_alloc(n, sizeof *d, "d", &d), NKE_OK);
    for (int64_t i = 0; i < n; i++) {
      c[i] = d[i] = entry(3, i);
      a[i] = b[i] = (float)c[i];
    }
    nke_fwht_f32_plain(NULL, a, n, a, n);
    f32(NULL, b, n, b, n);
    nke_fwht_f64_plain(NULL, c, n, c, n);
    f64(NULL, d, n, d, n);
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    assert_memory_equal(c, d, (size_t)n * sizeof *c);
    nke_free(a);
    nke_free(b);
    nke_free(c);
    nke_free(d);
  }
}

static void a_diagonal_multiplies_first(void **state)
{
  (void)state;
  enum { N = 2048 };
  for (int64_t n = 1; n <= N; n *= 2) {
    double diagonal[N], in[N], out[N], product[N];
    for (int64_t i = 0; i < n; i++) {
      in[i] = entry(5, i);
      diagonal[i] = i % 3 ? 1 : -1;
      product[i] = diagonal[i] * in[i];
    }
    nke_fwht_diagonal_f64(diagonal, in, n, out, n);
    nke_fwht_f64(product, n);
    assert_memory_equal(out, product, (size_t)n * sizeof *out);
  }
}

static void zeros_behind_the_filled_part_are_implied(void **state)
{
  (void)state;
  enum { N = 8192 };
  static float diagonal[N], in[N], out[N], padded[N];
  static int8_t signs[N];
  for (int64_t n = 1; n <= N; n *= 2)
    for (int64_t filled = 1; filled <= n; filled += 1 + filled / 3) {
      for (int64_t i = 0; i < n; i++) {
        diagonal[i] = signs[i] = i % 3 ? 1 : -1;
        in[i] = i < filled ? (float)entry(6, i) : NAN;
        padded[i] = i < filled ? diagonal[i] * in[i] : 0;
      }
      nke_fwht_diagonal_f32(diagonal, in, filled, out, n);
      nke_fwht_f32(padded, n);
      for (int64_t i = 0; i < n; i++) assert_true(out[i] == padded[i]);
      nke_fwht_signed_f32(signs, in, filled, out, n);
      for (int64_t i = 0; i < n; i++) assert_true(out[i] == padded[i]);
      nke_fwht_diagonal_f32(diagonal, in, filled, in, n);
      assert_memory_equal(in, out, (size_t)n * sizeof *in);
    }
}

typedef void sample_f32(const nke_fwht_sample *, const int8_t *, const float *, float, float *, float *);
typedef void sample_f64(const nke_fwht_sample *, const int8_t *, const double *, double, double *, double *);

/* Chosen entries, some of them twice, against the whole transform. */
static void check_sample(int64_t n, int64_t filled, int64_t m, sample_f32 *f32, sample_f64 *f64)
{
  static int8_t signs[8192];
  static float in[8192], whole[8192], work[8192], out[8192];
  static double in2[8192], whole2[8192], out2[8192];
  static int32_t index[8192];
  nke_fwht_sample *sample;
  for (int64_t i = 0; i < n; i++) {
    signs[i] = i % 5 ? 1 : -1;
    in2[i] = in[i] = i < filled ? (float)entry(7, i) : NAN;
  }
  for (int64_t j = 0; j < m; j++) index[j] = (int32_t)(j * j * 31 % n);
  nke_fwht_signed_f32(signs, in, filled, whole, n);
  nke_fwht_signed_f64(signs, in2, filled, whole2, n);
  assert_int_equal(nke_fwht_sample_create(n, filled, m, index, &sample), NKE_OK);
  f32(sample, signs, in, 0.5f, work, out);
  f64(sample, signs, in2, 0.5, in2, out2); /* its work space is its input */
  for (int64_t j = 0; j < m; j++) {
    assert_true(out[j] == 0.5f * whole[index[j]]);
    assert_true(out2[j] == 0.5 * whole2[index[j]]);
  }
  nke_fwht_sample_destroy(&sample);
}

static void chosen_entries_equal_the_whole_transform(void **state)
{
  (void)state;
  static const int64_t sizes[][3] = {{256, 256, 256}, {256, 129, 3},       {512, 289, 512},  {1024, 600, 77},
                                     {2048, 1153, 1000}, {4096, 2049, 2048}, {8192, 4600, 512}, {8192, 8192, 8191}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const int64_t *const s = sizes[i];
    check_sample(s[0], s[1], s[2], nke_fwht_sample_f32_plain, nke_fwht_sample_f64_plain);
    if (nke_simd_best() >= NKE_SIMD_AVX2)
      check_sample(s[0], s[1], s[2], nke_fwht_sample_f32_avx2, nke_fwht_sample_f64_avx2);
    if (nke_simd_best() >= NKE_SIMD_AVX512)
      check_sample(s[0], s[1], s[2], nke_fwht_sample_f32_avx512, nke_fwht_sample_f64_avx512);
  }
}

static void every_instruction_set_gives_the_same_bits(void **state)
{
  (void)state;
  if (nke_simd_best() < NKE_SIMD_AVX2) skip();
  same_bits(nke_fwht_f32_avx2, nke_fwht_f64_avx2);
  if (nke_simd_best() >= NKE_SIMD_AVX512) same_bits(nke_fwht_f32_avx512, nke_fwht_f64_avx512);
}

static void powers_of_two(void **state)
{
  (void)state;
  assert_int_equal(nke_power_of_two(0), 1);
  assert_int_equal(nke_power_of_two(1), 1);
  assert_int_equal(nke_power_of_two(3), 4);
  assert_int_equal(nke_power_of_two(64), 64);
  assert_int_equal(nke_power_of_two(65), 128);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(matches_the_direct_product), cmocka_unit_test(is_its_own_inverse_up_to_n),
  cmocka_unit_test(largest_length), cmocka_unit_test(any_alignment_gives_the_same_bits),
  cmocka_unit_test(a_diagonal_multiplies_first), cmocka_unit_test(zeros_behind_the_filled_part_are_implied),
  cmocka_unit_test(chosen_entries_equal_the_whole_transform),
  cmocka_unit_test(every_instruction_set_gives_the_same_bits), cmocka_unit_test(powers_of_two),
};

NKE_TEST_MAIN(tests)
