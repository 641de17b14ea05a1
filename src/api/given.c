#include "api/given.h"

#include <stddef.h>

nke_status nke_given(const char *name, const void *value)
{
  return value ? NKE_OK : nke_fail(NKE_ERR_USAGE, "%s: expected a pointer, got NULL", name);
}

nke_status nke_given_rows(const char *name, int64_t n, const void *rows)
{
  if (n < 0) return nke_fail(NKE_ERR_USAGE, "%s: expected at least 0 rows, got %lld", name, (long long)n);
  return n == 0 ? NKE_OK : nke_given(name, rows);
}
