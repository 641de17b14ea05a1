/* The commands of the program and what each one is called with. */
#ifndef NKE_RUN_COMMANDS_H
#define NKE_RUN_COMMANDS_H

#include "base/status.h"
#include "dist/split.h"
#include "run/config.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

/* One call of a command: what stands on the command line, and the config it names. */
typedef struct nke_invocation {
  MPI_Comm comm;
  nke_config *config;      /* NULL where the command takes none */
  int n_files;             /* positional arguments: predict MODEL.h5 DATA.h5, info FILE */
  const char *const *files;
  const char *out;         /* --out, or NULL */
  const char *x, *y;       /* --x, --y: data sets, or NULL */
  nke_range rows;          /* --rows a:b; end -1: to the end */
  nke_range tiles;         /* kernel --tiles a:b; begin -1: not given */
  bool merge;              /* kernel */
  bool dry_run, force;
  int64_t ranks;           /* --ranks: what the dry run is for; 0: as many as there are */
  int64_t validate_pairs;  /* fit: pairs of the certificate, 0: none */
  bool variance;           /* fit: the model keeps the factor for the posterior variance */
  bool quiet;              /* no table on stdout; for callers that are not the program */
  bool activations, config_reference; /* info */
  int petsc_argc;          /* what follows --, without the program's name */
  char **petsc_argv;
} nke_invocation;

/* Each is collective over invocation->comm and returns the same status on every rank. stdout is for results only. */
nke_status nke_fit_run(const nke_invocation *invocation);
nke_status nke_embed_run(const nke_invocation *invocation);
nke_status nke_predict_run(const nke_invocation *invocation);
nke_status nke_kernel_run(const nke_invocation *invocation);
nke_status nke_compare_run(const nke_invocation *invocation);
nke_status nke_synth_run(const nke_invocation *invocation);
nke_status nke_info_run(const nke_invocation *invocation);
nke_status nke_doctor_run(const nke_invocation *invocation);

#endif
