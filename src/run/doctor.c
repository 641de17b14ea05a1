/* `nke doctor`: whether this installation and this launch work, by trying. */
#include "num/blas.h"
#include "run/commands.h"
#include "run/selftest.h"
#include "run/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int nodes_of(MPI_Comm comm)
{
  MPI_Comm node;
  int on_node, nodes;
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &on_node);
  nodes = on_node == 0;
  MPI_Allreduce(MPI_IN_PLACE, &nodes, 1, MPI_INT, MPI_SUM, comm);
  MPI_Comm_free(&node);
  return nodes;
}

/* Processes that the launcher started, as far as the environment tells; 0: no launcher. */
static int launched(void)
{
  static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const char *const size = getenv(sizes[i]);
    if (size && atoi(size) > 0) return atoi(size);
  }
  return 0;
}

/* A launcher of another MPI library, or srun without PMIx, starts processes that do not find each other: each believes
 * that it is rank 0 of 1, and all would do the whole work and write the same files. */
static nke_status check_launch(MPI_Comm comm)
{
  int size;
  MPI_Comm_size(comm, &size);
  if (launched() <= size) return NKE_OK;
  return nke_fail(
      NKE_ERR_USAGE,
      "launched as %d processes, but MPI sees %d: use the mpirun of the MPI library that nke is built with, or "
      "srun --mpi=pmix",
      launched(), size);
}

static void print_versions(MPI_Comm comm, int nodes)
{
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length, size;
  MPI_Comm_size(comm, &size);
  MPI_Get_library_version(mpi, &length);
  mpi[strcspn(mpi, ",\n")] = '\0';
  printf("nke %s (%s), %s\nbuilt with %s\nrunning on %s: %d ranks, %d nodes, %d BLAS threads a rank, for %s\n",
         nke_version(), nke_git(), nke_compiler(), nke_libraries(), mpi, size, nodes, nke_blas_threads(),
         nke_blas_core());
}

/* One line a check; the first failure is the command's. */
static nke_status check(MPI_Comm comm, const char *name, nke_selftest *test, nke_status before)
{
  char found[256] = "";
  int rank;
  MPI_Comm_rank(comm, &rank);
  char text[NKE_ERROR_CHARS];
  snprintf(text, sizeof text, "%s", nke_error_text());
  const nke_status st = test(comm, found, sizeof found);
  if (rank == 0) printf("%-4s  %-9s %s\n", st == NKE_OK ? "ok" : "FAIL", name, st == NKE_OK ? found : nke_error_text());
  if (before == NKE_OK) return st;
  return nke_fail(before, "%s", text);
}

nke_status nke_doctor_run(const nke_invocation *invocation)
{
  const MPI_Comm comm = invocation->comm;
  int rank;
  MPI_Comm_rank(comm, &rank);
  const int nodes = nodes_of(comm);
  if (rank == 0) print_versions(comm, nodes);
  nke_status st = nke_agree(comm, check_launch(comm));
  if (rank == 0)
    printf("%-4s  %-9s %s\n", st == NKE_OK ? "ok" : "FAIL", "launch", st == NKE_OK ? "" : nke_error_text());
  if (invocation->dry_run) return st;
  st = check(comm, "exchange", nke_selftest_exchange, st);
  st = check(comm, "file", nke_selftest_file, st);
  st = check(comm, "features", nke_selftest_features, st);
  st = check(comm, "solve", nke_selftest_solve, st);
  return check(comm, "blas", nke_selftest_blas, st);
}
