/* A Gram matrix of slabs: the panels are cut from the list of rows alone, so it has the same bits at any number of ranks. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "run/fit.h"

#include <string.h>

enum { N = 5000, M = 70, K = 2 };
static const int64_t plenty = INT64_C(1) << 30, little = INT64_C(1) << 21; /* of memory a rank: for whole panels, or not */

/* Uniform in [-1, 1): float holds it exactly, but not the products. */
static float feature(int64_t row, int64_t column)
{
  uint64_t h = (uint64_t)(row * 4096 + column + 1) * UINT64_C(0x9E3779B97F4A7C15);
  h ^= h >> 32;
  h *= UINT64_C(0xD6E8FEB86659FD93);
  return (float)(int64_t)(h >> 40) / 8388608 - 1;
}

/* This rank's part of the slab from `begin` on, as nke_slab_make() deals it. */
static void fill(const nke_session *s, int64_t begin, nke_slab *slab)
{
  slab->begin = begin;
  slab->end = nke_min(N, begin + s->embedder.slab.all);
  int rank, ranks;
  MPI_Comm_rank(s->comm, &rank);
  MPI_Comm_size(s->comm, &ranks);
  const nke_range mine = nke_slab_share(&s->embedder.slab, slab->end - begin, ranks, rank);
  slab->first = begin + mine.begin;
  slab->n = mine.end - mine.begin;
  for (int64_t i = 0; i < slab->n; i++) {
    for (int64_t j = 0; j < M; j++) ((float *)slab->z)[i * M + j] = feature(slab->first + i, j);
    for (int c = 0; c < K; c++) slab->y[i * K + c] = (double)feature(slab->first + i, M + c) / 3;
  }
}

/* The whole Gram matrix, cross products behind it, on every rank. */
static void build(MPI_Comm comm, int64_t memory, double *out)
{
  nke_gram *gram;
  nke_slab slab = {0};
  int ranks;
  MPI_Comm_size(comm, &ranks);
  nke_session s = {.comm = comm, .m = M, .k = K};
  s.embedder = (nke_embedder){
      .comm = comm, .precision = NKE_SINGLE, .slab = nke_slab_size_of(5, M, NKE_SINGLE, memory, ranks, true)};
  if (ranks == 6) assert_true(s.embedder.slab.all > s.embedder.slab.panel);
  assert_int_equal(s.embedder.slab.panel % s.embedder.slab.step, 0);
  if (memory == little) assert_true(s.embedder.slab.step < (ranks > 2 ? s.embedder.slab.panel : NKE_PANEL_ROWS));
  assert_int_equal(nke_alloc(s.embedder.slab.own * M, sizeof(float), "z", &slab.z), NKE_OK);
  assert_int_equal(nke_alloc(s.embedder.slab.own * K, sizeof(double), "y", &slab.y), NKE_OK);
  assert_int_equal(nke_gram_create(comm, M, K, NKE_SINGLE, NULL, &gram), NKE_OK);
  for (int64_t at = 0; at < N; at = slab.end) {
    fill(&s, at, &slab);
    assert_int_equal(nke_fit_add_slab(&s, gram, &slab), NKE_OK);
  }
  assert_int_equal(nke_gram_rows(gram), N);
  const nke_bcmat *const a = nke_gram_matrix(gram);
  const nke_grid *const g = &a->grid;
  memset(out, 0, M * M * sizeof *out);
  for (int64_t j = 0; j < a->cols_loc; j++)
    for (int64_t i = 0; i < a->rows_loc; i++)
      out[nke_bc_global(i, a->nb, g->nprow, g->myrow) * M + nke_bc_global(j, a->nb, g->npcol, g->mycol)] =
          a->a[i + j * a->ld];
  MPI_Allreduce(MPI_IN_PLACE, out, M * M, MPI_DOUBLE, MPI_SUM, comm); /* one owner each: exact */
  assert_int_equal(nke_gram_cross(gram, out + M * M), NKE_OK);
  nke_gram_destroy(&gram);
  nke_free(slab.z);
  nke_free(slab.y);
}

static void test_same_bits(void **state)
{
  (void)state;
  static double expected[M * (M + K)], got[M * (M + K)];
  for (int i = 0; i < 2; i++) {
    build(MPI_COMM_SELF, i ? little : plenty, expected);
    build(MPI_COMM_WORLD, i ? little : plenty, got);
    assert_memory_equal(got, expected, sizeof got);
  }
}

/* Every position of a slab of `rows` belongs to one rank, in whole blocks of one panel, in which they ascend with the
 * ranks. Returns the most that a rank has. */
static int64_t check_shares(const nke_slab_size *size, int64_t rows, int ranks)
{
  int64_t covered = 0, most = 0, end[1024] = {0}; /* of the panels */
  for (int rank = 0; rank < ranks; rank++) {
    const nke_range mine = nke_slab_share(size, rows, ranks, rank);
    const int64_t panel = mine.begin / size->panel, n = mine.end - mine.begin;
    assert_true(n >= 0 && mine.end <= rows);
    if (n == 0) continue;
    assert_int_equal((mine.end - 1) / size->panel, panel);
    assert_int_equal(mine.begin % NKE_BLOCK_ROWS, 0);
    assert_int_equal(mine.begin, nke_max(end[panel], panel * size->panel));
    end[panel] = mine.end;
    covered += n;
    most = nke_max(most, n);
  }
  assert_int_equal(covered, rows);
  assert_true(most <= nke_slab_most(size, rows, ranks));
  return most;
}

static void test_shares(void **state)
{
  (void)state;
  static const int counts[] = {1, 2, 3, 5, 7, 8, 19, 24, 64, 100, 512, 1024};
  for (size_t i = 0; i < 2 * sizeof counts / sizeof *counts; i++)
    for (int64_t memory = INT64_C(1) << 26; memory <= INT64_C(1) << 32; memory <<= 3) {
      const int ranks = counts[i / 2];
      const nke_slab_size size = nke_slab_size_of(3072, 8192, NKE_SINGLE, memory, ranks, i % 2);
      for (int64_t rows = 0; rows < size.all; rows += size.all / 16 + 1) check_shares(&size, rows, ranks);
      assert_int_equal(check_shares(&size, size.all, ranks), size.own);
      if (memory > INT64_C(1) << 26) assert_true(4 * size.own * ranks <= 5 * size.all); /* a fifth idle at most */
    }
}

/* Of 16 nodes of 64 ranks each sends as much of every panel; without an exchange a rank takes eight blocks at a time.
 */
static void test_nodes(void **state)
{
  (void)state;
  enum { RANKS = 1024, NODE = 64 };
  const nke_slab_size size = nke_slab_size_of(100, 131072, NKE_SINGLE, INT64_C(5) << 30, RANKS, true);
  int64_t sent[RANKS / NODE][64] = {0};
  assert_int_equal(size.own * RANKS, size.all);
  assert_int_equal(nke_slab_size_of(100, 131072, NKE_SINGLE, INT64_C(5) << 30, RANKS, false).own, 8 * NKE_BLOCK_ROWS);
  for (int rank = 0; rank < RANKS; rank++) {
    const nke_range mine = nke_slab_share(&size, size.all, RANKS, rank);
    sent[rank / NODE][mine.begin / size.panel] += mine.end - mine.begin;
  }
  for (int node = 0; node < RANKS / NODE; node++)
    for (int64_t p = 0; p < size.all / size.panel; p++) assert_int_equal(sent[node][p], size.panel * NODE / RANKS);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits), cmocka_unit_test(test_shares),
                                          cmocka_unit_test(test_nodes)};

NKE_TEST_MAIN(tests)
