/* The clock of the benchmarks. */
#ifndef NKE_BENCH_CPU_H
#define NKE_BENCH_CPU_H

#include <time.h>

/* CPU time of this process. */
static double cpu_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
