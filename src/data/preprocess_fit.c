/* Fitting. Statistics are taken about a provisional centre, the mean of the first block, so that squares do not cancel:
 * with s1 = sum (x - c) and s2 = sum (x - c)(x - c)', mean = c + s1 / n and C = (s2 - s1 s1' / n) / n. */
#include "base/checked.h"
#include "base/memory.h"
#include "data/preprocess_steps.h"
#include "data/sums.h"
#include "dist/collect.h"
#include "num/blas.h"
#include "num/gemm.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
  STATISTIC_ROWS = 512, /* rows a block of statistics */
  PANEL_COLUMNS = 256   /* columns a product of zca */
};

/* The running sums of one step. columns: channels or features. */
typedef struct statistics {
  int64_t columns;
  double *centre, *block;  /* [columns] */
  double *low;             /* smallest entries, then minus the largest: one MPI_MIN serves both [2, columns] */
  nke_dd *sum;             /* [columns] */
  nke_dd *square;          /* standardize [columns]; zca: lower triangle by rows [columns (columns + 1) / 2] */
  double *panel;           /* zca: [columns, PANEL_COLUMNS] */
} statistics;

typedef nke_status add_block(statistics *s, int64_t n, int64_t d, double *x);

static int64_t square_length(nke_preprocess_kind kind, int64_t columns)
{
  return kind == NKE_PREPROCESS_ZCA ? columns * (columns + 1) / 2 : columns;
}

/* What is of the size of a matrix. */
static void sums_of_squares_clear(statistics *s)
{
  nke_free(s->square);
  nke_free(s->panel);
  s->square = NULL;
  s->panel = NULL;
}

static void statistics_clear(statistics *s)
{
  sums_of_squares_clear(s);
  nke_free(s->centre);
  nke_free(s->block);
  nke_free(s->low);
  nke_free(s->sum);
  memset(s, 0, sizeof *s);
}

static nke_status statistics_init(statistics *s, nke_preprocess_kind kind, int64_t columns)
{
  nke_status st = NKE_OK;
  s->columns = columns;
  NKE_TRY(nke_calloc(columns, sizeof(double), "centre", &s->centre));
  NKE_TRY(nke_calloc(columns, sizeof(double), "block sums", &s->block));
  NKE_TRY(nke_calloc(2 * columns, sizeof(double), "extremes", &s->low));
  for (int64_t j = 0; j < 2 * columns; j++) s->low[j] = INFINITY;
  NKE_TRY(nke_calloc(columns, sizeof(nke_dd), "sums", &s->sum));
  NKE_TRY(nke_calloc(square_length(kind, columns), sizeof(nke_dd), "sums of squares", &s->square));
  if (kind == NKE_PREPROCESS_ZCA) NKE_TRY(nke_alloc(columns * PANEL_COLUMNS, sizeof(double), "products", &s->panel));
done:
  return st;
}

/* x -= centre by columns; block = the column sums of what remains, added to sum. */
static void add_sums(statistics *s, int64_t n, int64_t d, double *x)
{
  double *negative_high = s->low + s->columns;
  memset(s->block, 0, (size_t)s->columns * sizeof *s->block);
  for (int64_t i = 0; i < n * d; i += s->columns)
    for (int64_t j = 0; j < s->columns; j++) {
      s->low[j] = fmin(s->low[j], x[i + j]);
      negative_high[j] = fmin(negative_high[j], -x[i + j]);
      x[i + j] -= s->centre[j];
      s->block[j] += x[i + j];
    }
  for (int64_t j = 0; j < s->columns; j++) s->sum[j] = nke_dd_add_double(s->sum[j], s->block[j]);
}

static nke_status add_standardize(statistics *s, int64_t n, int64_t d, double *x)
{
  add_sums(s, n, d, x);
  memset(s->block, 0, (size_t)s->columns * sizeof *s->block);
  for (int64_t i = 0; i < n * d; i += s->columns)
    for (int64_t j = 0; j < s->columns; j++) s->block[j] += x[i + j] * x[i + j];
  for (int64_t j = 0; j < s->columns; j++) s->square[j] = nke_dd_add_double(s->square[j], s->block[j]);
  return NKE_OK;
}

/* The lower triangle of x'x by panels of columns, each a product of fixed shape. */
static nke_status add_zca(statistics *s, int64_t n, int64_t d, double *x)
{
  nke_status st = NKE_OK;
  add_sums(s, n, d, x);
  for (int64_t first = 0; first < d; first += PANEL_COLUMNS) {
    const int64_t width = nke_min(PANEL_COLUMNS, d - first);
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_TRANSPOSED, NKE_PLAIN, d - first, width, n, x + first, d, x + first, d, 0,
                     s->panel, width));
    for (int64_t i = first; i < d; i++) {
      nke_dd *row = s->square + i * (i + 1) / 2 + first;
      const double *product = s->panel + (i - first) * width;
      for (int64_t j = 0; j < nke_min(width, i - first + 1); j++) row[j] = nke_dd_add_double(row[j], product[j]);
    }
  }
done:
  return st;
}

/* Read block `block` of the training rows and apply the steps fitted so far. */
static nke_status read_block(nke_dataset *train, const nke_preprocess *p, int64_t block, int64_t *n, double *x)
{
  const int64_t first = block * STATISTIC_ROWS, end = nke_min(first + STATISTIC_ROWS, nke_dataset_originals(train));
  *n = end - first;
  const nke_status st = nke_dataset_read_range(train, (nke_range){first, end}, x, NULL);
  return st == NKE_OK ? nke_preprocess_apply(p, *n, x) : st;
}

/* The provisional centre, on rank 0: the column means of the first block. */
static nke_status find_centre(nke_dataset *train, const nke_preprocess *p, statistics *s, double *x)
{
  int64_t n;
  const int64_t d = nke_shape_length(p->shape);
  const nke_status st = read_block(train, p, 0, &n, x);
  if (st != NKE_OK) return st;
  for (int64_t i = 0; i < n * d; i += s->columns)
    for (int64_t j = 0; j < s->columns; j++) s->centre[j] += x[i + j];
  for (int64_t j = 0; j < s->columns; j++) s->centre[j] /= (double)(n * d / s->columns);
  return NKE_OK;
}

/* One pass over this rank's blocks, then the sums over the ranks. */
static nke_status sweep(MPI_Comm comm, nke_dataset *train, const nke_preprocess *p, nke_preprocess_kind kind,
                        statistics *s)
{
  nke_status st = NKE_OK;
  double *x = NULL;
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  const int64_t d = nke_shape_length(p->shape);
  add_block *add = kind == NKE_PREPROCESS_ZCA ? add_zca : add_standardize;

  st = nke_alloc(STATISTIC_ROWS * d, sizeof *x, "training rows", &x);
  if (st == NKE_OK && rank == 0) st = find_centre(train, p, s, x);
  NKE_TRY(nke_agree(comm, st));
  nke_share_bytes(comm, s->columns * (int64_t)sizeof *s->centre, s->centre);

  const nke_range blocks = nke_split(nke_ceil_div(nke_dataset_originals(train), STATISTIC_ROWS), size, rank);
  for (int64_t b = blocks.begin; b < blocks.end && st == NKE_OK; b++) {
    int64_t n;
    st = read_block(train, p, b, &n, x);
    if (st == NKE_OK) st = add(s, n, d, x);
  }
  NKE_TRY(nke_agree(comm, st));
  NKE_TRY(nke_dd_allreduce(comm, s->columns, s->sum));
  NKE_TRY(nke_dd_allreduce(comm, square_length(kind, s->columns), s->square));
  int extremes = 0;
  NKE_TRY(nke_to_int(2 * s->columns, "columns", &extremes));
  NKE_TRY_MPI(MPI_Allreduce(MPI_IN_PLACE, s->low, extremes, MPI_DOUBLE, MPI_MIN, comm));
done:
  nke_free(x);
  return st;
}

/* By min and max: the rounded mean of equal entries need not equal them. */
static bool column_varies(const statistics *s, int64_t j)
{
  return s->low[j] < -s->low[s->columns + j];
}

static nke_status finish_standardize(const statistics *s, double count, int step, nke_fitted_step *f)
{
  for (int64_t j = 0; j < s->columns; j++) {
    const double mean = nke_dd_round(s->sum[j]) / count;
    const double variance = nke_dd_round(s->square[j]) / count - mean * mean;
    f->mean[j] = s->centre[j] + mean;
    f->scale[j] = column_varies(s, j) && variance > 0 ? 1 / sqrt(variance) : 0;
    if (!isfinite(f->mean[j]) || !isfinite(variance) || !isfinite(f->scale[j]))
      return nke_fail(NKE_ERR_NUMERIC, "preprocessing step %d (standardize): column %lld: the variance overflows", step,
                      (long long)j);
  }
  return NKE_OK;
}

/* The covariance (lower triangle, column-major) from the sums, exactly 0 with a constant column; its mean diagonal in
 * *level. */
static void covariance(const statistics *s, double count, double *matrix, double *level)
{
  const int64_t d = s->columns;
  *level = 0;
  for (int64_t i = 0; i < d; i++) {
    const double mean = nke_dd_round(s->sum[i]) / count;
    for (int64_t j = 0; j <= i; j++)
      matrix[i + j * d] =
          column_varies(s, i) && column_varies(s, j)
              ? nke_dd_round(s->square[i * (i + 1) / 2 + j]) / count - mean * (nke_dd_round(s->sum[j]) / count)
              : 0;
    *level += matrix[i + i * d] / (double)d;
  }
}

/* (C + eps I)^(-1/2) = (V s)(V s)' with s = (w + eps)^(-1/4), from the eigenvectors V in the columns of v. */
static nke_status inverse_root(int64_t d, double *v, const double *w, double eps, double *out)
{
  for (int64_t k = 0; k < d; k++) {
    const double s = 1 / sqrt(sqrt(fmax(w[k], 0) + eps));
    for (int64_t i = 0; i < d; i++) v[i + k * d] *= s;
  }
  const nke_status st = nke_dsyrk('L', 'N', d, d, 1, v, d, 0, out, d);
  for (int64_t j = 0; j < d; j++)
    for (int64_t i = j + 1; i < d; i++) out[j + i * d] = out[i + j * d];
  return st;
}

/* A constant column stays exactly 0: a later standardize would make what rounding left of it as large as the others. */
static void keep_constant(const statistics *s, double deviation, nke_fitted_step *f)
{
  const int64_t d = s->columns;
  for (int64_t j = 0; j < d; j++) {
    if (column_varies(s, j)) continue;
    f->mean[j] = s->low[j];
    for (int64_t i = 0; i < d; i++) f->matrix[i + j * d] = f->matrix[j + i * d] = i == j ? 1 / deviation : 0;
  }
}

/* The eigenvalues w [d] of the covariance of `count` rows, of which eps is the ridge. */
static double unseen(int64_t d, const double *w, double eps, double count)
{
  double degrees = 0;
  for (int64_t j = 0; j < d; j++) degrees += fmax(w[j], 0) / (fmax(w[j], 0) + eps);
  return 1 / fmax(1 - degrees / count, 0.5 / count); /* their rank is below count, but for rounding */
}

/* On rank 0. */
static nke_status finish_zca(statistics *s, double count, int step, nke_fitted_step *f)
{
  nke_status st = NKE_OK;
  double *v = NULL, *w = NULL, level;
  const int64_t d = s->columns;
  NKE_TRY(nke_alloc(d * d, sizeof *v, "covariance", &v));
  NKE_TRY(nke_alloc(d, sizeof *w, "eigenvalues", &w));
  covariance(s, count, v, &level);
  for (int64_t j = 0; j < d; j++) f->mean[j] = s->centre[j] + nke_dd_round(s->sum[j]) / count;
  sums_of_squares_clear(s);
  if (!(level > 0 && isfinite(level)))
    NKE_TRY(nke_fail(NKE_ERR_NUMERIC, "preprocessing step %d (zca): expected a positive finite variance, got %g", step,
                     level));
  NKE_TRY(nke_dsyevd(d, v, w));
  f->unseen = unseen(d, w, f->step.eps * level, count);
  NKE_TRY(inverse_root(d, v, w, f->step.eps * level, f->matrix));
  keep_constant(s, sqrt(f->step.eps * level), f);
done:
  nke_free(w);
  nke_free(v);
  return st;
}

static nke_status fit_step(MPI_Comm comm, nke_dataset *train, nke_preprocess *p, const nke_preprocess_step *step)
{
  nke_status st = NKE_OK;
  statistics s = {0};
  int rank;
  MPI_Comm_rank(comm, &rank);
  const int64_t d = nke_shape_length(p->shape);
  nke_fitted_step *f = &p->steps[p->n_steps];
  st = nke_fitted_step_alloc(p, step);
  if (st == NKE_OK && f->length > 0) st = statistics_init(&s, step->kind, f->length);
  NKE_TRY(nke_agree(comm, st));
  if (f->length > 0) {
    NKE_TRY(sweep(comm, train, p, step->kind, &s));
    const double count = (double)(nke_dataset_originals(train) * (d / f->length));
    if (step->kind == NKE_PREPROCESS_STANDARDIZE) NKE_TRY(finish_standardize(&s, count, p->n_steps + 1, f));
    if (step->kind == NKE_PREPROCESS_ZCA) {
      if (rank == 0) st = finish_zca(&s, count, p->n_steps + 1, f);
      statistics_clear(&s);
      NKE_TRY(nke_agree(comm, st));
      nke_share_bytes(comm, d * (int64_t)sizeof *f->mean, f->mean);
      nke_share_bytes(comm, d * d * (int64_t)sizeof *f->matrix, f->matrix);
    }
  }
  p->n_steps++;
done:
  statistics_clear(&s);
  return st;
}

int64_t nke_preprocess_fit_bytes(int n_steps, const nke_preprocess_step *steps, nke_shape shape)
{
  const int64_t d = nke_shape_length(shape);
  int64_t held = 0, peak = 0;
  for (int i = 0; i < n_steps; i++) {
    int64_t work = 8 * STATISTIC_ROWS * d;
    if (steps[i].kind == NKE_PREPROCESS_ZCA) {
      held += 8 * d * d;
      const int64_t sums = square_length(steps[i].kind, d) * (int64_t)sizeof(nke_dd) + 8 * d * PANEL_COLUMNS;
      const int64_t read = work + 2 * 8 * NKE_BLOCK_ROWS * d;
      work = nke_max(sums + nke_max(read, 8 * d * d), 8 * d * d + nke_dsyevd_bytes(d));
    }
    peak = nke_max(peak, held + work);
  }
  return peak;
}

static nke_status check_steps(int n_steps, const nke_preprocess_step *steps, nke_shape shape, int64_t memory_bytes)
{
  if (n_steps > NKE_PREPROCESS_MAX_STEPS)
    return nke_fail(NKE_ERR_USAGE, "data.preprocess: expected at most %d steps, got %d", NKE_PREPROCESS_MAX_STEPS,
                    n_steps);
  const int64_t d = nke_shape_length(shape);
  for (int i = 0; i < n_steps; i++) {
    if (steps[i].kind != NKE_PREPROCESS_ZCA) continue;
    if (!(steps[i].eps > 0 && isfinite(steps[i].eps)))
      return nke_fail(NKE_ERR_USAGE, "data.preprocess: step %d: zca: expected a positive number, got %g", i + 1,
                      steps[i].eps);
    if (d > NKE_ZCA_MAX_LENGTH)
      return nke_fail(NKE_ERR_USAGE, "data.preprocess: step %d: zca: expected rows of at most %d entries, got %lld",
                      i + 1, NKE_ZCA_MAX_LENGTH, (long long)d);
  }
  const int64_t bytes = nke_preprocess_fit_bytes(n_steps, steps, shape);
  if (bytes > memory_bytes)
    return nke_fail(NKE_ERR_USAGE, "data.preprocess: needs %.1f MiB on a rank for rows of length %lld, "
                    "run.memory_per_rank leaves %.1f", (double)bytes / 1048576, (long long)d,
                    (double)memory_bytes / 1048576);
  return NKE_OK;
}

nke_status nke_preprocess_fit(MPI_Comm comm, nke_dataset *train, int n_steps, const nke_preprocess_step *steps,
                              int64_t memory_bytes, nke_preprocess **out)
{
  nke_status st = NKE_OK;
  nke_preprocess *p = NULL;
  *out = NULL;
  const int threads = nke_blas_set_threads(1); /* the number of threads must not change a bit either */
  st = check_steps(n_steps, steps, nke_dataset_shape(train), memory_bytes);
  if (st == NKE_OK) st = nke_preprocess_create(nke_dataset_shape(train), &p);
  NKE_TRY(nke_agree(comm, st));
  for (int i = 0; i < n_steps; i++) NKE_TRY(fit_step(comm, train, p, &steps[i]));
  *out = p;
  p = NULL;
done:
  nke_blas_set_threads(threads);
  nke_preprocess_destroy(&p);
  return st;
}
