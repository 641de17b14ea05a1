#include "kernel/plane_run.h"

/* As many of the candidates as this CPU runs, which is a tail of them: each needs less than the one before. */
static const nke_plane_variant *const *usable(const nke_plane_variant *const candidates[4])
{
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
    return candidates;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return candidates + 1;
#endif
  return candidates + 2;
}

const nke_plane_variant *const *nke_plane_variants(nke_precision precision)
{
  static const nke_plane_variant *const single[] = {&nke_plane_f32_avx512, &nke_plane_f32_avx2, &nke_plane_f32_plain,
                                                    NULL};
  static const nke_plane_variant *const twice[] = {&nke_plane_f64_avx512, &nke_plane_f64_avx2, &nke_plane_f64_plain,
                                                   NULL};
  return usable(precision == NKE_SINGLE ? single : twice);
}
