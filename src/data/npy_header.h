/* The header of an .npy file [NumPy, NEP 1: A Simple File Format for NumPy Arrays]. Inside src/data. */
#ifndef NKE_DATA_NPY_HEADER_H
#define NKE_DATA_NPY_HEADER_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { NKE_NPY_MAX_RANK = 4, NKE_NPY_HEADER = 1 << 16 };

typedef struct nke_npy_header {
  char kind; /* f: floating, i: signed, u: unsigned, b: boolean */
  int size;  /* bytes of an entry: 1, 2, 4, 8 */
  int rank;
  int64_t dims[NKE_NPY_MAX_RANK];
  bool fortran; /* the first index runs fastest */
  int64_t data; /* offset of the first entry */
} nke_npy_header;

/* Parse the first `length` bytes of a file, at least the whole header or NKE_NPY_HEADER. A pure function.
 * NKE_ERR_DATA: not npy, unknown version, big-endian, a type or rank that is not read here. */
nke_status nke_npy_parse(const unsigned char *bytes, int64_t length, nke_npy_header *out);

/* Of the entries of a row, stored in Fortran order, the place of entry `column` in C order: entry (i, column) of the
 * array is number i + dims[0] * place of the file. */
int64_t nke_npy_fortran_place(const nke_npy_header *header, int64_t column);

#endif
