/* Sample files for the tests of src/data: made by rank 0 in a folder of their own, removed at the end. */
#ifndef NKE_TESTS_DATA_SAMPLE_H
#define NKE_TESTS_DATA_SAMPLE_H

#include <hdf5.h>
#include <mpi.h>
#include <stdint.h>

/* The folder, the same on every rank. */
const char *sample_folder(void);

/* folder/name in a static buffer of the caller. */
void sample_path(const char *name, char path[512]);

/* Rank 0 makes, or opens, folder/name and writes a data set; chunk NULL: contiguous; level 0: no compression. The
 * values are given as double and stored as `type`. Collective. */
void sample_write(const char *name, const char *dataset, hid_t type, int rank, const hsize_t *dims,
                  const hsize_t *chunk, int level, const double *values);

/* Rank 0 writes raw bytes. Collective. */
void sample_bytes(const char *name, const void *bytes, size_t size);

/* The folder with all that is in it goes. Collective. */
void sample_remove(void);

/* A deterministic normal number. */
double sample_normal(uint64_t stream, uint64_t index);

#endif
