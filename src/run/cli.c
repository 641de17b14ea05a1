#include "run/cli.h"

#include "base/memory.h"
#include "run/cli_table.h"
#include "run/config_table.h"

#include <stdio.h>
#include <string.h>

enum { most_ranks = 1048576 };

void nke_cli_clear(nke_cli *cli)
{
  nke_config_destroy(&cli->invocation.config);
  nke_free(cli->sets);
  nke_free(cli->files);
  cli->sets = cli->files = NULL;
}

static nke_status unknown_command(const char *name)
{
  nke_guess guess = {0};
  if (*name == '-') return nke_fail(NKE_ERR_USAGE, "expected a command before '%.60s'; nke --help lists them", name);
  for (const nke_command *c = nke_commands; c->name; c++) nke_guess_try(&guess, name, c->name);
  return nke_fail(NKE_ERR_USAGE, "unknown command '%.60s'%s%s; nke --help lists them", name,
                  guess.nearest ? "; did you mean " : "", guess.nearest ? guess.nearest : "");
}

static nke_status unknown_option(const nke_command *command, const char *name)
{
  nke_guess guess = {0};
  for (const nke_option *o = nke_options; o->name; o++)
    if (o->commands & command->bit) nke_guess_try(&guess, name, o->name);
  return nke_fail(NKE_ERR_USAGE, "unknown option '%.60s'%s%s; nke %s --help lists them", name,
                  guess.nearest ? "; did you mean " : "", guess.nearest ? guess.nearest : "", command->name);
}

/* a:b, or a: to the end. */
static nke_status parse_range(const nke_option *option, const char *value, nke_range *out)
{
  if (nke_text_range(value, &out->begin, &out->end)) return NKE_OK;
  return nke_fail(NKE_ERR_USAGE, "%s: expected a:b with 0 <= a < b, got '%.60s'", option->name, value);
}

/* A whole number, at least 1. */
static nke_status parse_count(const nke_option *option, const char *value, int64_t *out)
{
  long long count = 0;
  const size_t digits = strspn(value, "0123456789");
  if (digits == 0 || digits > 15 || value[digits] || sscanf(value, "%lld", &count) != 1 || count < 1)
    return nke_fail(NKE_ERR_USAGE, "%s: expected a whole number from 1, got '%.60s'", option->name, value);
  *out = count;
  return NKE_OK;
}

static nke_status set_option(nke_cli *cli, const nke_option *option, const char *value)
{
  char *const field = (char *)&cli->invocation + option->offset;
  switch (option->kind) {
    case NKE_OPTION_FLAG: *(bool *)field = true; return NKE_OK;
    case NKE_OPTION_TEXT: memcpy(field, &value, sizeof value); return NKE_OK;
    case NKE_OPTION_RANGE: return parse_range(option, value, (nke_range *)field);
    case NKE_OPTION_COUNT: return parse_count(option, value, (int64_t *)field);
    case NKE_OPTION_SET: cli->sets[cli->n_sets++] = value; return NKE_OK;
    case NKE_OPTION_HELP: cli->action = NKE_CLI_HELP; return NKE_OK;
  }
  return NKE_OK;
}

/* argv[*at] is an option of the command; takes its value from behind `=` or from the next argument. */
static nke_status parse_option(int argc, char **argv, int *at, nke_cli *cli)
{
  const char *const argument = argv[*at], *value = NULL;
  const size_t length = strncmp(argument, "--", 2) == 0 ? strcspn(argument, "=") : strlen(argument);
  const nke_option *option = nke_options;
  while (option->name && (!(option->commands & cli->command->bit) || strlen(option->name) != length ||
                          strncmp(option->name, argument, length) != 0))
    option++;
  if (!option->name) return unknown_option(cli->command, argument);
  const bool takes_value = option->value != NULL;
  if (argument[length] == '=') value = argument + length + 1;
  if (value && !takes_value) return nke_fail(NKE_ERR_USAGE, "%s: expected no value, got '%.60s'", option->name, value);
  if (!value && takes_value) {
    if (*at + 1 >= argc) return nke_fail(NKE_ERR_USAGE, "%s: expected %s, got nothing", option->name, option->value);
    value = argv[++*at];
  }
  return set_option(cli, option, value);
}

/* Files in order; where the command takes a config, that comes first. */
static nke_status take_file(nke_cli *cli, const char *file)
{
  const nke_command *const command = cli->command;
  if (command->config && !cli->config_path) {
    cli->config_path = file;
    return NKE_OK;
  }
  if (cli->invocation.n_files == command->most && command->config && strchr(file, '='))
    return nke_fail(NKE_ERR_USAGE,
                    "%s: unexpected argument '%.200s'; a key=value follows a --set of its own, without spaces",
                    command->name, file);
  if (cli->invocation.n_files == command->most)
    return nke_fail(NKE_ERR_USAGE, "%s: unexpected argument '%.200s'; expected %s", command->name, file,
                    *command->arguments ? command->arguments : "none");
  cli->files[cli->invocation.n_files++] = file;
  return NKE_OK;
}

static nke_status parse_arguments(int argc, char **argv, nke_cli *cli)
{
  nke_status st = NKE_OK;
  int at = 2;
  for (; at < argc && strcmp(argv[at], "--") != 0 && st == NKE_OK; at++)
    st = argv[at][0] == '-' && argv[at][1] ? parse_option(argc, argv, &at, cli) : take_file(cli, argv[at]);
  if (st != NKE_OK || cli->action == NKE_CLI_HELP) return st;
  if (at < argc) {
    cli->invocation.petsc_argc = argc - at - 1;
    cli->invocation.petsc_argv = argv + at + 1;
  }
  if (cli->invocation.n_files < cli->command->least || (cli->command->config && !cli->config_path))
    return nke_fail(NKE_ERR_USAGE, "%s: expected %s, got %s", cli->command->name, cli->command->arguments,
                    cli->invocation.n_files ? cli->files[0] : "nothing");
  if (cli->invocation.ranks > most_ranks)
    return nke_fail(NKE_ERR_USAGE, "--ranks: expected at most %d, got %lld", most_ranks, (long long)cli->invocation.ranks);
  if (cli->invocation.ranks > 0 && !cli->invocation.dry_run)
    return nke_fail(NKE_ERR_USAGE, "--ranks is for --dry-run; mpirun -n gives a run its ranks");
  return NKE_OK;
}

nke_status nke_cli_parse(int argc, char **argv, nke_cli *cli)
{
  nke_status st = NKE_OK;
  *cli = (nke_cli){.action = NKE_CLI_RUN};
  cli->invocation.rows.end = -1;
  cli->invocation.tiles.begin = -1;
  if (argc < 2) return nke_fail(NKE_ERR_USAGE, "expected a command; nke --help lists them");
  const char *const first = argv[1];
  if (strcmp(first, "--version") == 0) {
    cli->action = NKE_CLI_VERSION;
    return NKE_OK;
  }
  if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
    cli->action = NKE_CLI_HELP;
    return NKE_OK;
  }
  cli->command = nke_commands;
  while (cli->command->name && strcmp(cli->command->name, first) != 0) cli->command++;
  if (!cli->command->name) return unknown_command(first);
  NKE_TRY(nke_calloc(argc, sizeof *cli->sets, "the command line", &cli->sets));
  NKE_TRY(nke_calloc(argc, sizeof *cli->files, "the command line", &cli->files));
  cli->invocation.files = cli->files;
  st = parse_arguments(argc, argv, cli);
done:
  return st;
}

nke_status nke_cli_run(MPI_Comm comm, nke_cli *cli)
{
  cli->invocation.comm = comm;
  if (cli->config_path) {
    const nke_status st = nke_config_read(comm, cli->config_path, cli->n_sets, cli->sets, &cli->invocation.config);
    if (st != NKE_OK) return st;
  }
  return cli->command->run(&cli->invocation);
}
