/* What a fit leaves: <out>/model.h5, <out>/report.json and a table on stdout. */
#ifndef NKE_RUN_FIT_OUTPUT_H
#define NKE_RUN_FIT_OUTPUT_H

#include "run/fit.h"

/* Before any work, and by --dry-run: the output folder can be made and written, and what is there is ours or --force
 * was given; nothing is written. Collective; NKE_ERR_OUTPUT, NKE_ERR_USAGE. */
nke_status nke_fit_output_check(const nke_fit *fit);

/* The same by trying it. */
nke_status nke_fit_output_try(const nke_fit *fit);

/* Write model and report, print the table. Collective; same status on all ranks. */
nke_status nke_fit_output_write(nke_fit *fit);

#endif
