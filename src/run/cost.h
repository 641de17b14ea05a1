/* What a unit of work costs, with its spread. */
#ifndef NKE_RUN_COST_H
#define NKE_RUN_COST_H

#include <mpi.h>

/* Seconds a unit of work: their mean over all samples, and the least and most of a sample. */
typedef struct nke_cost {
  double seconds, units, least, most;
} nke_cost;

/* One more sample. Local. */
void nke_cost_add(nke_cost *cost, double seconds, double units);

/* The samples of all ranks. Collective. */
void nke_cost_share(MPI_Comm comm, nke_cost *cost);
double nke_cost_mean(const nke_cost *cost);

#endif
