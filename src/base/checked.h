/* Checked narrowing of 64-bit counts at the calls of MPI, BLAS and PETSc, and small integer helpers. */
#ifndef NKE_BASE_CHECKED_H
#define NKE_BASE_CHECKED_H

#include "base/status.h"

#include <limits.h>
#include <stdint.h>

typedef enum nke_precision { NKE_SINGLE, NKE_DOUBLE } nke_precision;

static inline int64_t nke_precision_bytes(nke_precision precision)
{
  return precision == NKE_SINGLE ? 4 : 8;
}

/* *out = value, or NKE_ERR_USAGE naming `what` where value does not fit an int. Local. */
static inline nke_status nke_to_int(int64_t value, const char *what, int *out)
{
  if (value < INT_MIN || value > INT_MAX)
    return nke_fail(NKE_ERR_USAGE, "%s: %lld does not fit 32 bits; use more ranks", what, (long long)value);
  *out = (int)value;
  return NKE_OK;
}

static inline int64_t nke_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t nke_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t nke_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
