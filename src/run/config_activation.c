/* Activations in a config: relu, {gelu: {}}, {erf: {a: 1, b: 2}}, {polynomial: {coefs: [0, 1]}}, {formula: "..."}. */
#include "run/config_table.h"

#include <stdio.h>
#include <string.h>

/* Named parameters as nke_activation_init() takes them: a list repeats its name. */
typedef struct parameters {
  int n;
  const char *names[NKE_ACT_MAX_PARAMS];
  double values[NKE_ACT_MAX_PARAMS];
} parameters;

static nke_status add_parameter(const nke_reader *reader, const char *path, const char *name, const nke_yaml *node,
                                parameters *p)
{
  const nke_key key = {.path = path, .type = &nke_type_real, .min = -1e100, .max = 1e100};
  if (p->n == NKE_ACT_MAX_PARAMS)
    return nke_refuse(reader, node->line, path, "more than %d parameters", NKE_ACT_MAX_PARAMS);
  p->names[p->n] = name;
  return nke_read_real(reader, &key, node, &p->values[p->n++]);
}

static nke_status read_parameters(const nke_reader *reader, const char *path, const nke_yaml *map, parameters *p)
{
  nke_status st = NKE_OK;
  if (nke_yaml_is_null(map)) return st;
  if (map->kind != NKE_YAML_MAP) return nke_expected(reader, path, map, "{parameter: value}");
  for (const nke_yaml *entry = map->first; entry; entry = entry->next) {
    for (const nke_yaml *before = map->first; before != entry; before = before->next)
      if (strcmp(before->key, entry->key) == 0)
        return nke_refuse(reader, entry->line, path, "'%s' stands twice", entry->key);
    if (entry->kind != NKE_YAML_LIST) {
      NKE_TRY(add_parameter(reader, path, entry->key, entry, p));
      continue;
    }
    for (const nke_yaml *value = entry->first; value; value = value->next)
      NKE_TRY(add_parameter(reader, path, entry->key, value, p));
  }
done:
  return st;
}

/* The name that an unknown one may stand for, with words before it; nothing for a known one. */
static const char *guess_text(const char *name, char *text, size_t size)
{
  const char *const near = nke_near_activation(name);
  text[0] = '\0';
  if (near && strcmp(near, name) != 0) snprintf(text, size, "; did you mean %s?", near);
  return text;
}

const char *nke_near_activation(const char *name)
{
  nke_guess guess = {0};
  for (const nke_activation_info *row = nke_activation_table(); row->name; row++)
    nke_guess_try(&guess, name, row->name);
  return guess.nearest;
}

nke_status nke_read_activation(const nke_reader *reader, const char *path, const nke_yaml *node, nke_activation *out)
{
  nke_status st = NKE_OK;
  parameters p = {.n = 0};
  const nke_yaml *const entry = node->kind == NKE_YAML_MAP && node->n == 1 ? node->first : NULL;
  const char *const name = entry ? entry->key : node->kind == NKE_YAML_SCALAR ? node->text : NULL;
  if (!name) return nke_expected(reader, path, node, "a name, {name: {parameter: value}} or {formula: \"...\"}");
  if (entry && strcmp(name, "formula") == 0) {
    if (entry->kind != NKE_YAML_SCALAR) return nke_expected(reader, path, entry, "a formula in x");
    st = nke_activation_init_formula(out, entry->text);
  } else if (strcmp(name, "formula") == 0) {
    return nke_expected(reader, path, node, "{formula: \"...\"}");
  } else {
    if (entry) NKE_TRY(read_parameters(reader, path, entry, &p));
    st = nke_activation_init(out, name, p.n, p.names, p.values);
  }
  char guess[64];
  if (st == NKE_ERR_USAGE)
    st = nke_refuse(reader, node->line, path, "%s%s", nke_error_text(), guess_text(name, guess, sizeof guess));
done:
  return st;
}

void nke_write_activation(nke_text *text, const nke_activation *activation)
{
  const nke_activation_info *row = nke_activation_table();
  while (row->name && row->kind != activation->kind) row++;
  if (activation->kind == NKE_ACT_FORMULA) {
    nke_text_add(text, "{formula: ");
    nke_text_add_quoted(text, activation->formula);
    nke_text_add(text, "}");
  } else if (activation->n_params == 0 || !row->name) {
    nke_text_add(text, "%s", row->name ? row->name : "unknown");
  } else {
    const bool list = strcmp(row->params[0], "coefs") == 0;
    nke_text_add(text, "{%s: {%s", row->name, list ? "coefs: [" : "");
    for (int i = 0; i < activation->n_params; i++) {
      nke_text_add(text, "%s", i ? ", " : "");
      if (!list) nke_text_add(text, "%s: ", row->params[i]);
      nke_text_add_double(text, activation->param[i]);
    }
    nke_text_add(text, "%s}}", list ? "]" : "");
  }
}
