/* Reading a config: the walk over the YAML tree against the table of keys. */
#include "run/config.h"

#include "base/memory.h"
#include "data/dataset.h"
#include "run/config_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { PATH_CHARS = 256 };

struct nke_config_texts {
  struct nke_config_texts *next;
  char text[];
};

nke_status nke_config_keep(nke_config *config, const char *text, const char **out)
{
  struct nke_config_texts *kept;
  const size_t bytes = strlen(text) + 1;
  const nke_status st = nke_alloc((int64_t)(sizeof *kept + bytes), 1, "a config", &kept);
  if (st != NKE_OK) return st;
  memcpy(kept->text, text, bytes);
  kept->next = config->owned;
  config->owned = kept;
  *out = kept->text;
  return NKE_OK;
}

void nke_config_destroy(nke_config **config)
{
  if (!config || !*config) return;
  nke_network_destroy(&(*config)->network);
  while ((*config)->owned) {
    struct nke_config_texts *const next = (*config)->owned->next;
    nke_free((*config)->owned);
    (*config)->owned = next;
  }
  nke_free(*config);
  *config = NULL;
}

static const nke_key *find_key(const char *path)
{
  for (const nke_key *key = nke_config_keys; key->path; key++)
    if (strcmp(key->path, path) == 0) return key;
  return NULL;
}

/* Whether `path` is that of a section: some key lies below it. The empty path is the whole config. */
static bool below(const nke_key *key, const char *path)
{
  const size_t length = strlen(path);
  return length == 0 || (strncmp(key->path, path, length) == 0 && key->path[length] == '.');
}

static bool is_section(const char *path)
{
  for (const nke_key *key = nke_config_keys; key->path; key++)
    if (below(key, path)) return true;
  return false;
}

/* Defaults for the key `path` and all below it, parsed as one map from paths to values. */
static nke_status reset_section(nke_reader *reader, const char *path)
{
  nke_status st = NKE_OK;
  nke_text text = {0};
  nke_yaml *values = NULL;
  const char *const source = reader->source;
  const bool features_given =
      reader->features_given && !below(find_key("embedding.features"), path) && strcmp(path, "embedding.features") != 0;
  for (const nke_key *key = nke_config_keys; key->path; key++)
    if (below(key, path) || strcmp(key->path, path) == 0) nke_text_add(&text, "%s: %s\n", key->path, key->fallback);
  NKE_TRY(text.status);
  NKE_TRY(nke_yaml_parse("defaults", text.at, (size_t)text.length, &values));
  reader->source = "defaults";
  for (const nke_yaml *value = values->first; value; value = value->next) {
    const nke_key *const key = find_key(value->key);
    NKE_TRY(key->type->read(reader, key, value, (char *)reader->config + key->offset));
  }
done:
  reader->source = source;
  reader->features_given = features_given;
  nke_text_clear(&text);
  nke_yaml_destroy(&values);
  return st;
}

static bool same_letter(char a, char b)
{
  return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edit distance, whatever the case, of names of up to 31 characters; two letters that changed places are one edit. */
static int distance(const char *a, const char *b)
{
  int64_t row[32] = {0}, before[32] = {0}, earlier[32];
  const int n = (int)strlen(b);
  if (n > 31 || strlen(a) > 31) return 99;
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; a[i - 1]; i++) {
    memcpy(earlier, before, sizeof earlier);
    memcpy(before, row, sizeof before);
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      row[j] = nke_min(before[j - 1] + !same_letter(a[i - 1], b[j - 1]), nke_min(row[j - 1], before[j]) + 1);
      if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
        row[j] = nke_min(row[j], earlier[j - 2] + 1);
    }
  }
  return (int)row[n];
}

void nke_guess_try(nke_guess *guess, const char *text, const char *candidate)
{
  enum { PART = 4 }; /* characters that are enough of a name: preprocessing, conv2d, --valid */
  const size_t length = strlen(text), shorter = strlen(candidate) < length ? strlen(candidate) : length;
  const int limit = length > 5 ? 2 : length > 2 ? 1 : 0;
  int d = distance(text, candidate);
  if (d > limit && shorter >= PART && strncmp(text, candidate, shorter) == 0) d = limit;
  if (d > limit || (guess->nearest && d >= guess->distance)) return;
  guess->nearest = candidate;
  guess->distance = d;
}

/* A name near the unknown one in its own section, or the same name in another. */
static void guess_key(const char *path, char *text, size_t size)
{
  const char *const dot = strrchr(path, '.'), *const name = dot ? dot + 1 : path;
  const int prefix = (int)(name - path);
  char part[PATH_CHARS];
  nke_guess near = {0};
  text[0] = '\0';
  for (const nke_key *key = nke_config_keys; key->path; key++) {
    if (strncmp(key->path, path, (size_t)prefix) != 0) continue;
    snprintf(part, sizeof part, "%s", key->path + prefix);
    part[strcspn(part, ".")] = '\0';
    const char *const before = near.nearest;
    nke_guess_try(&near, name, part);
    if (near.nearest != before) snprintf(text, size, "; did you mean %.*s%s?", prefix, path, part);
    if (near.nearest) near.nearest = "";
  }
  for (const nke_key *key = nke_config_keys; key->path && !*text; key++) {
    const char *const last = strrchr(key->path, '.');
    if (last && strcmp(last + 1, name) == 0) snprintf(text, size, "; did you mean %s?", key->path);
  }
}

static nke_status unknown_key(const nke_reader *reader, int line, const char *path)
{
  char hint[PATH_CHARS + 32], shown[80];
  if (reader->lines && strchr(path, ':'))
    snprintf(hint, sizeof hint, "; a colon takes a space behind it");
  else if (strchr(path, ' '))
    snprintf(hint, sizeof hint, "; expected no space in a key");
  else
    guess_key(path, hint, sizeof hint);
  snprintf(shown, sizeof shown, "%.76s%s", path, strlen(path) > 76 ? "..." : "");
  return nke_refuse(reader, line, shown, "unknown key%s", hint);
}

nke_status nke_check_entries(const nke_reader *reader, const char *path, const nke_yaml *map, const char *const *words)
{
  char known[160];
  for (const nke_yaml *entry = map->first; entry; entry = entry->next) {
    const nke_yaml name = {.kind = NKE_YAML_SCALAR, .text = entry->key};
    if (nke_find_word(words, &name) < 0)
      return nke_refuse(reader, entry->line, path, "unknown key '%.60s'; expected %s", entry->key,
                        nke_words_text(words, known, sizeof known));
    for (const nke_yaml *before = map->first; before != entry; before = before->next)
      if (strcmp(before->key, entry->key) == 0)
        return nke_refuse(reader, entry->line, path, "'%s' stands twice", entry->key);
  }
  return NKE_OK;
}

/* The value of `path`. Recursion is as deep as the table: an unknown section is refused before its entries. */
static nke_status read_node(nke_reader *reader, const char *path, const nke_yaml *node)
{
  const nke_key *const key = find_key(path);
  const bool section = is_section(path);
  if (!key && !section) return unknown_key(reader, node->line, path);
  if (nke_yaml_is_null(node)) return reset_section(reader, path);
  if (!section || (key && node->kind != NKE_YAML_MAP))
    return key->type->read(reader, key, node, (char *)reader->config + key->offset);
  if (node->kind != NKE_YAML_MAP) return nke_expected(reader, *path ? path : "config", node, "a map of keys");
  for (const nke_yaml *entry = node->first; entry; entry = entry->next) {
    char child[PATH_CHARS];
    if (snprintf(child, sizeof child, "%s%s%s", path, *path ? "." : "", entry->key) >= (int)sizeof child)
      return nke_refuse(reader, entry->line, *path ? path : "config", "a key that is too long");
    for (const nke_yaml *before = node->first; before != entry; before = before->next)
      if (strcmp(before->key, entry->key) == 0)
        return nke_refuse(reader, entry->line, child, "stands twice, first in line %d", before->line);
    const nke_status st = read_node(reader, child, entry);
    if (st != NKE_OK) return st;
  }
  return NKE_OK;
}

/* --set key.path=value, the value in YAML. */
static nke_status read_override(nke_reader *reader, const char *set)
{
  nke_yaml *value = NULL;
  char source[128], path[PATH_CHARS];
  snprintf(source, sizeof source, "--set %.110s", set);
  const char *const equals = strchr(set, '=');
  if (!equals || equals == set || !equals[1] || equals - set >= PATH_CHARS || strlen(set) > NKE_CONFIG_MAX_BYTES)
    return nke_fail(NKE_ERR_USAGE, "%s: expected key.path=value", source);
  snprintf(path, sizeof path, "%.*s", (int)(equals - set), set);
  nke_status st = nke_yaml_parse(source, equals + 1, strlen(equals + 1), &value);
  reader->source = source;
  reader->lines = false;
  if (st == NKE_OK) st = read_node(reader, path, value);
  nke_yaml_destroy(&value);
  return st;
}

static void name_hdf5(nke_data_spec *spec, const char *x, const char *y)
{
  if (!spec->file || spec->x || spec->y || !nke_dataset_is_hdf5(spec->file)) return;
  spec->x = x;
  spec->y = y;
}

/* runs/NAME for a config NAME.yaml. */
static nke_status name_out(nke_config *config)
{
  char out[PATH_CHARS];
  const char *const slash = strrchr(config->name, '/'), *const base = slash ? slash + 1 : config->name;
  const char *const dot = strrchr(base, '.');
  const int length = (int)(dot && dot != base ? (size_t)(dot - base) : strlen(base));
  snprintf(out, sizeof out, "runs/%.*s", length > 200 ? 200 : length, base);
  return nke_config_keep(config, out, &config->run.out);
}

/* What follows from several keys. */
static nke_status finish(nke_reader *reader)
{
  nke_config *const config = reader->config;
  nke_embedding_options *const embedding = &config->embedding;
  embedding->seed = config->run.seed;
  embedding->precision = config->run.precision;
  const bool random = strcmp(embedding->method, "random_features") == 0 || strcmp(embedding->method, "none") == 0;
  if (random && embedding->n_widths > 0 && !reader->features_given)
    embedding->features =
        embedding->widths[embedding->n_widths - 1] * nke_features_parts(config->network, embedding->kernel);
  name_hdf5(&config->data.train, "/train/x", "/train/y");
  name_hdf5(&config->data.test, "/test/x", "/test/y");
  name_hdf5(&config->data.validation, "/validation/x", "/validation/y");
  return config->run.out ? NKE_OK : name_out(config);
}

nke_status nke_config_parse(const char *name, const char *text, int n_sets, const char *const *sets, nke_config **out)
{
  nke_status st = NKE_OK;
  nke_yaml *root = NULL;
  nke_config *config = NULL;
  if (out) *out = NULL;
  if (!out || !name || !text || n_sets < 0 || (n_sets > 0 && !sets))
    return nke_fail(NKE_ERR_USAGE, "a config: expected name, text, n_sets texts and out, got NULL or n_sets below 0");
  NKE_TRY(nke_calloc(1, sizeof *config, "a config", &config));
  NKE_TRY(nke_config_keep(config, name, &config->name));
  nke_reader reader = {.config = config};
  NKE_TRY(reset_section(&reader, ""));
  NKE_TRY(nke_yaml_parse(name, text, strlen(text), &root));
  reader.source = name;
  reader.lines = true;
  if (!nke_yaml_is_null(root)) NKE_TRY(read_node(&reader, "", root));
  for (int i = 0; i < n_sets; i++)
    NKE_TRY(sets[i] ? read_override(&reader, sets[i])
                    : nke_fail(NKE_ERR_USAGE, "sets[%d]: expected a text, got NULL", i));
  NKE_TRY(finish(&reader));
  *out = config;
  config = NULL;
done:
  nke_yaml_destroy(&root);
  nke_config_destroy(&config);
  return st;
}

nke_status nke_config_require(const nke_config *config, int needs)
{
  if (needs & NKE_NEEDS_TRAIN && !config->data.train.file)
    return nke_fail(NKE_ERR_USAGE, "%s: data.train.file: expected a data file, got nothing", config->name);
  if (needs & NKE_NEEDS_NETWORK && !config->network)
    return nke_fail(NKE_ERR_USAGE,
                    "%s: network: expected a list of layers, or {preset: name, activation: name}, got nothing",
                    config->name);
  return NKE_OK;
}

nke_status nke_config_out(const nke_config *config, const char *name, char *path, size_t size)
{
  if (snprintf(path, size, "%s/%s", config->run.out, name) < (int)size) return NKE_OK;
  return nke_fail(NKE_ERR_OUTPUT, "run.out: path too long");
}
