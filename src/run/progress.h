/* How far a long pass is: on a terminal one line with a bar, the rate and the time left, redrawn; else a line every 30
 * seconds. On stderr, by rank 0. All local. */
#ifndef NKE_RUN_PROGRESS_H
#define NKE_RUN_PROGRESS_H

#include <mpi.h>
#include <stdint.h>

typedef struct nke_progress {
  const char *what, *unit;
  int64_t total;
  double started, shown;
  int speaks;   /* rank 0 */
  int terminal;
  int drawn;    /* a line on the terminal waits to be ended */
} nke_progress;

void nke_progress_begin(nke_progress *progress, MPI_Comm comm, const char *what, const char *unit, int64_t total);
void nke_progress_update(nke_progress *progress, int64_t done);
void nke_progress_end(nke_progress *progress);

#endif
