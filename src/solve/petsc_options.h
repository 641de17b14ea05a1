/* PETSc's options, checked where PETSc would hang or say nothing. */
#ifndef NKE_SOLVE_PETSC_OPTIONS_H
#define NKE_SOLVE_PETSC_OPTIONS_H

#include "base/status.h"

/* Whether PetscInitialize() will be able to read its options: argv, PETSC_OPTIONS, PETSC_OPTIONS_YAML and the files
 * that these name. Before it, as it reads them on its first rank, and where that fails the others wait for it. Where
 * there are any, PETSc is started and stopped on that rank. Collective; NKE_ERR_USAGE. */
nke_status nke_petsc_options_read(MPI_Comm comm, int argc, char *const *argv);

#endif
