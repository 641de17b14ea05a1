/* The first experiment of arXiv 2209.04121: relative Frobenius error and time of the NNGP dual kernel of 1000 Gaussian
 * points in R^256, x ~ N(0, I / 256), by the truncated Hermite expansion of degree 1 .. 20 and by Monte Carlo features
 * of width 2^5 .. 2^16, against the closed forms. CSV on stdout: activation,method,size,error,seconds (CPU time; the
 * matrix of inner products, 2 n^2 d flops, counts for Hermite; the draw of the weights does not count for Monte Carlo).
 */
#include "base/memory.h"
#include "base/rng.h"
#include "num/blas.h"
#include "num/dual.h"
#include "num/gemm.h"
#include "num/hermite.h"
#include "cpu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 1000, D = 256, DEGREE = 20, WIDTHS = 12, CHUNK = 2048 };

typedef struct experiment {
  double *x;                /* [N][D] */
  double *s;                /* [N][N] inner products */
  double *exact, *k;        /* [N][N] */
  double *c;                /* [DEGREE + 1][N] */
  double *w, *a;            /* [CHUNK][D], [N][CHUNK] */
} experiment;

static nke_status create(experiment *e)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_alloc(N * D, sizeof *e->x, "points", &e->x));
  NKE_TRY(nke_alloc(N * N, sizeof *e->s, "products", &e->s));
  NKE_TRY(nke_alloc(N * N, sizeof *e->exact, "kernel", &e->exact));
  NKE_TRY(nke_alloc(N * N, sizeof *e->k, "kernel", &e->k));
  NKE_TRY(nke_alloc((DEGREE + 1) * N, sizeof *e->c, "coefficients", &e->c));
  NKE_TRY(nke_alloc(CHUNK * D, sizeof *e->w, "weights", &e->w));
  NKE_TRY(nke_alloc(N * CHUNK, sizeof *e->a, "features", &e->a));
  for (int64_t i = 0; i < N * D; i++)
    e->x[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)i) / sqrt(D);
done:
  return st;
}

static void clear(experiment *e)
{
  nke_free(e->x);
  nke_free(e->s);
  nke_free(e->exact);
  nke_free(e->k);
  nke_free(e->c);
  nke_free(e->w);
  nke_free(e->a);
}

static nke_status products(experiment *e)
{
  return nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_TRANSPOSED, N, N, D, e->x, D, e->x, D, 0, e->s, N);
}

static void report(const experiment *e, const char *name, const char *method, int64_t size, double seconds)
{
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < N * N; i++) {
    difference += (e->k[i] - e->exact[i]) * (e->k[i] - e->exact[i]);
    norm += e->exact[i] * e->exact[i];
  }
  printf("%s,%s,%lld,%.6e,%.6e\n", name, method, (long long)size, sqrt(difference / norm), seconds);
}

static nke_status exact_kernel(experiment *e, const nke_activation *act)
{
  nke_status st = NKE_OK;
  nke_dual *dual = NULL;
  double *q = NULL;
  NKE_TRY(nke_dual_create(act, 1e-12, &dual));
  NKE_TRY(nke_alloc(2 * N, sizeof *q, "variances", &q));
  NKE_TRY(products(e));
  for (int64_t i = 0; i < N; i++) {
    for (int64_t j = 0; j < N; j++) {
      q[j] = e->s[i * N + i];
      q[N + j] = e->s[j * N + j];
    }
    NKE_TRY(nke_dual_apply(dual, N, q, q + N, e->s + i * N, e->exact + i * N, NULL));
  }
done:
  nke_free(q);
  nke_dual_destroy(&dual);
  return st;
}

/* k = sum_l c_l c_l' rho^l by Horner's rule, a row at a time. */
static nke_status hermite(experiment *e, const char *name, nke_phi *phi, int degree)
{
  nke_status st = NKE_OK;
  double c[DEGREE + 1], scale[N];
  const double start = cpu_seconds();
  NKE_TRY(products(e));
  for (int64_t i = 0; i < N; i++) {
    scale[i] = sqrt(e->s[i * N + i]);
    NKE_TRY(nke_hermite_at(phi, scale[i], degree, c, NULL, NULL));
    for (int l = 0; l <= degree; l++) e->c[l * N + i] = c[l];
    scale[i] = 1 / scale[i];
  }
  for (int64_t i = 0; i < N; i++) {
    double *const k = e->k + i * N, rho[N];
    memset(k, 0, N * sizeof *k);
    for (int64_t j = 0; j < N; j++) rho[j] = e->s[i * N + j] * scale[i] * scale[j];
    for (int l = degree; l >= 0; l--) {
      const double *const cj = e->c + l * N, ci = cj[i];
#pragma omp simd
      for (int64_t j = 0; j < N; j++) k[j] = k[j] * rho[j] + ci * cj[j];
    }
  }
  report(e, name, "hermite", degree, cpu_seconds() - start);
done:
  return st;
}

static nke_status monte_carlo(experiment *e, const char *name, nke_phi *phi, int64_t width)
{
  nke_status st = NKE_OK;
  double seconds = 0;
  memset(e->k, 0, N * N * sizeof *e->k);
  for (int64_t first = 0; first < width; first += CHUNK) {
    const int64_t count = nke_min(CHUNK, width - first);
    for (int64_t i = 0; i < count * D; i++)
      e->w[i] = nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)(first * D + i));
    const double start = cpu_seconds();
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_TRANSPOSED, N, count, D, e->x, D, e->w, D, 0, e->a, count));
    NKE_TRY(nke_phi_eval(phi, N * count, e->a, e->a, NULL));
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_TRANSPOSED, N, N, count, e->a, count, e->a, count, 1, e->k, N));
    seconds += cpu_seconds() - start;
  }
  for (int64_t i = 0; i < N * N; i++) e->k[i] /= (double)width;
  report(e, name, "monte_carlo", width, seconds);
done:
  return st;
}

static nke_status run(experiment *e, const char *name)
{
  nke_status st = NKE_OK;
  nke_activation act;
  nke_phi *phi = NULL;
  NKE_TRY(nke_activation_init(&act, name, 0, NULL, NULL));
  NKE_TRY(nke_phi_create(&act, &phi));
  NKE_TRY(exact_kernel(e, &act));
  for (int degree = 1; degree <= DEGREE; degree++) NKE_TRY(hermite(e, name, phi, degree));
  for (int i = 0; i < WIDTHS; i++) NKE_TRY(monte_carlo(e, name, phi, (int64_t)32 << i));
done:
  nke_phi_destroy(&phi);
  return st;
}

int main(int argc, char **argv)
{
  static const char *const names[] = {"abs", "sin", "gaussian", "erf", "gelu", "relu"};
  nke_status st = NKE_OK;
  experiment e = {0};
  MPI_Init(&argc, &argv);
  nke_blas_set_threads(1);
  NKE_TRY(create(&e));
  printf("activation,method,size,error,seconds\n");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) NKE_TRY(run(&e, names[i]));
done:
  if (st != NKE_OK) fprintf(stderr, "bench_dual_error: %s\n", nke_error_text());
  clear(&e);
  MPI_Finalize();
  return nke_status_exit_code(st);
}
