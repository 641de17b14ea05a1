/* Types of config values that are numbers, words and lists of them. */
#include "run/config_table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

nke_status nke_refuse(const nke_reader *reader, int line, const char *path, const char *format, ...)
{
  char what[NKE_ERROR_CHARS];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  if (reader->lines) return nke_fail(NKE_ERR_USAGE, "%s:%d: %s: %s", reader->source, line, path, what);
  return nke_fail(NKE_ERR_USAGE, "%s: %s: %s", reader->source, path, what);
}

nke_status nke_expected(const nke_reader *reader, const char *path, const nke_yaml *node, const char *what)
{
  char got[96];
  return nke_refuse(reader, node->line, path, "expected %s, got %s", what, nke_yaml_describe(node, got, sizeof got));
}

int nke_find_word(const char *const *words, const nke_yaml *node)
{
  if (node->kind != NKE_YAML_SCALAR) return -1;
  for (int i = 0; words[i]; i++)
    if (strcmp(words[i], node->text) == 0) return i;
  return -1;
}

const char *nke_words_text(const char *const *words, char *text, size_t size)
{
  size_t at = 0;
  text[0] = '\0';
  for (int i = 0; words[i] && at < size; i++)
    at += (size_t)snprintf(text + at, size - at, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
  return text;
}

const char *nke_key_range(const nke_key *key, char *text, size_t size)
{
  const nke_value_type *const type = key->type;
  const bool whole =
      type == &nke_type_int || type == &nke_type_int32 || type == &nke_type_ints || type == &nke_type_features;
  if (type == &nke_type_flag) {
    snprintf(text, size, "true or false");
  } else if (type == &nke_type_bytes) {
    snprintf(text, size, "a size of at least 1MiB, such as 4GiB");
  } else if (key->choices) {
    nke_words_text(key->choices, text, size);
  } else if (key->open) {
    snprintf(text, size, "a number above %g and below %g", key->min, key->max);
  } else if (key->max > 0) {
    snprintf(text, size, "%s from %.16g to %.16g", whole ? "a whole number" : "a number", key->min, key->max);
  } else {
    snprintf(text, size, "%s", type->name);
  }
  return text;
}

static nke_status out_of_range(const nke_reader *reader, const nke_key *key, const nke_yaml *node)
{
  char range[256];
  nke_key_range(key, range, sizeof range);
  const bool number = node->kind == NKE_YAML_SCALAR && strspn(node->text, "+-.0123456789eE") == strlen(node->text);
  if (!number || node->plain || key->type == &nke_type_bytes) return nke_expected(reader, key->path, node, range);
  return nke_refuse(reader, node->line, key->path, "expected %s, got the text '%.60s'; write it without quotes", range,
                    node->text);
}

/* Decimal numbers only: strtod would also take nan, inf and hexadecimal. */
static bool parse_decimal(const nke_yaml *node, double *out)
{
  if (node->kind != NKE_YAML_SCALAR || !node->plain || !*node->text) return false;
  if (strspn(node->text, "+-.0123456789eE") != strlen(node->text)) return false;
  char *end;
  *out = strtod(node->text, &end);
  return !*end && isfinite(*out);
}

nke_status nke_read_real(const nke_reader *reader, const nke_key *key, const nke_yaml *node, double *out)
{
  double value;
  if (!parse_decimal(node, &value)) return out_of_range(reader, key, node);
  if (value < key->min || value > key->max) return out_of_range(reader, key, node);
  if (key->open && (value == key->min || value == key->max)) return out_of_range(reader, key, node);
  *out = value;
  return NKE_OK;
}

nke_status nke_read_int(const nke_reader *reader, const nke_key *key, const nke_yaml *node, int64_t *out)
{
  double value;
  if (!parse_decimal(node, &value) || value != floor(value)) return out_of_range(reader, key, node);
  if (value < key->min || value > key->max) return out_of_range(reader, key, node);
  *out = (int64_t)value;
  return NKE_OK;
}

static nke_status read_int(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  return nke_read_int(reader, key, node, field);
}

static void write_int(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add(text, "%lld", (long long)*(const int64_t *)field);
}

static nke_status read_int32(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  int64_t value;
  const nke_status st = nke_read_int(reader, key, node, &value);
  if (st == NKE_OK) *(int *)field = (int)value;
  return st;
}

static void write_int32(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add(text, "%d", *(const int *)field);
}

static nke_status read_features(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  reader->features_given = true;
  return nke_read_int(reader, key, node, field);
}

static nke_status read_real(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  return nke_read_real(reader, key, node, field);
}

static void write_real(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add_double(text, *(const double *)field);
}

/* A number and a unit: 512MiB, 1.5 GiB; a bare number is bytes. */
static nke_status read_bytes(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  static const struct {
    const char *name;
    double bytes;
  } units[] = {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776}};
  if (node->kind != NKE_YAML_SCALAR) return out_of_range(reader, key, node);
  const size_t digits = strspn(node->text, ".0123456789");
  char *end;
  double value = strtod(node->text, &end);
  if (digits == 0 || end != node->text + digits) return out_of_range(reader, key, node);
  while (*end == ' ') end++;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    if (strcmp(end, units[i].name) != 0) continue;
    value *= units[i].bytes;
    if (!(value >= key->min && value <= key->max)) break;
    *(int64_t *)field = (int64_t)value;
    return NKE_OK;
  }
  return out_of_range(reader, key, node);
}

static nke_status read_flag(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  static const char *const words[] = {"false", "true", NULL};
  const int found = node->kind == NKE_YAML_SCALAR && node->plain ? nke_find_word(words, node) : -1;
  if (found < 0) return out_of_range(reader, key, node);
  *(int *)field = found;
  return NKE_OK;
}

static void write_flag(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add(text, "%s", *(const int *)field ? "true" : "false");
}

static nke_status read_text(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  const char **const out = field;
  if (nke_yaml_is_null(node)) {
    *out = NULL;
    return NKE_OK;
  }
  if (node->kind != NKE_YAML_SCALAR || !*node->text) return nke_expected(reader, key->path, node, "text");
  return nke_config_keep(reader->config, node->text, out);
}

static void write_text(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  const char *const value = *(const char *const *)field;
  if (value)
    nke_text_add_quoted(text, value);
  else
    nke_text_add(text, "null");
}

static nke_status read_choice(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  const int found = nke_find_word(key->choices, node);
  if (found < 0) return out_of_range(reader, key, node);
  *(int *)field = found;
  return NKE_OK;
}

static void write_choice(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config;
  nke_text_add(text, "%s", key->choices[*(const int *)field]);
}

/* The word itself, of the table's own. */
static nke_status read_word(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  const int found = nke_find_word(key->choices, node);
  if (found < 0) return out_of_range(reader, key, node);
  *(const char **)field = key->choices[found];
  return NKE_OK;
}

static void write_word(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add(text, "%s", *(const char *const *)field);
}

const nke_value_type nke_type_int = {"a whole number", read_int, write_int};
const nke_value_type nke_type_int32 = {"a whole number", read_int32, write_int32};
const nke_value_type nke_type_features = {"a whole number", read_features, write_int};
const nke_value_type nke_type_real = {"a number", read_real, write_real};
const nke_value_type nke_type_bytes = {"a size", read_bytes, write_int};
const nke_value_type nke_type_flag = {"true or false", read_flag, write_flag};
const nke_value_type nke_type_text = {"text", read_text, write_text};
const nke_value_type nke_type_choice = {"a word", read_choice, write_choice};
const nke_value_type nke_type_word = {"a word", read_word, write_word};
