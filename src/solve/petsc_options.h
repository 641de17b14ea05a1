/* PETSc's options, checked where PETSc would hang or say nothing. */
#ifndef NKE_SOLVE_PETSC_OPTIONS_H
#define NKE_SOLVE_PETSC_OPTIONS_H

#include "base/status.h"

/* Whether PetscInitialize() will be able to read its options: argv, PETSC_OPTIONS, PETSC_OPTIONS_YAML and the files
 * that these name. Before it, as it reads them on its first rank, and where that fails the others wait for it. Where
 * there are any, PETSc is started and stopped on that rank. Collective; NKE_ERR_USAGE. */
nke_status nke_petsc_options_read(MPI_Comm comm, int argc, char *const *argv);

/* Whether those with our prefix, nke_, are ones that CG or LSQR would read, or the method and the preconditioner that
 * they name, with values of the right kind. Which of the two a fit will use is not asked: options of the other are
 * allowed. Between PetscInitialize() and the first solution. Collective; NKE_ERR_USAGE names the first that nothing
 * reads. Cost: where there are any, a system of one unknown a rank is set up twice. */
nke_status nke_petsc_options_check(MPI_Comm comm);

/* The first option with our prefix that nothing has read, "" if there is none, into name. Local. */
nke_status nke_petsc_options_unread(int chars, char *name);

#endif
