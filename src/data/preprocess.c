#include "data/preprocess.h"

#include "base/checked.h"
#include "base/memory.h"
#include "data/preprocess_steps.h"
#include "dist/split.h"
#include "num/gemm.h"

#include <math.h>
#include <string.h>

nke_status nke_preprocess_create(nke_shape shape, nke_preprocess **out)
{
  const nke_status st = nke_calloc(1, sizeof **out, "preprocessing", out);
  if (st == NKE_OK) (*out)->shape = shape;
  return st;
}

void nke_preprocess_destroy(nke_preprocess **preprocess)
{
  nke_preprocess *p = *preprocess;
  if (!p) return;
  for (int i = 0; i < NKE_PREPROCESS_MAX_STEPS; i++) {
    nke_free(p->steps[i].mean);
    nke_free(p->steps[i].scale);
    nke_free(p->steps[i].matrix);
  }
  nke_free(p);
  *preprocess = NULL;
}

nke_status nke_fitted_step_alloc(nke_preprocess *p, const nke_preprocess_step *step)
{
  nke_status st = NKE_OK;
  nke_fitted_step *f = &p->steps[p->n_steps];
  const int64_t d = nke_shape_length(p->shape);
  f->step = *step;
  switch (step->kind) {
    case NKE_PREPROCESS_STANDARDIZE:
      f->length = nke_standardize_length(p->shape);
      NKE_TRY(nke_calloc(f->length, sizeof *f->mean, "means", &f->mean));
      NKE_TRY(nke_calloc(f->length, sizeof *f->scale, "deviations", &f->scale));
      break;
    case NKE_PREPROCESS_LAYERNORM:
      f->length = 0;
      break;
    case NKE_PREPROCESS_ZCA:
      f->length = d;
      NKE_TRY(nke_calloc(d, sizeof *f->mean, "means", &f->mean));
      NKE_TRY(nke_calloc(d * d, sizeof *f->matrix, "whitening matrix", &f->matrix));
      break;
  }
done:
  return st;
}

double nke_preprocess_unseen(const nke_preprocess *p)
{
  double most = 1;
  for (int i = 0; i < p->n_steps; i++) most = fmax(most, p->steps[i].unseen);
  return most;
}

static void standardize(const nke_fitted_step *f, int64_t n, int64_t d, double *x)
{
  for (int64_t i = 0; i < n * d; i += f->length)
    for (int64_t c = 0; c < f->length; c++) x[i + c] = (x[i + c] - f->mean[c]) * f->scale[c];
}

static void layernorm(int64_t n, int64_t d, double *x)
{
  for (int64_t i = 0; i < n; i++) {
    double *row = x + i * d, sum = 0, square = 0, low = row[0], high = row[0];
    for (int64_t j = 0; j < d; j++) {
      sum += row[j];
      low = row[j] < low ? row[j] : low;
      high = row[j] > high ? row[j] : high;
    }
    for (int64_t j = 0; j < d; j++) {
      row[j] -= sum / (double)d;
      square += row[j] * row[j];
    }
    /* By min and max: the rounded mean of equal entries need not equal them. */
    const double scale = low < high ? sqrt((double)d / square) : 0;
    for (int64_t j = 0; j < d; j++) row[j] *= scale;
  }
}

/* Every product has NKE_BLOCK_ROWS rows, the missing ones zero, so that the BLAS rounds a row the same in any call. */
static nke_status zca(const nke_fitted_step *f, int64_t n, int64_t d, double *x)
{
  nke_status st = NKE_OK;
  double *centred = NULL, *product = NULL;
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * d, sizeof *centred, "whitening", &centred));
  NKE_TRY(nke_alloc(NKE_BLOCK_ROWS * d, sizeof *product, "whitening", &product));
  for (int64_t first = 0; first < n; first += NKE_BLOCK_ROWS) {
    const int64_t rows = nke_min(NKE_BLOCK_ROWS, n - first);
    for (int64_t i = 0; i < NKE_BLOCK_ROWS; i++)
      for (int64_t j = 0; j < d; j++) centred[i * d + j] = i < rows ? x[(first + i) * d + j] - f->mean[j] : 0;
    NKE_TRY(nke_gemm(NKE_DOUBLE, NKE_PLAIN, NKE_PLAIN, NKE_BLOCK_ROWS, d, d, centred, d, f->matrix, d, 0, product, d));
    memcpy(x + first * d, product, (size_t)(rows * d) * sizeof *x);
  }
done:
  nke_free(product);
  nke_free(centred);
  return st;
}

nke_status nke_preprocess_apply(const nke_preprocess *p, int64_t n, double *x)
{
  nke_status st = NKE_OK;
  const int64_t d = nke_shape_length(p->shape);
  for (int i = 0; i < p->n_steps; i++) {
    const nke_fitted_step *f = &p->steps[i];
    switch (f->step.kind) {
      case NKE_PREPROCESS_STANDARDIZE:
        standardize(f, n, d, x);
        break;
      case NKE_PREPROCESS_LAYERNORM:
        layernorm(n, d, x);
        break;
      case NKE_PREPROCESS_ZCA:
        NKE_TRY(zca(f, n, d, x));
        break;
    }
  }
done:
  return st;
}
