/* The resolved config as YAML, its hash, and the reference of keys. */
#include "run/config_table.h"

#include "base/hash.h"
#include "base/memory.h"

#include <string.h>

/* Open the sections of `path` that the path before it was not in, each on a line of its own. */
static int open_sections(nke_text *text, const char *before, const char *path)
{
  int depth = 0;
  bool same = true;
  for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
    const size_t length = (size_t)(dot - path) + 1;
    same = same && strncmp(before, path, length) == 0;
    if (!same) {
      const char *name = dot;
      while (name > path && name[-1] != '.') name--;
      nke_text_add(text, "%*s%.*s:\n", 2 * depth, "", (int)(dot - name), name);
    }
    depth++;
  }
  return depth;
}

static void write_config(nke_text *text, const nke_config *config, bool all)
{
  const char *before = "";
  for (const nke_key *key = nke_config_keys; key->path; key++) {
    if ((key->hidden && key->hidden(config)) || (key->free && !all)) continue;
    const int depth = open_sections(text, before, key->path);
    const char *const dot = strrchr(key->path, '.');
    nke_text_add(text, "%*s%s: ", 2 * depth, "", dot ? dot + 1 : key->path);
    key->type->write(text, config, key, (const char *)config + key->offset);
    nke_text_add(text, "\n");
    before = key->path;
  }
}

nke_status nke_config_print(const nke_config *config, char **out)
{
  nke_text text = {0};
  write_config(&text, config, true);
  return nke_text_take(&text, out);
}

nke_status nke_config_bound(const nke_config *config, char **out)
{
  nke_text text = {0};
  write_config(&text, config, false);
  return nke_text_take(&text, out);
}

static size_t indent_of(const char *line)
{
  return strspn(line, " ");
}

bool nke_config_differs(const char *found, const char *now, const char **a, const char **b)
{
  size_t same = 0;
  while (found[same] && found[same] == now[same]) same++;
  if (found[same] == now[same]) return false;
  while (same > 0 && found[same - 1] != '\n') same--;
  *a = found + same;
  *b = now + same;
  return true;
}

const char *nke_config_section(const char *text, const char *line)
{
  const size_t indent = indent_of(line);
  while (line > text && (line[-1] != '\n' || (indent > 0 && indent_of(line) >= indent))) line--;
  return indent > 0 && indent_of(line) >= indent ? NULL : line + indent_of(line);
}

nke_status nke_config_hash(const nke_config *config, uint64_t *hash)
{
  char *string;
  const nke_status st = nke_config_bound(config, &string);
  if (st != NKE_OK) return st;
  *hash = nke_hash(NKE_HASH_BEGIN, strlen(string), string);
  nke_free(string);
  return NKE_OK;
}

nke_status nke_config_reference(char **out)
{
  nke_text text = {0};
  const nke_key *before = NULL;
  for (const nke_key *key = nke_config_keys; key->path; key++) {
    char range[256];
    const size_t section = strcspn(key->path, ".");
    if (before && strncmp(before->path, key->path, section + 1) != 0 && before->path[section] != '.')
      nke_text_add(&text, "\n");
    nke_text_add(&text, "%s: %s\n", key->path, key->fallback);
    nke_key_range(key, range, sizeof range);
    const bool list = key->most > 0;
    nke_text_add(&text, "    %s%s%s\n    %s\n", list ? key->type->name : "",
                 list && strcmp(range, key->type->name) ? "; " : "",
                 list && !strcmp(range, key->type->name) ? "" : range, key->doc);
    before = key;
  }
  return nke_text_take(&text, out);
}
