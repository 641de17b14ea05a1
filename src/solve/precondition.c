#include "solve/precondition.h"

#include "base/memory.h"

void nke_preconditioner_destroy(nke_preconditioner **p)
{
  if (!*p) return;
  (*p)->destroy((*p)->context);
  nke_free(*p);
  *p = NULL;
}
