/* Compiled once for each precision and instruction set (nke_isa_sources in cmake/NkeTargets.cmake): NKE_REAL is float or
 * double, NKE_SUFFIX names the table. */
#include "kernel/gated_kernels.h"

#include "kernel/gated_math.h"

#define NKE_PASTE(a, b) a##b
#define NKE_NAME(a, b) NKE_PASTE(a, b)
#define NKE_TEXT(a) #a
#define NKE_STRING(a) NKE_TEXT(a)

typedef NKE_REAL real;

#if defined(NKE_ISA_avx512)
enum { BYTES = 64 };
#elif defined(NKE_ISA_avx2)
enum { BYTES = 32 };
#else
enum { BYTES = 16 };
#endif

/* One register, and how many make a group of 16 entries. Wider vectors the compiler would cut up through memory. */
typedef real vec __attribute__((vector_size(BYTES), may_alias));
enum { LANES = NKE_GATED_LANES, WIDTH = BYTES / sizeof(real), VECTORS = LANES / WIDTH, BATCH = 8 };

/* Vector j of a tap, with its signs. */
static inline __attribute__((always_inline)) vec signed_at(const vec *x, const vec *own, const vec *common, int64_t j)
{
  vec v = x[j];
  if (own) v *= own[j];
  if (common) v *= common[j];
  return v;
}

/* `batch` vectors from `first` on, a constant at every call: their sums stay in registers. */
static inline __attribute__((always_inline)) void gather_batch(int64_t first, int batch, int64_t mask, int n_taps,
                                                               const void *const *in, const int32_t *shift,
                                                               const void *const *signs, const vec *common, real scale,
                                                               vec *y)
{
  vec sum[BATCH];
  for (int b = 0; b < batch; b++) sum[b] = (vec){0};
  for (int t = 0; t < n_taps; t++) {
    const vec *const x = in[t], *const own = signs ? signs[t] : NULL;
    if (!x) continue;
    const int64_t start = (first + shift[t] / WIDTH) & mask;
    if (start + batch - 1 <= mask)
      for (int b = 0; b < batch; b++) sum[b] += signed_at(x, own, common, start + b);
    else
      for (int b = 0; b < batch; b++) sum[b] += signed_at(x, own, common, (start + b) & mask);
  }
  for (int b = 0; b < batch; b++) y[first + b] = sum[b] * scale;
}

static inline __attribute__((always_inline)) void gather_all(int64_t vectors, int n_taps, const void *const *in,
                                                             const int32_t *shift, const void *const *signs,
                                                             const vec *common, real scale, vec *y)
{
  const int64_t mask = vectors - 1;
  if (vectors < BATCH)
    for (int64_t v = 0; v < vectors; v++) gather_batch(v, 1, mask, n_taps, in, shift, signs, common, scale, y);
  else
    for (int64_t v = 0; v < vectors; v += BATCH)
      gather_batch(v, BATCH, mask, n_taps, in, shift, signs, common, scale, y);
}

/* Each kind of signs has a loop of its own. */
static void gather(int64_t n, int n_taps, const void *const *in, const int32_t *shift, const void *const *signs,
                   const void *common, double scale, void *out)
{
  const int64_t vectors = n / WIDTH;
  if (signs && common)
    gather_all(vectors, n_taps, in, shift, signs, common, (real)scale, out);
  else if (signs)
    gather_all(vectors, n_taps, in, shift, signs, NULL, (real)scale, out);
  else if (common)
    gather_all(vectors, n_taps, in, shift, NULL, common, (real)scale, out);
  else
    gather_all(vectors, n_taps, in, shift, NULL, NULL, (real)scale, out);
}

static void scale_by(int64_t n, const void *table, const void *in, void *out)
{
  const real *const w = table, *const x = in;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = w[i] * x[i];
}

static void add(int64_t n, const void *in, void *out)
{
  const real *const x = in;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(int64_t n, double c, const void *in, void *out)
{
  const real *const x = in, factor = (real)c;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = factor * x[i];
}

static void add_scaled(int64_t n, double c, const void *in, void *out)
{
  const real *const x = in, scale = (real)c;
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] += scale * x[i];
}

static double norm2(int64_t n, const void *in)
{
  const real *const x = in;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

/* In double precision the elementary functions are calls of the C library, which no loop of vectors can hold. */
#ifdef NKE_REAL_f32
#define NKE_EVAL_SIMD _Pragma("omp simd")
#else
#define NKE_EVAL_SIMD
#endif

/* One loop an activation: VALUE and SLOPE are expressions in x and the parameters p. */
#define NKE_EVAL_LOOP(VALUE, SLOPE)       \
  do {                                    \
    NKE_EVAL_SIMD                         \
    for (int64_t i = 0; i < n; i++) {     \
      const real x = a[i];                \
      phi[i] = (VALUE);                   \
      dphi[i] = (SLOPE);                  \
    }                                     \
  } while (0)

static const real two_over_sqrt_pi = (real)1.1283791670955126;
static const real sqrt_half = (real)0.70710678118654752;
static const real gauss = (real)0.39894228040143268; /* 1 / sqrt(2 pi) */

/* Those of the waves size sin(step x + phase), or cos, that real_sin does not reach, by the C library. */
static void far_waves(int64_t n, const real *a, real size, real step, real phase, int is_cos, real *phi, real *dphi)
{
#ifdef NKE_REAL_f32
  int far = 0;
#pragma omp simd reduction(| : far)
  for (int64_t i = 0; i < n; i++) far |= real_abs(step * a[i] + phase) > NKE_SIN_MOST;
  for (int64_t i = 0; far && i < n; i++) {
    const double x = step * a[i] + phase;
    if (!(fabs(x) > (double)NKE_SIN_MOST)) continue;
    const double sine = sin(x), cosine = cos(x);
    phi[i] = size * (real)(is_cos ? cosine : sine);
    dphi[i] = size * step * (real)(is_cos ? -sine : cosine);
  }
#else
  (void)n, (void)a, (void)size, (void)step, (void)phase, (void)is_cos, (void)phi, (void)dphi;
#endif
}

static int eval(const nke_activation *act, int64_t n, const void *in, void *value, void *slope)
{
  const real *const a = in;
  real *const phi = value, *const dphi = slope;
  const real p = (real)act->param[0], q = (real)act->param[1], r = (real)act->param[2];
  const real rbf = real_sqrt(2 * p), quarter_pi = (real)0.78539816339744831, root2 = (real)1.4142135623730951;
  switch (act->kind) {
    case NKE_ACT_IDENTITY: NKE_EVAL_LOOP(x, 1); return 1;
    case NKE_ACT_RELU: NKE_EVAL_LOOP(x > 0 ? x : 0, x > 0 ? 1 : 0); return 1;
    case NKE_ACT_ABRELU: NKE_EVAL_LOOP(x > 0 ? q * x : p * x, x > 0 ? q : p); return 1;
    case NKE_ACT_ERF:
      NKE_EVAL_LOOP(p * real_erf(q * x) + r, p * q * two_over_sqrt_pi * real_exp(-q * q * x * x));
      return 1;
    case NKE_ACT_GELU:
      NKE_EVAL_LOOP(x * (real)0.5 * (1 + real_erf(x * sqrt_half)),
                    (real)0.5 * (1 + real_erf(x * sqrt_half)) + x * gauss * real_exp((real)-0.5 * x * x));
      return 1;
    case NKE_ACT_SIN:
      NKE_EVAL_LOOP(p * real_sin(q * x + r), p * q * real_cos(q * x + r));
      far_waves(n, a, p, q, r, 0, phi, dphi);
      return 1;
    case NKE_ACT_COS:
      NKE_EVAL_LOOP(p * real_cos(q * x + r), -p * q * real_sin(q * x + r));
      far_waves(n, a, p, q, r, 1, phi, dphi);
      return 1;
    case NKE_ACT_RBF:
      NKE_EVAL_LOOP(root2 * real_sin(rbf * x + quarter_pi), root2 * rbf * real_cos(rbf * x + quarter_pi));
      far_waves(n, a, root2, rbf, quarter_pi, 0, phi, dphi);
      return 1;
    case NKE_ACT_EXP: NKE_EVAL_LOOP(p * real_exp(q * x), p * q * real_exp(q * x)); return 1;
    case NKE_ACT_GAUSSIAN:
      NKE_EVAL_LOOP(p * real_exp(q * x * x), 2 * q * x * p * real_exp(q * x * x));
      return 1;
    case NKE_ACT_TANH: NKE_EVAL_LOOP(real_tanh(x), 1 - real_tanh(x) * real_tanh(x)); return 1;
    case NKE_ACT_SIGMOID: NKE_EVAL_LOOP(real_sigmoid(x), real_sigmoid(x) * real_sigmoid(-x)); return 1;
    case NKE_ACT_SILU:
      NKE_EVAL_LOOP(x * real_sigmoid(x), real_sigmoid(x) * (1 + x * real_sigmoid(-x)));
      return 1;
    case NKE_ACT_SOFTPLUS: NKE_EVAL_LOOP(real_softplus(x), real_sigmoid(x)); return 1;
    default: return 0;
  }
}

/* `fresh` is a constant at every call of the inlined loops, so each comes out in both forms. */
static inline __attribute__((always_inline)) void gate_loops(int64_t n, int fresh, const real *w, real c,
                                                             const real *phi, const real *dphi, const real *g, real *s,
                                                             real *t)
{
#pragma omp simd
  for (int64_t i = 0; i < n; i++) s[i] = (fresh ? 0 : s[i]) + w[i] * phi[i];
  if (!g) return;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) t[i] = (fresh ? 0 : t[i]) + c * dphi[i] * g[i];
}

static void gate(int64_t n, int fresh, const void *table, double c, const void *phi, const void *dphi, const void *g,
                 void *s, void *t)
{
  if (fresh)
    gate_loops(n, 1, table, (real)c, phi, dphi, g, s, t);
  else
    gate_loops(n, 0, table, (real)c, phi, dphi, g, s, t);
}

static inline __attribute__((always_inline)) void relu_loops(int64_t n, int fresh, const real *w, real c, const real *a,
                                                             const real *g, real *s, real *t)
{
  if (!g) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) s[i] = (fresh ? 0 : s[i]) + w[i] * (a[i] > 0 ? a[i] : 0);
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    s[i] = (fresh ? 0 : s[i]) + w[i] * (a[i] > 0 ? a[i] : 0);
    t[i] = (fresh ? 0 : t[i]) + c * (a[i] > 0 ? g[i] : 0);
  }
}

static void gate_relu(int64_t n, int fresh, const void *table, double c, const void *a, const void *g, void *s, void *t)
{
  if (fresh)
    relu_loops(n, 1, table, (real)c, a, g, s, t);
  else
    relu_loops(n, 0, table, (real)c, a, g, s, t);
}

static inline __attribute__((always_inline)) void wave_loops(int64_t n, int fresh, const real *w, real c,
                                                             const nke_gated_wave *wave, const real *a, const real *g,
                                                             real *s, real *t)
{
  const real *const phase = wave->phase;
  const real step = (real)wave->step, size = (real)wave->size, slope = c * (real)wave->slope;
  NKE_EVAL_SIMD
  for (int64_t i = 0; i < n; i++) {
    const real y = real_cos(step * a[i] + phase[i]);
    s[i] = (fresh ? 0 : s[i]) + w[i] * (size * y);
    if (g) t[i] = (fresh ? 0 : t[i]) + slope * y * g[i];
  }
}

static void gate_wave(int64_t n, int fresh, const void *table, double c, const nke_gated_wave *wave, const void *a,
                      const void *g, void *s, void *t)
{
  if (fresh && g)
    wave_loops(n, 1, table, (real)c, wave, a, g, s, t);
  else if (fresh)
    wave_loops(n, 1, table, (real)c, wave, a, NULL, s, NULL);
  else if (g)
    wave_loops(n, 0, table, (real)c, wave, a, g, s, t);
  else
    wave_loops(n, 0, table, (real)c, wave, a, NULL, s, NULL);
}

/* Groups of features, and vectors of each, whose sums stay in registers: 16 sums on AVX-512, else 8. */
#if defined(NKE_ISA_avx512) && defined(NKE_REAL_f32)
enum { FEATURE_GROUPS = 4, PART = 1 };
#elif defined(NKE_ISA_avx512)
enum { FEATURE_GROUPS = 2, PART = 2 };
#else
enum { FEATURE_GROUPS = 1, PART = 2 };
#endif

static inline __attribute__((always_inline)) void patch_tile(int64_t d, int64_t m, const real *x, int64_t stride,
                                                             const vec *w, int groups, real *out)
{
  vec sum[NKE_GATED_TILE][FEATURE_GROUPS * PART];
  for (int i = 0; i < NKE_GATED_TILE; i++)
    for (int j = 0; j < groups * PART; j++) sum[i][j] = (vec){0};
  for (int64_t c = 0; c < d; c++)
    for (int i = 0; i < NKE_GATED_TILE; i++)
      for (int j = 0; j < groups * PART; j++)
        sum[i][j] += x[i * stride + c] * w[(j / PART * d + c) * VECTORS + j % PART];
  for (int i = 0; i < NKE_GATED_TILE; i++)
    for (int j = 0; j < groups * PART; j++) ((vec *)(out + i * m))[j / PART * VECTORS + j % PART] = sum[i][j];
}

static void patches(int64_t d, int64_t m, const void *x, int64_t stride, const void *w, void *out)
{
  const int64_t groups = m / LANES;
  const vec *const columns = w;
  real *const y = out;
  int64_t first = 0;
  for (; first + FEATURE_GROUPS <= groups; first += FEATURE_GROUPS)
    for (int v = 0; v < VECTORS; v += PART)
      patch_tile(d, m, x, stride, columns + first * d * VECTORS + v, FEATURE_GROUPS, y + first * LANES + v * WIDTH);
  for (; first < groups; first++)
    for (int v = 0; v < VECTORS; v += PART)
      patch_tile(d, m, x, stride, columns + first * d * VECTORS + v, 1, y + first * LANES + v * WIDTH);
}

static void from_double(int64_t n, double scale, const double *in, void *out)
{
  real *const y = out;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = (real)(scale * in[i]);
}

static void to_double(int64_t n, const void *in, double *out)
{
  const real *const x = in;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) out[i] = (double)x[i];
}

static int64_t find_nonfinite(int64_t n, const void *in)
{
  const real *const x = in;
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return i;
  return n;
}

extern const nke_gated_kernels NKE_NAME(nke_gated_kernels_, NKE_SUFFIX);
const nke_gated_kernels NKE_NAME(nke_gated_kernels_, NKE_SUFFIX) = {
  .isa = NKE_STRING(NKE_SUFFIX),
  .gather = gather,
  .scale_by = scale_by,
  .add = add,
  .scale = scale,
  .add_scaled = add_scaled,
  .norm2 = norm2,
  .eval = eval,
  .gate = gate,
  .gate_relu = gate_relu,
  .gate_wave = gate_wave,
  .patches = patches,
  .from_double = from_double,
  .to_double = to_double,
  .find_nonfinite = find_nonfinite,
};
