/* The inner loops of the gated random features, one table for each precision and instruction set.
 * All arrays are float or double by the table's precision; those of gather and patches are aligned to NKE_ALIGN, and of
 * lengths that are multiples of 16. */
#ifndef NKE_KERNEL_GATED_KERNELS_H
#define NKE_KERNEL_GATED_KERNELS_H

#include "base/checked.h"
#include "num/activation.h"

#include <stdint.h>

/* Cyclic shifts are multiples of this many entries, on every instruction set: the operator is the same everywhere. */
enum { NKE_GATED_LANES = 16, NKE_GATED_TILE = 4 /* patches multiplied at a time */ };

/* size and slope times cos(step a + phase): the features of exp-normalized, which has no activation, and of its
 * derivative. */
typedef struct nke_gated_wave {
  double step, size, slope;
  const void *phase; /* [n] */
} nke_gated_wave;

typedef struct nke_gated_kernels {
  const char *isa;

  /* out[i] = scale * sum_t sign_t[j] common[j] in_t[j] with j = (i + shift_t) mod n; n a power of two, shifts multiples
   * of 16. signs or common NULL: no such signs. A NULL in_t is a tap outside the image and counts as zero. */
  void (*gather)(int64_t n, int n_taps, const void *const *in, const int32_t *shift, const void *const *signs,
                 const void *common, double scale, void *out);

  void (*scale_by)(int64_t n, const void *table, const void *in, void *out); /* out = table .* in */
  void (*add)(int64_t n, const void *in, void *out);                          /* out += in */
  void (*scale)(int64_t n, double c, const void *in, void *out);              /* out = c in */
  void (*add_scaled)(int64_t n, double c, const void *in, void *out);         /* out += c in */
  double (*norm2)(int64_t n, const void *in);                                 /* sum in^2 */

  /* phi and phi' of the activation at n points; returns 0 where this kind has no vector code here. */
  int (*eval)(const nke_activation *act, int64_t n, const void *a, void *phi, void *dphi);

  /* s += table .* phi, and where g is given t += c * dphi .* g; `fresh`: = instead of +=. */
  void (*gate)(int64_t n, int fresh, const void *table, double c, const void *phi, const void *dphi, const void *g,
               void *s, void *t);
  /* The same for relu, straight from the pre-activation a. */
  void (*gate_relu)(int64_t n, int fresh, const void *table, double c, const void *a, const void *g, void *s, void *t);

  /* The same for phi = size y and phi' = slope y, y = cos(step a + phase). */
  void (*gate_wave)(int64_t n, int fresh, const void *table, double c, const nke_gated_wave *wave, const void *a,
                    const void *g, void *s, void *t);

  /* out [NKE_GATED_TILE][m] = x [NKE_GATED_TILE][stride] times w, which is stored as [m / 16][d][16]; only the first d
   * entries of a row of x count. */
  void (*patches)(int64_t d, int64_t m, const void *x, int64_t stride, const void *w, void *out);

  void (*from_double)(int64_t n, double scale, const double *in, void *out);
  void (*to_double)(int64_t n, const void *in, double *out);
  /* The first index whose entry is NaN or infinite, n if there is none. */
  int64_t (*find_nonfinite)(int64_t n, const void *in);
} nke_gated_kernels;

/* The table for this processor. Local. */
const nke_gated_kernels *nke_gated_kernels_get(nke_precision precision);

#endif
