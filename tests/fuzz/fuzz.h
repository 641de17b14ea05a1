/* What the fuzz targets share. A target is one file that defines LLVMFuzzerTestOneInput: libFuzzer drives it in a build
 * of the preset `fuzz`, driver.c in every other. */
#ifndef NKE_TESTS_FUZZ_H
#define NKE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A property of what was parsed: ends the process as a finding. */
#define FUZZ_CHECK(condition)                                                        \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);        \
      abort();                                                                       \
    }                                                                                \
  } while (0)

/* The input as a string: a copy with a zero after it, shorter where it holds a zero itself. The caller frees it. */
char *fuzz_text(const uint8_t *data, size_t size);

/* Start MPI and make a folder in memory for this process's files, removed at exit. */
void fuzz_start(void);

/* The path of `name` in that folder; valid until the next call. */
const char *fuzz_path(const char *name);

/* Make that file of these bytes; returns its path. */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);

#endif
