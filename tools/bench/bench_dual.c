/* bench_dual: nanoseconds of one core a dual evaluation (k and kdot), for closed forms, series, and quadrature.
 *
 * Pairs as a kernel block asks for them: 100 rows by 200 columns, every row and column with its own variance. */
#include "num/dual.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROWS = 100, COLUMNS = 200, PAIRS = ROWS * COLUMNS };

static double cpu_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static nke_status run(const char *name, double variance, double rho_lo, double rho_hi, int pairs)
{
  nke_status st = NKE_OK;
  static double qx[PAIRS], qy[PAIRS], s[PAIRS], k[PAIRS], kdot[PAIRS];
  nke_activation act;
  nke_dual *dual = NULL;
  NKE_TRY(nke_activation_find(name) ? nke_activation_init(&act, name, 0, NULL, NULL)
                                    : nke_activation_init_formula(&act, name));
  NKE_TRY(nke_dual_create(&act, NKE_DUAL_TOLERANCE, &dual));
  for (int i = 0; i < pairs; i++) {
    qx[i] = variance * (1 + 0.003 * (i / COLUMNS));
    qy[i] = variance * (1 + 0.001 * (i % COLUMNS));
    s[i] = (rho_lo + (rho_hi - rho_lo) * ((i * 7919) % PAIRS) / PAIRS) * sqrt(qx[i] * qy[i]);
  }
  NKE_TRY(nke_dual_apply(dual, pairs, qx, qy, s, k, kdot));
  const double begun = cpu_seconds();
  NKE_TRY(nke_dual_apply(dual, pairs, qx, qy, s, k, kdot));
  printf("%-24s variance %-4g rho %5.2f to %-5.2f %10.1f ns  error %.1e\n", name, variance, rho_lo, rho_hi,
         1e9 * (cpu_seconds() - begun) / pairs, nke_dual_error(dual));
done:
  nke_dual_destroy(&dual);
  return st;
}

int main(void)
{
  static const char *const closed[] = {"relu",
                                       "leaky_relu",
                                       "erf",
                                       "gelu",
                                       "sin",
                                       "rbf",
                                       "exp",
                                       "gaussian",
                                       "gabor",
                                       "sign",
                                       "exp_normalized",
                                       "monomial",
                                       "rectified_monomial"};
  static const char *const numeric[] = {"tanh",
                                        "sigmoid",
                                        "softplus",
                                        "silu",
                                        "mish",
                                        "elu",
                                        "selu",
                                        "relu6",
                                        "softsign",
                                        "max(x,0)",
                                        "x*tanh(log(1+exp(x)))"};
  nke_status st = NKE_OK;
  MPI_Init(NULL, NULL);
  for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) NKE_TRY(run(closed[i], 1, -1, 1, PAIRS));
  for (size_t i = 0; i < sizeof numeric / sizeof *numeric; i++) {
    NKE_TRY(run(numeric[i], 1, -0.8, 0.8, PAIRS));
    NKE_TRY(run(numeric[i], 1, 0.95, 1, 200));
    NKE_TRY(run(numeric[i], 25, 0.95, 1, 200));
  }
done:
  if (st != NKE_OK) fprintf(stderr, "%s\n", nke_error_text());
  MPI_Finalize();
  return nke_status_exit_code(st);
}
