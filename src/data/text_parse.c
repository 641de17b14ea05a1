#include "data/text_parse.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
  return c == ' ' || c == '\t';
}

/* The end of the field that begins at p: its comma or the end of the line. */
static const char *field_end(const char *p)
{
  bool quoted = false;
  for (; *p && (quoted || *p != ','); p++)
    if (*p == '"') quoted = !quoted;
  return p;
}

/* [*begin, *end) without blanks around it and one pair of double quotes. */
static void trim(const char **begin, const char **end)
{
  while (*begin < *end && blank(**begin)) ++*begin;
  while (*begin < *end && blank((*end)[-1])) --*end;
  if (*end - *begin >= 2 && **begin == '"' && (*end)[-1] == '"') {
    ++*begin;
    --*end;
  }
}

/* The number that fills [begin, end); what follows end is a comma, quote, blank or zero, so strtod stops there. */
static bool number(const char *begin, const char *end, double *out)
{
  char *stop;
  if (begin == end || blank(*begin)) return false;
  *out = strtod(begin, &stop);
  return stop == end;
}

int64_t nke_csv_fields(const char *line)
{
  int64_t count = 1;
  for (const char *p = field_end(line); *p; p = field_end(p + 1)) count++;
  return count;
}

void nke_csv_field(const char *line, int64_t column, const char **begin, const char **end)
{
  *begin = line;
  *end = field_end(line);
  for (int64_t i = 0; i < column && **end; i++) {
    *begin = *end + 1;
    *end = field_end(*begin);
  }
  trim(begin, end);
}

/* What programs write for a missing value, beside nothing and nan. */
static bool missing(const char *begin, const char *end)
{
  static const char *const marks[] = {"NA", "N/A", "null", "NULL", "None", "?"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (strlen(marks[i]) == (size_t)(end - begin) && strncmp(marks[i], begin, (size_t)(end - begin)) == 0) return true;
  return false;
}

int nke_csv_is_header(const char *line)
{
  double value;
  for (const char *p = line;; p++) {
    const char *begin = p, *end = p = field_end(p);
    trim(&begin, &end);
    if (begin < end && !missing(begin, end) && !number(begin, end, &value)) return 1;
    if (!*p) return 0;
  }
}

nke_status nke_csv_parse(const char *line, int64_t columns, double *out)
{
  int64_t column = 0;
  for (const char *p = line;; p++, column++) {
    const char *begin = p, *end = p = field_end(p);
    trim(&begin, &end);
    if (column < columns && !number(begin, end, &out[column]))
      return nke_fail(NKE_ERR_DATA, "column %lld: expected a number, got '%.*s'", (long long)column,
                      (int)(end - begin < 40 ? end - begin : 40), begin);
    if (!*p) break;
  }
  if (column + 1 != columns)
    return nke_fail(NKE_ERR_DATA, "expected %lld fields, got %lld", (long long)columns, (long long)column + 1);
  return NKE_OK;
}

/* The token at p, for error lines. */
static int token_length(const char *p)
{
  const size_t length = strcspn(p, " \t");
  return (int)(length < 40 ? length : 40);
}

nke_status nke_libsvm_parse(const char *line, int64_t columns, double *label, nke_sparse *row)
{
  const char *p = line + strspn(line, " \t");
  char *stop;
  long long largest = 0;
  *label = strtod(p, &stop);
  if (stop == p || !(*stop == '\0' || *stop == '#' || blank(*stop)))
    return nke_fail(NKE_ERR_DATA, "expected a label, got '%.*s'%s", token_length(p), p,
                    strchr(p, ',') ? "; is it csv? such files are called .csv" : "");
  for (p = stop + strspn(stop, " \t"); *p && *p != '#'; p = stop + strspn(stop, " \t")) {
    /* strtoll gives its largest value on overflow, and that is refused as an index. */
    const long long index = *p >= '0' && *p <= '9' ? strtoll(p, &stop, 10) : 0;
    if (index < 1 || index > NKE_LIBSVM_MOST || *stop != ':')
      return nke_fail(NKE_ERR_DATA, "expected index:value with an index from 1, got '%.*s'", token_length(p), p);
    if (index <= largest)
      return nke_fail(NKE_ERR_DATA, "index %lld after %lld: expected ascending indices", index, largest);
    if (index > columns)
      return nke_fail(NKE_ERR_DATA, "index %lld: expected at most %lld", index, (long long)columns);
    const char *text = stop + 1;
    const double value = blank(*text) ? 0 : strtod(text, &stop);
    if (blank(*text) || stop == text || !(*stop == '\0' || *stop == '#' || blank(*stop)))
      return nke_fail(NKE_ERR_DATA, "index %lld: expected a number, got '%.*s'", index, token_length(text), text);
    const nke_status st = nke_sparse_add(row, index - 1, value);
    if (st != NKE_OK) return st;
    largest = index;
  }
  return NKE_OK;
}
