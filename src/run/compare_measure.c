#include "run/compare_measure.h"

#include "base/memory.h"
#include "base/rng.h"
#include "dist/collect.h"
#include "gram/gram.h"
#include "run/kernel_blocks.h"
#include "solve/ridge.h"
#include "solve/symmetric.h"

#include <float.h>
#include <math.h>

/* ---- distances ---- */

/* sums <- |K|^2, |S|^2, <S, K>, |S - K|^2 over the whole symmetric matrices. Collective. */
static void frobenius_sums(const nke_bcmat *k, const nke_bcmat *s, double sums[4])
{
  const nke_grid *const g = &k->grid;
  for (int64_t j = 0; j < k->cols_loc; j++) {
    const int64_t col = nke_bc_global(j, k->nb, g->npcol, g->mycol);
    for (int64_t i = 0; i < k->rows_loc; i++) {
      const int64_t row = nke_bc_global(i, k->nb, g->nprow, g->myrow);
      if (row < col) continue;
      const double a = k->a[i + j * k->ld], b = s->a[i + j * s->ld], weight = row == col ? 1 : 2;
      sums[0] += weight * a * a;
      sums[1] += weight * b * b;
      sums[2] += weight * a * b;
      sums[3] += weight * (b - a) * (b - a);
    }
  }
  nke_sum_over_ranks(g->comm, 4, sums);
}

/* h [n] <- of the row sums A 1, so that (H A H)_ij = a_ij - h_i - h_j. */
static void centre(int64_t n, double *sums)
{
  const double count = (double)n;
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += sums[i];
  for (int64_t i = 0; i < n; i++) sums[i] = (sums[i] - total / count / 2) / count;
}

/* sums <- |c S - K|^2, |H K H|^2, |H (S - K) H|^2 from the h of K and of S - K. Entry by entry: differences of squares
 * and products would leave nothing of a kernel that is a large constant but for little. Collective. */
static void remaining_sums(const nke_bcmat *k, const nke_bcmat *s, double c, const double *of_k, const double *of_d,
                           double sums[3])
{
  const nke_grid *const g = &k->grid;
  for (int64_t j = 0; j < k->cols_loc; j++) {
    const int64_t col = nke_bc_global(j, k->nb, g->npcol, g->mycol);
    for (int64_t i = 0; i < k->rows_loc; i++) {
      const int64_t row = nke_bc_global(i, k->nb, g->nprow, g->myrow);
      if (row < col) continue;
      const double a = k->a[i + j * k->ld], b = s->a[i + j * s->ld], weight = row == col ? 1 : 2;
      const double scaled = c * b - a, kernel = a - of_k[row] - of_k[col], error = b - a - of_d[row] - of_d[col];
      sums[0] += weight * scaled * scaled;
      sums[1] += weight * kernel * kernel;
      sums[2] += weight * error * error;
    }
  }
  nke_sum_over_ranks(g->comm, 3, sums);
}

nke_status nke_distances_of(const nke_bcmat *k, const nke_bcmat *s, nke_distances *out)
{
  nke_status st = NKE_OK;
  const int64_t n = k->rows;
  double *work = NULL, sums[4] = {0}, rest[3] = {0};
  NKE_TRY(nke_agree(k->grid.comm, nke_alloc(3 * n, sizeof *work, "row sums", &work)));
  double *const ones = work, *const of_k = work + n, *const of_s = work + 2 * n;
  for (int64_t i = 0; i < n; i++) ones[i] = 1;
  frobenius_sums(k, s, sums);
  NKE_TRY(nke_symmetric_product(k, 0, 1, ones, of_k));
  NKE_TRY(nke_symmetric_product(s, 0, 1, ones, of_s));
  for (int64_t i = 0; i < n; i++) of_s[i] -= of_k[i];
  centre(n, of_k);
  centre(n, of_s);
  remaining_sums(k, s, sums[2] / sums[1], of_k, of_s, rest);
  const double rounding = (4 + sqrt((double)n)) * DBL_EPSILON;
  out->raw = sqrt(sums[3] / sums[0]);
  out->scaled = sqrt(rest[0] / sums[0]);
  out->centred = rest[1] > rounding * rounding * sums[0] ? sqrt(rest[2] / rest[1]) : NAN;
done:
  nke_free(work);
  return st;
}

/* ---- costs of this machine ---- */

/* At least two blocks, and a fifth of a second. */
static nke_status sample_pairs(nke_kernel_blocks *blocks, int rank, double *out, nke_cost *cost)
{
  nke_status st = NKE_OK;
  const int64_t t = blocks->tiling.tile;
  const double begun = nke_seconds();
  for (int64_t k = 0; k < 2 || (nke_seconds() - begun < 0.2 && k < 1000); k++) {
    const nke_kernel_block *a, *b;
    NKE_TRY(nke_kernel_blocks_get(blocks, 0, (2 * rank + k) % blocks->tiling.blocks, &a));
    NKE_TRY(nke_kernel_blocks_get(blocks, 0, (2 * rank + 2 * k + 1) % blocks->tiling.blocks, &b));
    const double started = nke_seconds();
    NKE_TRY(nke_exact_block(blocks->exact, a->n, a->x, a->norms, b->n, b->x, b->norms, out, out + t * t, t));
    nke_cost_add(cost, nke_seconds() - started, (double)(a->n * b->n));
  }
done:
  return st;
}

nke_status nke_measure_pair(const nke_session *s, int64_t tile, nke_cost *cost)
{
  nke_status st = NKE_OK;
  nke_exact *exact = NULL;
  nke_kernel_blocks blocks = {0};
  double *out = NULL;
  int rank;
  MPI_Comm_rank(s->comm, &rank);
  const int64_t n = nke_dataset_rows(s->train), t = nke_min(tile, n);
  NKE_TRY(nke_exact_create(s->config->network, s->config->run.precision, s->config->embedding.flip, &exact));
  NKE_TRY(nke_alloc(2 * t * t, sizeof *out, "a tile", &out));
  blocks = (nke_kernel_blocks){.train = s->train, .preprocess = s->preprocess, .exact = exact,
                               .tiling = nke_tiling_of(n, 0, t)};
  NKE_TRY(nke_kernel_blocks_init(&blocks, 0));
  st = sample_pairs(&blocks, rank, out, cost);
done:
  nke_kernel_blocks_clear(&blocks);
  nke_free(out);
  nke_exact_destroy(&exact);
  st = nke_agree(s->comm, st);
  if (st == NKE_OK) nke_cost_share(s->comm, cost);
  return st;
}

/* Entry e of the calibration's panel. */
static double panel_entry(int64_t e)
{
  return nke_random_normal(0, nke_stream(NKE_STREAM_SAMPLE, 2), (uint64_t)e);
}

static void fill_panel(nke_precision precision, int64_t first, int64_t count, void *z)
{
  for (int64_t e = 0; e < count; e++) {
    if (precision == NKE_SINGLE)
      ((float *)z)[e] = (float)panel_entry(first + e);
    else
      ((double *)z)[e] = panel_entry(first + e);
  }
}

enum { M = 2048 };

int64_t nke_measure_rates_bytes(const nke_grid *grid, nke_precision precision)
{
  const int64_t panel = nke_ceil_div(M, grid->size) * M * nke_precision_bytes(precision);
  return panel + nke_gram_matrix_bytes(M, grid->size) + nke_gram_panel_bytes(grid, M, M, precision) +
         nke_ridge_bytes(grid, M, 1);
}

/* Products and factors that are timed, after one of each that is not: it brings in pages and buffers. */
enum { TIMED = 3 };

/* Seconds of all ranks together since `begun`, one of them. */
static double core_seconds(MPI_Comm comm, int ranks, double begun)
{
  return nke_spread_over_ranks(comm, nke_seconds() - begun).max * ranks / TIMED;
}

static nke_status time_products(nke_gram *g, int64_t rows, const void *z, const double *y, int ranks, double *seconds)
{
  nke_status st = NKE_OK;
  NKE_TRY(nke_gram_add(g, rows, z, y));
  const double begun = nke_seconds();
  for (int i = 0; i < TIMED; i++) NKE_TRY(nke_gram_add(g, rows, z, y));
  *seconds = core_seconds(nke_gram_matrix(g)->grid.comm, ranks, begun);
done:
  return st;
}

static nke_status time_factors(const nke_bcmat *a, int ranks, double *seconds)
{
  nke_status st = NKE_OK;
  nke_bcmat *factor = NULL;
  double begun = 0;
  for (int i = 0; i < 1 + TIMED; i++) {
    if (i == 1) begun = nke_seconds();
    NKE_TRY(nke_ridge_factor(a, M, NULL, &factor));
    nke_bcmat_destroy(&factor);
  }
  *seconds = core_seconds(a->grid.comm, ranks, begun);
done:
  return st;
}

nke_status nke_measure_rates(MPI_Comm comm, nke_precision precision, double *gram, double *factor)
{
  nke_status st = NKE_OK;
  const double order = M;
  nke_gram *g = NULL;
  void *z = NULL;
  double *y = NULL, seconds;
  int rank, size;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  const nke_range mine = nke_split(M, size, rank);
  const int64_t rows = mine.end - mine.begin;
  st = nke_alloc(rows * M, (size_t)nke_precision_bytes(precision), "a panel", &z);
  if (st == NKE_OK) st = nke_calloc(M, sizeof *y, "targets", &y);
  NKE_TRY(nke_agree(comm, st));
  fill_panel(precision, mine.begin * M, rows * M, z);
  NKE_TRY(nke_gram_create(comm, M, 1, precision, NULL, &g));
  NKE_TRY(time_products(g, rows, z, y, size, &seconds));
  *gram = order * order * order / seconds;
  NKE_TRY(time_factors(nke_gram_matrix(g), size, &seconds));
  *factor = order * order * order / 3 / seconds;
done:
  nke_gram_destroy(&g);
  nke_free(y);
  nke_free(z);
  return st;
}
