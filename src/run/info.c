/* `nke info`: what this program knows, and what is in a file. */
#define _POSIX_C_SOURCE 200809L /* access */
#include "base/memory.h"
#include "data/contents.h"
#include "run/commands.h"
#include "run/version.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_parameters(const nke_activation_info *row)
{
  char text[128] = "";
  int at = 0;
  for (int i = 0; row->params[i] && at < (int)sizeof text - 32; i++) {
    at += snprintf(text + at, sizeof text - (size_t)at, "%s%s", i ? ", " : "", row->params[i]);
    if (!isnan(row->defaults[i])) at += snprintf(text + at, sizeof text - (size_t)at, ": %g", row->defaults[i]);
  }
  printf("%-19s %-20s", row->name, text);
}

static void print_activations(void)
{
  printf("%-19s %-20s %-11s %-6s %s\n", "name", "parameters: default", "dual", "degree", "phi(x)");
  for (const nke_activation_info *row = nke_activation_table(); row->name; row++) {
    print_parameters(row);
    printf(" %-11s", row->exact_dual ? "closed form" : "numerical");
    if (isnan(row->homogeneity))
      printf(" %-6s", "-");
    else
      printf(" %-6g", row->homogeneity);
    printf(" %s\n", row->definition);
  }
  printf(
      "\ndegree a: phi(c x) = c^a phi(x) for c > 0, at the default parameters. In a config: `activation: relu`,\n"
      "`activation: {erf: {a: 1, b: 2}}`, `activation: {polynomial: {coefs: [0, 1]}}`, `activation: {formula: "
      "\"x*erf(x)\"}`.\n");
}

static void print_build(void)
{
  int count = 0;
  printf("nke %s (%s), %s\nbuilt with %s\n\nlayers:\n", nke_version(), nke_git(), nke_compiler(), nke_libraries());
  printf(
      "  conv: {filter: k or [h, w], stride: 1, padding: same|valid|circular, w_std: 1, b_std: 0}\n"
      "  dense: {w_std: 1, b_std: 0}\n"
      "  activation: NAME | {NAME: {parameter: value}} | {formula: \"...\"}\n"
      "  avgpool: p or [h, w]\n"
      "  global_avgpool, flatten, layernorm, identity\n"
      "  residual: {branch: [layers], shortcut: [layers]}\n"
      "presets: myrtle5, myrtle7, myrtle10, fc1, fc2, ... (hidden layers)\n\nactivations:\n ");
  for (const nke_activation_info *row = nke_activation_table(); row->name; row++)
    printf("%s %s", ++count % 10 == 0 ? "\n " : "", row->name);
  printf("\n\n`nke info --activations` says more of them, `nke info --config-reference` lists the keys of a config.\n");
}

static void print_line(void *context, const char *line)
{
  (void)context;
  printf("%s\n", line);
}

static nke_status print_text(nke_status st, char *text)
{
  if (st == NKE_OK) printf("%s", text);
  nke_free(text);
  return st;
}

static bool ends_with(const char *text, const char *end)
{
  const size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static nke_status print_config(const char *path)
{
  nke_config *config = NULL;
  char *text = NULL;
  nke_status st = nke_config_read(MPI_COMM_SELF, path, 0, NULL, &config);
  if (st == NKE_OK) st = nke_config_print(config, &text);
  st = print_text(st, text);
  nke_config_destroy(&config);
  return st;
}

/* npy, csv, libsvm. */
static nke_status print_dataset(const char *path)
{
  nke_dataset *data = NULL;
  const nke_data_spec spec = {.file = path, .row_end = -1};
  const nke_status st = nke_dataset_open(MPI_COMM_SELF, &spec, &data);
  if (st != NKE_OK) return st;
  const nke_shape shape = nke_dataset_shape(data);
  char text[NKE_SHAPE_CHARS];
  printf("%s: n = %lld rows %s, %lld target columns%s\n", nke_dataset_path(data), (long long)nke_dataset_rows(data),
         nke_shape_text(shape, text), (long long)nke_dataset_targets(data),
         nke_dataset_targets_integral(data) ? " of whole numbers" : "");
  nke_dataset_close(&data);
  return NKE_OK;
}

static nke_status check_there(const char *path)
{
  return access(path, F_OK) == 0 ? NKE_OK : nke_fail(NKE_ERR_DATA, "%s: %s", path, strerror(errno));
}

static nke_status print_contents(const char *path)
{
  const nke_status st = check_there(path);
  return st == NKE_OK ? nke_hdf5_contents(path, print_line, NULL) : st;
}

static nke_status print_file(const char *path)
{
  if (ends_with(path, ".yaml") || ends_with(path, ".yml")) return print_config(path);
  if (nke_dataset_is_hdf5(path)) return print_contents(path);
  if (nke_dataset_format(path)) return print_dataset(path);
  const nke_status st = check_there(path); /* what is not there is of no type */
  if (st != NKE_OK) return st;
  return nke_fail(NKE_ERR_DATA, "%s: unknown file type: expected a config (.yaml, .yml) or " NKE_DATASET_FORMATS, path);
}

static nke_status print_reference(void)
{
  char *text = NULL;
  const nke_status st = nke_config_reference(&text);
  return print_text(st, text);
}

nke_status nke_info_run(const nke_invocation *invocation)
{
  nke_status st = NKE_OK;
  int rank;
  MPI_Comm_rank(invocation->comm, &rank);
  if (rank == 0) {
    if (invocation->activations) print_activations();
    if (invocation->config_reference) st = print_reference();
    if (st == NKE_OK && invocation->n_files > 0) st = print_file(invocation->files[0]);
    if (!invocation->activations && !invocation->config_reference && invocation->n_files == 0) print_build();
  }
  return nke_agree(invocation->comm, st);
}
