/* Checked, aligned allocation, with a fault hook for tests. The only place for malloc. */
#ifndef NKE_BASE_MEMORY_H
#define NKE_BASE_MEMORY_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Alignment of every allocation: one cache line, one 512-bit vector. */
enum { NKE_ALIGN = 64 };

/* Allocate count elements of `size` bytes, uninitialised, aligned to NKE_ALIGN. Local.
 * out points to the caller's pointer (`&p`); it gets NULL on failure. count = 0 gives a valid pointer.
 * Fails with NKE_ERR_MEMORY naming `what` and the bytes asked for; a negative or overflowing count fails the same way. */
nke_status nke_alloc(int64_t count, size_t size, const char *what, void *out);

/* The same, zeroed. */
nke_status nke_calloc(int64_t count, size_t size, const char *what, void *out);

/* Give an array of `used` elements room for `room` >= used of them: *array (NULL if used is 0) gets a new place. It stays
 * as it is on failure, which is that of nke_alloc. Local. */
nke_status nke_grow(int64_t used, int64_t room, size_t size, const char *what, void *array);

/* A copy of a string. */
nke_status nke_strdup(const char *text, char **out);

/* Free what the calls above returned; NULL is allowed. */
void nke_free(void *p);

/* Test hook: the k-th allocation from now on fails (k = 1: the next); 0 turns the hook off. Returns what was left of the
 * last count, 0 where that allocation has come. Local. */
int64_t nke_alloc_fail_at(int64_t k);

/* Blocks of 4 MiB or more go back to the system when they are freed. A library that PETSc brings with it, SuperLU_DIST,
 * turns that off for the whole process as it is loaded: matrices that come and go then leave holes, and more memory is
 * held than is in use at any time. For programs, not for libraries. Local; with the C library of GNU, else nothing
 * happens. */
void nke_memory_give_back(void);

/* Peak resident set of this process in bytes (getrusage). Local. */
int64_t nke_peak_rss(void);

#endif
