/* Kernels of each row with itself: norms and diagonals. */
#include "kernel/exact_impl.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Buffers of paired runs: `lanes` rows at a time. */
typedef struct paired {
  const nke_plane_variant *v;
  void *first, *second, *tables, *mirrored, *work;
  double *norms, *nngp, *ntk;
} paired;

static void paired_clear(paired *b)
{
  nke_free(b->first);
  nke_free(b->second);
  nke_free(b->tables);
  nke_free(b->mirrored);
  nke_free(b->work);
  nke_free(b->norms);
  nke_free(b->nngp);
  nke_free(b->ntk);
}

static nke_status paired_init(paired *b, const nke_exact *exact, const nke_plane_schedule *schedule)
{
  nke_status st = NKE_OK;
  const char *what = "a block of an exact kernel";
  const nke_plane_variant *v = exact->precise;
  const int64_t image = row_length(exact) * v->lanes, tables = exact->plan->table_length * v->lanes;
  memset(b, 0, sizeof *b);
  b->v = v;
  NKE_TRY(nke_alloc(image, sizeof(double), what, &b->first));
  NKE_TRY(nke_alloc(image, sizeof(double), what, &b->second));
  NKE_TRY(nke_calloc(tables, sizeof(double), what, &b->tables));
  NKE_TRY(nke_calloc(tables, sizeof(double), what, &b->mirrored));
  NKE_TRY(nke_alloc(v->work_bytes(exact->plan, schedule, 1), 1, what, &b->work));
  NKE_TRY(nke_alloc(exact->plan->norm_length * v->lanes, sizeof(double), what, &b->norms));
  NKE_TRY(nke_calloc(v->lanes, sizeof(double), what, &b->nngp));
  NKE_TRY(nke_calloc(v->lanes, sizeof(double), what, &b->ntk));
done:
  return st;
}

static nke_plane_job paired_job(const paired *b, const nke_exact *exact, const nke_plane_schedule *schedule)
{
  return (nke_plane_job){.plan = exact->plan, .schedule = schedule, .paired = 1, .same = 1, .groups = 1,
                         .first_image = b->first, .second_image = b->first, .first_tables = b->tables,
                         .second_tables = b->tables, .work = b->work, .nngp = b->nngp, .ntk = b->ntk};
}

nke_status nke_exact_norms(const nke_exact *exact, int64_t n, const double *x, double *norms)
{
  nke_status st = NKE_OK;
  paired b;
  const int64_t length = exact->plan->norm_length, d = row_length(exact);
  NKE_TRY(paired_init(&b, exact, &exact->plan->norms));
  const int lanes = b.v->lanes;
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t rows = nke_min(lanes, n - i);
    nke_pack_images(NKE_DOUBLE, lanes, exact->plan->input, rows, x + i * d, 0, b.first);
    nke_plane_job job = paired_job(&b, exact, &exact->plan->norms);
    job.norms = b.norms;
    NKE_TRY(b.v->run(&job));
    for (int64_t l = 0; l < rows; l++)
      for (int64_t k = 0; k < length; k++) {
        const double q = b.norms[k * lanes + l];
        norms[(i + l) * length + k] = q;
        if (!isfinite(q))
          NKE_TRY(nke_fail(NKE_ERR_NUMERIC, "exact kernel: the variance of row %lld is %g; expected finite",
                           (long long)(i + l), q));
      }
  }
done:
  paired_clear(&b);
  return st;
}

/* The diagonal of up to `lanes` rows: b->nngp, b->ntk. */
static nke_status diagonal_group(const nke_exact *exact, paired *b, int64_t rows, const double *x, const double *norms)
{
  nke_status st = NKE_OK;
  const int lanes = b->v->lanes;
  double nngp[64], ntk[64];
  nke_pack_images(NKE_DOUBLE, lanes, exact->plan->input, rows, x, 0, b->first);
  nke_pack_tables(b->v, exact->plan, 1, rows, norms, 0, b->tables);
  nke_plane_job job = paired_job(b, exact, &exact->plan->full);
  NKE_TRY(b->v->run(&job));
  if (!exact->flip) return NKE_OK;
  memcpy(nngp, b->nngp, (size_t)lanes * sizeof(double));
  memcpy(ntk, b->ntk, (size_t)lanes * sizeof(double));
  nke_pack_images(NKE_DOUBLE, lanes, exact->plan->input, rows, x, 1, b->second);
  nke_pack_tables(b->v, exact->plan, 1, rows, norms, 1, b->mirrored);
  job.same = 0;
  job.second_image = b->second;
  job.second_tables = b->mirrored;
  NKE_TRY(b->v->run(&job));
  for (int l = 0; l < lanes; l++) {
    b->nngp[l] = (b->nngp[l] + nngp[l]) / 2;
    b->ntk[l] = (b->ntk[l] + ntk[l]) / 2;
  }
done:
  return st;
}

nke_status nke_exact_diagonal(const nke_exact *exact, int64_t n, const double *x, const double *norms, double *nngp,
                              double *ntk)
{
  nke_status st = NKE_OK;
  paired b;
  NKE_TRY(paired_init(&b, exact, &exact->plan->full));
  for (int64_t i = 0; i < n; i += b.v->lanes) {
    const int64_t rows = nke_min(b.v->lanes, n - i);
    NKE_TRY(diagonal_group(exact, &b, rows, x + i * row_length(exact), norms + i * exact->plan->norm_length));
    for (int64_t l = 0; l < rows; l++) {
      if (!isfinite(b.nngp[l]) || !isfinite(b.ntk[l]))
        NKE_TRY(nke_fail(NKE_ERR_NUMERIC, "exact kernel: row %lld with itself: NNGP %g, NTK %g; expected finite",
                         (long long)(i + l), b.nngp[l], b.ntk[l]));
      if (nngp) nngp[i + l] = b.nngp[l];
      if (ntk) ntk[i + l] = b.ntk[l];
    }
  }
done:
  paired_clear(&b);
  return st;
}
