#include "base/memory.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>
#include <sys/resource.h>

static int64_t fail_countdown;

int64_t nke_alloc_fail_at(int64_t k)
{
  const int64_t left = fail_countdown;
  fail_countdown = k;
  return left;
}

static int fault_due(void)
{
  if (fail_countdown <= 0) return 0;
  return --fail_countdown == 0;
}

void nke_memory_give_back(void)
{
#ifdef __GLIBC__
  enum { LARGE = 4 << 20, MAPPINGS = 65536 /* glibc's own limit */ };
  mallopt(M_MMAP_MAX, MAPPINGS);
  mallopt(M_MMAP_THRESHOLD, LARGE);
  mallopt(M_TRIM_THRESHOLD, 2 * LARGE);
#endif
}

nke_status nke_alloc(int64_t count, size_t size, const char *what, void *out)
{
  void *p = NULL;
  size_t bytes = 0;
  const int overflow = count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) ||
                       __builtin_add_overflow(bytes, (size_t)NKE_ALIGN, &bytes);
  if (!overflow && !fault_due()) p = aligned_alloc(NKE_ALIGN, bytes / NKE_ALIGN * NKE_ALIGN);
  memcpy(out, &p, sizeof p);
  if (p) return NKE_OK;
  return nke_fail(NKE_ERR_MEMORY, "out of memory: %s needs %lld x %zu bytes; use more ranks or nodes, or smaller sizes",
                  what, (long long)count, size);
}

nke_status nke_calloc(int64_t count, size_t size, const char *what, void *out)
{
  const nke_status st = nke_alloc(count, size, what, out);
  if (st != NKE_OK) return st;
  void *p;
  memcpy(&p, out, sizeof p);
  memset(p, 0, (size_t)count * size);
  return NKE_OK;
}

nke_status nke_grow(int64_t used, int64_t room, size_t size, const char *what, void *array)
{
  void *wider, *old;
  const nke_status st = nke_alloc(room, size, what, &wider);
  if (st != NKE_OK) return st;
  memcpy(&old, array, sizeof old);
  if (used > 0) memcpy(wider, old, (size_t)used * size);
  nke_free(old);
  memcpy(array, &wider, sizeof wider);
  return NKE_OK;
}

nke_status nke_strdup(const char *text, char **out)
{
  const size_t bytes = strlen(text) + 1;
  const nke_status st = nke_alloc((int64_t)bytes, 1, "a string", out);
  if (st == NKE_OK) memcpy(*out, text, bytes);
  return st;
}

void nke_free(void *p)
{
  free(p);
}

int64_t nke_peak_rss(void)
{
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return (int64_t)usage.ru_maxrss * 1024; /* Linux counts kilobytes */
}
