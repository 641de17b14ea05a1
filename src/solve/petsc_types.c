#include "solve/petsc_types.h"

#include "solve/petsc_status.h"

#include <petscksp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Those that solve a regression at 1, 2 and 3 ranks. Of the others some ask for entries of the matrix, for norms that
 * it lacks or for more than options can say, and fail, crash or hang; some come back with a wrong solution (pipecg2,
 * nash, stcg, gltr; hypre, lmvm). */
static const char *const methods[] = {KSPCG,    KSPGROPPCG,    KSPPIPECG, KSPPIPEPRCG, KSPCGNE,   KSPFCG,    KSPPIPEFCG,
                                      KSPGMRES, KSPPIPEFGMRES, KSPFGMRES, KSPLGMRES,   KSPDGMRES, KSPPGMRES, KSPTCQMR,
                                      KSPBCGS,  KSPIBCGS,      KSPQMRCGS, KSPFBCGS,    KSPFBCGSR, KSPBCGSL,  KSPCGS,
                                      KSPTFQMR, KSPBICG,       KSPGCR,    KSPPIPEGCR,  KSPLSQR,   KSPCGLS,   NULL};
static const char *const preconditioners[] = {PCNONE, PCJACOBI, PCMAT, PCKSP, PCCOMPOSITE, PCSHELL /* ours */, NULL};

static bool contains(const char *const *list, const char *name)
{
  while (*list && strcmp(*list, name) != 0) list++;
  return *list != NULL;
}

/* Out of PETSc's list, so that solvers within a preconditioner do not find the others either. */
static nke_status keep(PetscFunctionList *list, const char *const *kept)
{
  nke_status st = NKE_OK;
  const char **names = NULL;
  int count;
  NKE_TRY_PETSC(PetscFunctionListGet(*list, &names, &count));
  for (int i = 0; i < count && names[i]; i++) /* a NULL at the end may be counted */
    if (!contains(kept, names[i])) NKE_TRY_PETSC(PetscFunctionListAdd(list, names[i], NULL));
done:
  PetscFree(names);
  return st;
}

nke_status nke_petsc_types_keep(void)
{
  nke_status st = NKE_OK;
  NKE_TRY_PETSC(KSPInitializePackage());
  NKE_TRY_PETSC(PCInitializePackage());
  NKE_TRY(keep(&KSPList, methods));
  NKE_TRY(keep(&PCList, preconditioners));
done:
  return st;
}

static void add(const char *const *list, const char *option, size_t size, char *text)
{
  size_t at = strlen(text);
  at += (size_t)snprintf(text + at, size - at, "%s%s", at ? ", " : "", option);
  for (; *list && at < size; list++) at += (size_t)snprintf(text + at, size - at, " %s", *list);
}

const char *nke_petsc_types_text(size_t size, char *text)
{
  text[0] = '\0';
  add(methods, "-nke_ksp_type", size, text);
  add(preconditioners, "-nke_pc_type", size, text);
  return text;
}
