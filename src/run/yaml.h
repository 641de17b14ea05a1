/* YAML text as a small tree whose every node knows its line. Inside src/run.
 *
 * A subset on purpose: one document of maps, lists and scalars; anchors, aliases, tags, merge keys and keys that are
 * not scalars are refused, so nothing expands beyond the text. */
#ifndef NKE_RUN_YAML_H
#define NKE_RUN_YAML_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { NKE_YAML_MAX_DEPTH = 60 };

typedef enum nke_yaml_kind { NKE_YAML_SCALAR, NKE_YAML_LIST, NKE_YAML_MAP } nke_yaml_kind;

typedef struct nke_yaml nke_yaml;

struct nke_yaml {
  nke_yaml_kind kind;
  int line;               /* from 1; of an entry of a map, the line of its key */
  char *key;              /* of an entry of a map, else NULL */
  char *text;             /* scalar */
  bool plain;             /* scalar without quotes: may be a number, true, false or null */
  int n;                  /* entries */
  nke_yaml *first, *last; /* entries of a list or map, in order; owned */
  nke_yaml *next;
};

/* Parse a text of `length` bytes. An empty text gives an empty map. NKE_ERR_USAGE as `name:line: what`. Local. */
nke_status nke_yaml_parse(const char *name, const char *text, size_t length, nke_yaml **out);
void nke_yaml_destroy(nke_yaml **root);

/* Whether a node is the plain scalar null, ~ or nothing. Local. */
bool nke_yaml_is_null(const nke_yaml *node);

/* A value in few words for error texts: 'text', a list, a map. Local; `size` of at least 16. */
const char *nke_yaml_describe(const nke_yaml *node, char *text, size_t size);

#endif
