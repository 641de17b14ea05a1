/* The open file that h5file.c, h5file_arrays.c and h5file_attributes.c share. Inside src/data. */
#ifndef NKE_DATA_H5FILE_IMPL_H
#define NKE_DATA_H5FILE_IMPL_H

#include "data/h5file.h"
#include "data/hdf5_common.h"

/* A data set once used stays open until the file closes: opening costs metadata reads at every block. */
typedef struct nke_open_dataset {
  struct nke_open_dataset *next;
  char *name;
  hid_t id;
} nke_open_dataset;

struct nke_h5file {
  MPI_Comm comm;
  int rank;
  hid_t file; /* of one opened for reading, on other ranks than 0, from their first read on */
  char *path;
  char *part; /* temporary name of a new file; NULL once it is gone or for an existing file */
  char *spare_name;
  int spare; /* rank 0, new file: descriptor of a file that keeps room on the disk and other runs away; -1: none */
  int fd;    /* of a file opened for update, to flush what this rank wrote; -1: none */
  int64_t held; /* bytes that this rank has written since it last set the disk to them */
  nke_open_dataset *open;
};

/* Open an existing file for reading on this rank. NKE_ERR_DATA as nke_h5file_open(). Local. */
nke_status nke_h5file_open_here(nke_h5file *file);

/* Whether the file may grow by `bytes` under the system's limit on the size of a file (ulimit -f) and, asked on rank 0
 * of a new file, the file system's. To be asked before: once a file is past the limit HDF5 cannot close it, and crashes
 * at exit. NKE_ERR_OUTPUT. Local. */
nke_status nke_h5file_may_grow(const nke_h5file *file, int64_t bytes);

/* Count what this rank wrote. Every few megabytes of a file opened for update the disk is set to them without waiting,
 * so that it writes while the rank computes and a flush finds little left; where the system can do that. Local. */
void nke_h5file_wrote(nke_h5file *file, int64_t bytes);

/* Close every open data set; false if HDF5 could not. */
bool nke_h5file_close_datasets(nke_h5file *file);

#endif
