#include "sample.h"

#include "base/rng.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[400];

static int my_rank(void)
{
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

const char *sample_folder(void)
{
  if (!folder[0]) {
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/nke-test-XXXXXX", temporary ? temporary : "/tmp");
    if (my_rank() == 0 && !mkdtemp(folder)) MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Bcast(folder, sizeof folder, MPI_CHAR, 0, MPI_COMM_WORLD);
  }
  return folder;
}

void sample_path(const char *name, char path[512])
{
  snprintf(path, 512, "%s/%s", sample_folder(), name);
}

static void write_dataset(const char *path, const char *dataset, hid_t type, int rank, const hsize_t *dims,
                          const hsize_t *chunk, int level, const double *values)
{
  const hid_t file = access(path, F_OK) == 0 ? H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT)
                                             : H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  if (chunk) H5Pset_chunk(layout, rank, chunk);
  if (level > 0) H5Pset_deflate(layout, (unsigned)level);
  const hid_t space = rank > 0 ? H5Screate_simple(rank, dims, NULL) : H5Screate(H5S_SCALAR);
  const hid_t data = H5Dcreate2(file, dataset, type, space, links, layout, H5P_DEFAULT);
  if (data < 0) MPI_Abort(MPI_COMM_WORLD, 1);
  if (values) H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  H5Dclose(data);
  H5Sclose(space);
  H5Pclose(layout);
  H5Pclose(links);
  H5Fclose(file);
}

void sample_write(const char *name, const char *dataset, hid_t type, int rank, const hsize_t *dims,
                  const hsize_t *chunk, int level, const double *values)
{
  char path[512];
  sample_path(name, path);
  MPI_Barrier(MPI_COMM_WORLD); /* no rank still holds the file open: HDF5 locks it */
  if (my_rank() == 0) write_dataset(path, dataset, type, rank, dims, chunk, level, values);
  MPI_Barrier(MPI_COMM_WORLD);
}

void sample_bytes(const char *name, const void *bytes, size_t size)
{
  char path[512];
  sample_path(name, path);
  MPI_Barrier(MPI_COMM_WORLD); /* another rank may still read a file of this name */
  if (my_rank() == 0) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size) MPI_Abort(MPI_COMM_WORLD, 1);
    fclose(file);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

void sample_remove(void)
{
  MPI_Barrier(MPI_COMM_WORLD);
  if (my_rank() != 0 || !folder[0]) return;
  DIR *list = opendir(folder);
  char path[1024];
  for (struct dirent *entry; list && (entry = readdir(list));) {
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    unlink(path);
  }
  if (list) closedir(list);
  rmdir(folder);
}

double sample_normal(uint64_t stream, uint64_t index)
{
  return nke_random_normal(7, nke_stream(NKE_STREAM_TEST, (uint32_t)stream), index);
}
