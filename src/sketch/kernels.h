/* The inner loops of the sketches, one table for each precision and instruction set. Arrays are float or double by the
 * table's precision, of any length and alignment, and do not overlap unless it says so. */
#ifndef NKE_SKETCH_KERNELS_H
#define NKE_SKETCH_KERNELS_H

#include "base/checked.h"

#include <stdint.h>

typedef struct nke_sketch_kernels {
  /* out = table .* in for n entries, then zeros up to `padded`; out may be in. */
  void (*multiply_pad)(int64_t n, const void *table, const void *in, int64_t padded, void *out);
  /* out = a .* b; out may be a or b. */
  void (*multiply)(int64_t n, const void *a, const void *b, void *out);
  /* out = scale a .* b; out may be a or b. */
  void (*multiply_scaled)(int64_t n, double scale, const void *a, const void *b, void *out);
  /* out = scale in; out may be in. */
  void (*scale)(int64_t n, double scale, const void *in, void *out);
  /* out += scale table .* (c + in). */
  void (*add_shifted)(int64_t n, double scale, double c, const void *table, const void *in, void *out);
  /* out = (scale out + c) .* in, a step of Horner's rule. */
  void (*horner)(int64_t n, double scale, double c, const void *in, void *out);
  /* out = a .* b, n complex numbers as (re, im) pairs; out may be a or b. */
  void (*multiply_complex)(int64_t n, const void *a, const void *b, void *out);
  /* out[i] = scale in[index[i]]. */
  void (*gather)(int64_t n, const int32_t *index, double scale, const void *in, void *out);
  /* out[i] *= scale in[index[i]]. */
  void (*gather_multiply)(int64_t n, const int32_t *index, double scale, const void *in, void *out);
  /* out[code / 2] +-= scale in[i] for the `copies` codes of coordinate i (odd codes subtract). */
  void (*scatter)(int64_t n, int copies, const int32_t *code, double scale, const void *in, void *out);
  /* The same for the non-zeros in[k] of the coordinates index[k]. */
  void (*scatter_sparse)(int64_t nnz, const int64_t *index, int copies, const int32_t *code, double scale,
                         const void *in, void *out);
} nke_sketch_kernels;

/* The table for this processor. Local. */
const nke_sketch_kernels *nke_sketch_kernels_get(nke_precision precision);

#endif
