/* A command line, one argument a line, and its --set values on a small config. */
#include "fuzz.h"

#include "run/cli.h"

#include <string.h>

static const char base[] =
    "data: {train: {file: a.h5, x: /x, y: /y}}\n"
    "network: [{conv: {filter: 3}}, {activation: relu}, flatten, dense]\n";

enum { MAX_ARGUMENTS = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  nke_cli cli;
  nke_config *config = NULL;
  char *text = fuzz_text(data, size), *arguments[MAX_ARGUMENTS + 1] = {NULL};
  int n = 0;
  static char program[] = "nke";
  arguments[n++] = program;
  for (char *rest = text, *one; n < MAX_ARGUMENTS && (one = strsep(&rest, "\n")) != NULL;) arguments[n++] = one;
  if (nke_cli_parse(n, arguments, &cli) == NKE_OK) {
    const nke_range *const ranges[] = {&cli.invocation.rows, &cli.invocation.tiles};
    for (int i = 0; i < 2; i++)
      if (ranges[i]->begin > 0 && ranges[i]->end != -1) FUZZ_CHECK(ranges[i]->begin < ranges[i]->end);
    nke_config_parse("base", base, cli.n_sets, cli.sets, &config);
  }
  nke_config_destroy(&config);
  nke_cli_clear(&cli);
  free(text);
  return 0;
}
