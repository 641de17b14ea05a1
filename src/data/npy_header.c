#include "data/npy_header.h"

#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text after 'key': in a header dictionary, NULL if it is not there. */
static const char *value_of(const char *text, const char *key)
{
  const char *at = strstr(text, key);
  if (!at) return NULL;
  at += strlen(key);
  at += strspn(at, " ");
  if (*at != ':') return NULL;
  return at + 1 + strspn(at + 1, " ");
}

/* The type as numpy writes it, in quotes; what to do with those that are met most. */
static const char *type_text(const char *at, char *text, size_t size)
{
  const char *end = at && (*at == '\'' || *at == '"') ? strchr(at + 1, *at) : NULL;
  if (!at) return "no descr";
  const char kind = end && end - at > 2 ? at[2] : '\0';
  if (!end || end - at > 16 || strcspn(at, "\r\n") < (size_t)(end - at)) return "a type of several fields";
  snprintf(text, size, "'%.*s'%s", (int)(end - at - 1), at + 1,
           kind == 'f'                                 ? ": save .astype('float32')"
           : kind == 'U' || kind == 'S' || kind == 'O' ? ": " NKE_NUMBER_CLASSES
                                                       : "");
  return text;
}

static nke_status parse_type(const char *at, nke_npy_header *h)
{
  char text[96];
  const char quote = at ? *at : '\0';
  const bool ok = (quote == '\'' || quote == '"') && strchr("<|=>", at[1]) && at[1] && at[2] && at[3] && at[4] == quote;
  const int size = ok ? at[3] - '0' : 0;
  if (ok && at[1] == '>' && size > 1) return nke_fail(NKE_ERR_DATA, "big-endian: expected little-endian");
  h->kind = ok ? at[2] : '\0';
  h->size = size;
  const bool whole = (h->kind == 'i' || h->kind == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
  if (whole || (h->kind == 'b' && size == 1) || (h->kind == 'f' && (size == 4 || size == 8))) return NKE_OK;
  return nke_fail(NKE_ERR_DATA, "expected integers, booleans, float32 or float64, got %s",
                  type_text(at, text, sizeof text));
}

/* (), (n,), (n, d), ... */
static nke_status parse_shape(const char *at, nke_npy_header *h)
{
  h->rank = 0;
  if (!at || *at != '(') return nke_fail(NKE_ERR_DATA, "no shape in the header");
  for (at++;; at++) {
    at += strspn(at, " ");
    if (*at == ')') return NKE_OK;
    char *stop;
    const long long size = *at >= '0' && *at <= '9' ? strtoll(at, &stop, 10) : -1;
    if (size < 0 || size > INT64_MAX / 2) return nke_fail(NKE_ERR_DATA, "bad shape in the header");
    if (h->rank == NKE_NPY_MAX_RANK)
      return nke_fail(NKE_ERR_DATA, "expected at most %d dimensions", NKE_NPY_MAX_RANK);
    h->dims[h->rank++] = size;
    at = stop + strspn(stop, " ");
    if (*at == ')') return NKE_OK;
    if (*at != ',') return nke_fail(NKE_ERR_DATA, "bad shape in the header");
  }
}

nke_status nke_npy_parse(const unsigned char *bytes, int64_t length, nke_npy_header *h)
{
  nke_status st = NKE_OK;
  char text[NKE_NPY_HEADER + 1];
  memset(h, 0, sizeof *h);
  if (length < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) return nke_fail(NKE_ERR_DATA, "not an npy file");
  const int version = bytes[6], start = version == 1 ? 10 : 12;
  if (version < 1 || version > 3) return nke_fail(NKE_ERR_DATA, "npy version %d: expected 1 to 3", version);
  int64_t size = bytes[8] | bytes[9] << 8;
  if (version > 1) size |= (int64_t)bytes[10] << 16 | (int64_t)bytes[11] << 24;
  if (size > NKE_NPY_HEADER - start || start + size > length)
    return nke_fail(NKE_ERR_DATA, "header of %lld bytes: truncated or damaged", (long long)size);
  memcpy(text, bytes + start, (size_t)size);
  text[size] = '\0';
  NKE_TRY(parse_type(value_of(text, "'descr'"), h));
  const char *order = value_of(text, "'fortran_order'");
  h->fortran = order && strncmp(order, "True", 4) == 0;
  if (!h->fortran && (!order || strncmp(order, "False", 5) != 0))
    NKE_TRY(nke_fail(NKE_ERR_DATA, "no fortran_order in the header"));
  NKE_TRY(parse_shape(value_of(text, "'shape'"), h));
  h->data = start + size;
done:
  return st;
}

int64_t nke_npy_fortran_place(const nke_npy_header *h, int64_t column)
{
  int64_t place = 0;
  for (int i = h->rank - 1; i > 0; i--) { /* the last index is the first digit of column, and the last of place */
    int64_t stride = 1;
    for (int k = 1; k < i; k++) stride *= h->dims[k];
    place += column % h->dims[i] * stride;
    column /= h->dims[i];
  }
  return place;
}
