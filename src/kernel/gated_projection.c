#include "base/memory.h"
#include "base/rng.h"
#include "kernel/gated.h"
#include "num/fwht.h"

#include <math.h>

nke_status nke_hadamard_create(nke_gated_plan *plan, int64_t length, int64_t rows, int stages, nke_hadamard *h)
{
  nke_status st = NKE_OK;
  *h = (nke_hadamard){.length = length, .blocks = nke_ceil_div(rows, length), .stages = stages};
  /* Unnormalised transforms grow by sqrt(N) each; the first signs carry sqrt(N) N^(-stages / 2). */
  const double first = pow((double)length, 0.5 * (1 - stages));
  NKE_TRY(nke_gated_alloc(plan, h->blocks * stages * length, "signs of a random projection", &h->signs));
  for (int64_t b = 0; b < h->blocks; b++)
    for (int k = 0; k < stages; k++)
      NKE_TRY(nke_gated_signs(plan, length, k == 0 ? first : 1, nke_at(plan, h->signs, (b * stages + k) * length)));
done:
  return st;
}

void nke_hadamard_apply(const nke_gated_plan *plan, const nke_hadamard *h, int64_t block, const void *in, void *out)
{
  for (int k = 0; k < h->stages; k++) {
    const void *const signs = nke_at(plan, h->signs, (block * h->stages + k) * h->length);
    const void *const from = k == 0 ? in : out;
    if (plan->precision == NKE_SINGLE)
      nke_fwht_diagonal_f32(signs, from, h->length, out, h->length);
    else
      nke_fwht_diagonal_f64(signs, from, h->length, out, h->length);
  }
}

double nke_hadamard_flops(const nke_hadamard *h)
{
  const double n = (double)h->length;
  return (double)h->blocks * h->stages * n * (1 + log2(n));
}

/* Gram-Schmidt of row i against rows [first, i), twice, which keeps them orthogonal to rounding. */
static void orthogonalise(int64_t d, int64_t first, int64_t i, double *rows)
{
  double *const v = rows + i * d;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t j = first; j < i; j++) {
      const double *const u = rows + j * d;
      double dot = 0;
      for (int64_t c = 0; c < d; c++) dot += u[c] * v[c];
      for (int64_t c = 0; c < d; c++) v[c] -= dot * u[c];
    }
}

static double scale_to_unit(int64_t d, double *v)
{
  double norm = 0;
  for (int64_t c = 0; c < d; c++) norm += v[c] * v[c];
  norm = sqrt(norm);
  for (int64_t c = 0; c < d; c++) v[c] /= norm;
  return norm;
}

nke_status nke_orthogonal_create(nke_gated_plan *plan, int64_t rows, int64_t d, void **matrix)
{
  nke_status st = NKE_OK;
  double *q = NULL, *norm = NULL;
  const uint64_t stream = nke_stream(NKE_STREAM_PROJECTION, plan->next_stream++);
  NKE_TRY(nke_gated_alloc(plan, rows * d, "a dense random projection", matrix));
  NKE_TRY(nke_alloc(rows * d, sizeof *q, "a dense random projection", &q));
  NKE_TRY(nke_calloc(rows, sizeof *norm, "norms of a random projection", &norm));
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t c = 0; c < d; c++) {
      q[i * d + c] = nke_random_normal(plan->seed, stream, (uint64_t)(i * d + c));
      const double fresh = nke_random_normal(plan->seed, stream, (uint64_t)((rows + i) * d + c));
      norm[i] += fresh * fresh;
    }
    orthogonalise(d, i / d * d, i, q);
    scale_to_unit(d, q + i * d);
  }
  for (int64_t i = 0; i < rows; i++)
    for (int64_t c = 0; c < d; c++)
      plan->k->from_double(1, sqrt(norm[i]), q + i * d + c,
                           nke_at(plan, *matrix, (i / NKE_GATED_LANES * d + c) * NKE_GATED_LANES + i % NKE_GATED_LANES));
done:
  nke_free(q);
  nke_free(norm);
  return st;
}
