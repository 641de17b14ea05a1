/* A folder of results that one run at a time works in. */
#ifndef NKE_DATA_FOLDER_H
#define NKE_DATA_FOLDER_H

#include "base/status.h"

#include <mpi.h>

/* Keep other runs out of the folder until nke_folder_release() or the end of this process. It waits a few seconds for
 * another to end: one that was killed may take a moment. NKE_ERR_OUTPUT if it does not. Where the file system does not
 * lock folders (NFS) runs are not told apart. *held: what to release. Collective. */
nke_status nke_folder_hold(MPI_Comm comm, const char *folder, int *held);

/* *held may be -1, and is afterwards. Local. */
void nke_folder_release(int *held);

#endif
