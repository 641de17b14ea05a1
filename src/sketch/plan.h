/* The plan behind sketch.h, and what the sketches share. Internal to src/sketch. */
#ifndef NKE_SKETCH_PLAN_H
#define NKE_SKETCH_PLAN_H

#include "num/fft.h"
#include "num/fwht.h"
#include "num/fwht_sample.h"
#include "sketch/kernels.h"
#include "sketch/sketch.h"

struct nke_sketch {
  const nke_sketch_kind *kind;
  const nke_sketch_kernels *k;
  nke_precision precision;
  int64_t n, m;
  int64_t length;   /* n padded for the transform */
  int copies;       /* of the sparse kinds */
  double scale;
  int32_t *index;   /* codes [n][copies], or the sampled coordinates */
  void *signs;      /* [n] */
  int8_t *sign_bytes; /* [n], of kinds that need no numbers */
  void *row, *work; /* [length], and the spectrum [length / 2 + 1] */
  nke_fwht_sample *sample;
  nke_fft *fft;
  int64_t bytes;
};

/* Allocation that is counted in sketch->bytes. */
nke_status nke_sketch_alloc(nke_sketch *sketch, int64_t count, size_t size, void *out);

/* out [length] = H (signs .* in), signs and in of n entries padded by zeros; out may be in. */
static inline void nke_signed_fwht(nke_precision precision, int64_t n, int64_t length, const int8_t *signs,
                                   const void *in, void *out)
{
  if (precision == NKE_SINGLE)
    nke_fwht_signed_f32(signs, in, n, out, length);
  else
    nke_fwht_signed_f64(signs, in, n, out, length);
}

/* Entry i of an array of the given precision. */
static inline void *nke_entry(nke_precision precision, const void *base, int64_t i)
{
  return (char *)(uintptr_t)base + i * nke_precision_bytes(precision);
}

static inline double nke_entry_get(nke_precision precision, const void *base, int64_t i)
{
  return precision == NKE_SINGLE ? (double)((const float *)base)[i] : ((const double *)base)[i];
}

static inline void nke_entry_set(nke_precision precision, void *base, int64_t i, double value)
{
  if (precision == NKE_SINGLE)
    ((float *)base)[i] = (float)value;
  else
    ((double *)base)[i] = value;
}

#endif
