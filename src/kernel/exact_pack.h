/* Rows, images and tables in the layouts of plane_run.h (internal to exact*.c). */
#ifndef NKE_KERNEL_EXACT_PACK_H
#define NKE_KERNEL_EXACT_PACK_H

#include "kernel/plane_run.h"

#include <stdint.h>

/* Store double values as reals of a precision: out[i] = in[i]. Local, as all functions here. */
void nke_pack_rows(nke_precision precision, int64_t count, const double *in, void *out);

/* Image l of `lanes` into lane l, mirrored left-right on demand: x [n, d], 1 <= n <= lanes; lanes left over repeat
 * the last image, so that they hold a possible kernel too. */
void nke_pack_images(nke_precision precision, int lanes, nke_shape shape, int64_t n, const double *x, int mirror,
                     void *out);

/* Tables of n first images: out [n][table_length]. */
void nke_pack_first_tables(const nke_plane_variant *variant, const nke_plane_plan *plan, int64_t n, const double *norms,
                           void *out);

/* Tables of n <= groups * lanes second images, the last one repeated: out [table entry][lane], where with more than one
 * group each pixel's entries stand once a group. */
void nke_pack_tables(const nke_plane_variant *variant, const nke_plane_plan *plan, int groups, int64_t n,
                     const double *norms, int mirror, void *out);

#endif
