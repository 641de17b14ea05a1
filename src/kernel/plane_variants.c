#include "kernel/plane_run.h"

#include "num/simd.h"

/* As many of the candidates as this CPU runs, which is a tail of them: each needs less than the one before. */
static const nke_plane_variant *const *usable(const nke_plane_variant *const candidates[4])
{
  return candidates + (NKE_SIMD_AVX512 - nke_simd_best());
}

const nke_plane_variant *const *nke_plane_variants(nke_precision precision)
{
  static const nke_plane_variant *const single[] = {&nke_plane_f32_avx512, &nke_plane_f32_avx2, &nke_plane_f32_plain,
                                                    NULL};
  static const nke_plane_variant *const twice[] = {&nke_plane_f64_avx512, &nke_plane_f64_avx2, &nke_plane_f64_plain,
                                                   NULL};
  return usable(precision == NKE_SINGLE ? single : twice);
}
