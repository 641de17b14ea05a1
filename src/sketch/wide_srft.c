/* SRFT of wide rows. With z_j = x_{2j} + i x_{2j+1}, h numbers, and Z its transform (period h), the transform of x is
 *   X_k = (Z_k + conj Z_{h-k}) / 2 + exp(-2 pi i k / L) (Z_k - conj Z_{h-k}) / (2 i),   L = 2 h,
 * so a sampled frequency needs two entries of Z; each is put into the sum by the rank that holds it. */
#include "base/memory.h"
#include "sketch/plan.h"
#include "sketch/plan_wide.h"

#include <fftw3-mpi.h>
#include <math.h>
#include <string.h>

typedef struct transform {
  int64_t length;                 /* L */
  ptrdiff_t in_count;             /* numbers z held here */
  ptrdiff_t out_begin, out_count; /* entries of Z held here */
  void *z;                        /* both, in place */
  fftwf_plan plan_f32;
  fftw_plan plan_f64;
} transform;

static void destroy(nke_wide *w)
{
  transform *const t = w->transform;
  if (!t) return;
  if (t->plan_f32) fftwf_destroy_plan(t->plan_f32);
  if (t->plan_f64) fftw_destroy_plan(t->plan_f64);
  nke_free(t->z);
  nke_free(t);
  w->transform = NULL;
}

/* FFTW's layout of h complex numbers, and the columns of x that it means for this rank. */
static ptrdiff_t layout(nke_wide *w, transform *t)
{
  const ptrdiff_t h = (ptrdiff_t)(t->length / 2);
  ptrdiff_t begin, entries;
  if (w->precision == NKE_SINGLE) {
    fftwf_mpi_init();
    entries = fftwf_mpi_local_size_1d(h, w->comm, FFTW_FORWARD, FFTW_ESTIMATE, &t->in_count, &begin,
                                      &t->out_count, &t->out_begin);
  } else {
    fftw_mpi_init();
    entries = fftw_mpi_local_size_1d(h, w->comm, FFTW_FORWARD, FFTW_ESTIMATE, &t->in_count, &begin,
                                      &t->out_count, &t->out_begin);
  }
  w->columns.begin = nke_min(2 * begin, w->n);
  w->columns.end = nke_min(2 * (begin + t->in_count), w->n);
  return nke_max(entries, 1);
}

/* Planning is collective, so memory is agreed on before it. */
static nke_status plan_transform(nke_wide *w, transform *t)
{
  nke_status st = NKE_OK;
  const size_t size = (size_t)nke_precision_bytes(w->precision);
  st = nke_wide_alloc(w, layout(w, t), 2 * size, &t->z);
  NKE_TRY(nke_agree(w->comm, st));
  const ptrdiff_t h = (ptrdiff_t)(t->length / 2);
  if (w->precision == NKE_SINGLE)
    t->plan_f32 = fftwf_mpi_plan_dft_1d(h, t->z, t->z, w->comm, FFTW_FORWARD, FFTW_ESTIMATE);
  else
    t->plan_f64 = fftw_mpi_plan_dft_1d(h, t->z, t->z, w->comm, FFTW_FORWARD, FFTW_ESTIMATE);
  if (!t->plan_f32 && !t->plan_f64)
    st = nke_fail(NKE_ERR_INTERNAL, "srft of wide rows: FFTW-MPI has no plan for length %lld", (long long)h);
done:
  return st;
}

/* FFTW-MPI 3.3.10 frees what it does not own when it plans a transform of one number. */
int64_t nke_wide_srft_period(int64_t n)
{
  return 2 * nke_fft_good_length(nke_max(2, nke_ceil_div(n, 2)));
}

static nke_status plan(nke_wide *w, nke_draws *draws)
{
  nke_status st = NKE_OK;
  transform *t;
  const int64_t samples = nke_ceil_div(w->m, 2);
  st = nke_calloc(1, sizeof *t, "sketch of wide rows", &t);
  w->transform = t;
  NKE_TRY(nke_agree(w->comm, st));
  t->length = nke_wide_srft_period(w->n);
  NKE_TRY(plan_transform(w, t));
  const int64_t width = w->columns.end - w->columns.begin;
  NKE_TRY(nke_wide_alloc(w, width, (size_t)nke_precision_bytes(w->precision), &w->signs));
  nke_draw_signs(draws, w->precision, w->columns.begin, width, 1, w->signs);
  NKE_TRY(nke_wide_alloc(w, samples, sizeof *w->index, &w->index));
  nke_draw_indices(draws, samples, t->length, w->index);
  w->sums = 4 * samples;
done:
  return st;
}

/* Entry k of Z where this rank holds it, else 0. */
static void pick(const nke_wide *w, int64_t k, double out[2])
{
  const transform *const t = w->transform;
  const int64_t here = k - t->out_begin;
  const int held = here >= 0 && here < t->out_count;
  out[0] = held ? nke_entry_get(w->precision, t->z, 2 * here) : 0;
  out[1] = held ? nke_entry_get(w->precision, t->z, 2 * here + 1) : 0;
}

static void partial(nke_wide *w, const void *x, double *sum)
{
  transform *const t = w->transform;
  const int64_t width = w->columns.end - w->columns.begin, h = t->length / 2, size = nke_precision_bytes(w->precision);
  memset(t->z, 0, (size_t)(2 * t->in_count * size));
  nke_sketch_kernels_get(w->precision)->multiply(width, w->signs, x, t->z);
  if (w->precision == NKE_SINGLE)
    fftwf_execute(t->plan_f32);
  else
    fftw_execute(t->plan_f64);
  for (int64_t j = 0; j < nke_ceil_div(w->m, 2); j++) {
    pick(w, w->index[j] % h, sum + 4 * j);
    pick(w, (h - w->index[j] % h) % h, sum + 4 * j + 2);
  }
}

/* Weights as in srft.c: 2/m a frequency, 1/m for the last Hartley coefficient of an odd m. */
static void finish(const nke_wide *w, const double *sum, void *y)
{
  const transform *const t = w->transform;
  const double weight = sqrt(2 / (double)w->m);
  for (int64_t j = 0; j < nke_ceil_div(w->m, 2); j++) {
    const double *const a = sum + 4 * j, *const b = a + 2;
    const double angle = -6.283185307179586476925286766559 * (double)w->index[j] / (double)t->length;
    const double c = cos(angle), s = sin(angle);
    /* (Z_k - conj Z_{h-k}) / (2 i) = (d_im - i d_re) / 2 */
    const double d_re = a[0] - b[0], d_im = a[1] + b[1];
    const double re = 0.5 * (a[0] + b[0] + c * d_im + s * d_re), im = 0.5 * (a[1] - b[1] + s * d_im - c * d_re);
    if (2 * j + 1 < w->m) {
      nke_entry_set(w->precision, y, 2 * j, weight * re);
      nke_entry_set(w->precision, y, 2 * j + 1, weight * im);
    } else {
      nke_entry_set(w->precision, y, 2 * j, (re - im) / sqrt((double)w->m));
    }
  }
}

const nke_wide_kind nke_wide_srft = {"srft", (int64_t)1 << 30, plan, partial, finish, destroy};
