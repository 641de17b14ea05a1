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

/* Rows of a batch at an odd stride and odd alignment equal single transforms; what lies between them is untouched. */
static void batch_equals_single(void **state)
{
  (void)state;
  enum { N = 64, COUNT = 5, STRIDE = 67 };
  float batch[1 + COUNT * STRIDE], single[N];
  for (int64_t i = 0; i < 1 + COUNT * STRIDE; i++) batch[i] = (float)entry(2, i);
  nke_fwht_batch_f32(batch + 1, N, COUNT, STRIDE);
  for (int64_t row = 0; row < COUNT; row++) {
    for (int64_t i = 0; i < N; i++) single[i] = (float)entry(2, 1 + row * STRIDE + i);
    nke_fwht_f32(single, N);
    assert_memory_equal(single, batch + 1 + row * STRIDE, sizeof single);
    for (int64_t i = N; i < STRIDE; i++)
      assert_true(batch[1 + row * STRIDE + i] == (float)entry(2, 1 + row * STRIDE + i));
  }
}

typedef void transform_f32(const float *, const float *, float *, int64_t);
typedef void transform_f64(const double *, const double *, double *, int64_t);

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
    nke_fwht_f32_plain(NULL, a, a, n);
    f32(NULL, b, b, n);
    nke_fwht_f64_plain(NULL, c, c, n);
    f64(NULL, d, d, n);
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
    nke_fwht_diagonal_f64(diagonal, in, out, n);
    nke_fwht_f64(product, n);
    assert_memory_equal(out, product, (size_t)n * sizeof *out);
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
  cmocka_unit_test(largest_length), cmocka_unit_test(batch_equals_single),
  cmocka_unit_test(a_diagonal_multiplies_first),
    cmocka_unit_test(every_instruction_set_gives_the_same_bits), cmocka_unit_test(powers_of_two),
};

NKE_TEST_MAIN(tests)
