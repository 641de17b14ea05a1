#include "run/synth_teacher.h"

#include "base/memory.h"
#include "base/rng.h"
#include "data/sums.h"
#include "num/gemm.h"

#include <math.h>

enum { STANDARDISE_ROWS = 65536, LARGEST_ROTATION = 8192, ROTATION_STREAM = 1000 };

void nke_teacher_destroy(nke_teacher **teacher)
{
  if (!teacher || !*teacher) return;
  for (int l = 0; l < (*teacher)->layers; l++) nke_free((*teacher)->weights[l]);
  for (int k = 0; k < 2; k++) nke_free((*teacher)->hidden[k]);
  nke_free((*teacher)->rotation);
  nke_free(*teacher);
  *teacher = NULL;
}

static void fill_normal(uint64_t seed, uint64_t stream, int64_t n, double scale, double *out)
{
  for (int64_t i = 0; i < n; i++) out[i] = scale * nke_random_normal(seed, stream, (uint64_t)i);
}

/* He's weights: variance 2 / fan-in. */
static nke_status draw_weights(nke_teacher *t)
{
  nke_status st = NKE_OK;
  for (int l = 0; l < t->layers; l++) {
    const int64_t n = t->width[l] * t->width[l + 1];
    NKE_TRY(nke_alloc(n, sizeof(double), "weights of the teacher", &t->weights[l]));
    fill_normal(t->seed, nke_stream(NKE_STREAM_SYNTH_TEACHER, (uint32_t)l), n, sqrt(2.0 / (double)t->width[l]),
                t->weights[l]);
  }
done:
  return st;
}

static double dot(int64_t n, const double *a, const double *b)
{
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* Gram-Schmidt on Gaussian rows, each row twice, which is orthogonal to rounding: a rotation drawn uniformly (Haar). */
static void orthonormalise(int64_t d, double *q)
{
  for (int64_t i = 0; i < d; i++) {
    double *const row = q + i * d;
    for (int64_t j = 0; j < 2 * i; j++) {
      const double *const other = q + (j % i) * d;
      const double along = dot(d, row, other);
      for (int64_t c = 0; c < d; c++) row[c] -= along * other[c];
    }
    const double scale = 1 / sqrt(dot(d, row, row));
    for (int64_t c = 0; c < d; c++) row[c] *= scale;
  }
}

/* Direction j gets the scale j^-p, all of them such that the mean variance of a column is 1. */
static nke_status draw_rotation(nke_teacher *t, double p)
{
  const int64_t d = t->d;
  const nke_status st = nke_alloc(d * d, sizeof(double), "the rotation of the rows", &t->rotation);
  if (st != NKE_OK) return st;
  fill_normal(t->seed, nke_stream(NKE_STREAM_SYNTH_TEACHER, ROTATION_STREAM), d * d, 1, t->rotation);
  orthonormalise(d, t->rotation);
  double total = 0;
  for (int64_t j = 0; j < d; j++) total += pow((double)(j + 1), -2 * p);
  for (int64_t j = 0; j < d; j++) {
    const double scale = sqrt((double)d / total) * pow((double)(j + 1), -p);
    for (int64_t c = 0; c < d; c++) t->rotation[j * d + c] *= scale;
  }
  return NKE_OK;
}

static nke_status make_rows(nke_teacher *t, nke_synth_part part, int64_t first, double *x)
{
  const int64_t n = NKE_SYNTH_BLOCK * t->d;
  const uint64_t stream = nke_stream(NKE_STREAM_SYNTH_X, (uint32_t)part), from = (uint64_t)(first * t->d);
  double *const z = t->rotation ? t->hidden[0] : x;
  for (int64_t i = 0; i < n; i++) z[i] = nke_random_normal(t->seed, stream, from + (uint64_t)i);
  if (!t->rotation) return NKE_OK;
  return nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, NKE_SYNTH_BLOCK, t->d, t->d, z, t->d, t->rotation, t->d, 0, x,
                  t->d);
}

/* The network's outputs for a block of rows, before they are standardised. */
static nke_status evaluate(nke_teacher *t, const double *x, double *out)
{
  nke_status st = NKE_OK;
  const double *in = x;
  for (int l = 0; l < t->layers; l++) {
    const int64_t a = t->width[l], b = t->width[l + 1];
    double *const to = l == t->layers - 1 ? out : t->hidden[l % 2];
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, NKE_SYNTH_BLOCK, b, a, in, a, t->weights[l], b, 0, to, b));
    if (l < t->layers - 1)
      for (int64_t i = 0; i < NKE_SYNTH_BLOCK * b; i++) to[i] = to[i] > 0 ? to[i] : 0;
    in = to;
  }
done:
  return st;
}

nke_status nke_teacher_block(nke_teacher *t, nke_synth_part part, int64_t first, double *x, double *y)
{
  nke_status st = NKE_OK;
  const uint64_t stream = nke_stream(NKE_STREAM_SYNTH_NOISE, (uint32_t)part);
  NKE_TRY(make_rows(t, part, first, x));
  NKE_TRY(evaluate(t, x, y));
  for (int64_t i = 0; i < NKE_SYNTH_BLOCK; i++)
    y[i] = (y[i] - t->mean) / t->deviation + t->noise * nke_random_normal(t->seed, stream, (uint64_t)(first + i));
done:
  return st;
}

/* Sums of y and y^2 over this rank's share of the rows [0, n). */
static nke_status sum_outputs(nke_teacher *t, int64_t n, nke_range mine, nke_dd sums[2])
{
  nke_status st = NKE_OK;
  double *x = NULL, y[NKE_SYNTH_BLOCK];
  NKE_TRY(nke_alloc(NKE_SYNTH_BLOCK * t->d, sizeof *x, "rows", &x));
  for (int64_t first = mine.begin; first < mine.end; first += NKE_SYNTH_BLOCK) {
    NKE_TRY(make_rows(t, NKE_SYNTH_TRAIN, first, x));
    NKE_TRY(evaluate(t, x, y));
    for (int64_t i = 0; i < NKE_SYNTH_BLOCK && first + i < n; i++) {
      sums[0] = nke_dd_add_double(sums[0], y[i]);
      sums[1] = nke_dd_add_double(sums[1], y[i] * y[i]);
    }
  }
done:
  nke_free(x);
  return st;
}

static nke_status standardise(MPI_Comm comm, nke_teacher *t, int64_t n)
{
  nke_status st = NKE_OK;
  nke_dd sums[2] = {{0, 0}, {0, 0}};
  if (n > STANDARDISE_ROWS) n = STANDARDISE_ROWS;
  NKE_TRY(nke_agree(comm, sum_outputs(t, n, nke_split_mine(comm, n), sums)));
  NKE_TRY(nke_dd_allreduce(comm, 2, sums));
  t->mean = nke_dd_round(sums[0]) / (double)n;
  const double variance = nke_dd_round(sums[1]) / (double)n - t->mean * t->mean;
  if (!(variance > 1e-12 * t->mean * t->mean) || !isfinite(variance)) {
    /* One row has no variance of its own. */
    if (n == 1 && isfinite(t->mean)) {
      t->deviation = 1;
      goto done;
    }
    st = nke_fail(NKE_ERR_NUMERIC,
                  "synth: the network's outputs do not vary; expected wider hidden layers or another seed");
    goto done;
  }
  t->deviation = sqrt(variance);
done:
  return st;
}

nke_status nke_teacher_check(const nke_config *config)
{
  const nke_config_synth *const synth = &config->synth;
  if (synth->spectrum == 0 || synth->d <= LARGEST_ROTATION) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "synth.spectrum: expected at most %d columns (synth.d), got %lld", LARGEST_ROTATION,
                  (long long)synth->d);
}

static nke_status prepare(nke_teacher *t, const nke_config *config)
{
  nke_status st = NKE_OK;
  const nke_config_synth *const synth = &config->synth;
  int64_t widest = synth->d;
  t->seed = config->run.seed;
  t->d = t->width[0] = synth->d;
  t->layers = synth->hidden.n + 1;
  for (int l = 0; l < synth->hidden.n; l++) {
    t->width[l + 1] = synth->hidden.at[l];
    widest = nke_max(widest, synth->hidden.at[l]);
  }
  t->width[t->layers] = 1;
  t->noise = sqrt(synth->noise);
  NKE_TRY(nke_teacher_check(config));
  NKE_TRY(draw_weights(t));
  if (synth->spectrum > 0) NKE_TRY(draw_rotation(t, synth->spectrum));
  for (int k = 0; k < 2; k++)
    NKE_TRY(nke_alloc(NKE_SYNTH_BLOCK * widest, sizeof(double), "hidden layers", &t->hidden[k]));
done:
  return st;
}

nke_status nke_teacher_create(MPI_Comm comm, const nke_config *config, nke_teacher **out)
{
  nke_status st = NKE_OK;
  nke_teacher *t = NULL;
  *out = NULL;
  st = nke_calloc(1, sizeof *t, "the teacher", &t);
  if (st == NKE_OK) st = prepare(t, config);
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(standardise(comm, t, config->synth.n));
  *out = t;
  t = NULL;
done:
  nke_teacher_destroy(&t);
  return st;
}

double nke_teacher_flops_per_row(const nke_config *config)
{
  const nke_config_synth *const synth = &config->synth;
  double flops = 0, in = (double)synth->d;
  for (int l = 0; l < synth->hidden.n; l++) {
    flops += 2 * in * (double)synth->hidden.at[l];
    in = (double)synth->hidden.at[l];
  }
  return flops + 2 * in + (synth->spectrum > 0 ? 2 * (double)synth->d * (double)synth->d : 0);
}

/* The weights, the rotation, and a block of the two widest layers at most. */
double nke_teacher_bytes(const nke_config *config)
{
  const nke_config_synth *const synth = &config->synth;
  double in = (double)synth->d, widest = in, numbers = synth->spectrum > 0 ? in * in : 0;
  for (int l = 0; l < synth->hidden.n; l++) {
    const double width = (double)synth->hidden.at[l];
    numbers += in * width;
    widest = fmax(widest, width);
    in = width;
  }
  return 8 * (numbers + in + 2 * NKE_SYNTH_BLOCK * widest);
}
