/* Gram, cross products and kernels from streamed panels: against plain loops, and bit for bit between rank counts. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "dist/exchange.h"
#include "gram/gram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 48 };

typedef struct problem {
  int64_t n, m;
  int k;
  nke_precision precision;
} problem;

/* m below, at and past one block, not a multiple of it; fewer rows than ranks; no row at all in some panels. */
static const problem problems[] = {{100, 7, 2, NKE_DOUBLE},
                                   {3, 70, 1, NKE_SINGLE},
                                   {131, 300, 3, NKE_SINGLE},
                                   {97, 257, 1, NKE_DOUBLE},
                                   {1, 1, 1, NKE_DOUBLE}};
enum { PROBLEMS = sizeof problems / sizeof *problems };

/* Uniform in [-1, 1), 24 bits: float holds it exactly, but not the products. A hash, since the plain loops call it
 * often. */
static double feature(int64_t row, int64_t column)
{
  uint64_t h = (uint64_t)(row * 4096 + column + 1) * UINT64_C(0x9E3779B97F4A7C15);
  h ^= h >> 32;
  h *= UINT64_C(0xD6E8FEB86659FD93);
  return (double)(int64_t)(h >> 40) / 8388608 - 1;
}

static double target(int64_t row, int column)
{
  return nke_random_normal(1, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)(row * 16 + column));
}

static void put(const problem *p, void *z, int64_t at, double value)
{
  if (p->precision == NKE_SINGLE)
    ((float *)z)[at] = (float)value;
  else
    ((double *)z)[at] = value;
}

/* Rows [begin, end) of the features and targets. */
static void fill(const problem *p, int64_t begin, int64_t end, void **z, double **y)
{
  assert_int_equal(nke_alloc((end - begin) * p->m, (size_t)nke_precision_bytes(p->precision), "z", z), NKE_OK);
  assert_int_equal(nke_alloc((end - begin) * p->k, sizeof **y, "y", y), NKE_OK);
  for (int64_t i = begin; i < end; i++) {
    for (int64_t j = 0; j < p->m; j++) put(p, *z, (i - begin) * p->m + j, feature(i, j));
    for (int c = 0; c < p->k; c++) (*y)[(i - begin) * p->k + c] = target(i, c);
  }
}

/* This rank's part of n rows, uneven on purpose: rank 1 has none where there are more ranks than two. */
static void part(MPI_Comm comm, int64_t n, int64_t *begin, int64_t *end)
{
  int size, rank;
  MPI_Comm_size(comm, &size);
  MPI_Comm_rank(comm, &rank);
  const int64_t shares = size > 2 ? size - 1 : size;
  const int64_t place = size > 2 && rank > 1 ? rank - 1 : rank;
  *begin = n * place / shares;
  *end = size > 2 && rank == 1 ? *begin : n * (place + 1) / shares;
}

/* The Gram of the whole problem over comm, in panels cut by row number only. */
static nke_gram *build(MPI_Comm comm, const problem *p, nke_stats *stats)
{
  nke_gram *g;
  assert_int_equal(nke_gram_create(comm, p->m, p->k, p->precision, stats, &g), NKE_OK);
  for (int64_t first = 0; first < p->n; first += PANEL) {
    const int64_t rows = p->n - first < PANEL ? p->n - first : PANEL;
    int64_t begin, end;
    void *z;
    double *y;
    part(comm, rows, &begin, &end);
    fill(p, first + begin, first + end, &z, &y);
    assert_int_equal(nke_gram_add(g, end - begin, z, y), NKE_OK);
    nke_free(z);
    nke_free(y);
  }
  return g;
}

/* The whole matrix on every rank, symmetric, from its lower blocks. */
static double *whole(const nke_bcmat *a)
{
  const nke_grid *g = &a->grid;
  double *full;
  assert_int_equal(nke_calloc(a->rows * a->cols, sizeof *full, "full", &full), NKE_OK);
  for (int64_t j = 0; j < a->cols_loc; j++)
    for (int64_t i = 0; i < a->rows_loc; i++) {
      const int64_t row = nke_bc_global(i, a->nb, g->nprow, g->myrow),
                    col = nke_bc_global(j, a->nb, g->npcol, g->mycol);
      if (row / a->nb < col / a->nb) assert_true(a->a[i + j * a->ld] == 0);
      full[row * a->cols + col] = a->a[i + j * a->ld];
    }
  MPI_Allreduce(MPI_IN_PLACE, full, (int)(a->rows * a->cols), MPI_DOUBLE, MPI_SUM, g->comm);
  for (int64_t i = 0; i < a->rows; i++)
    for (int64_t j = i + 1; j < a->cols; j++) {
      if (i / a->nb == j / a->nb) assert_true(full[i * a->cols + j] == full[j * a->cols + i]);
      full[i * a->cols + j] = full[j * a->cols + i];
    }
  return full;
}

static void test_against_loops(void **state)
{
  (void)state;
  for (int t = 0; t < PROBLEMS; t++) {
    const problem *p = &problems[t];
    nke_gram *g = build(MPI_COMM_WORLD, p, NULL);
    double *full = whole(nke_gram_matrix(g)), *cross, trace, expected = 0;
    nke_alloc(p->m * p->k, sizeof *cross, "cross", &cross);
    assert_int_equal(nke_gram_cross(g, cross), NKE_OK);
    assert_int_equal(nke_gram_trace(g, &trace), NKE_OK);
    assert_int_equal(nke_gram_rows(g), p->n);
    const double tolerance = (p->precision == NKE_SINGLE ? 6e-8 : 2e-16) * 4 * (double)p->n + 1e-14;
    for (int64_t i = 0; i < p->m; i++) {
      for (int64_t j = 0; j < p->m; j++) {
        double sum = 0, sizes = 0;
        for (int64_t r = 0; r < p->n; r++)
          sum += feature(r, i) * feature(r, j), sizes += fabs(feature(r, i) * feature(r, j));
        assert_true(fabs(full[i * p->m + j] - sum) <= tolerance * sizes);
        if (i == j) expected += sum;
      }
      for (int c = 0; c < p->k; c++) {
        double sum = 0, sizes = 0;
        for (int64_t r = 0; r < p->n; r++)
          sum += feature(r, i) * target(r, c), sizes += fabs(feature(r, i) * target(r, c));
        assert_true(fabs(cross[i * p->k + c] - sum) <= 1e-14 * (double)p->n * sizes);
      }
    }
    assert_true(fabs(trace - expected) <= tolerance * expected);
    for (int c = 0; c < p->k; c++) {
      double sum = 0;
      for (int64_t r = 0; r < p->n; r++) sum += target(r, c) * target(r, c);
      assert_true(fabs(nke_gram_squares(g)[c] - sum) <= 1e-12 * sum);
    }
    nke_free(cross);
    nke_free(full);
    nke_gram_destroy(&g);
  }
}

/* The first `size` ranks of the world as their own communicator; MPI_COMM_NULL on the others. */
static MPI_Comm first_ranks(int size)
{
  int rank;
  MPI_Comm comm;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_split(MPI_COMM_WORLD, rank < size ? 0 : MPI_UNDEFINED, rank, &comm);
  return comm;
}

/* Gram or kernel, with C behind it, of the first `size` ranks: on every rank of them. */
typedef double *made(MPI_Comm comm, const problem *p);

static double *make_gram(MPI_Comm comm, const problem *p)
{
  nke_gram *g = build(comm, p, NULL);
  double *gram = whole(nke_gram_matrix(g)), *both;
  nke_alloc(p->m * p->m + p->m * p->k + p->k + 1, sizeof *both, "both", &both);
  memcpy(both, gram, (size_t)(p->m * p->m) * sizeof *both);
  assert_int_equal(nke_gram_cross(g, both + p->m * p->m), NKE_OK);
  memcpy(both + p->m * (p->m + p->k), nke_gram_squares(g), (size_t)p->k * sizeof *both);
  assert_int_equal(nke_gram_trace(g, both + p->m * (p->m + p->k) + p->k), NKE_OK);
  nke_free(gram);
  nke_gram_destroy(&g);
  return both;
}

static double *make_outer(MPI_Comm comm, const problem *p)
{
  int64_t begin, end;
  void *z;
  double *y;
  nke_bcmat *k;
  part(comm, p->n, &begin, &end);
  fill(p, begin, end, &z, &y);
  assert_int_equal(nke_gram_outer(comm, end - begin, p->m, p->precision, z, NULL, &k), NKE_OK);
  double *full = whole(k);
  nke_bcmat_destroy(&k);
  nke_free(z);
  nke_free(y);
  return full;
}

static void compare_ranks(made *make, const problem *p, size_t doubles)
{
  int world;
  MPI_Comm_size(MPI_COMM_WORLD, &world);
  double *expected = make(MPI_COMM_SELF, p);
  for (int size = 2; size <= world; size++) {
    MPI_Comm comm = first_ranks(size);
    if (comm == MPI_COMM_NULL) continue;
    double *got = make(comm, p);
    assert_memory_equal(got, expected, doubles * sizeof *got);
    nke_free(got);
    MPI_Comm_free(&comm);
  }
  nke_free(expected);
}

static void test_same_bits(void **state)
{
  (void)state;
  for (int t = 0; t < PROBLEMS; t++) {
    const problem *p = &problems[t];
    compare_ranks(make_gram, p, (size_t)(p->m * (p->m + p->k) + p->k + 1));
    compare_ranks(make_outer, p, (size_t)(p->n * p->n));
  }
}

/* More features than a chunk of the outer product. */
static void test_outer(void **state)
{
  (void)state;
  const problem wide[] = {{70, 1100, 1, NKE_DOUBLE}, {2, 5, 1, NKE_SINGLE}, {131, 300, 1, NKE_SINGLE}};
  for (int t = 0; t < 3; t++) {
    const problem *p = &wide[t];
    double *full = make_outer(MPI_COMM_WORLD, p);
    for (int64_t i = 0; i < p->n; i++)
      for (int64_t j = 0; j < p->n; j++) {
        double sum = 0, sizes = 0;
        for (int64_t c = 0; c < p->m; c++)
          sum += feature(i, c) * feature(j, c), sizes += fabs(feature(i, c) * feature(j, c));
        assert_true(fabs(full[i * p->n + j] - sum) <= (p->precision == NKE_SINGLE ? 1e-6 : 1e-13) * sizes);
      }
    nke_free(full);
  }
}

/* Sent: to every other rank my rows, cut to the blocks of its grid row and column; then my targets. */
static void test_bytes(void **state)
{
  (void)state;
  const problem *p = &problems[2];
  const int64_t nb = nke_bc_block_size(p->m);
  nke_stats stats = {0};
  nke_gram *g = build(MPI_COMM_WORLD, p, &stats);
  const nke_grid grid = nke_gram_matrix(g)->grid;
  int64_t bytes = 0, messages = 0;
  for (int64_t first = 0; first < p->n; first += PANEL) {
    int64_t begin, end;
    part(MPI_COMM_WORLD, p->n - first < PANEL ? p->n - first : PANEL, &begin, &end);
    for (int q = 0; q < grid.size; q++) {
      if (q == grid.rank || end == begin) continue;
      int64_t entries = 0;
      for (int64_t j = 0; j < p->m; j++)
        entries += j / nb % grid.nprow == q / grid.npcol || j / nb % grid.npcol == q % grid.npcol;
      bytes += (end - begin) * (4 * entries + 8 * p->k);
      messages += 2;
    }
  }
  assert_int_equal(stats.bytes_sent, bytes);
  assert_int_equal(stats.messages_sent, messages);
  nke_gram_destroy(&g);
}

/* Of a grid of any number of ranks, to a block: the rank whose tiles need most of a row. */
static void test_most_needed(void **state)
{
  (void)state;
  const int64_t nb = 32, sizes[] = {5, 100, 512, 520, 2100};
  for (int ranks = 1; ranks <= 72; ranks++)
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      const nke_grid grid = nke_grid_first(ranks);
      int64_t most = 0;
      for (int q = 0; q < ranks; q++) {
        int64_t entries = 0;
        for (int64_t j = 0; j < sizes[k]; j++)
          entries += j / nb % grid.nprow == q / grid.npcol || j / nb % grid.npcol == q % grid.npcol;
        if (entries > most) most = entries;
      }
      const int64_t planned = nke_exchange_most(&grid, sizes[k], nb);
      assert_true(planned <= most && planned > most - 3 * nb);
    }
}

static void test_restore(void **state)
{
  (void)state;
  const problem *p = &problems[2];
  nke_gram *g = build(MPI_COMM_WORLD, p, NULL), *again;
  double *cross, *got;
  nke_alloc(p->m * p->k, sizeof *cross, "cross", &cross);
  nke_alloc(p->m * p->k, sizeof *got, "cross", &got);
  nke_gram_cross(g, cross);
  assert_int_equal(nke_gram_create(MPI_COMM_WORLD, p->m, p->k, p->precision, NULL, &again), NKE_OK);
  nke_gram_restore(again, nke_gram_rows(g), nke_gram_squares(g), cross);
  nke_gram_cross(again, got);
  assert_int_equal(nke_gram_rows(again), p->n);
  assert_memory_equal(got, cross, (size_t)(p->m * p->k) * sizeof *got);
  assert_memory_equal(nke_gram_squares(again), nke_gram_squares(g), (size_t)p->k * sizeof *got);
  nke_free(got);
  nke_free(cross);
  nke_gram_destroy(&again);
  nke_gram_destroy(&g);
}

/* The Gram of the first third of the rows becomes that of the others. */
static void test_complement(void **state)
{
  (void)state;
  for (int t = 0; t < PROBLEMS; t++) {
    const problem *p = &problems[t], third = {p->n / 3, p->m, p->k, p->precision};
    nke_gram *all = build(MPI_COMM_WORLD, p, NULL), *g = build(MPI_COMM_WORLD, &third, NULL);
    nke_gram_complement(all, g);
    double *full = whole(nke_gram_matrix(g)), *cross;
    nke_alloc(p->m * p->k, sizeof *cross, "cross", &cross);
    assert_int_equal(nke_gram_cross(g, cross), NKE_OK);
    assert_int_equal(nke_gram_rows(g), p->n - third.n);
    const double tolerance = (p->precision == NKE_SINGLE ? 6e-8 : 2e-16) * 4 * (double)p->n + 1e-14;
    for (int64_t i = 0; i < p->m; i += 7) {
      for (int64_t j = 0; j < p->m; j++) {
        double sum = 0;
        for (int64_t r = third.n; r < p->n; r++) sum += feature(r, i) * feature(r, j);
        assert_true(fabs(full[i * p->m + j] - sum) <= tolerance * (double)p->n);
      }
      for (int c = 0; c < p->k; c++) {
        double sum = 0;
        for (int64_t r = third.n; r < p->n; r++) sum += feature(r, i) * target(r, c);
        assert_true(fabs(cross[i * p->k + c] - sum) <= 1e-13 * (double)p->n);
      }
    }
    for (int c = 0; c < p->k; c++) {
      double sum = 0;
      for (int64_t r = third.n; r < p->n; r++) sum += target(r, c) * target(r, c);
      assert_true(fabs(nke_gram_squares(g)[c] - sum) <= 1e-12 * (double)p->n);
    }
    nke_free(cross);
    nke_free(full);
    nke_gram_destroy(&all);
    nke_gram_destroy(&g);
  }
}

/* An allocation that fails on one rank only: all ranks hear of it, and nothing hangs or leaks. */
static void test_memory(void **state)
{
  (void)state;
  const problem *p = &problems[2];
  int rank, size, reached = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  for (int fault = 1; !reached; fault++) {
    nke_gram *g = NULL;
    int64_t begin, end;
    void *z;
    double *y;
    part(MPI_COMM_WORLD, PANEL, &begin, &end);
    fill(p, begin, end, &z, &y);
    if (rank == size - 1) nke_alloc_fail_at(fault);
    nke_status st = nke_gram_create(MPI_COMM_WORLD, p->m, p->k, p->precision, NULL, &g);
    if (st == NKE_OK) st = nke_gram_add(g, end - begin, z, y);
    nke_alloc_fail_at(0);
    int least = (int)st, most = (int)st;
    MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    assert_int_equal(least, most);
    assert_true(st == NKE_OK || st == NKE_ERR_MEMORY);
    reached = st == NKE_OK;
    if (fault == 1) assert_false(reached);
    nke_gram_destroy(&g);
    nke_free(z);
    nke_free(y);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(test_against_loops), cmocka_unit_test(test_same_bits), cmocka_unit_test(test_outer),
  cmocka_unit_test(test_bytes),         cmocka_unit_test(test_most_needed), cmocka_unit_test(test_restore),
  cmocka_unit_test(test_complement),    cmocka_unit_test(test_memory)};

NKE_TEST_MAIN(tests)
