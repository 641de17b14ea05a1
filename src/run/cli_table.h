/* The tables of commands and options. Inside src/run. */
#ifndef NKE_RUN_CLI_TABLE_H
#define NKE_RUN_CLI_TABLE_H

#include "run/cli.h"

struct nke_command {
  const char *name;
  unsigned bit;
  nke_status (*run)(const nke_invocation *invocation);
  bool config;     /* the first argument is a config */
  int least, most; /* files beside it */
  const char *arguments, *help;
};

typedef enum nke_option_kind {
  NKE_OPTION_FLAG,
  NKE_OPTION_TEXT,
  NKE_OPTION_RANGE,
  NKE_OPTION_COUNT,
  NKE_OPTION_SET,
  NKE_OPTION_HELP
} nke_option_kind;

typedef struct nke_option {
  const char *name;
  nke_option_kind kind;
  const char *value; /* what the help calls it; NULL: none */
  unsigned commands; /* bits of the commands that take it */
  size_t offset;     /* of its field in nke_invocation */
  const char *help;
} nke_option;

/* Both ended by a row without a name. */
extern const nke_command nke_commands[];
extern const nke_option nke_options[];

#endif
