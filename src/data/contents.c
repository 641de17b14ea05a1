#include "data/contents.h"

#include "base/memory.h"
#include "data/hdf5_common.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_LINES = 1000, MAX_NAME = 512, MAX_VALUE = 1 << 20 };

typedef struct listing {
  nke_contents_line *line;
  void *context;
  int lines;
  bool names; /* of data sets, and nothing else */
} listing;

static void say(listing *l, const char *text)
{
  if (++l->lines <= MAX_LINES) l->line(l->context, text);
  if (l->lines == MAX_LINES + 1) l->line(l->context, "...");
}

static const char *type_name(hid_t type, char *text, size_t size)
{
  const char *kind = "other";
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      kind = H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int";
      break;
    case H5T_FLOAT:
      kind = "float";
      break;
    case H5T_STRING:
      return "string";
    default:
      return "other type";
  }
  snprintf(text, size, "%s%zu", kind, 8 * H5Tget_size(type));
  return text;
}

static void list_dataset(listing *l, hid_t dataset, const char *name)
{
  char text[MAX_NAME + 512], type_text[32];
  int64_t dims[H5S_MAX_RANK];
  int rank = 0;
  const hid_t type = H5Dget_type(dataset);
  int at = snprintf(text, sizeof text, "%s  %s [", name, type_name(type, type_text, sizeof type_text));
  if (nke_hdf5_dims(dataset, 16, &rank, dims))
    for (int i = 0; i < rank && at < (int)sizeof text - 32; i++)
      at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld", i ? ", " : "", (long long)dims[i]);
  snprintf(text + at, sizeof text - (size_t)at, "]");
  nke_hdf5_close(type);
  say(l, text);
}

/* The text of a string attribute, allocated; NULL where it is too long or cannot be read. */
static char *read_string(hid_t attribute, hid_t type)
{
  char *text = NULL, *own = NULL;
  if (H5Tis_variable_str(type) > 0) {
    if (H5Aread(attribute, type, &own) < 0 || !own) return NULL;
    if (strlen(own) < MAX_VALUE && nke_strdup(own, &text) != NKE_OK) text = NULL;
    H5free_memory(own);
    return text;
  }
  const size_t size = H5Tget_size(type);
  if (size >= MAX_VALUE || nke_calloc((int64_t)size + 1, 1, "an attribute", &text) != NKE_OK) return NULL;
  if (H5Aread(attribute, type, text) >= 0) return text;
  nke_free(text);
  return NULL;
}

static void list_attribute(listing *l, hid_t attribute, const char *object)
{
  char name[128] = "", line[MAX_NAME + 256];
  const hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  const H5T_class_t class = H5Tget_class(type) == H5T_STRING ? H5T_STRING : nke_hdf5_number(type);
  H5Aget_name(attribute, sizeof name, name);
  double number = 0;
  long long whole = 0;
  char *text = NULL;
  const bool scalar = H5Sget_simple_extent_npoints(space) == 1;
  if (scalar && class == H5T_INTEGER && H5Aread(attribute, H5T_NATIVE_LLONG, &whole) >= 0)
    snprintf(line, sizeof line, "%s %s = %lld", object, name, whole);
  else if (scalar && class == H5T_FLOAT && H5Aread(attribute, H5T_NATIVE_DOUBLE, &number) >= 0)
    snprintf(line, sizeof line, "%s %s = %.17g", object, name, number);
  else if (scalar && class == H5T_STRING && (text = read_string(attribute, type)) != NULL)
    snprintf(line, sizeof line, "%s %s =%s", object, name, strchr(text, '\n') ? "" : " ");
  else
    snprintf(line, sizeof line, "%s %s = (not a scalar)", object, name);
  if (text && !strchr(text, '\n')) {
    snprintf(line + strlen(line), sizeof line - strlen(line), "%s", text);
    nke_free(text);
    text = NULL;
  }
  say(l, line);
  if (text) say(l, text);
  nke_free(text);
  nke_hdf5_close(space);
  nke_hdf5_close(type);
}

static void list_attributes(listing *l, hid_t object, const char *name)
{
  for (hsize_t i = 0; l->lines <= MAX_LINES; i++) {
    const hid_t attribute = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0) return;
    list_attribute(l, attribute, name);
    nke_hdf5_close(attribute);
  }
}

/* The lines are bounded, so links that form loops end too. */
static void list_group(listing *l, hid_t group, const char *name, int depth)
{
  H5G_info_t info;
  if (!l->names) list_attributes(l, group, *name ? name : "/");
  if (depth == MAX_DEPTH || H5Gget_info(group, &info) < 0) return;
  for (hsize_t i = 0; i < info.nlinks && l->lines <= MAX_LINES; i++) {
    char link[128], path[MAX_NAME];
    const ssize_t length =
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, link, sizeof link, H5P_DEFAULT);
    if (length < 0 || snprintf(path, sizeof path, "%s/%s", name, link) >= (int)sizeof path) continue;
    const hid_t object = H5Oopen(group, link, H5P_DEFAULT);
    const H5I_type_t kind = object >= 0 ? H5Iget_type(object) : H5I_BADID;
    if (kind == H5I_GROUP) list_group(l, object, path, depth + 1);
    if (kind == H5I_DATASET && l->names) say(l, path);
    if (kind == H5I_DATASET && !l->names) {
      list_dataset(l, object, path);
      list_attributes(l, object, path);
    }
    nke_hdf5_close(object);
  }
}

nke_status nke_hdf5_contents(const char *path, nke_contents_line *line, void *context)
{
  listing l = {.line = line, .context = context};
  nke_hdf5_quiet();
  const hid_t file = nke_hdf5_open_read(path);
  if (file < 0) return nke_fail(NKE_ERR_DATA, "%s: cannot be opened as HDF5", path);
  const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
  if (root >= 0) list_group(&l, root, "", 0);
  nke_hdf5_close(root);
  nke_hdf5_close(file);
  return NKE_OK;
}

typedef struct names {
  char *text;
  size_t size, length;
} names;

/* Another name, as long as it fits; in error lines, so in one line. */
static void add_name(void *context, const char *name)
{
  static const char more[] = ", ...";
  names *const n = context;
  const size_t comma = n->length ? 2 : 0, length = strlen(name);
  if (n->length > 0 && n->text[n->length - 1] == '.') return; /* full */
  if (n->length + comma + length + sizeof more > n->size) {
    n->length += (size_t)snprintf(n->text + n->length, n->size - n->length, "%s", n->length ? more : more + 2);
    return;
  }
  snprintf(n->text + n->length, n->size - n->length, "%s%s", comma ? ", " : "", name);
  n->length += comma + length;
  for (size_t i = n->length - length; i < n->length; i++)
    if ((unsigned char)n->text[i] < ' ') n->text[i] = '?';
}

void nke_hdf5_names(hid_t file, char *text, size_t size)
{
  names all = {.text = text, .size = size};
  listing l = {.line = add_name, .context = &all, .names = true};
  text[0] = '\0';
  const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
  if (root >= 0) list_group(&l, root, "", 0);
  nke_hdf5_close(root);
  if (all.length == 0) snprintf(text, size, "none");
}
