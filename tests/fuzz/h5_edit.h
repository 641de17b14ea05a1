/* An HDF5 file changed as the input says: by HDF5 itself, so that its structure stays whole and our own checks are
 * what is tested, and byte by byte, so that it does not. */
#ifndef NKE_TESTS_H5_EDIT_H
#define NKE_TESTS_H5_EDIT_H

#include "fuzz.h"

typedef struct h5_base {
  const char *const *objects; /* names an edit may delete or replace; NULL ends them */
  const char *const *keys;    /* names of attributes */
  uint8_t *bytes;             /* of the file as it should be */
  size_t size;
} h5_base;

/* Keep the file at fuzz_path(name) as the base. */
void h5_base_take(const char *name, h5_base *base);

/* Write the base to fuzz_path(name) and apply the edits; returns the path. */
const char *h5_edit(const h5_base *base, const char *name, const uint8_t *data, size_t size);

/* That nothing of HDF5 is left open. */
void h5_check_closed(void);

#endif
