/* Feature rows of an embedding under way, in a file from which a later run goes on: /features [n, m], and /seconds [n],
 * what each row took, 0 while it is missing. The attribute `identity` says what the features are of. */
#ifndef NKE_RUN_KEPT_ROWS_H
#define NKE_RUN_KEPT_ROWS_H

#include "base/checked.h"
#include "data/h5file.h"
#include "dist/split.h"

#include <stdbool.h>

typedef struct nke_kept_rows {
  nke_h5file *h5; /* NULL: none are kept */
  nke_precision precision;
  int64_t n, m;
} nke_kept_rows;

/* Whether so many flops of all ranks take longer than that, at a careful guess of a rank's rate. Local. */
bool nke_kept_rows_pay(MPI_Comm comm, double flops, double seconds);

/* Open the file at `path` where its identity is the same, else make it anew, no row done; one of another identity gives
 * way if `replace`. Collective. NKE_ERR_USAGE: it does not, or a file that is not ours is there; NKE_ERR_OUTPUT. Disk:
 * the features. */
nke_status nke_kept_rows_open(MPI_Comm comm, const char *path, const char *identity, bool replace,
                              nke_precision precision, int64_t n, int64_t m, nke_kept_rows *kept);

/* Close. Collective. */
void nke_kept_rows_close(nke_kept_rows *kept);

/* seconds [range]: of rows that are there, else 0. Local. */
nke_status nke_kept_rows_seconds(const nke_kept_rows *kept, nke_range range, double *seconds);

/* z [range, m] from and to the file; rows are written, flushed to disk, then marked, so many seconds each. Local. */
nke_status nke_kept_rows_read(const nke_kept_rows *kept, nke_range range, void *z);
nke_status nke_kept_rows_write(const nke_kept_rows *kept, nke_range range, const void *z, double seconds);

#endif
