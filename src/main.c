/* nke: parse the command line, run the command on all ranks, print one error line, return one exit code. */
#include "base/memory.h"
#include "run/cli.h"
#include "run/restart.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether the launcher, if there is one, calls this process another than the first; known before MPI_Init. */
static bool launched_as_other(void)
{
  static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
    const char *const rank = getenv(ranks[i]);
    if (rank) return atoi(rank) != 0;
  }
  return false;
}

static nke_status run(nke_cli *cli, nke_status st)
{
  int rank;
  MPI_Init(NULL, NULL);
  nke_memory_give_back();
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  st = nke_agree(MPI_COMM_WORLD, st);
  if (st == NKE_OK) st = nke_cli_run(MPI_COMM_WORLD, cli);
  if (st == NKE_OK && rank == 0 && (fflush(stdout) != 0 || ferror(stdout)))
    st = nke_fail(NKE_ERR_OUTPUT, "standard output cannot be written");
  st = nke_agree(MPI_COMM_WORLD, st);
  if (st != NKE_OK && rank == 0)
    fprintf(stderr, "nke: %s: %s\n", st == NKE_STOPPED ? "stopped" : "error", nke_error_text());
  nke_cli_clear(cli);
  MPI_Finalize();
  return st;
}

/* By the file's own name, which job monitors show; returns where that cannot be done. */
static void restart(char **argv)
{
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n <= 0) return;
  path[n] = '\0';
  execv(path, argv);
}

int main(int argc, char **argv)
{
  nke_cli cli;
  if (nke_restart_for_blas()) restart(argv);
  nke_threads_for_blas();
  signal(SIGXFSZ, SIG_IGN); /* a file at its size limit (ulimit -f) is an error of that write */
  nke_status st = nke_cli_parse(argc, argv, &cli);
  if (st != NKE_OK || cli.action == NKE_CLI_RUN) return nke_status_exit_code(run(&cli, st));
  if (!launched_as_other()) st = nke_cli_print(&cli);
  if (st != NKE_OK) fprintf(stderr, "nke: error: %s\n", nke_error_text());
  nke_cli_clear(&cli);
  return nke_status_exit_code(st);
}
