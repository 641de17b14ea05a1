/* The rate at which one core adds vectors that stay in registers: the limit that loops of additions and
 * multiply-adds are held against. Included by the benchmarks. */
#ifndef NKE_BENCH_LIMIT_H
#define NKE_BENCH_LIMIT_H

#include "cpu.h"

/* Additions a second from registers, the best of some trials of a millisecond: 12 independent chains of the widest
 * vectors hide the latency. */
#define ADDITIONS(NAME, TARGET, VECTOR, INSTRUCTION)                                                                   \
  typedef float VECTOR __attribute__((vector_size(TARGET)));                                                           \
  static double NAME(int trials)                                                                                       \
  {                                                                                                                    \
    double best = 0;                                                                                                   \
    for (int trial = 0; trial < trials; trial++) {                                                                     \
      const int rounds = 400000;                                                                                       \
      const double start = cpu_seconds();                                                                              \
      for (int i = 0; i < rounds; i++)                                                                                 \
        __asm__ volatile(INSTRUCTION("0") INSTRUCTION("1") INSTRUCTION("2") INSTRUCTION("3") INSTRUCTION("4")          \
                             INSTRUCTION("5") INSTRUCTION("6") INSTRUCTION("7") INSTRUCTION("8") INSTRUCTION("9")      \
                                 INSTRUCTION("10") INSTRUCTION("11")::                                                 \
                                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                                       "xmm10", "xmm11", "xmm15");                                                     \
      const double rate = 12.0 * rounds * (TARGET / 4) / (cpu_seconds() - start);                                      \
      best = rate > best ? rate : best;                                                                                \
    }                                                                                                                  \
    return best;                                                                                                       \
  }
#define ADD_ZMM(i) "vaddps %%zmm15, %%zmm" i ", %%zmm" i "\n\t"
#define ADD_YMM(i) "vaddps %%ymm15, %%ymm" i ", %%ymm" i "\n\t"
#define ADD_XMM(i) "addps %%xmm15, %%xmm" i "\n\t"
ADDITIONS(additions_avx512, 64, vector64, ADD_ZMM)
ADDITIONS(additions_avx2, 32, vector32, ADD_YMM)
ADDITIONS(additions_plain, 16, vector16, ADD_XMM)

/* Of the variant that is number `level` from below: plain, AVX2, AVX-512; no more than this CPU has. */
static double additions_per_second(int level, int trials)
{
  if (level >= 3 && __builtin_cpu_supports("avx512f")) return additions_avx512(trials);
  return level >= 2 && __builtin_cpu_supports("avx2") ? additions_avx2(trials) : additions_plain(trials);
}

#endif
