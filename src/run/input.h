/* The config's data sets as the commands read them: through data.sketch where that is asked for. */
#ifndef NKE_RUN_INPUT_H
#define NKE_RUN_INPUT_H

#include "run/config.h"

#include <stdbool.h>
#include <stddef.h>

/* Open a data set of the config. Collective. Its rows x are read as S x, S: R^d -> R^columns of data.sketch, with
 * E<S x, S x'> = <x, x'> (sketch.h), so that the network sees the sketch in place of the row. S depends on run.seed and
 * data.sketch alone; the columns of a narrower file are its first ones. Rows stored sparse cost O(entries + columns).
 * Kind auto is settled by the first data set opened: osnap where that stores its rows sparse, wider than
 * data.sketch.columns, and features are asked for; else none. Statuses of nke_dataset_open(); NKE_ERR_USAGE where rows
 * that have a sketch are images, are in memory, or are to be preprocessed.
 * Of its chunks an HDF5 array keeps an eighth of run.memory_per_rank at most.
 * data.layout columns: rows wider than a rank's memory, see input_wide.h; settled by the first data set opened too,
 * where a block of its rows is more than half of run.memory_per_rank.
 * NKE_ERR_DATA for rows that an srft would pad to another length than those before (data.sketch.period): it would be
 * another S. */
nke_status nke_input_open(MPI_Comm comm, nke_config *config, const nke_data_spec *spec, nke_dataset **out);

/* nke_data_spec.least of rows that follow training rows of d columns: d where those are libsvm text too, read as they
 * are; else 0. Local. */
int64_t nke_input_least(const nke_config *config, int64_t d);

/* NKE_ERR_USAGE where the file to be written at `output` is one that `dataset` (NULL: none) is read from: no force
 * helps. option: what is to be given another value. Collective. */
nke_status nke_input_spare(MPI_Comm comm, const nke_dataset *dataset, const char *output, const char *option);

/* The line that says so of any file. */
nke_status nke_input_in_use(const char *output, const char *option);

/* text <- the fingerprints of the data sets (NULL: none), by name, of their rows and, where `targets`, targets: what
 * goes on from an earlier run goes on only with the same. Collective. */
nke_status nke_input_fingerprint(MPI_Comm comm, nke_dataset *train, nke_dataset *validation, nke_dataset *test,
                                 bool targets, char *text, size_t size);
enum { NKE_INPUT_FINGERPRINT = 96 };

/* What two different identities that end in NKE_INPUT_DATA and a fingerprint are of, to be said in an error line.
 * Local. */
#define NKE_INPUT_DATA ", data "
const char *nke_input_other(const char *stored, const char *now);

#endif
