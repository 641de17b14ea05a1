#include "run/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(nke_text *text, int64_t more)
{
  if (text->status != NKE_OK || text->length + more < text->capacity) return;
  const int64_t capacity = 2 * (text->length + more) + 256;
  text->status = nke_grow(text->length, capacity, 1, "a text", &text->at);
  if (text->status != NKE_OK) return;
  text->at[text->length] = '\0';
  text->capacity = capacity;
}

void nke_text_add(nke_text *text, const char *format, ...)
{
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int more = vsnprintf(NULL, 0, format, args);
  va_end(args);
  reserve(text, more + 1);
  if (text->status == NKE_OK) {
    vsnprintf(text->at + text->length, (size_t)more + 1, format, again);
    text->length += more;
  }
  va_end(again);
}

void nke_text_add_double(nke_text *text, double value)
{
  char shortest[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(shortest, sizeof shortest, "%.*g", digits, value);
    if (strtod(shortest, NULL) == value) break;
  }
  nke_text_add(text, "%s", shortest);
}

void nke_text_add_quoted(nke_text *text, const char *value)
{
  nke_text_add(text, "\"");
  for (const char *c = value; *c; c++) {
    if (*c == '"' || *c == '\\')
      nke_text_add(text, "\\%c", *c);
    else if ((unsigned char)*c < 32 || *c == 127)
      nke_text_add(text, "\\u%04x", (unsigned char)*c);
    else
      nke_text_add(text, "%c", *c);
  }
  nke_text_add(text, "\"");
}

nke_status nke_text_take(nke_text *text, char **out)
{
  *out = NULL;
  nke_text_add(text, "%s", "");
  const nke_status st = text->status;
  if (st == NKE_OK) {
    *out = text->at;
    text->at = NULL;
  }
  nke_text_clear(text);
  return st;
}

void nke_text_clear(nke_text *text)
{
  nke_free(text->at);
  memset(text, 0, sizeof *text);
}

bool nke_text_range(const char *text, int64_t *begin, int64_t *end)
{
  long long a, b = -1;
  int used = 0;
  if (strspn(text, "0123456789:") != strlen(text) || sscanf(text, "%15lld:%n", &a, &used) != 1 || used == 0)
    return false;
  const char *const rest = text + used;
  if (*rest && (sscanf(rest, "%15lld%n", &b, &used) != 1 || rest[used] || b <= a)) return false;
  *begin = a;
  *end = b;
  return true;
}
