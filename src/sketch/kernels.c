/* Compiled once for each precision and instruction set (nke_isa_sources in cmake/NkeTargets.cmake): NKE_REAL is float
 * or double, NKE_SUFFIX names the table. */
#include "sketch/kernels_variants.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

typedef NKE_REAL real;

static void multiply_pad(int64_t n, const void *table, const void *in, int64_t padded, void *out)
{
  const real *const w = table, *const x = in;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = w[i] * x[i];
  for (int64_t i = n; i < padded; i++) y[i] = 0;
}

static void multiply(int64_t n, const void *a, const void *b, void *out)
{
  const real *const x = a, *const y = b;
  real *const z = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) z[i] = x[i] * y[i];
}

static void multiply_scaled(int64_t n, double scale, const void *a, const void *b, void *out)
{
  const real *const x = a, *const y = b, c = (real)scale;
  real *const z = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) z[i] = c * x[i] * y[i];
}

static void scale(int64_t n, double factor, const void *in, void *out)
{
  const real *const x = in, c = (real)factor;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = c * x[i];
}

static void add_shifted(int64_t n, double factor, double shift, const void *table, const void *in, void *out)
{
  const real *const w = table, *const x = in, c = (real)factor, b = (real)shift;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] += c * w[i] * (b + x[i]);
}

static void horner(int64_t n, double factor, double constant, const void *in, void *out)
{
  const real *const x = in, c = (real)constant, s = (real)factor;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = (s * y[i] + c) * x[i];
}

static void multiply_complex(int64_t n, const void *a, const void *b, void *out)
{
  const real *const x = a, *const y = b;
  real *const z = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const real xr = x[2 * i], xi = x[2 * i + 1], yr = y[2 * i], yi = y[2 * i + 1];
    z[2 * i] = xr * yr - xi * yi;
    z[2 * i + 1] = xr * yi + xi * yr;
  }
}

static void gather(int64_t n, const int32_t *index, double factor, const void *in, void *out)
{
  const real *const x = in, c = (real)factor;
  real *const y = out;
#pragma GCC unroll 8
  for (int64_t i = 0; i < n; i++) y[i] = c * x[index[i]];
}

static void gather_multiply(int64_t n, const int32_t *index, double factor, const void *in, void *out)
{
  const real *const x = in, c = (real)factor;
  real *const y = out;
#pragma GCC unroll 8
  for (int64_t i = 0; i < n; i++) y[i] *= c * x[index[i]];
}

/* Without a branch: random signs cannot be predicted. */
static inline void add_signed(real *y, int32_t code, real value)
{
  y[code >> 1] += value * (real)(1 - 2 * (code & 1));
}

static void scatter(int64_t n, int copies, const int32_t *code, double factor, const void *in, void *out)
{
  const real *const x = in, c = (real)factor;
  real *const y = out;
  for (int64_t i = 0; i < n; i++) {
    const real value = c * x[i];
    for (int b = 0; b < copies; b++) add_signed(y, code[i * copies + b], value);
  }
}

static void scatter_sparse(int64_t nnz, const int64_t *index, int copies, const int32_t *code, double factor,
                           const void *in, void *out)
{
  const real *const x = in, c = (real)factor;
  real *const y = out;
  for (int64_t k = 0; k < nnz; k++) {
    const real value = c * x[k];
    const int32_t *const codes = code + index[k] * copies;
    for (int b = 0; b < copies; b++) add_signed(y, codes[b], value);
  }
}

const nke_sketch_kernels JOIN(nke_sketch_kernels_, NKE_SUFFIX) = {
  multiply_pad, multiply, multiply_scaled, scale, add_shifted, horner, multiply_complex, gather,
  gather_multiply, scatter, scatter_sparse,
};
