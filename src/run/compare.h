/* The parts of `nke compare`: the exact kernel of data.train's rows once, then every sketch of the list against it. */
#ifndef NKE_RUN_COMPARE_H
#define NKE_RUN_COMPARE_H

#include "data/metrics.h"
#include "dist/blockcyclic.h"
#include "run/compare_measure.h"
#include "run/session.h"
#include "solve/eigen.h"
#include "solve/generalized.h"

#include <jansson.h>

/* Of Lanczos, at most, for the ends of a spectrum. */
enum { NKE_COMPARE_ITERATIONS = 200 };

/* One entry of compare.methods x compare.features x compare.seeds. */
typedef struct nke_compare_case {
  nke_embedding_options options;
  int64_t m;            /* length of its feature vectors */
  int64_t bytes;        /* of its plan */
  double flops_per_row;
} nke_compare_case;

/* How well a kernel, exact or sketched, predicts at the chosen lambda, and what it cost: wall seconds, all ranks. */
typedef struct nke_compare_result {
  nke_metrics loo, test; /* test: NaN without data.test */
  double dimension;      /* statistical dimension */
  double make_seconds;   /* exact: the kernel; sketch: the embedding */
  double gram_seconds;   /* Z Z' */
  double solve_seconds;  /* one lambda */
  double condition;      /* of the matrix plus shift, estimated */
} nke_compare_result;

typedef struct nke_compare {
  nke_session session; /* of the sketch at hand */
  int rank, ranks;
  int64_t n;
  int n_cases;
  nke_compare_case *cases;
  double flops_per_pair;       /* of the exact kernel */
  nke_embedding_options given; /* the config's own embedding */
  uint64_t hash;               /* of the config and the data: whose results a part file holds */
  nke_bcmat *kernel;          /* exact */
  double *targets;            /* [n, k], on every rank */
  double *diagonal, *spectrum; /* [n] of the exact kernel */
  double lambda, shift;       /* best by exact leave-one-out; shift: absolute, from the exact trace */
  nke_compare_result exact;
  int kernel_measured;        /* make_seconds was taken, not worked out from pairs */
  nke_cost pair;              /* core-seconds */
  double gram_rate, factor_rate; /* n m^2 and m^3 / 3 a core-second */
  int64_t exact_peak;         /* resident bytes of a rank once the exact kernel is done with */
  nke_generalized *against;   /* exact kernel + shift, factored */
  json_t *json;               /* rank 0: compare.json so far */
} nke_compare;

/* Before any work: the file of the exact kernel can be gone on with, or made. Statuses of nke_kernel_file_check().
 * Collective. */
nke_status nke_compare_exact_check(const nke_compare *compare);

/* Kernel, spectrum, lambda, scores, costs of the exact side. Collective, after nke_session_fit(). */
nke_status nke_compare_exact(nke_compare *compare);

/* One sketch against it: a row and a spectrum more in compare->json. Collective. */
nke_status nke_compare_sketch(nke_compare *compare, const nke_compare_case *which);

/* Leave-one-out, dimension, condition and the seconds of a solve for a kernel matrix of known eigenvalues; alpha [n, k]
 * comes back on every rank. shift: its own, lambda times its mean diagonal. NKE_ERR_NUMERIC where the matrix plus shift
 * is not positive definite: the dimension is known then. Collective. */
nke_status nke_compare_solve(nke_compare *compare, const nke_bcmat *kernel, const nke_eigen *eigen, double shift,
                             double *alpha, nke_compare_result *result);

/* The single values of a row, which compare.csv has as its columns, the method first; NULL at the end. */
extern const char *const nke_compare_columns[];

/* compare->json from the part file of an interrupted comparison of the same config and data, or empty. A damaged one,
 * by its rows or otherwise, is a warning, and the comparison starts anew. Collective. */
nke_status nke_compare_resume(nke_compare *compare);

/* Whether the json has the row already, on every rank. Collective. */
bool nke_compare_has(nke_compare *compare, const nke_compare_case *which);

/* Before any work: compare.json and compare.csv may be written. Collective; NKE_ERR_USAGE. */
nke_status nke_compare_output_check(const nke_compare *compare);

/* The file of the rows of a long sketch under way; the length, as snprintf(). Local. */
int nke_compare_rows_path(const nke_compare *compare, char *path, size_t size);

/* The part file; and at the end compare.json, compare.csv and the table, and the part files go. Collective. */
nke_status nke_compare_keep(nke_compare *compare);
nke_status nke_compare_finish(nke_compare *compare);
void nke_compare_part_remove(const nke_compare *compare);

#endif
