#include "base/memory.h"
#include "sketch/plan.h"

#include <string.h>

nke_status nke_sketch_alloc(nke_sketch *sketch, int64_t count, size_t size, void *out)
{
  sketch->bytes += count * (int64_t)size;
  return nke_alloc(count, size, "tables of a sketch", out);
}

nke_status nke_sketch_create(const nke_sketch_kind *kind, nke_precision precision, int64_t n, int64_t m,
                             nke_draws *draws, nke_sketch **out)
{
  nke_status st = NKE_OK;
  nke_sketch *sketch = NULL;
  *out = NULL;
  if (n < 1 || m < 1 || n > 1 << 30 || m > 1 << 29) {
    st = nke_fail(NKE_ERR_USAGE, "%s: from %lld to %lld entries, expected 1 to 2^30 and to 2^29", kind->name,
                  (long long)n, (long long)m);
    goto done;
  }
  NKE_TRY(nke_calloc(1, sizeof *sketch, "sketch", &sketch));
  sketch->kind = kind;
  sketch->k = nke_sketch_kernels_get(precision);
  sketch->precision = precision;
  sketch->n = n;
  sketch->m = m;
  sketch->length = n;
  sketch->scale = 1;
  NKE_TRY(kind->plan(sketch, draws));
  *out = sketch;
  sketch = NULL;
done:
  nke_sketch_destroy(&sketch);
  return st;
}

void nke_sketch_destroy(nke_sketch **sketch)
{
  if (!*sketch) return;
  nke_free((*sketch)->index);
  nke_free((*sketch)->signs);
  nke_free((*sketch)->sign_bytes);
  nke_free((*sketch)->row);
  nke_free((*sketch)->work);
  nke_fwht_sample_destroy(&(*sketch)->sample);
  nke_fft_destroy(&(*sketch)->fft);
  nke_free(*sketch);
  *sketch = NULL;
}

void nke_sketch_apply(nke_sketch *sketch, const void *x, void *y)
{
  sketch->kind->apply(sketch, x, y);
}

/* A dense transform takes a sparse row as a dense one. */
static void fill_in(const nke_sketch *s, int64_t nnz, const int64_t *index, const void *value)
{
  memset(s->row, 0, (size_t)(s->length * nke_precision_bytes(s->precision)));
  for (int64_t k = 0; k < nnz; k++)
    nke_entry_set(s->precision, s->row, index[k], nke_entry_get(s->precision, value, k));
}

void nke_sketch_apply_sparse(nke_sketch *sketch, int64_t nnz, const int64_t *index, const void *value, void *y)
{
  if (sketch->kind->apply_sparse) {
    sketch->kind->apply_sparse(sketch, nnz, index, value, y);
    return;
  }
  fill_in(sketch, nnz, index, value);
  sketch->kind->apply(sketch, sketch->row, y);
}

double nke_sketch_flops(const nke_sketch *sketch)
{
  return sketch->kind->flops(sketch);
}

int64_t nke_sketch_bytes(const nke_sketch *sketch)
{
  return sketch->bytes;
}
