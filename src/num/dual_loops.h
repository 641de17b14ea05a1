/* The loops that are hot in exact kernels, compiled for each instruction set. */
#ifndef NKE_NUM_DUAL_LOOPS_H
#define NKE_NUM_DUAL_LOOPS_H

#include <stdint.h>

/* Parameters p as in nke_activation; k and kdot of n triples, both outputs required. */
typedef void nke_dual_loop(const double *p, int64_t n, const double *qx, const double *qy, const double *s, double *k,
                           double *kdot);

nke_dual_loop nke_dual_abrelu_plain, nke_dual_abrelu_avx2, nke_dual_abrelu_avx512;
nke_dual_loop nke_dual_erf_plain, nke_dual_erf_avx2, nke_dual_erf_avx512;
nke_dual_loop nke_dual_gelu_plain, nke_dual_gelu_avx2, nke_dual_gelu_avx512;

/* A Hermite series of 8 * blocks terms at one rho: sum[0] from coefficients cx, cy of phi, sum[1] from dx, dy of phi'.
 */
typedef void nke_dual_series(int blocks, const double *cx, const double *cy, const double *dx, const double *dy,
                             double rho, double sum[2]);

nke_dual_series nke_dual_series_plain, nke_dual_series_avx2, nke_dual_series_avx512;

/* A weighted sum of the NKE_DUAL_NODES rows of data [NKE_DUAL_NODES, n]. */
enum { NKE_DUAL_NODES = 12 };
typedef void nke_dual_mix(int64_t n, const double a[NKE_DUAL_NODES], const double *data, double *row);

nke_dual_mix nke_dual_mix_plain, nke_dual_mix_avx2, nke_dual_mix_avx512;

#endif
