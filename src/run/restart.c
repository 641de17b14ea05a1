#define _POSIX_C_SOURCE 200809L /* setenv */
#include "run/restart.h"

#include "num/blas.h"

#include <stdlib.h>

int nke_restart_for_blas(void)
{
  static const char *const name = "OPENBLAS_CORETYPE";
  const char *const core = nke_blas_better_core(), *const given = getenv(name);
  return core && (!given || !*given) && setenv(name, core, 1) == 0;
}

void nke_threads_for_blas(void)
{
  static const char *const names[] = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"}; /* OpenBLAS's */
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *const given = getenv(names[i]);
    if (given && *given) return;
  }
  nke_blas_set_threads(1);
}
