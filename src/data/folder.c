#include "data/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Whether another run has it still, after some patience. A lock of the folder itself leaves no file behind. */
static bool taken(int folder)
{
  enum { TRIES = 60 };
  const struct timespec pause = {.tv_nsec = 50000000};
  for (int i = 0; i < TRIES; i++) {
    if (flock(folder, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return false;
    nanosleep(&pause, NULL);
  }
  return true;
}

nke_status nke_folder_hold(MPI_Comm comm, const char *folder, int *held)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(comm, &rank);
  *held = rank == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (*held >= 0 && taken(*held))
    st = nke_fail(NKE_ERR_OUTPUT, "%s: another run is at work here: give each a run.out of its own", folder);
  return nke_agree(comm, st);
}

void nke_folder_release(int *held)
{
  if (*held >= 0) close(*held);
  *held = -1;
}
