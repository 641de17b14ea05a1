#include "kernel/exact_impl.h"

#include "base/memory.h"
#include "num/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Groups of lanes that a row of vectors is cut into: enough to hide the cost of a call, few enough for the cache. */
enum { VECTOR_GROUPS = 16 };

nke_status nke_exact_create(const nke_network *network, nke_precision precision, int flip, nke_exact **out)
{
  nke_status st = NKE_OK;
  nke_exact *exact = NULL;
  *out = NULL;
  if (flip) NKE_TRY(nke_network_check_flip(network));
  NKE_TRY(nke_calloc(1, sizeof *exact, "an exact kernel", &exact));
  exact->variant = nke_plane_variants(precision)[0];
  exact->precise = nke_plane_variants(NKE_DOUBLE)[0];
  exact->flip = flip;
  NKE_TRY(nke_plane_plan_create(network, flip, &exact->plan));
  *out = exact;
  exact = NULL;
done:
  nke_exact_destroy(&exact);
  return st;
}

void nke_exact_destroy(nke_exact **exact)
{
  if (!exact || !*exact) return;
  nke_plane_plan_destroy(&(*exact)->plan);
  nke_free(*exact);
  *exact = NULL;
}

int64_t nke_exact_norms_length(const nke_exact *exact)
{
  return exact->plan->norm_length;
}
const char *nke_exact_variant_name(const nke_exact *exact)
{
  return exact->variant->name;
}

nke_status nke_exact_choose_variant(nke_exact *exact, int index)
{
  const nke_plane_variant *const *variants = nke_plane_variants(exact->variant->precision);
  for (int k = 0; variants[k]; k++)
    if (k == index) {
      exact->variant = variants[k];
      return NKE_OK;
    }
  return nke_fail(NKE_ERR_USAGE, "exact kernel: no variant %d on this CPU", index);
}

/* ---- tiles ---- */

/* A tile in hand: all first rows packed, second rows one chunk of groups at a time. */
typedef struct tile {
  const nke_exact *exact;
  int groups; /* a chunk */
  int64_t nx, ny, ldk;
  const double *x, *norms_x, *y, *norms_y;
  int triangle; /* y is x: pairs i > j, mirrored */
  double *nngp, *ntk;
  void *first, *first_tables;       /* [nx] */
  void *second, *tables, *products; /* one chunk */
  void *work, *out_nngp, *out_ntk;
} tile;

static void tile_clear(tile *t)
{
  nke_free(t->first);
  nke_free(t->first_tables);
  nke_free(t->second);
  nke_free(t->tables);
  nke_free(t->products);
  nke_free(t->work);
  nke_free(t->out_nngp);
  nke_free(t->out_ntk);
}

static int is_vector(const nke_exact *exact)
{
  return exact->plan->input.axes == 0;
}

static int chunk_groups(const nke_exact *exact, int64_t ny)
{
  return is_vector(exact) ? (int)nke_max(1, nke_min(VECTOR_GROUPS, nke_ceil_div(ny, exact->variant->lanes))) : 1;
}

/* Buffer sizes in reals: first, first_tables, second, tables, products, nngp and ntk of a chunk. */
static void tile_sizes(const nke_exact *exact, int64_t nx, int groups, int64_t size[6])
{
  const int64_t d = row_length(exact), tables = exact->plan->table_length,
                rows = (int64_t)groups * exact->variant->lanes;
  const int64_t sizes[6] = {nx * d, nx * tables, rows * d, rows * tables, is_vector(exact) ? nx * rows : 0, rows};
  memcpy(size, sizes, sizeof sizes);
}

static nke_status tile_init(tile *t)
{
  nke_status st = NKE_OK;
  const nke_plane_variant *v = t->exact->variant;
  const nke_plane_plan *plan = t->exact->plan;
  const size_t bytes = (size_t)nke_precision_bytes(v->precision);
  const char *what = "a tile of an exact kernel";
  int64_t size[6];
  t->groups = chunk_groups(t->exact, t->ny);
  tile_sizes(t->exact, t->nx, t->groups, size);
  NKE_TRY(nke_alloc(size[0], bytes, what, &t->first));
  NKE_TRY(nke_alloc(size[1], bytes, what, &t->first_tables));
  NKE_TRY(nke_alloc(size[2], bytes, what, &t->second));
  NKE_TRY(nke_alloc(size[3], bytes, what, &t->tables));
  NKE_TRY(nke_alloc(size[4], bytes, what, &t->products));
  NKE_TRY(nke_alloc(size[5], bytes, what, &t->out_nngp));
  NKE_TRY(nke_alloc(size[5], bytes, what, &t->out_ntk));
  NKE_TRY(nke_alloc(v->work_bytes(plan, &plan->full, t->groups), 1, what, &t->work));
  nke_pack_rows(v->precision, size[0], t->x, t->first);
  nke_pack_first_tables(v, plan, t->nx, t->norms_x, t->first_tables);
done:
  return st;
}

static double load(nke_precision precision, const void *p, int64_t at)
{
  return precision == NKE_SINGLE ? (double)((const float *)p)[at] : ((const double *)p)[at];
}

/* Rows [j0, j0 + rows) of y as the chunk, mirrored on demand. */
static nke_status load_chunk(tile *t, int64_t j0, int64_t rows, int mirror)
{
  const nke_plane_plan *plan = t->exact->plan;
  const nke_plane_variant *v = t->exact->variant;
  const int64_t d = row_length(t->exact), width = (int64_t)t->groups * v->lanes;
  nke_pack_tables(v, plan, t->groups, rows, t->norms_y + j0 * plan->norm_length, mirror, t->tables);
  if (!is_vector(t->exact)) {
    nke_pack_images(v->precision, v->lanes, plan->input, rows, t->y + j0 * d, mirror, t->second);
    return NKE_OK;
  }
  for (int64_t l = 0; l < width; l++)
    nke_pack_rows(v->precision, d, t->y + (j0 + nke_min(l, rows - 1)) * d,
                  (char *)t->second + l * d * nke_precision_bytes(v->precision));
  return nke_gemm(v->precision, NKE_PLAIN, NKE_TRANSPOSED, t->nx, width, d, t->first, d, t->second, d, 0, t->products,
                  width);
}

/* Kernels of row i with the chunk's rows; weight 1, or half of each of two passes. */
static nke_status store_row(const tile *t, int64_t i, int64_t j0, int64_t rows, double weight, int add)
{
  const nke_precision precision = t->exact->variant->precision;
  for (int64_t l = 0; l < rows; l++) {
    const int64_t j = j0 + l;
    if (t->triangle && j >= i) break;
    const double nngp = load(precision, t->out_nngp, l), ntk = load(precision, t->out_ntk, l);
    if (!isfinite(nngp) || !isfinite(ntk))
      return nke_fail(NKE_ERR_NUMERIC, "exact kernel: rows %lld and %lld of the tile: NNGP %g, NTK %g; expected finite",
                      (long long)i, (long long)j, nngp, ntk);
    double *const to_nngp = t->nngp ? &t->nngp[i * t->ldk + j] : NULL, *const to_ntk =
                                                                           t->ntk ? &t->ntk[i * t->ldk + j] : NULL;
    if (to_nngp) *to_nngp = weight * nngp + (add ? *to_nngp : 0);
    if (to_ntk) *to_ntk = weight * ntk + (add ? *to_ntk : 0);
    if (t->triangle && to_nngp) t->nngp[j * t->ldk + i] = *to_nngp;
    if (t->triangle && to_ntk) t->ntk[j * t->ldk + i] = *to_ntk;
  }
  return NKE_OK;
}

static nke_status run_chunk(tile *t, int64_t j0, int64_t rows, int mirror)
{
  nke_status st = NKE_OK;
  const nke_exact *exact = t->exact;
  const int64_t bytes = nke_precision_bytes(exact->variant->precision);
  const int64_t width = (int64_t)t->groups * exact->variant->lanes;
  NKE_TRY(load_chunk(t, j0, rows, mirror));
  for (int64_t i = t->triangle ? j0 + 1 : 0; i < t->nx; i++) {
    const nke_plane_job job = {.plan = exact->plan,
                               .schedule = &exact->plan->full,
                               .groups = t->groups,
                               .first_image = (const char *)t->first + i * row_length(exact) * bytes,
                               .second_image = t->second,
                               .products = is_vector(exact) ? (const char *)t->products + i * width * bytes : NULL,
                               .first_tables = (char *)t->first_tables + i * exact->plan->table_length * bytes,
                               .second_tables = t->tables,
                               .work = t->work,
                               .nngp = t->out_nngp,
                               .ntk = t->out_ntk};
    NKE_TRY(exact->variant->run(&job));
    NKE_TRY(store_row(t, i, j0, rows, exact->flip ? 0.5 : 1, mirror));
  }
done:
  return st;
}

static nke_status run_tile(tile *t)
{
  nke_status st = NKE_OK;
  NKE_TRY(tile_init(t));
  const int64_t width = (int64_t)t->groups * t->exact->variant->lanes;
  for (int64_t j = 0; j < t->ny; j += width)
    for (int mirror = 0; mirror <= t->exact->flip; mirror++)
      NKE_TRY(run_chunk(t, j, nke_min(width, t->ny - j), mirror));
done:
  tile_clear(t);
  return st;
}

nke_status nke_exact_block(const nke_exact *exact, int64_t nx, const double *x, const double *norms_x, int64_t ny,
                           const double *y, const double *norms_y, double *nngp, double *ntk, int64_t ldk)
{
  tile t = {.exact = exact,
            .nx = nx,
            .ny = ny,
            .ldk = ldk,
            .x = x,
            .norms_x = norms_x,
            .y = y,
            .norms_y = norms_y,
            .nngp = nngp,
            .ntk = ntk};
  return run_tile(&t);
}

nke_status nke_exact_triangle(const nke_exact *exact, int64_t n, const double *x, const double *norms, double *nngp,
                              double *ntk, int64_t ldk)
{
  nke_status st = NKE_OK;
  double *diagonal = NULL;
  tile t = {.exact = exact,
            .nx = n,
            .ny = n,
            .ldk = ldk,
            .x = x,
            .norms_x = norms,
            .y = x,
            .norms_y = norms,
            .triangle = 1,
            .nngp = nngp,
            .ntk = ntk};
  NKE_TRY(run_tile(&t));
  NKE_TRY(nke_alloc(2 * n, sizeof *diagonal, "the diagonal of a kernel", &diagonal));
  NKE_TRY(nke_exact_diagonal(exact, n, x, norms, diagonal, diagonal + n));
  for (int64_t i = 0; i < n; i++) {
    if (nngp) nngp[i * ldk + i] = diagonal[i];
    if (ntk) ntk[i * ldk + i] = diagonal[n + i];
  }
done:
  nke_free(diagonal);
  return st;
}

/* ---- cost ---- */

/* Of one entry, S and T. */
static double dual_flops(nke_plane_dual_kind kind)
{
  switch (kind) {
    case NKE_DUAL_ABRELU:
    case NKE_DUAL_RELU:
      return 30;
    case NKE_DUAL_EXP:
      return 32;
    case NKE_DUAL_ERF:
      return 42;
    case NKE_DUAL_GELU:
      return 52;
    case NKE_DUAL_GENERIC:
      return 100;
  }
  return 0;
}

static double op_flops(const nke_plane_op *op, double entries_in, double entries_out)
{
  switch (op->kind) {
    case NKE_OP_LINEAR:
      return 3 * entries_in;
    case NKE_OP_CONV:
      return 2 * ((op->filter_w - 1) + (op->filter_h - 1)) * entries_out + entries_in;
    case NKE_OP_NORMALIZE:
      return 3 * entries_in;
    case NKE_OP_DUAL:
      return dual_flops(op->dual_kind) * entries_in;
  }
  return 0;
}

double nke_exact_flops_per_pair(const nke_exact *exact)
{
  const nke_plane_plan *plan = exact->plan;
  double flops = 0;
  for (int k = 0; k < plan->full.n_steps; k++) {
    const nke_plane_step *step = &plan->full.steps[k];
    const nke_plane_node *node = &plan->nodes[step->node];
    int dy = step->dy, dx = step->dx;
    const int free = node->wrapped != 1; /* wrapped planes cover the whole image */
    double entries = (double)(node->in_h - free * abs(dy)) * (node->in_w - free * abs(dx));
    if (step->node == 0) flops += 2 * (double)plan->input.channels * entries;
    for (int o = node->op_begin; o < node->op_end; o++) {
      const nke_plane_op *op = &plan->ops[o];
      if (op->kind == NKE_OP_CONV) dy /= op->stride_h, dx /= op->stride_w;
      const double out = (double)(op->out_h - free * abs(dy)) * (op->out_w - free * abs(dx));
      flops += op_flops(op, entries, out);
      entries = out;
    }
    if (node->n_edges > 0) flops += 2 * entries;
  }
  return flops * (1 + exact->flip);
}

int64_t nke_exact_block_bytes(const nke_exact *exact, int64_t nx, int64_t ny)
{
  int64_t size[6], reals = 0;
  const int groups = chunk_groups(exact, ny);
  tile_sizes(exact, nx, groups, size);
  for (int k = 0; k < 6; k++) reals += size[k];
  return (reals + size[5]) * nke_precision_bytes(exact->variant->precision) +
         exact->variant->work_bytes(exact->plan, &exact->plan->full, groups);
}
