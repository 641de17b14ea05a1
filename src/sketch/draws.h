/* The random tables of the sketches. An operator is data: a table depends on (seed, stream number, dimensions) only, so
 * any rank can make any operator, and entry i of a table of signs or buckets does not depend on the table's length. */
#ifndef NKE_SKETCH_DRAWS_H
#define NKE_SKETCH_DRAWS_H

#include "base/checked.h"
#include "base/status.h"

#include <stdint.h>

/* Where random tables come from: each table takes the next number of NKE_STREAM_SKETCH. */
typedef struct nke_draws {
  uint64_t seed;
  uint32_t next;
} nke_draws;

/* out[i] = +scale or -scale for coordinate first + i, i < n, in `precision`. Local. */
void nke_draw_signs(nke_draws *draws, nke_precision precision, int64_t first, int64_t n, double scale, void *out);

/* The same signs as +1 or -1 for i < n. Local. */
void nke_draw_sign_bytes(nke_draws *draws, int64_t n, int8_t *out);

/* out[i] uniform in [0, range), independent; range <= 2^31. Local. */
void nke_draw_indices(nke_draws *draws, int64_t n, int64_t range, int32_t *out);

/* Signed buckets: out[i * copies + b] = 2 * bucket + (1 for the sign -1), bucket uniform in the b-th of `copies` nearly
 * equal parts of [0, range), for the coordinates i = first .. first + n - 1. range < 2^30. Local. */
void nke_draw_buckets(nke_draws *draws, int64_t first, int64_t n, int copies, int64_t range, int32_t *out);

/* m different numbers of [0, n), every set equally likely, ascending. Local; O(n). */
nke_status nke_draw_subset(nke_draws *draws, int64_t m, int64_t n, int32_t *out);

#endif
