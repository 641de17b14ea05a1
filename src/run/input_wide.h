/* Rows wider than one rank's memory (data.layout: columns), sketched as they are opened. */
#ifndef NKE_RUN_INPUT_WIDE_H
#define NKE_RUN_INPUT_WIDE_H

#include "run/input.h"

/* Number of the input sketch's stream: far from those that the embedding's own sketches count up from 0. */
#define NKE_INPUT_STREAM (UINT32_C(1) << 31)

/* Replace `dataset` by its sketched rows. Each rank reads its columns of every row, 1 / ranks of it; the sketch is that
 * of the rows layout, by countsketch or srft (wide.h), equal to rounding at any number of ranks. Collective; one pass
 * over the file. Every rank then holds all sketches: 8 n data.sketch.columns bytes; NKE_ERR_USAGE where that is more
 * than half of run.memory_per_rank, for kinds none and osnap, and where the file is no HDF5 array [n, d]. */
nke_status nke_input_gather(MPI_Comm comm, nke_config *config, const nke_data_spec *spec, nke_dataset *dataset,
                            nke_dataset **out);

#endif
