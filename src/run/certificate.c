#include "run/certificate.h"

#include "base/memory.h"
#include "base/rng.h"
#include "dist/collect.h"
#include "kernel/exact.h"
#include "num/gemm.h"
#include "run/score.h"

#include <math.h>
#include <string.h>

/* Rows of a side of a block at most: as many as the widest vectors take. Blocks at least, for the interval. Sign vectors
 * a block: one has a skewed square, which the interval would cover too seldom. */
enum { MOST_SIDE = 16, LEAST_BLOCKS = 32, MOST_PAIRS = 1000000000, VECTORS = 16 };

typedef struct sampler {
  nke_session *session;
  nke_exact *exact;
  uint64_t seed;
  int64_t n, d, side, blocks;
  double *sorted, *x, *norms, *kernel, *diagonal, *sketched; /* of 2 side rows; kernel [side, side], sketched Z Z' */
  void *z, *products; /* Z, and Z Z' as computed */
  double *e, *k, *eu, *ku; /* [blocks] */
} sampler;

static int64_t choose_side(int64_t pairs, int64_t n)
{
  const int64_t side = (int64_t)sqrt((double)pairs / LEAST_BLOCKS);
  return nke_max(1, nke_min(nke_min(side, MOST_SIDE), n / 2));
}

/* 2 side different rows in the order drawn. */
static void draw_rows(const sampler *s, int64_t block, int64_t *rows)
{
  const uint64_t stream = nke_stream(NKE_STREAM_SAMPLE, 4);
  int64_t drawn = 0;
  for (uint64_t t = 0; drawn < 2 * s->side; t++) {
    const double u = nke_random_uniform(s->seed, stream, ((uint64_t)block << 20) + t);
    const int64_t row = nke_min(s->n - 1, (int64_t)(u * (double)s->n));
    int64_t same = 0;
    while (same < drawn && rows[same] != row) same++;
    if (same == drawn) rows[drawn++] = row;
  }
}

/* Rows are read in ascending order and put back into the order drawn. */
static nke_status read_rows(const sampler *s, const int64_t *rows)
{
  nke_status st = NKE_OK;
  const int64_t count = 2 * s->side;
  int64_t ascending[2 * MOST_SIDE], place[2 * MOST_SIDE];
  for (int64_t i = 0; i < count; i++) {
    place[i] = 0;
    for (int64_t j = 0; j < count; j++) place[i] += rows[j] < rows[i];
    ascending[place[i]] = rows[i];
  }
  NKE_TRY(nke_dataset_read(s->session->train, count, ascending, s->sorted, NULL));
  for (int64_t i = 0; i < count; i++)
    memcpy(s->x + i * s->d, s->sorted + place[i] * s->d, (size_t)s->d * sizeof(double));
  st = nke_preprocess_apply(s->session->preprocess, count, s->x);
done:
  return st;
}

static void sum_block(const sampler *s, int64_t block)
{
  const int64_t side = s->side, count = 2 * side;
  const double n = (double)s->n, off = n * (n - 1) / (double)(side * side);
  double signs[VECTORS * MOST_SIDE], e = 0, k = 0, eu = 0, ku = 0;
  nke_random_signs(s->seed, nke_stream(NKE_STREAM_SAMPLE, 5 + (uint32_t)block), VECTORS * side, signs);
  for (int64_t i = 0; i < side; i++) {
    double error_v[VECTORS] = {0}, kernel_v[VECTORS] = {0};
    for (int64_t j = 0; j < side; j++) {
      const double exact = s->kernel[i * side + j], error = s->sketched[i * count + side + j] - exact;
      e += error * error;
      k += exact * exact;
      for (int64_t v = 0; v < VECTORS; v++) {
        error_v[v] += error * signs[v * side + j];
        kernel_v[v] += exact * signs[v * side + j];
      }
    }
    for (int64_t v = 0; v < VECTORS; v++) {
      eu += error_v[v] * error_v[v] / VECTORS;
      ku += kernel_v[v] * kernel_v[v] / VECTORS;
    }
  }
  double diagonal_e = 0, diagonal_k = 0;
  for (int64_t i = 0; i < count; i++) {
    const double error = s->sketched[i * count + i] - s->diagonal[i];
    diagonal_e += error * error * n / (double)count;
    diagonal_k += s->diagonal[i] * s->diagonal[i] * n / (double)count;
  }
  s->e[block] = off * e + diagonal_e;
  s->k[block] = off * k + diagonal_k;
  s->eu[block] = off * eu + diagonal_e;
  s->ku[block] = off * ku + diagonal_k;
}

/* Z Z' of the block's rows. */
static nke_status multiply(const sampler *s)
{
  const nke_precision precision = s->session->embedder.precision;
  const int64_t count = 2 * s->side, m = s->session->m;
  const nke_status st = nke_gemm(precision, NKE_PLAIN, NKE_TRANSPOSED, count, count, m, s->z, m, s->z, m, 0, s->products,
                                 count);
  if (st == NKE_OK) nke_score_to_double(precision, count * count, s->products, s->sketched);
  return st;
}

static nke_status sample_block(const sampler *s, int64_t block)
{
  nke_status st = NKE_OK;
  nke_session *const session = s->session;
  const int64_t side = s->side;
  const int ntk = session->config->embedding.kernel == NKE_KERNEL_NTK;
  int64_t rows[2 * MOST_SIDE];
  draw_rows(s, block, rows);
  NKE_TRY(read_rows(s, rows));
  NKE_TRY(nke_features_apply(session->features, 2 * side, s->x, s->z));
  NKE_TRY(multiply(s));
  NKE_TRY(nke_exact_norms(s->exact, 2 * side, s->x, s->norms));
  NKE_TRY(nke_exact_diagonal(s->exact, 2 * side, s->x, s->norms, ntk ? NULL : s->diagonal, ntk ? s->diagonal : NULL));
  NKE_TRY(nke_exact_block(s->exact, side, s->x, s->norms, side, s->x + side * s->d,
                          s->norms + side * nke_exact_norms_length(s->exact), ntk ? NULL : s->kernel,
                          ntk ? s->kernel : NULL, side));
  sum_block(s, block);
done:
  return st;
}

static nke_status sample_mine(sampler *s)
{
  nke_status st = NKE_OK;
  nke_session *const session = s->session;
  const int64_t count = 2 * s->side;
  int rank, size;
  MPI_Comm_rank(session->comm, &rank);
  MPI_Comm_size(session->comm, &size);
  NKE_TRY(nke_exact_create(session->config->network, session->config->run.precision, session->config->embedding.flip,
                           &s->exact));
  NKE_TRY(nke_alloc(count * s->d, sizeof *s->sorted, "sampled rows", &s->sorted));
  NKE_TRY(nke_alloc(count * s->d, sizeof *s->x, "sampled rows", &s->x));
  NKE_TRY(nke_alloc(count * nke_exact_norms_length(s->exact), sizeof *s->norms, "norms of sampled rows", &s->norms));
  NKE_TRY(nke_alloc(s->side * s->side, sizeof *s->kernel, "a sampled block", &s->kernel));
  NKE_TRY(nke_alloc(count, sizeof *s->diagonal, "a sampled diagonal", &s->diagonal));
  NKE_TRY(nke_alloc(count * count, sizeof *s->sketched, "a sampled sketch", &s->sketched));
  const size_t bytes = (size_t)nke_precision_bytes(session->embedder.precision);
  NKE_TRY(nke_alloc(count * count, bytes, "a sampled sketch", &s->products));
  NKE_TRY(nke_alloc(count * session->m, bytes, "sampled features", &s->z));
  for (int64_t b = rank; b < s->blocks; b += size) NKE_TRY(sample_block(s, b));
done:
  return st;
}

static void sampler_clear(sampler *s)
{
  nke_exact_destroy(&s->exact);
  nke_free(s->sorted);
  nke_free(s->x);
  nke_free(s->norms);
  nke_free(s->kernel);
  nke_free(s->diagonal);
  nke_free(s->sketched);
  nke_free(s->products);
  nke_free(s->z);
  nke_free(s->e);
}

nke_status nke_certificate_make(nke_session *session, int64_t pairs, uint64_t seed, nke_certificate *out)
{
  nke_status st = NKE_OK;
  const double begun = nke_seconds();
  const int64_t n = nke_dataset_originals(session->train);
  if (n < 2) return nke_fail(NKE_ERR_USAGE, "--validate-pairs: expected at least 2 training rows, got %lld", (long long)n);
  if (pairs > MOST_PAIRS)
    return nke_fail(NKE_ERR_USAGE, "--validate-pairs: expected at most %d, got %lld", MOST_PAIRS, (long long)pairs);
  sampler s = {.session = session, .seed = seed, .n = n, .d = nke_shape_length(session->shape)};
  s.side = choose_side(pairs, n);
  s.blocks = nke_max(LEAST_BLOCKS, nke_ceil_div(pairs, s.side * s.side));
  NKE_TRY(nke_agree(session->comm, nke_calloc(4 * s.blocks, sizeof *s.e, "sums of sampled blocks", &s.e)));
  s.k = s.e + s.blocks, s.eu = s.k + s.blocks, s.ku = s.eu + s.blocks;
  NKE_TRY(nke_agree(session->comm, sample_mine(&s)));
  nke_sum_over_ranks(session->comm, 4 * s.blocks, s.e); /* each has one owner: exact */
  out->pairs = s.blocks * s.side * s.side;
  out->frobenius = nke_ratio_root(nke_ratio_of_means(s.blocks, s.e, s.k));
  out->product = nke_ratio_root(nke_ratio_of_means(s.blocks, s.eu, s.ku));
  out->seconds = nke_spread_over_ranks(session->comm, nke_seconds() - begun).max;
done:
  sampler_clear(&s);
  return st;
}
