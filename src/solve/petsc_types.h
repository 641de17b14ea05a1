/* The methods and preconditioners of PETSc that work with a matrix known by its products and its diagonal. */
#ifndef NKE_SOLVE_PETSC_TYPES_H
#define NKE_SOLVE_PETSC_TYPES_H

#include "base/status.h"

#include <stddef.h>

/* Makes the others unknown to PETSc until its end. After PetscInitialize(). Local; NKE_ERR_INTERNAL. */
nke_status nke_petsc_types_keep(void);

/* What an option may name, "-nke_ksp_type ..., -nke_pc_type ...", into text. Local. */
const char *nke_petsc_types_text(size_t size, char *text);

#endif
