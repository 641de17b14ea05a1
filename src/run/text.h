/* A text that grows, and one that is a range. Inside src/run. */
#ifndef NKE_RUN_TEXT_H
#define NKE_RUN_TEXT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Starts as {0}; after a failed allocation `status` says so, and further text is dropped. */
typedef struct nke_text {
  char *at;
  int64_t length, capacity;
  nke_status status;
} nke_text;

/* Append, printf style. Local. */
void nke_text_add(nke_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append the shortest decimal that reads back as the same double. Local. */
void nke_text_add_double(nke_text *text, double value);

/* Append in double quotes with YAML's (and JSON's) escapes. Local. */
void nke_text_add_quoted(nke_text *text, const char *value);

/* Hand over the string (the caller frees it with nke_free), or the status of a failed allocation. Local. */
nke_status nke_text_take(nke_text *text, char **out);
void nke_text_clear(nke_text *text);

/* a and b of "a:b", 0 <= a < b; b is -1 where it is left out. false: it is none. Local. */
bool nke_text_range(const char *text, int64_t *begin, int64_t *end);

#endif
