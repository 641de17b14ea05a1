/* Small helpers over HDF5 shared by the reader of data and by our own files. Inside src/data. */
#ifndef NKE_DATA_HDF5_COMMON_H
#define NKE_DATA_HDF5_COMMON_H

#include "base/status.h"

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

/* Stop HDF5 from printing its error stack. */
void nke_hdf5_quiet(void);

/* Open a file on this process alone for reading, without file locks: parallel file systems often have none, and whoever
 * writes our files renames them when they are whole. Negative on failure. */
hid_t nke_hdf5_open_read(const char *path);

/* Whether the link `name` and every group on the way exist. */
bool nke_hdf5_exists(hid_t file, const char *name);

/* contents.c: "/train/x, /train/y", the data sets of the file, as many as fit; "none". */
void nke_hdf5_names(hid_t file, char *text, size_t size);

/* Rank and dimensions of a data set: at most max_rank dimensions, each below 2^62; false otherwise. */
bool nke_hdf5_dims(hid_t dataset, int max_rank, int *rank, int64_t *dims);

/* H5T_INTEGER or H5T_FLOAT where a value of this type is a number of at most 16 bytes, H5T_NO_CLASS otherwise: HDF5
 * sets room aside for whatever size a damaged type claims. */
H5T_class_t nke_hdf5_number(hid_t type);

/* The same of a data set's type. */
H5T_class_t nke_hdf5_dataset_number(hid_t dataset);

/* Bytes of the file that the object is in, 0 where they cannot be told. */
int64_t nke_hdf5_file_bytes(hid_t object);

/* NKE_ERR_DATA for values that HDF5 could not read (`what` of them): packed by a filter that is not installed, or
 * damaged. */
nke_status nke_hdf5_unreadable(hid_t dataset, const char *path, const char *name, const char *what);

/* Close whatever the handle is, if it is one. */
void nke_hdf5_close(hid_t handle);

/* A memory space of count and the box start, count of file_space selected; negative on failure. */
hid_t nke_hdf5_select(hid_t file_space, int rank, const int64_t *start, const int64_t *count);

#endif
