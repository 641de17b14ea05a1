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

/* *out = value, or NKE_ERR_USAGE naming `what`, and what helps, where value does not fit an int. Local. */
static inline nke_status nke_narrow(int64_t value, const char *what, const char *advice, int *out)
{
  if (value < INT_MIN || value > INT_MAX)
    return nke_fail(NKE_ERR_USAGE, "%s: %lld does not fit 32 bits%s", what, (long long)value, advice);
  *out = (int)value;
  return NKE_OK;
}

/* Of what is as large at any number of ranks. */
static inline nke_status nke_to_int(int64_t value, const char *what, int *out)
{
  return nke_narrow(value, what, "", out);
}

/* Of what is a rank's part. */
static inline nke_status nke_part_to_int(int64_t value, const char *what, int *out)
{
  return nke_narrow(value, what, "; use more ranks", out);
}

static inline int64_t nke_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t nke_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t nke_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
