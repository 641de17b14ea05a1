/* A hash of bytes that tells one from another, the same on every machine: not for what an enemy may choose. */
#ifndef NKE_BASE_HASH_H
#define NKE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define NKE_HASH_BEGIN 0xcbf29ce484222325u

/* `hash`, NKE_HASH_BEGIN at first, gone on over `size` bytes: FNV-1a of 64 bits [Fowler, Noll, Vo]. Local. */
static inline uint64_t nke_hash(uint64_t hash, size_t size, const void *bytes)
{
  for (size_t i = 0; i < size; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
  return hash;
}

#endif
