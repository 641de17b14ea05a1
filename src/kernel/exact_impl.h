/* What exact.c and exact_self.c share. */
#ifndef NKE_KERNEL_EXACT_IMPL_H
#define NKE_KERNEL_EXACT_IMPL_H

#include "kernel/exact.h"
#include "kernel/exact_pack.h"

struct nke_exact {
  nke_plane_plan *plan;
  const nke_plane_variant *variant; /* of blocks */
  const nke_plane_variant *precise; /* of norms and diagonals: double */
  int flip;
};

static inline int64_t row_length(const nke_exact *exact) { return nke_shape_length(exact->plan->input); }

#endif
