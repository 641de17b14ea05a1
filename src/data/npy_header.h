/* The header of an .npy file [NumPy, NEP 1: A Simple File Format for NumPy Arrays]. Inside src/data. */
#ifndef NKE_DATA_NPY_HEADER_H
#define NKE_DATA_NPY_HEADER_H

#include "base/status.h"

#include <stdint.h>

enum { NKE_NPY_MAX_RANK = 4, NKE_NPY_HEADER = 1 << 16 };

typedef struct nke_npy_header {
  char kind; /* f: floating, i: signed, u: unsigned, b: boolean */
  int size;  /* bytes of an entry: 1, 2, 4, 8 */
  int rank;
  int64_t dims[NKE_NPY_MAX_RANK];
  int64_t data; /* offset of the first entry */
} nke_npy_header;

/* Parse the first `length` bytes of a file, at least the whole header or NKE_NPY_HEADER. A pure function.
 * NKE_ERR_DATA: not npy, unknown version, Fortran order, big-endian, a type or rank that is not read here. */
nke_status nke_npy_parse(const unsigned char *bytes, int64_t length, nke_npy_header *out);

#endif
