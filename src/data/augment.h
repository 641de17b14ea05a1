/* Augmentation: copies of image rows, mirrored and moved at random. */
#ifndef NKE_DATA_AUGMENT_H
#define NKE_DATA_AUGMENT_H

#include "base/shape.h"
#include "base/status.h"

#include <stdbool.h>

typedef struct nke_augment {
  int64_t copies; /* of a row, the first as the file has it; 0 or 1: no others */
  bool flip;      /* each copy mirrored left-right with probability 1/2 */
  int64_t shift;  /* each copy moved by a uniform whole number of pixels in [-shift, shift] along each axis */
  uint64_t seed;
} nke_augment;

/* NKE_ERR_USAGE where the rows have no axes, nothing would tell the copies apart, or a shift reaches past the image.
 * Local. */
nke_status nke_augment_check(const nke_augment *augment, nke_shape shape);

/* x [length of shape] <- copy `copy` (at least 1) of row `row`. What comes in at an edge is the image mirrored there, so
 * that its mean and contrast stay. scratch [length of shape]. Depends on the arguments alone: the draws are words 0 (flip),
 * 1 and 2 (rows, columns) of counter `row` in (seed, NKE_STREAM_AUGMENT, copy). Local; O(length). */
void nke_augment_row(const nke_augment *augment, nke_shape shape, int64_t row, int64_t copy, double *x, double *scratch);

#endif
