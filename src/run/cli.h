/* The command line: nke COMMAND ... [-- PETSc options]. */
#ifndef NKE_RUN_CLI_H
#define NKE_RUN_CLI_H

#include "run/commands.h"

typedef struct nke_command nke_command;

typedef enum nke_cli_action { NKE_CLI_RUN, NKE_CLI_HELP, NKE_CLI_VERSION } nke_cli_action;

/* A parsed command line; its strings are argv's. */
typedef struct nke_cli {
  nke_cli_action action;
  const nke_command *command; /* NULL: help on all of them */
  const char *config_path;    /* NULL where the command takes no config */
  int n_sets;
  const char **sets, **files; /* owned arrays */
  nke_invocation invocation;
} nke_cli;

/* Parse. NKE_ERR_USAGE in one line: unknown command or option, an option without its value, too many or too few files.
 * Local; needs no MPI. The caller clears *cli, whatever the status. */
nke_status nke_cli_parse(int argc, char **argv, nke_cli *cli);
void nke_cli_clear(nke_cli *cli);

/* Help or version text on stdout. Local; needs no MPI. NKE_ERR_OUTPUT if it cannot be written. */
nke_status nke_cli_print(const nke_cli *cli);

/* Read the config, if the command takes one, and run the command. Collective. */
nke_status nke_cli_run(MPI_Comm comm, nke_cli *cli);

#endif
