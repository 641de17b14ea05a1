#include "run/yaml.h"

#include "base/memory.h"

#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

/* One parse. The open containers are a stack, so depth costs no recursion. */
typedef struct builder {
  const char *name;
  struct fy_parser *parser;
  nke_yaml *stack[NKE_YAML_MAX_DEPTH];
  int depth;
  int line;  /* of the last token seen */
  char *key; /* of the entry being read; owned */
  int key_line;
  int documents;
  nke_yaml *root;
} builder;

static void destroy_list(nke_yaml *node)
{
  while (node) {
    nke_yaml *next = node->next;
    destroy_list(node->first);
    nke_free(node->key);
    nke_free(node->text);
    nke_free(node);
    node = next;
  }
}

void nke_yaml_destroy(nke_yaml **root)
{
  if (!root) return;
  destroy_list(*root);
  *root = NULL;
}

bool nke_yaml_is_null(const nke_yaml *node)
{
  if (node->kind != NKE_YAML_SCALAR || !node->plain) return false;
  return !*node->text || !strcmp(node->text, "~") || !strcmp(node->text, "null") || !strcmp(node->text, "Null") ||
         !strcmp(node->text, "NULL");
}

const char *nke_yaml_describe(const nke_yaml *node, char *text, size_t size)
{
  if (node->kind == NKE_YAML_SCALAR)
    snprintf(text, size, "'%.*s%s'", (int)(size < 200 ? size - 8 : 192), node->text,
             strlen(node->text) > (size < 200 ? size - 8 : 192) ? "..." : "");
  else
    snprintf(text, size, "%s", node->kind == NKE_YAML_LIST ? "a list" : "a map");
  return text;
}

static nke_status refuse(const builder *b, int line, const char *what)
{
  return nke_fail(NKE_ERR_USAGE, "%s:%d: YAML: %s", b->name, line, what);
}

static void see_line(builder *b, struct fy_token *token)
{
  const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
  if (mark) b->line = mark->line + 1;
}

/* Hang a node where the parse stands: the root, the next entry of a list, or the value of the key just read. */
static nke_status add_node(builder *b, nke_yaml_kind kind, nke_yaml **out)
{
  nke_yaml *node = NULL;
  nke_yaml *parent = b->depth > 0 ? b->stack[b->depth - 1] : NULL;
  *out = NULL;
  if (parent && parent->kind == NKE_YAML_MAP && !b->key)
    return refuse(b, b->line, "a key is a list or a map; expected text");
  const nke_status st = nke_calloc(1, sizeof *node, "a config", &node);
  if (st != NKE_OK) return st;
  node->kind = kind;
  node->line = b->line;
  if (!parent) {
    b->root = node;
  } else {
    if (b->key) node->line = b->key_line;
    node->key = b->key;
    b->key = NULL;
    if (parent->last)
      parent->last->next = node;
    else
      parent->first = node;
    parent->last = node;
    parent->n++;
  }
  *out = node;
  return NKE_OK;
}

static nke_status open_container(builder *b, nke_yaml_kind kind, struct fy_token *anchor, struct fy_token *tag)
{
  nke_yaml *node;
  if (anchor || tag) return refuse(b, b->line, "anchors and tags are not supported");
  if (b->depth == NKE_YAML_MAX_DEPTH) return refuse(b, b->line, "nested too deep");
  const nke_status st = add_node(b, kind, &node);
  if (st == NKE_OK) b->stack[b->depth++] = node;
  return st;
}

/* A copy: the token's text lives in the parser. */
static nke_status copy_text(const builder *b, struct fy_token *token, char **out)
{
  size_t length = 0;
  const char *text = token ? fy_token_get_text(token, &length) : NULL;
  if (!text) length = 0;
  if (length > 0 && memchr(text, 0, length)) return refuse(b, b->line, "a zero byte");
  const nke_status st = nke_calloc((int64_t)length + 1, 1, "a config", out);
  if (st == NKE_OK && length > 0) memcpy(*out, text, length);
  return st;
}

static nke_status add_scalar(builder *b, const struct fy_event_scalar_data *scalar)
{
  nke_yaml *node;
  char *text = NULL;
  if (scalar->anchor || scalar->tag) return refuse(b, b->line, "anchors and tags are not supported");
  nke_status st = copy_text(b, scalar->value, &text);
  if (st != NKE_OK) return st;
  const nke_yaml *parent = b->depth > 0 ? b->stack[b->depth - 1] : NULL;
  if (parent && parent->kind == NKE_YAML_MAP && !b->key) {
    b->key = text;
    b->key_line = b->line;
    return NKE_OK;
  }
  st = add_node(b, NKE_YAML_SCALAR, &node);
  if (st != NKE_OK) {
    nke_free(text);
    return st;
  }
  node->text = text;
  node->plain = !scalar->value || fy_token_scalar_style(scalar->value) == FYSS_PLAIN;
  return NKE_OK;
}

static nke_status take_event(builder *b, const struct fy_event *event)
{
  switch (event->type) {
    case FYET_DOCUMENT_START:
      see_line(b, event->document_start.document_start);
      return b->documents++ == 0 ? NKE_OK : refuse(b, b->line, "a second document; expected one");
    case FYET_SCALAR:
      see_line(b, event->scalar.value);
      return add_scalar(b, &event->scalar);
    case FYET_SEQUENCE_START:
      see_line(b, event->sequence_start.sequence_start);
      return open_container(b, NKE_YAML_LIST, event->sequence_start.anchor, event->sequence_start.tag);
    case FYET_MAPPING_START:
      see_line(b, event->mapping_start.mapping_start);
      return open_container(b, NKE_YAML_MAP, event->mapping_start.anchor, event->mapping_start.tag);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
      b->depth--;
      nke_free(b->key);
      b->key = NULL;
      return NKE_OK;
    case FYET_ALIAS:
      see_line(b, event->alias.anchor);
      return refuse(b, b->line, "aliases are not supported");
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
      return NKE_OK;
  }
  return NKE_OK;
}

/* The parser's own first complaint. */
static nke_status syntax_error(const builder *b, struct fy_diag *diag)
{
  void *at = NULL;
  const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);
  if (!error || !error->msg) return refuse(b, b->line > 0 ? b->line : 1, "cannot be read");
  return refuse(b, error->line > 0 ? error->line : 1, error->msg);
}

static nke_status build(builder *b, struct fy_diag *diag)
{
  for (;;) {
    struct fy_event *event = fy_parser_parse(b->parser);
    if (!event) return fy_parser_get_stream_error(b->parser) ? syntax_error(b, diag) : NKE_OK;
    const nke_status st = take_event(b, event);
    fy_parser_event_free(b->parser, event);
    if (st != NKE_OK) return st;
  }
}

/* Bytes of the UTF-8 character at c, of which `left` bytes are there; 0: it is none. */
static size_t utf8_length(const unsigned char *c, size_t left)
{
  const size_t length = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;
  if (length > left) return 0;
  for (size_t i = 1; i < length; i++)
    if (c[i] >> 6 != 2) return 0;
  if (length == 3 && ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0))) return 0;
  if (length == 4 && ((c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90))) return 0;
  return length;
}

/* What the parser must not be given: its scanner trusts these to be absent, or does not end. */
static nke_status check_bytes(const builder *b, const char *text, size_t length)
{
  int line = 1;
  size_t step = 0;
  bool begins = true; /* the line */
  for (size_t i = 0; i < length; i += step) {
    const unsigned char c = (unsigned char)text[i];
    step = utf8_length((const unsigned char *)text + i, length - i);
    if (step == 0) return refuse(b, line, "not UTF-8");
    if ((c < 32 && c != '\n' && c != '\r' && c != '\t') || c == 127) return refuse(b, line, "a control character");
    if (begins && c == '%') return refuse(b, line, "directives are not supported");
    begins = c == '\n' || c == '\r' || (i == 0 && step == 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0);
    if (c == '\n') line++;
  }
  return NKE_OK;
}

nke_status nke_yaml_parse(const char *name, const char *text, size_t length, nke_yaml **out)
{
  nke_status st = NKE_OK;
  builder b = {.name = name, .line = 1};
  struct fy_diag_cfg quiet = {.level = FYET_ERROR, .module_mask = ~0U};
  struct fy_diag *diag = NULL;
  *out = NULL;
  NKE_TRY(check_bytes(&b, text, length));
  diag = fy_diag_create(&quiet);
  if (diag) fy_diag_set_collect_errors(diag, true);
  const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS, .diag = diag};
  b.parser = diag ? fy_parser_create(&cfg) : NULL;
  if (!b.parser || fy_parser_set_string(b.parser, text, length) != 0) {
    st = nke_fail(NKE_ERR_MEMORY, "out of memory: the YAML parser");
    goto done;
  }
  NKE_TRY(build(&b, diag));
  if (!b.root) NKE_TRY(open_container(&b, NKE_YAML_MAP, NULL, NULL));
  *out = b.root;
  b.root = NULL;
done:
  nke_free(b.key);
  nke_yaml_destroy(&b.root);
  if (b.parser) fy_parser_destroy(b.parser);
  if (diag) fy_diag_destroy(diag);
  return st;
}
