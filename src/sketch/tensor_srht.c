#include "sketch/tensor_srht.h"

#include "base/memory.h"
#include "num/fwht.h"
#include "sketch/plan.h"

#include <math.h>

struct nke_tensor_srht {
  const nke_sketch_kernels *k;
  nke_precision precision;
  int64_t n[2], length[2], m;
  int8_t *signs[2];   /* [n] */
  int32_t *sample[2]; /* [m] */
  void *row;          /* the longer length */
};

static nke_status plan_side(nke_tensor_srht *s, int side, nke_draws *draws)
{
  nke_status st = NKE_OK;
  s->length[side] = nke_power_of_two(s->n[side]);
  NKE_TRY(nke_alloc(s->n[side], 1, "TensorSRHT", &s->signs[side]));
  NKE_TRY(nke_alloc(s->m, sizeof(int32_t), "TensorSRHT", &s->sample[side]));
  nke_draw_sign_bytes(draws, s->n[side], s->signs[side]);
  nke_draw_indices(draws, s->m, s->length[side], s->sample[side]);
done:
  return st;
}

nke_status nke_tensor_srht_create(nke_precision precision, int64_t n1, int64_t n2, int64_t m, nke_draws *draws,
                                  nke_tensor_srht **out)
{
  nke_status st = NKE_OK;
  nke_tensor_srht *s = NULL;
  *out = NULL;
  if (nke_min(n1, nke_min(n2, m)) < 1 || nke_max(n1, nke_max(n2, m)) > NKE_FWHT_MAX) {
    st = nke_fail(NKE_ERR_USAGE, "TensorSRHT: sizes %lld x %lld to %lld, expected 1 to %d each", (long long)n1,
                  (long long)n2, (long long)m, NKE_FWHT_MAX);
    goto done;
  }
  NKE_TRY(nke_calloc(1, sizeof *s, "TensorSRHT", &s));
  s->k = nke_sketch_kernels_get(precision);
  s->precision = precision;
  s->n[0] = n1;
  s->n[1] = n2;
  s->m = m;
  NKE_TRY(plan_side(s, 0, draws));
  NKE_TRY(plan_side(s, 1, draws));
  const int64_t longer = nke_max(s->length[0], s->length[1]);
  NKE_TRY(nke_alloc(longer, (size_t)nke_precision_bytes(precision), "TensorSRHT", &s->row));
  *out = s;
  s = NULL;
done:
  nke_tensor_srht_destroy(&s);
  return st;
}

void nke_tensor_srht_destroy(nke_tensor_srht **sketch)
{
  if (!*sketch) return;
  for (int side = 0; side < 2; side++) {
    nke_free((*sketch)->signs[side]);
    nke_free((*sketch)->sample[side]);
  }
  nke_free((*sketch)->row);
  nke_free(*sketch);
  *sketch = NULL;
}

void nke_tensor_srht_factor(nke_tensor_srht *s, int side, const void *x, void *f)
{
  nke_signed_fwht(s->precision, s->n[side], s->length[side], s->signs[side], x, s->row);
  s->k->gather(s->m, s->sample[side], 1, s->row, f);
}

void nke_tensor_srht_multiply(const nke_tensor_srht *s, const void *f0, const void *f1, void *y)
{
  s->k->multiply_scaled(s->m, 1 / sqrt((double)s->m), f0, f1, y);
}

void nke_tensor_srht_apply(nke_tensor_srht *s, const void *x, const void *u, void *y)
{
  nke_tensor_srht_factor(s, 0, x, y);
  nke_signed_fwht(s->precision, s->n[1], s->length[1], s->signs[1], u, s->row);
  s->k->gather_multiply(s->m, s->sample[1], 1 / sqrt((double)s->m), s->row, y);
}

double nke_tensor_srht_flops(const nke_tensor_srht *s, int side)
{
  return (double)s->n[side] + (double)s->length[side] * log2((double)s->length[side]);
}

int64_t nke_tensor_srht_bytes(const nke_tensor_srht *s)
{
  const int64_t size = nke_precision_bytes(s->precision);
  return s->n[0] + s->n[1] + nke_max(s->length[0], s->length[1]) * size + 8 * s->m;
}
