/* PETSc's options, checked where PETSc would hang or say nothing. */
#ifndef NKE_SOLVE_PETSC_OPTIONS_H
#define NKE_SOLVE_PETSC_OPTIONS_H

#include "base/status.h"

/* Options as the words of a command line. */
typedef struct nke_petsc_words {
  int count, chars;
  char **at;  /* [count], into text */
  char *text; /* [chars], each word with its zero */
} nke_petsc_words;

/* words <- the options of argv, PETSC_OPTIONS, PETSC_OPTIONS_YAML and the files that these name, all as the first rank
 * sees them; the files need not exist elsewhere. Before PetscInitialize(): what it reads itself it reads on one rank or
 * on each, and where one fails the others wait for it. Where there are any, PETSc is started and stopped on the first
 * rank. Collective; NKE_ERR_USAGE where they cannot be read, or name an output that cannot be opened for writing. */
nke_status nke_petsc_words_read(MPI_Comm comm, int argc, char *const *argv, nke_petsc_words *words);
void nke_petsc_words_clear(nke_petsc_words *words);

/* Whether those with our prefix, nke_, are ones that CG or LSQR would read, or the method and the preconditioner that
 * they name, with values of the right kind. Which of the two a fit will use is not asked: options of the other are
 * allowed. Between PetscInitialize() and the first solution. Collective; NKE_ERR_USAGE names the first that nothing
 * reads. Cost: where there are any, a system of one unknown a rank is set up twice. */
nke_status nke_petsc_options_check(MPI_Comm comm);

/* The first option with our prefix that nothing has read, "" if there is none, into name. Local. */
nke_status nke_petsc_options_unread(int chars, char *name);

#endif
