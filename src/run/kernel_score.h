/* Scores of the test rows by the kernel that `nke kernel` computed. */
#ifndef NKE_RUN_KERNEL_SCORE_H
#define NKE_RUN_KERNEL_SCORE_H

#include "data/metrics.h"
#include "run/session.h"

/* Metrics of session->test by the weights alpha [n, k], the same on every rank, from the test part of the kernel file at
 * `path`, whose identity the caller has checked. Each rank reads its share of the rows. Collective. */
nke_status nke_kernel_score_test(nke_session *session, const char *path, const double *alpha, nke_metrics *metrics);

#endif
