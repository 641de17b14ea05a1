/* Types of config values that are lists, and those with forms of their own. */
#include "run/config_table.h"

#include <stdio.h>
#include <stdlib.h>

/* embedding.widths is a list like the others, with room for fewer. */
_Static_assert(offsetof(nke_embedding_options, widths) - offsetof(nke_embedding_options, n_widths) ==
                   offsetof(nke_ints, at),
               "widths lie as in nke_ints");

typedef nke_status read_entry(nke_reader *reader, const nke_key *key, const nke_yaml *node, int index, void *field);

static nke_status read_list(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field, int *n,
                            read_entry *read)
{
  char what[64];
  if (node->kind != NKE_YAML_LIST) return nke_expected(reader, key->path, node, "a list");
  if (node->n < key->least || node->n > key->most) {
    snprintf(what, sizeof what, "a list of %d to %d entries, got %d", key->least, key->most, node->n);
    return nke_refuse(reader, node->line, key->path, "expected %s", what);
  }
  nke_status st = NKE_OK;
  int index = 0;
  for (const nke_yaml *entry = node->first; entry && st == NKE_OK; entry = entry->next)
    st = read(reader, key, entry, index++, field);
  if (st == NKE_OK) *n = node->n;
  return st;
}

static nke_status read_int_entry(nke_reader *reader, const nke_key *key, const nke_yaml *node, int index, void *field)
{
  return nke_read_int(reader, key, node, &((nke_ints *)field)->at[index]);
}

static nke_status read_ints(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  return read_list(reader, key, node, field, &((nke_ints *)field)->n, read_int_entry);
}

static void write_ints(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  const nke_ints *const list = field;
  for (int i = 0; i < list->n; i++) nke_text_add(text, "%s%lld", i ? ", " : "[", (long long)list->at[i]);
  nke_text_add(text, list->n ? "]" : "[]");
}

static nke_status read_real_entry(nke_reader *reader, const nke_key *key, const nke_yaml *node, int index, void *field)
{
  return nke_read_real(reader, key, node, &((nke_reals *)field)->at[index]);
}

static int compare_reals(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A path: kept in ascending order, each value once. A single number is a path of one. */
static nke_status read_reals(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  nke_reals *const list = field;
  if (node->kind == NKE_YAML_SCALAR) {
    list->n = 1;
    return nke_read_real(reader, key, node, list->at);
  }
  const nke_status st = read_list(reader, key, node, field, &list->n, read_real_entry);
  if (st != NKE_OK) return st;
  qsort(list->at, (size_t)list->n, sizeof *list->at, compare_reals);
  for (int i = 1; i < list->n; i++)
    if (list->at[i] == list->at[i - 1])
      return nke_refuse(reader, node->line, key->path, "expected different values, got %g twice", list->at[i]);
  return NKE_OK;
}

static void write_real_list(nke_text *text, const nke_reals *list)
{
  for (int i = 0; i < list->n; i++) {
    nke_text_add(text, "%s", i ? ", " : "[");
    nke_text_add_double(text, list->at[i]);
  }
  nke_text_add(text, list->n ? "]" : "[]");
}

static void write_reals(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  write_real_list(text, field);
}

static nke_status read_text_entry(nke_reader *reader, const nke_key *key, const nke_yaml *node, int index, void *field)
{
  return nke_type_word.read(reader, key, node, &((nke_texts *)field)->at[index]);
}

static nke_status read_texts(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  return read_list(reader, key, node, field, &((nke_texts *)field)->n, read_text_entry);
}

static void write_texts(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  const nke_texts *const list = field;
  for (int i = 0; i < list->n; i++) nke_text_add(text, "%s%s", i ? ", " : "[", list->at[i]);
  nke_text_add(text, list->n ? "]" : "[]");
}

/* a:b with a < b; b may be missing: to the end. The field is two int64_t, the end -1 where it is open. */
static nke_status read_rows(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  int64_t *const range = field;
  range[0] = 0;
  range[1] = -1;
  if (nke_yaml_is_null(node)) return NKE_OK;
  if (node->kind == NKE_YAML_SCALAR && nke_text_range(node->text, &range[0], &range[1])) return NKE_OK;
  return nke_expected(reader, key->path, node, "rows a:b with 0 <= a < b");
}

static void write_rows(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  const int64_t *const range = field;
  if (range[1] >= 0)
    nke_text_add(text, "%lld:%lld", (long long)range[0], (long long)range[1]);
  else if (range[0] > 0)
    nke_text_add(text, "\"%lld:\"", (long long)range[0]);
  else
    nke_text_add(text, "null");
}

/* A fraction takes the place of a validation set given before. */
static nke_status read_validation(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  const nke_status st = nke_read_real(reader, key, node, field);
  if (st == NKE_OK) reader->config->data.validation = (nke_data_spec){.row_end = -1};
  return st;
}

static nke_status read_step(nke_reader *reader, const nke_key *key, const nke_yaml *node, int index, void *field)
{
  static const char *const plain[] = {"standardize", "layernorm", NULL};
  static const char *const fitted[] = {"zca", NULL};
  static const nke_preprocess_kind kinds[] = {NKE_PREPROCESS_STANDARDIZE, NKE_PREPROCESS_LAYERNORM};
  static const nke_key zca = {.path = "data.preprocess.zca", .type = &nke_type_real, .max = 1e6, .open = true};
  (void)field;
  nke_preprocess_step *const step = &reader->config->data.preprocess[index];
  const int found = nke_find_word(plain, node);
  *step = (nke_preprocess_step){.kind = NKE_PREPROCESS_ZCA};
  if (found >= 0) {
    step->kind = kinds[found];
    return NKE_OK;
  }
  if (node->kind != NKE_YAML_MAP || node->n != 1)
    return nke_expected(reader, key->path, node, "standardize, layernorm or {zca: r}");
  const nke_status st = nke_check_entries(reader, key->path, node, fitted);
  return st == NKE_OK ? nke_read_real(reader, &zca, node->first, &step->eps) : st;
}

static nke_status read_preprocess(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  return read_list(reader, key, node, field, field, read_step);
}

static void write_preprocess(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)key, (void)field;
  nke_text_add(text, "[");
  for (int i = 0; i < config->data.n_preprocess; i++) {
    const nke_preprocess_step *const step = &config->data.preprocess[i];
    nke_text_add(text, "%s", i ? ", " : "");
    switch (step->kind) {
      case NKE_PREPROCESS_STANDARDIZE:
        nke_text_add(text, "standardize");
        break;
      case NKE_PREPROCESS_LAYERNORM:
        nke_text_add(text, "layernorm");
        break;
      case NKE_PREPROCESS_ZCA:
        nke_text_add(text, "{zca: ");
        nke_text_add_double(text, step->eps);
        nke_text_add(text, "}");
        break;
    }
  }
  nke_text_add(text, "]");
}

static nke_status read_symmetrize(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  static const char *const words[] = {"flip", NULL};
  const int none = node->kind == NKE_YAML_LIST && node->n == 0;
  if (!none && (node->kind != NKE_YAML_LIST || node->n != 1 || nke_find_word(words, node->first) < 0))
    return nke_expected(reader, key->path, node->kind == NKE_YAML_LIST ? node->first : node, "[] or [flip]");
  *(int *)field = !none;
  return NKE_OK;
}

static void write_symmetrize(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add(text, *(const int *)field ? "[flip]" : "[]");
}

static const char *const selects[] = {"validation", "loo", "gcv", NULL};

static nke_status read_select(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  static const char *const words[] = {"kfold", NULL};
  static const nke_key folds = {.path = "solver.select.kfold", .type = &nke_type_int, .min = 2, .max = 1000};
  nke_config_solver *const solver = &reader->config->solver;
  const int found = nke_find_word(selects, node);
  (void)field;
  solver->folds = 0;
  if (found >= 0) {
    solver->select = (nke_select)found;
    return NKE_OK;
  }
  if (node->kind != NKE_YAML_MAP || node->n != 1)
    return nke_expected(reader, key->path, node, "validation, loo, gcv or {kfold: k}");
  const nke_status st = nke_check_entries(reader, key->path, node, words);
  solver->select = NKE_SELECT_KFOLD;
  return st == NKE_OK ? nke_read_int(reader, &folds, node->first, &solver->folds) : st;
}

static void write_select(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)key, (void)field;
  if (config->solver.select == NKE_SELECT_KFOLD)
    nke_text_add(text, "{kfold: %lld}", (long long)config->solver.folds);
  else
    nke_text_add(text, "%s", selects[config->solver.select]);
}

static const char *const weightings[] = {"none", "balanced", NULL};

static nke_status read_class_weights(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  nke_config_data *const data = &reader->config->data;
  const int found = nke_find_word(weightings, node);
  (void)field;
  data->class_weights.n = 0;
  data->class_weighting = found >= 0 ? (nke_class_weighting)found : NKE_CLASS_WEIGHTS_GIVEN;
  if (found >= 0) return NKE_OK;
  if (node->kind != NKE_YAML_LIST || node->n < 2)
    return nke_expected(reader, key->path, node, "none, balanced or a list of at least 2 weights");
  return read_list(reader, key, node, &data->class_weights, &data->class_weights.n, read_real_entry);
}

static void write_class_weights(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)key, (void)field;
  if (config->data.class_weighting == NKE_CLASS_WEIGHTS_GIVEN)
    write_real_list(text, &config->data.class_weights);
  else
    nke_text_add(text, "%s", weightings[config->data.class_weighting]);
}

static void write_fraction(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)config, (void)key;
  nke_text_add_double(text, *(const double *)field);
}

const nke_value_type nke_type_ints = {"a list of whole numbers", read_ints, write_ints};
const nke_value_type nke_type_reals = {"a list of numbers", read_reals, write_reals};
const nke_value_type nke_type_texts = {"a list of words", read_texts, write_texts};
const nke_value_type nke_type_rows = {"rows a:b", read_rows, write_rows};
const nke_value_type nke_type_validation = {"a fraction, or a map", read_validation, write_fraction};
const nke_value_type nke_type_preprocess = {"a list of steps", read_preprocess, write_preprocess};
const nke_value_type nke_type_symmetrize = {"[] or [flip]", read_symmetrize, write_symmetrize};
const nke_value_type nke_type_select = {"a word, or {kfold: k}", read_select, write_select};
const nke_value_type nke_type_class_weights = {"a word, or a list of weights", read_class_weights, write_class_weights};
