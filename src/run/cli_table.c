#include "run/cli_table.h"

#include "run/version.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { FIT = 1, PREDICT = 2, EMBED = 4, SYNTH = 8, INFO = 16, DOCTOR = 32, KERNEL = 64, COMPARE = 128, ALL = 255 };

const nke_command nke_commands[] = {
  {"fit", FIT, nke_fit_run, true, 0, 0, "CONFIG.yaml",
   "read, preprocess, embed, solve, choose lambda, evaluate; writes model.h5 and\n"
   "report.json to run.out"},
  {"predict", PREDICT, nke_predict_run, false, 2, 2, "MODEL.h5 DATA.h5",
   "scores and classes of new rows, and metrics where they have labels"},
  {"embed", EMBED, nke_embed_run, true, 0, 0, "CONFIG.yaml",
   "the features of every row; writes features.h5 to run.out"},
  {"kernel", KERNEL, nke_kernel_run, true, 0, 0, "CONFIG.yaml",
   "the exact NNGP and NTK of all pairs of rows, tile by tile; writes kernel.file,\n"
   "and goes on where it was stopped"},
  {"compare", COMPARE, nke_compare_run, true, 0, 0, "CONFIG.yaml",
   "sketched kernels against the exact one on the rows of data.train: error, spectrum, accuracy,\n"
   "time; writes compare.json and compare.csv to run.out, and goes on where it was stopped"},
  {"synth", SYNTH, nke_synth_run, true, 0, 0, "CONFIG.yaml",
   "a data set from a random network plus noise; writes synth.file"},
  {"info", INFO, nke_info_run, false, 0, 1, "[FILE]",
   "what is in a config (.yaml), data, model or other file of nke; without one: layers,\n"
   "activations, build"},
  {"doctor", DOCTOR, nke_doctor_run, false, 0, 0, "",
   "check this installation and how it was launched, with a self-test"},
  {.name = NULL},
};

#define FIELD(name) offsetof(nke_invocation, name)

const nke_option nke_options[] = {
  {"--set", NKE_OPTION_SET, "key.path=value", FIT | EMBED | KERNEL | COMPARE | SYNTH, 0, "override a key of the config, value in YAML"},
  {"--dry-run", NKE_OPTION_FLAG, NULL, FIT | PREDICT | EMBED | KERNEL | COMPARE | SYNTH, FIELD(dry_run),
   "check config and files, print the resolved config, memory and work, and stop"},
  {"--dry-run", NKE_OPTION_FLAG, NULL, DOCTOR, FIELD(dry_run), "versions and the launch alone, without the self-test"},
  {"--dry-run", NKE_OPTION_FLAG, NULL, INFO, FIELD(dry_run), "no difference: nothing is written"},
  {"--ranks", NKE_OPTION_COUNT, "P", FIT, FIELD(ranks), "with --dry-run: for P ranks instead of as many as there are"},
  {"--validate-pairs", NKE_OPTION_COUNT, "N", FIT, FIELD(validate_pairs),
   "compare the features with the exact kernel on N random pairs of training rows; into the report"},
  {"--variance", NKE_OPTION_FLAG, NULL, FIT, FIELD(variance),
   "kernel nngp: keep the factor for predict's /variance, the posterior variance, past 4,096 features too"},
  {"--force", NKE_OPTION_FLAG, NULL, FIT, FIELD(force),
   "start anew, without checkpoints, kept rows and folds; replace output files that nke did not write"},
  {"--force", NKE_OPTION_FLAG, NULL, KERNEL | COMPARE, FIELD(force),
   "replace output files that nke did not write, and the kernel of another config"},
  {"--force", NKE_OPTION_FLAG, NULL, PREDICT | EMBED | SYNTH, FIELD(force), "replace output files that nke did not write"},
  {"--out", NKE_OPTION_TEXT, "FILE", PREDICT, FIELD(out), "file of the predictions (predictions.h5)"},
  {"--x", NKE_OPTION_TEXT, "NAME", PREDICT, FIELD(x), "data set of the rows (as in the model's config)"},
  {"--y", NKE_OPTION_TEXT, "NAME", PREDICT, FIELD(y),
   "data set of the targets (as in the model's config, where the file has them;\n"
   ".npy: none); none: rows without, whatever the file has"},
  {"--rows", NKE_OPTION_RANGE, "a:b", PREDICT, FIELD(rows), "only rows a up to but without b"},
  {"--tiles", NKE_OPTION_RANGE, "a:b", KERNEL, FIELD(tiles),
   "only these tiles (lower triangle row-major, then test), into kernel.A-B.h5; for job arrays"},
  {"--merge", NKE_OPTION_FLAG, NULL, KERNEL, FIELD(merge), "join the files of --tiles runs into kernel.file"},
  {"--activations", NKE_OPTION_FLAG, NULL, INFO, FIELD(activations), "the table of activations"},
  {"--config-reference", NKE_OPTION_FLAG, NULL, INFO, FIELD(config_reference), "every config key, its range and default"},
  {"--help", NKE_OPTION_HELP, NULL, ALL, 0, "this text"},
  {"-h", NKE_OPTION_HELP, NULL, ALL, 0, NULL},
  {.name = NULL},
};

/* Each line of `help` after the first below the first. */
static void print_indented(const char *help, int column)
{
  for (const char *line = help; line;) {
    const size_t length = strcspn(line, "\n");
    printf("%.*s\n", (int)length, line);
    line = line[length] ? line + length + 1 : NULL;
    if (line) printf("%*s", column, "");
  }
}

static void print_command(const nke_command *command)
{
  const bool solves = command->bit == FIT;
  printf("mpirun -n P nke %s%s%s [OPTION]...%s\n\n%s\n\n", command->name, *command->arguments ? " " : "",
         command->arguments, solves ? " [-- PETSc options]" : "", command->help);
  for (const nke_option *o = nke_options; o->name; o++) {
    char left[64];
    if (!(o->commands & command->bit) || !o->help) continue;
    snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    print_indented(o->help, printf("  %-24s ", left));
  }
}

static void print_all(void)
{
  printf("mpirun -n P nke COMMAND [OPTION]...\n\nKernel regression with the kernels of infinitely wide networks, on MPI.\n\n");
  for (const nke_command *c = nke_commands; c->name; c++)
    print_indented(c->help, printf("  %-8s %-17s ", c->name, c->arguments));
  printf("\n`nke COMMAND --help` says more, `nke info --config-reference` lists the keys of a config.\n"
         "Exit codes: 0 done, 1 internal error, 2 usage or config, 3 data, 4 numerical failure, 5 stopped by a signal after\n"
         "a checkpoint, 6 output cannot be written.\n");
}

nke_status nke_cli_print(const nke_cli *cli)
{
  if (cli->action == NKE_CLI_VERSION)
    printf("nke %s (%s, %s)\n", nke_version(), nke_git(), nke_compiler());
  else if (cli->command)
    print_command(cli->command);
  else
    print_all();
  return fflush(stdout) == 0 ? NKE_OK : nke_fail(NKE_ERR_OUTPUT, "standard output cannot be written");
}
