/* What every function of the public API checks of its arguments: that they are there. */
#ifndef NKE_API_GIVEN_H
#define NKE_API_GIVEN_H

#include "base/status.h"

#include <stdint.h>

/* NKE_ERR_USAGE where `value`, which the caller calls `name`, is NULL. Local. */
nke_status nke_given(const char *name, const void *value);

/* NKE_ERR_USAGE where n is below 0, or n rows, more than none, have no array `name`. Local. */
nke_status nke_given_rows(const char *name, int64_t n, const void *rows);

#endif
