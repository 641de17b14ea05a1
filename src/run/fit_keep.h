/* What a fit that keeps its features loses if it is stopped: little of the embedding, as finished rows go to
 * <out>/features.part.h5. The solution itself starts again. */
#ifndef NKE_RUN_FIT_KEEP_H
#define NKE_RUN_FIT_KEEP_H

#include "run/fit_store.h"

/* Open the file of the fit's rows where its trainer keeps their features, and no Gram matrix for a checkpoint, and they
 * would take longer than checkpoint.seconds; with --force the one that is there goes first. Collective, once the
 * trainer is made. That it cannot be made is a warning; NKE_ERR_USAGE: it is another config's. Disk: the features. From
 * here on signals stop the fit where its rows or a phase end (NKE_STOPPED). */
nke_status nke_fit_keep_begin(nke_fit *fit);

/* nke_fit_store_rows(), by way of the file where there is one. Collective. */
nke_status nke_fit_keep_rows(nke_fit *fit, nke_fit_store *store);

/* At the end of a phase: NKE_STOPPED where a signal came and the file has the rows. Collective; one allreduce of an
 * int. */
nke_status nke_fit_keep_step(const nke_fit *fit);

/* Close the file, and give the signals back that it caught. Collective. */
void nke_fit_keep_end(nke_fit *fit);

/* The fit is saved: the file goes. Collective. */
void nke_fit_keep_remove(nke_fit *fit);

#endif
