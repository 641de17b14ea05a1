/* The shape of one row of data, or of what flows between two layers. */
#ifndef NKE_BASE_SHAPE_H
#define NKE_BASE_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

/* `axes` spatial axes: 0 for vectors of `channels` entries, 1 for signals (1 x width), 2 for images (height x width).
 * A row is stored with channels fastest, then width, then height. */
typedef struct nke_shape {
  int axes;
  int64_t height, width; /* 1 where the axis is missing */
  int64_t channels;      /* of the data; inside a network the width is infinite and this is 0 */
} nke_shape;

static inline int64_t nke_shape_pixels(nke_shape s) { return s.height * s.width; }
static inline int64_t nke_shape_length(nke_shape s) { return s.height * s.width * s.channels; }
static inline bool nke_shape_same(nke_shape a, nke_shape b)
{
  return a.axes == b.axes && a.height == b.height && a.width == b.width && a.channels == b.channels;
}

#endif
