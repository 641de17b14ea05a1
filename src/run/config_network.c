/* network: a list of layers, or a preset with its activation. */
#include "run/config_table.h"

#include <stdio.h>
#include <string.h>

static const char *const layer_words[] = {"dense",   "conv",      "activation", "avgpool",  "global_avgpool",
                                          "flatten", "layernorm", "residual",   "identity", NULL};
_Static_assert(NKE_LAYER_DENSE == 0 && NKE_LAYER_FLATTEN == 5 && NKE_LAYER_IDENTITY == 8,
               "layers lie as in layer_words");
static const char *const paddings[] = {"same", "valid", "circular", NULL};
_Static_assert(NKE_PAD_SAME == 0 && NKE_PAD_CIRCULAR == 2, "paddings");

enum { LARGEST_WINDOW = 4096 };

/* Where a layer stands, to bound what one config can ask for. */
typedef struct place {
  int nesting;
  int *layers; /* so far */
} place;

static const nke_yaml *entry_of(const nke_yaml *map, const char *name)
{
  for (const nke_yaml *entry = map->first; entry; entry = entry->next)
    if (strcmp(entry->key, name) == 0) return entry;
  return NULL;
}

static nke_status read_std(const nke_reader *reader, const char *path, const nke_yaml *map, const char *name,
                           double *out)
{
  const nke_key key = {.path = path, .type = &nke_type_real, .max = 1e6};
  const nke_yaml *const entry = entry_of(map, name);
  return entry ? nke_read_real(reader, &key, entry, out) : NKE_OK;
}

/* k, or [h, w]. */
static nke_status read_window(const nke_reader *reader, const char *path, const nke_yaml *node, int *h, int *w)
{
  const nke_key key = {.path = path, .type = &nke_type_int, .min = 1, .max = LARGEST_WINDOW};
  int64_t size[2];
  if (node->kind == NKE_YAML_MAP || (node->kind == NKE_YAML_LIST && node->n != 2))
    return nke_expected(reader, path, node, "a whole number, or [height, width]");
  nke_status st = nke_read_int(reader, &key, node->kind == NKE_YAML_LIST ? node->first : node, &size[0]);
  size[1] = size[0];
  if (st == NKE_OK && node->kind == NKE_YAML_LIST) st = nke_read_int(reader, &key, node->last, &size[1]);
  if (st != NKE_OK) return st;
  *h = (int)size[0];
  *w = (int)size[1];
  return NKE_OK;
}

static nke_status read_conv(const nke_reader *reader, const nke_yaml *map, nke_layer *layer)
{
  static const char *const words[] = {"filter", "stride", "padding", "w_std", "b_std", NULL};
  nke_status st = NKE_OK;
  if (map->kind != NKE_YAML_MAP)
    return nke_expected(reader, "network.conv", map, "{filter, stride, padding, w_std, b_std}");
  NKE_TRY(nke_check_entries(reader, "network.conv", map, words));
  const nke_yaml *const filter = entry_of(map, "filter"), *const stride = entry_of(map, "stride");
  const nke_yaml *const padding = entry_of(map, "padding");
  if (!filter)
    return nke_refuse(reader, map->line, "network.conv.filter",
                      "expected a whole number, or [height, width], "
                      "got nothing");
  NKE_TRY(read_window(reader, "network.conv.filter", filter, &layer->filter_h, &layer->filter_w));
  if (stride) NKE_TRY(read_window(reader, "network.conv.stride", stride, &layer->stride_h, &layer->stride_w));
  if (padding) {
    const int found = nke_find_word(paddings, padding);
    if (found < 0) return nke_expected(reader, "network.conv.padding", padding, "same, valid or circular");
    layer->padding = (nke_padding)found;
  }
  NKE_TRY(read_std(reader, "network.conv.w_std", map, "w_std", &layer->w_std));
  NKE_TRY(read_std(reader, "network.conv.b_std", map, "b_std", &layer->b_std));
done:
  return st;
}

static nke_status read_dense(const nke_reader *reader, const nke_yaml *map, nke_layer *layer)
{
  static const char *const words[] = {"w_std", "b_std", NULL};
  nke_status st = NKE_OK;
  if (map->kind != NKE_YAML_MAP) return nke_expected(reader, "network.dense", map, "{w_std, b_std}");
  NKE_TRY(nke_check_entries(reader, "network.dense", map, words));
  NKE_TRY(read_std(reader, "network.dense.w_std", map, "w_std", &layer->w_std));
  NKE_TRY(read_std(reader, "network.dense.b_std", map, "b_std", &layer->b_std));
done:
  return st;
}

static nke_status read_layers(const nke_reader *reader, const nke_yaml *list, place at, nke_network **out);

static nke_status read_residual(const nke_reader *reader, const nke_yaml *map, place at, nke_layer *layer)
{
  static const char *const words[] = {"branch", "shortcut", NULL};
  nke_status st = NKE_OK;
  if (map->kind != NKE_YAML_MAP)
    return nke_expected(reader, "network.residual", map, "{branch: [layers], shortcut: [layers]}");
  if (at.nesting == NKE_CONFIG_MAX_NESTING)
    return nke_refuse(reader, map->line, "network.residual", "nested more than %d deep", NKE_CONFIG_MAX_NESTING);
  at.nesting++;
  NKE_TRY(nke_check_entries(reader, "network.residual", map, words));
  const nke_yaml *const branch = entry_of(map, "branch"), *const shortcut = entry_of(map, "shortcut");
  if (!branch)
    return nke_refuse(reader, map->line, "network.residual.branch", "expected a list of layers, got nothing");
  NKE_TRY(read_layers(reader, branch, at, &layer->branch));
  if (shortcut) NKE_TRY(read_layers(reader, shortcut, at, &layer->shortcut));
done:
  return st;
}

/* `flatten`, or `{conv: {...}}`: the value, NULL where there is none, goes by the layer's kind. */
static nke_status read_layer_value(const nke_reader *reader, const nke_yaml *node, place at, nke_layer *layer)
{
  const char *const name = layer_words[layer->kind];
  const nke_yaml *const value = node->kind == NKE_YAML_MAP && !nke_yaml_is_null(node->first) ? node->first : NULL;
  char path[64];
  snprintf(path, sizeof path, "network.%s", name);
  switch (layer->kind) {
    case NKE_LAYER_DENSE:
      return value ? read_dense(reader, value, layer) : NKE_OK;
    case NKE_LAYER_CONV:
      if (value) return read_conv(reader, value, layer);
      return nke_refuse(reader, node->line, path, "expected {filter: k}, got nothing");
    case NKE_LAYER_ACTIVATION:
      if (value) return nke_read_activation(reader, path, value, &layer->activation);
      return nke_refuse(reader, node->line, path, "expected a name, such as relu, got nothing");
    case NKE_LAYER_AVGPOOL:
      if (!value) return nke_refuse(reader, node->line, path, "expected the window, such as 2, got nothing");
      const nke_status st = read_window(reader, path, value, &layer->filter_h, &layer->filter_w);
      layer->stride_h = layer->filter_h;
      layer->stride_w = layer->filter_w;
      layer->padding = NKE_PAD_VALID;
      return st;
    case NKE_LAYER_RESIDUAL:
      if (value) return read_residual(reader, value, at, layer);
      return nke_refuse(reader, node->line, path, "expected {branch: [layers], shortcut: [layers]}, got nothing");
    case NKE_LAYER_GLOBAL_AVGPOOL:
    case NKE_LAYER_FLATTEN:
    case NKE_LAYER_LAYERNORM:
    case NKE_LAYER_IDENTITY:
      if (!value || (value->kind == NKE_YAML_MAP && value->n == 0)) return NKE_OK;
      return nke_expected(reader, path, value, "no parameters");
  }
  return NKE_OK;
}

/* What else a word that is no layer may be: part of one, misspelt, or an activation. */
static const char *layer_hint(const char *name, char *text, size_t size)
{
  nke_guess layer = {0};
  for (int i = 0; layer_words[i]; i++) nke_guess_try(&layer, name, layer_words[i]);
  const char *const activation = nke_near_activation(name);
  text[0] = '\0';
  if (layer.nearest)
    snprintf(text, size, "; did you mean %s?", layer.nearest);
  else if (activation)
    snprintf(text, size, "; did you mean activation: %s?", activation);
  return text;
}

static nke_status read_layer(const nke_reader *reader, const nke_yaml *node, place at, nke_network *network)
{
  char words[160], hint[64], got[96];
  int kind = nke_find_word(layer_words, node);
  if (node->kind == NKE_YAML_MAP && node->n == 1) {
    const nke_yaml name = {.kind = NKE_YAML_SCALAR, .text = node->first->key};
    kind = nke_find_word(layer_words, &name);
    if (kind < 0)
      return nke_refuse(reader, node->line, "network", "unknown layer '%.60s'; expected %s%s", node->first->key,
                        nke_words_text(layer_words, words, sizeof words),
                        layer_hint(node->first->key, hint, sizeof hint));
  }
  if (kind < 0)
    return nke_refuse(reader, node->line, "network", "expected a layer: %s, got %s%s",
                      nke_words_text(layer_words, words, sizeof words), nke_yaml_describe(node, got, sizeof got),
                      node->kind == NKE_YAML_SCALAR ? layer_hint(node->text, hint, sizeof hint) : "");
  if (++*at.layers > NKE_CONFIG_MAX_LAYERS)
    return nke_refuse(reader, node->line, "network", "more than %d layers", NKE_CONFIG_MAX_LAYERS);
  nke_layer layer = nke_layer_simple((nke_layer_kind)kind);
  layer.line = reader->lines ? node->line : 0;
  nke_status st = read_layer_value(reader, node, at, &layer);
  if (st == NKE_OK) st = nke_network_append(network, &layer);
  if (st != NKE_OK) {
    nke_network_destroy(&layer.branch);
    nke_network_destroy(&layer.shortcut);
  }
  return st;
}

static nke_status read_layers(const nke_reader *reader, const nke_yaml *list, place at, nke_network **out)
{
  nke_status st = NKE_OK;
  nke_network *network = NULL;
  if (list->kind != NKE_YAML_LIST) return nke_expected(reader, "network", list, "a list of layers");
  NKE_TRY(nke_network_create(&network));
  for (const nke_yaml *entry = list->first; entry; entry = entry->next) NKE_TRY(read_layer(reader, entry, at, network));
  *out = network;
  network = NULL;
done:
  nke_network_destroy(&network);
  return st;
}

static nke_status read_network(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  int layers = 0;
  nke_network **const network = field;
  (void)key;
  nke_network_destroy(network);
  reader->preset = NULL;
  if (nke_yaml_is_null(node)) return NKE_OK;
  if (node->kind != NKE_YAML_LIST)
    return nke_expected(reader, "network", node, "a list of layers, or {preset: name, activation: name}");
  if (node->n == 0) return nke_refuse(reader, node->line, "network", "expected at least one layer, got none");
  return read_layers(reader, node, (place){.layers = &layers}, network);
}

/* Build the preset anew; its complaints get the place of the key that was read. */
static nke_status build_preset(nke_reader *reader, const nke_key *key, const nke_yaml *node, nke_network **network)
{
  nke_network_destroy(network);
  nke_status st = nke_network_preset(reader->preset, &reader->activation, network);
  if (st != NKE_ERR_USAGE) return st;
  const char *text = nke_error_text(); /* may begin with the key, which nke_refuse() puts there too */
  const size_t prefix = strlen("network.preset: ");
  if (strncmp(text, "network.preset: ", prefix) == 0) text += prefix;
  return nke_refuse(reader, node->line, key->path, "%s", text);
}

static nke_status read_preset(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  nke_network **const network = field;
  if (nke_yaml_is_null(node)) {
    if (reader->preset) nke_network_destroy(network);
    reader->preset = NULL;
    return NKE_OK;
  }
  if (node->kind != NKE_YAML_SCALAR) return nke_expected(reader, key->path, node, "the name of a preset");
  const nke_status st = nke_config_keep(reader->config, node->text, &reader->preset);
  return st == NKE_OK ? build_preset(reader, key, node, network) : st;
}

static nke_status read_preset_activation(nke_reader *reader, const nke_key *key, const nke_yaml *node, void *field)
{
  nke_network **const network = field;
  const nke_status st = nke_read_activation(reader, key->path, node, &reader->activation);
  if (st != NKE_OK || (!reader->preset && !*network)) return st;
  if (!reader->preset) return nke_refuse(reader, node->line, key->path, "goes with network.preset, not with layers");
  return build_preset(reader, key, node, network);
}

static void write_window(nke_text *text, int h, int w)
{
  if (h == w)
    nke_text_add(text, "%d", h);
  else
    nke_text_add(text, "[%d, %d]", h, w);
}

static void write_stds(nke_text *text, const nke_layer *layer)
{
  nke_text_add(text, "w_std: ");
  nke_text_add_double(text, layer->w_std);
  nke_text_add(text, ", b_std: ");
  nke_text_add_double(text, layer->b_std);
  nke_text_add(text, "}");
}

static void write_layers(nke_text *text, const nke_network *network, const char *separator);

static void write_layer(nke_text *text, const nke_layer *layer)
{
  const char *const name = layer_words[layer->kind];
  switch (layer->kind) {
    case NKE_LAYER_DENSE:
      nke_text_add(text, "%s: {", name);
      write_stds(text, layer);
      return;
    case NKE_LAYER_CONV:
      nke_text_add(text, "%s: {filter: ", name);
      write_window(text, layer->filter_h, layer->filter_w);
      nke_text_add(text, ", stride: ");
      write_window(text, layer->stride_h, layer->stride_w);
      nke_text_add(text, ", padding: %s, ", paddings[layer->padding]);
      write_stds(text, layer);
      return;
    case NKE_LAYER_ACTIVATION:
      nke_text_add(text, "%s: ", name);
      nke_write_activation(text, &layer->activation);
      return;
    case NKE_LAYER_AVGPOOL:
      nke_text_add(text, "%s: ", name);
      write_window(text, layer->filter_h, layer->filter_w);
      return;
    case NKE_LAYER_RESIDUAL:
      nke_text_add(text, "%s: {branch: [", name);
      write_layers(text, layer->branch, ", ");
      if (layer->shortcut) nke_text_add(text, "], shortcut: [");
      if (layer->shortcut) write_layers(text, layer->shortcut, ", ");
      nke_text_add(text, "]}");
      return;
    case NKE_LAYER_GLOBAL_AVGPOOL:
    case NKE_LAYER_FLATTEN:
    case NKE_LAYER_LAYERNORM:
    case NKE_LAYER_IDENTITY:
      nke_text_add(text, "%s: {}", name);
      return;
  }
}

static void write_layers(nke_text *text, const nke_network *network, const char *separator)
{
  for (int l = 0; l < network->n_layers; l++) {
    nke_text_add(text, "%s{", l ? separator : "");
    write_layer(text, &network->layers[l]);
    nke_text_add(text, "}");
  }
}

static void write_network(nke_text *text, const nke_config *config, const nke_key *key, const void *field)
{
  (void)key, (void)field;
  if (!config->network) {
    nke_text_add(text, "null");
    return;
  }
  nke_text_add(text, "[\n  ");
  write_layers(text, config->network, ",\n  ");
  nke_text_add(text, "\n  ]");
}

const nke_value_type nke_type_layers = {"a list of layers", read_network, write_network};
const nke_value_type nke_type_preset = {"the name of a preset", read_preset, NULL};
const nke_value_type nke_type_activation = {"an activation", read_preset_activation, NULL};
