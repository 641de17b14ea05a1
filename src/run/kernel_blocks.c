#include "run/kernel_blocks.h"

#include "base/memory.h"

int64_t nke_kernel_block_bytes(const nke_exact *exact, int64_t d, int64_t tile)
{
  return tile * (d + nke_exact_norms_length(exact)) * (int64_t)sizeof(double);
}

nke_status nke_kernel_blocks_init(nke_kernel_blocks *b, int64_t bytes)
{
  nke_status st = NKE_OK;
  const int64_t d = nke_dataset_length(b->train), all = b->tiling.blocks + b->tiling.test_blocks;
  const int64_t slots = nke_min(all, bytes / nke_kernel_block_bytes(b->exact, d, b->tiling.tile));
  NKE_TRY(nke_calloc(nke_max(2, slots), sizeof *b->slot, "blocks of rows", &b->slot));
  b->slots = nke_max(2, slots);
  for (int64_t k = 0; k < b->slots; k++) b->slot[k].key = -1;
done:
  return st;
}

void nke_kernel_blocks_clear(nke_kernel_blocks *b)
{
  for (int64_t k = 0; k < b->slots; k++) {
    nke_free(b->slot[k].x);
    nke_free(b->slot[k].norms);
  }
  nke_free(b->slot);
  b->slot = NULL;
  b->slots = 0;
}

/* The slot that holds the key, or the one unused for longest. */
static nke_kernel_block *find(nke_kernel_blocks *b, int64_t key)
{
  nke_kernel_block *oldest = &b->slot[0];
  for (int64_t k = 0; k < b->slots; k++) {
    if (b->slot[k].key == key) return &b->slot[k];
    if (b->slot[k].used < oldest->used) oldest = &b->slot[k];
  }
  return oldest;
}

static nke_status fill(nke_kernel_blocks *b, nke_kernel_block *slot, int test, int64_t block)
{
  nke_status st = NKE_OK;
  const int64_t d = nke_dataset_length(b->train), tile = b->tiling.tile, n = test ? b->tiling.n_test : b->tiling.n;
  const nke_range rows = {block * tile, nke_min((block + 1) * tile, n)};
  slot->key = -1;
  if (!slot->x) NKE_TRY(nke_alloc(tile * d, sizeof *slot->x, "a block of rows", &slot->x));
  if (!slot->norms)
    NKE_TRY(nke_alloc(tile * nke_exact_norms_length(b->exact), sizeof *slot->norms, "a block of norms", &slot->norms));
  slot->n = rows.end - rows.begin;
  NKE_TRY(nke_dataset_read_range(test ? b->test : b->train, rows, slot->x, NULL));
  NKE_TRY(nke_preprocess_apply(b->preprocess, slot->n, slot->x));
  NKE_TRY(nke_exact_norms(b->exact, slot->n, slot->x, slot->norms));
done:
  return st;
}

nke_status nke_kernel_blocks_get(nke_kernel_blocks *b, int test, int64_t block, const nke_kernel_block **out)
{
  const int64_t key = test ? b->tiling.blocks + block : block;
  nke_kernel_block *slot = find(b, key);
  slot->used = ++b->clock;
  if (slot->key != key) {
    const nke_status st = fill(b, slot, test, block);
    if (st != NKE_OK) return st;
    slot->key = key;
  }
  *out = slot;
  return NKE_OK;
}
