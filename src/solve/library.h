/* PETSc: start, stop, and its errors as statuses. */
#ifndef NKE_SOLVE_LIBRARY_H
#define NKE_SOLVE_LIBRARY_H

#include "base/status.h"

/* Start PETSc over comm with its own options (`argv[0..argc)`, without a program name; what stands after `--` on the
 * command line), or with none (argc = 0). Collective over comm, after MPI_Init. PETSc installs no signal handler,
 * prints no error, reads no option file. Where the program has started PETSc before, it is used as it is. NKE_ERR_USAGE
 * for options it refuses, files of options that it cannot read, and those with our prefix that nothing reads. */
nke_status nke_solve_init(MPI_Comm comm, int argc, char *const *argv);

/* Stop PETSc if nke_solve_init() started it, printing what -log_view and the like asked for. Collective; nothing happens without nke_solve_init(). */
void nke_solve_finalize(void);

#endif
