/* report.json and what goes into it. Keys are stable; numbers that are not known are null. */
#ifndef NKE_RUN_REPORT_H
#define NKE_RUN_REPORT_H

#include "base/timer.h"
#include "data/metrics.h"
#include "run/config.h"

#include <jansson.h>
#include <mpi.h>
#include <stdbool.h>

/* The keys every command shares: command, version, git, config (resolved, as YAML text), seed, ranks, threads, kernel,
 * method, seconds.* (max over ranks), seconds_min, seconds_mean, peak_rss_bytes (max over ranks), flops.* and
 * gflops_per_second.* (all ranks), bytes_sent, messages_sent, host. The caller adds its own and frees with json_decref.
 * Collective; *out is NULL on ranks other than 0. */
nke_status nke_report_create(MPI_Comm comm, const char *command, const nke_config *config, const nke_stats *stats,
                             json_t **out);

/* {accuracy, mse, rmse, r2, rows} with null for NaN. */
json_t *nke_report_metrics(const nke_metrics *metrics);

/* A number, null for NaN and infinity. */
json_t *nke_report_number(double value);

/* Before any work: NKE_ERR_USAGE where <folder>/<name> is there, is no report of ours (JSON with `command` and
 * `version`, or with header not NULL text that begins with it), and `force` is false; NKE_ERR_OUTPUT where the folder
 * cannot be made or written. Makes nothing. Collective. */
nke_status nke_report_check(MPI_Comm comm, const char *folder, const char *name, const char *header, bool force);

/* The text and the end of its last line under a temporary name, then rename. Local; NKE_ERR_OUTPUT. */
nke_status nke_report_write_text(const char *path, const char *text);

/* Write to <folder>/<name> under a temporary name, then rename, by rank 0; json may be NULL on the others and is not
 * freed. Collective; NKE_ERR_OUTPUT on all ranks. */
nke_status nke_report_write(MPI_Comm comm, const char *folder, const char *name, json_t *json);

#endif
