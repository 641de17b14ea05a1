/* CG and LSQR: Cholesky's solution with every preconditioner, ranks without rows, rows left out, fewer iterations where
 * the preconditioner knows the matrix, and what happens when they cannot converge. */
#define _POSIX_C_SOURCE 200809L /* strtok_r */
#include "solve/support.h"
#include "support/mpi_main.h"

#include "base/memory.h"
#include "base/rng.h"
#include "dist/collect.h"
#include "gram/gram.h"
#include "solve/krylov.h"
#include "solve/petsc_types.h"
#include "solve/ridge.h"
#include "solve/symmetric.h"

#include <math.h>
#include <petscsys.h>
#include <stdio.h>
#include <string.h>

enum { K = 2, MOST = 200 };

typedef struct problem {
  int64_t n, m;
} problem;

static const problem problems[] = {{90, 37}, {20, 70}, {2, 3}, {1, 1}};

/* This rank's rows, in whole blocks or not, of float features whose columns fall off like 1 / j, and of targets. */
static nke_kept make(const problem *p, nke_range mine, float **z, double **y)
{
  const int64_t rows = mine.end - mine.begin;
  nke_alloc(rows * p->m, sizeof **z, "z", z);
  nke_alloc(rows * K, sizeof **y, "y", y);
  for (int64_t i = 0; i < rows * p->m; i++)
    (*z)[i] = (float)(nke_random_normal(4, nke_stream(NKE_STREAM_TEST, 0), (uint64_t)(mine.begin * p->m + i)) /
                      (double)(1 + i % p->m));
  for (int64_t i = 0; i < rows * K; i++)
    (*y)[i] = nke_random_normal(4, nke_stream(NKE_STREAM_TEST, 1), (uint64_t)(mine.begin * K + i));
  return (nke_kept){.comm = MPI_COMM_WORLD, .rows_loc = rows, .m = p->m, .precision = NKE_SINGLE, .z = *z};
}

static nke_range part(int64_t n, nke_range (*split)(int64_t, int, int))
{
  int size, rank;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return split(n, size, rank);
}

/* Cholesky on the same float features, their Gram in double; b_loc [m_loc, K], the right-hand side of this rank. */
static void direct(const nke_kept *kept, double shift, const double *y, double *x, double *b_loc)
{
  nke_gram *g;
  double *b, *wide;
  nke_ridge_info info;
  const nke_range mine = part(kept->m, nke_split);
  nke_alloc(kept->rows_loc * kept->m, sizeof *wide, "wide", &wide);
  nke_alloc(kept->m * K, sizeof *b, "b", &b);
  for (int64_t i = 0; i < kept->rows_loc * kept->m; i++) wide[i] = (double)((const float *)kept->z)[i];
  assert_int_equal(nke_gram_create(MPI_COMM_WORLD, kept->m, K, NKE_DOUBLE, NULL, &g), NKE_OK);
  assert_int_equal(nke_gram_add(g, kept->rows_loc, wide, y), NKE_OK);
  assert_int_equal(nke_gram_cross(g, b), NKE_OK);
  assert_int_equal(nke_ridge_solve(nke_gram_matrix(g), shift, K, b, NULL, x, &info), NKE_OK);
  memcpy(b_loc, b + mine.begin * K, (size_t)((mine.end - mine.begin) * K) * sizeof *b_loc);
  nke_gram_destroy(&g);
  nke_free(b);
  nke_free(wide);
}

static void check(const nke_operator *a, const double *x_loc, const double *expected, const nke_krylov_info *info)
{
  for (int64_t i = 0; i < (a->parts.mine.end - a->parts.mine.begin) * K; i++)
    assert_true(fabs(x_loc[i] - expected[a->parts.mine.begin * K + i]) < 1e-8);
  assert_true(info->residual <= 1e-10);
  assert_true(info->iterations >= 1 && info->iterations <= 2 * a->parts.n + 20);
}

/* Features that are made anew: a few rows of those at z, into a place that the next ones overwrite. */
typedef struct maker {
  const float *z;
  int64_t m, made, fails_at; /* rows so far, and at which of them it fails; -1: never */
  float few[7 * 70];
} maker;

static nke_status make_few(void *context, int64_t first, int64_t count, const void **z)
{
  maker *const f = context;
  assert_in_range(count, 1, 7);
  if (f->fails_at >= 0 && f->made >= f->fails_at) return nke_fail(NKE_ERR_DATA, "rows cannot be read again");
  memcpy(f->few, f->z + first * f->m, (size_t)(count * f->m) * sizeof *f->few);
  f->made += count;
  *z = f->few;
  return NKE_OK;
}

static nke_kept anew(const nke_kept *kept, maker *f)
{
  nke_kept made = *kept;
  *f = (maker){.z = kept->z, .m = kept->m, .fails_at = -1};
  made.z = NULL;
  made.chunk = 7;
  made.make = make_few;
  made.context = f;
  return made;
}

/* No preconditioner, Jacobi, Nystrom; and LSQR. */
static void solve_features(const nke_kept *kept, const double *y, const double *b, const double *expected)
{
  double x[70 * K];
  nke_krylov_info info;
  nke_stats stats = {0};
  nke_operator *a;
  nke_preconditioner *p[3] = {NULL};
  assert_int_equal(nke_normal_operator(kept, &a), NKE_OK);
  assert_int_equal(nke_jacobi_create(a, &p[1]), NKE_OK);
  assert_int_equal(nke_nystrom_create(a, NULL, 9, 1, &p[2]), NKE_OK);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(nke_cg_solve(a, p[i], 0.5, K, b, 1e-11, 500, &stats, x, &info), NKE_OK);
    check(a, x, expected, &info);
    nke_preconditioner_destroy(&p[i]);
  }
  assert_int_equal(nke_lsqr_solve(kept, 0.5, K, y, 1e-13, 500, &stats, x, &info), NKE_OK);
  check(a, x, expected, &info);
  assert_true(stats.flops[NKE_STAGE_SOLVE] > 0 || kept->rows_loc == 0);
  nke_operator_destroy(&a);
}

static void test_features(void **state)
{
  (void)state;
  for (int t = 0; t < 4; t++) {
    float *z;
    double *y, b[70 * K], expected[70 * K];
    maker f;
    const nke_kept kept = make(&problems[t], part(problems[t].n, nke_split), &z, &y);
    const nke_kept made = anew(&kept, &f);
    direct(&kept, 0.5, y, expected, b);
    solve_features(&kept, y, b, expected);
    solve_features(&made, y, b, expected);
    nke_free(z);
    nke_free(y);
  }
}

/* A product of Z'Z makes every row once; where one rank cannot, all say so. */
static void test_features_made_anew(void **state)
{
  (void)state;
  float *z;
  double *y, x[70 * K] = {1}, b[70 * K];
  int rank, size;
  maker f;
  nke_krylov_info info;
  nke_operator *a;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const nke_kept kept = make(&problems[0], part(problems[0].n, nke_split), &z, &y), made = anew(&kept, &f);
  assert_int_equal(nke_normal_operator(&made, &a), NKE_OK);
  assert_int_equal(a->multiply(a->context, K, x, b), NKE_OK);
  assert_int_equal(f.made, made.rows_loc);
  if (rank == size - 1) f.fails_at = 4 * made.rows_loc;
  memcpy(b, y, (size_t)(nke_min(37, made.rows_loc) * K) * sizeof *b);
  assert_int_equal(nke_cg_solve(a, NULL, 1e-3, K, b, 1e-11, 500, NULL, x, &info), NKE_ERR_DATA);
  assert_int_equal(nke_lsqr_solve(&made, 1e-3, K, y, 1e-11, 500, NULL, x, &info), NKE_ERR_DATA);
  nke_operator_destroy(&a);
  nke_free(z);
  nke_free(y);
}

typedef struct exact {
  float *z;
  double *y, *wide, *scale, *b;
  nke_kept kept;
  nke_bcmat *kernel, *scaled;
  nke_range mine;
} exact;

/* K = Z Z' + 1e-2 I; `leave_out`: each seventh row is left out, the others are scaled. */
static void exact_make(const problem *p, int leave_out, exact *e)
{
  e->mine = part(p->n, nke_split_blocks);
  e->kept = make(p, e->mine, &e->z, &e->y);
  const int64_t rows = e->kept.rows_loc;
  nke_alloc(rows * p->m, sizeof(double), "wide", &e->wide);
  nke_alloc(p->n, sizeof(double), "scale", &e->scale);
  nke_alloc(p->n * K, sizeof(double), "b", &e->b);
  for (int64_t i = 0; i < p->n; i++) e->scale[i] = leave_out ? (i % 7 == 3 ? 0 : 1 + (double)(i % 3)) : 1;
  for (int64_t i = 0; i < rows * K; i++) e->y[i] *= e->scale[e->mine.begin + i / K];
  assert_int_equal(nke_gather_rows(MPI_COMM_WORLD, rows, K, e->y, e->b), NKE_OK);
  for (int64_t i = 0; i < rows * p->m; i++) e->wide[i] = (double)e->z[i];
  assert_int_equal(nke_gram_outer(MPI_COMM_WORLD, rows, p->m, NKE_DOUBLE, e->wide, NULL, &e->kernel), NKE_OK);
  nke_bcmat_add_to_diagonal(e->kernel, 1e-2);
  assert_int_equal(nke_bcmat_create(MPI_COMM_WORLD, p->n, p->n, e->kernel->nb, &e->scaled), NKE_OK);
  const nke_bcmat *k = e->kernel;
  for (int64_t j = 0; j < k->cols_loc; j++)
    for (int64_t i = 0; i < k->rows_loc; i++)
      e->scaled->a[i + j * k->ld] = k->a[i + j * k->ld] *
                                    e->scale[nke_bc_global(i, k->nb, k->grid.nprow, k->grid.myrow)] *
                                    e->scale[nke_bc_global(j, k->nb, k->grid.npcol, k->grid.mycol)];
}

static void exact_clear(exact *e)
{
  nke_bcmat_destroy(&e->kernel);
  nke_bcmat_destroy(&e->scaled);
  nke_free(e->z);
  nke_free(e->y);
  nke_free(e->wide);
  nke_free(e->scale);
  nke_free(e->b);
}

static nke_status product(void *context, int k, const double *x, double *y)
{
  return nke_symmetric_product(context, 0, k, x, y);
}

/* The four ways to precondition an exact kernel: each gives Cholesky's solution; iterations[4] on the way. */
static void solve_exact(const problem *p, int leave_out, double shift, int iterations[4])
{
  exact e;
  double x[MOST * K], expected[MOST * K], diagonal[MOST];
  nke_ridge_info direct_info;
  nke_krylov_info info;
  nke_operator *a, *guide;
  nke_preconditioner *kinds[4] = {NULL};
  exact_make(p, leave_out, &e);
  assert_int_equal(nke_ridge_solve(e.scaled, shift, K, e.b, NULL, expected, &direct_info), NKE_OK);
  assert_int_equal(nke_bcmat_diagonal(e.kernel, diagonal), NKE_OK);
  const nke_symmetric_matrix kernel = {.comm = MPI_COMM_WORLD, .n = p->n, .context = e.kernel, .product = product,
                                       .diagonal = diagonal};
  assert_int_equal(nke_kernel_operator(&kernel, e.scale, &a), NKE_OK);
  assert_int_equal(nke_jacobi_create(a, &kinds[1]), NKE_OK);
  assert_int_equal(nke_nystrom_create(a, NULL, 40, 1, &kinds[2]), NKE_OK);
  e.kept.scale = e.scale + e.mine.begin;
  assert_int_equal(nke_outer_operator(&e.kept, &guide), NKE_OK);
  assert_int_equal(nke_nystrom_create(a, guide, 40, 1, &kinds[3]), NKE_OK);
  nke_operator_destroy(&guide);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(nke_cg_solve(a, kinds[i], shift, K, e.y, 1e-11, 1000, NULL, x, &info), NKE_OK);
    check(a, x, expected, &info);
    iterations[i] = info.iterations;
    for (int64_t r = 0; r < e.kept.rows_loc * K; r++)
      if (e.scale[e.mine.begin + r / K] == 0) assert_true(x[r] == 0);
    nke_preconditioner_destroy(&kinds[i]);
  }
  nke_operator_destroy(&a);
  exact_clear(&e);
}

static void test_exact(void **state)
{
  (void)state;
  const problem sizes[] = {{90, 40}, {40, 70}, {3, 2}};
  int iterations[4];
  for (int t = 0; t < 3; t++)
    for (int leave_out = 0; leave_out < 2; leave_out++) solve_exact(&sizes[t], leave_out, 0.5, iterations);
}

/* Rank 40 takes the 40 largest of 60 eigenvalues that fall off like 1 / j^2, better so by the sketch. With rank 60 it is all
 * of K but its 1e-2 I: two eigenvalues are left, so two iterations, and one for rounding. */
static void test_preconditioned_needs_fewer(void **state)
{
  (void)state;
  const problem p = {200, 60}, low = {200, 20};
  int iterations[4];
  solve_exact(&p, 0, 0.1, iterations);
  assert_true(iterations[2] < iterations[0]);
  assert_true(iterations[3] <= iterations[2]);
  solve_exact(&low, 0, 0.1, iterations);
  assert_true(iterations[3] <= 3);
}

static void test_failures(void **state)
{
  (void)state;
  float *z;
  double *y, x[70 * K], b[70 * K];
  nke_krylov_info info;
  nke_operator *a;
  nke_preconditioner *p;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const nke_kept kept = make(&problems[0], part(problems[0].n, nke_split), &z, &y);
  direct(&kept, 1, y, x, b);
  assert_int_equal(nke_normal_operator(&kept, &a), NKE_OK);
  assert_int_equal(nke_cg_solve(a, NULL, 1e-3, K, b, 1e-13, 2, NULL, x, &info), NKE_ERR_NUMERIC);
  assert_non_null(strstr(nke_error_text(), "cg has not converged after 2 iterations"));
  assert_int_equal(nke_lsqr_solve(&kept, 1e-3, K, y, 1e-13, 2, NULL, x, &info), NKE_ERR_NUMERIC);
  assert_non_null(strstr(nke_error_text(), "lsqr has not converged after 2 iterations"));
  assert_int_equal(nke_cg_solve(a, NULL, 0, K, b, 1e-10, 100, NULL, x, &info), NKE_ERR_NUMERIC);
  assert_int_equal(nke_lsqr_solve(&kept, 0, K, y, 1e-10, 100, NULL, x, &info), NKE_ERR_NUMERIC);
  if (rank == size - 1) z[0] = NAN;
  assert_int_equal(nke_cg_solve(a, NULL, 1, K, b, 1e-10, 100, NULL, x, &info), NKE_ERR_NUMERIC);
  assert_int_equal(nke_lsqr_solve(&kept, 1, K, y, 1e-10, 100, NULL, x, &info), NKE_ERR_NUMERIC);
  assert_int_equal(nke_nystrom_create(a, NULL, 5, 1, &p), NKE_ERR_NUMERIC);
  assert_null(p);
  memset(z, 0, (size_t)(kept.rows_loc * kept.m) * sizeof *z);
  assert_int_equal(nke_nystrom_create(a, NULL, 5, 1, &p), NKE_ERR_NUMERIC);
  assert_null(p);
  nke_operator_destroy(&a);
  nke_free(z);
  nke_free(y);
}

/* PETSc's allocations of a vector's size from now on, counted down to the one that fails. */
static PetscErrorCode (*allocate)(size_t, PetscBool, int, const char[], const char[], void **);
static int until_failure;

static PetscErrorCode allocate_or_fail(size_t bytes, PetscBool clear, int line, const char function[],
                                       const char file[], void **out)
{
  if (bytes > 30000 && until_failure > 0 && --until_failure == 0)
    return PetscError(PETSC_COMM_SELF, line, function, file, PETSC_ERR_MEM, PETSC_ERROR_INITIAL, "no memory");
  return allocate(bytes, clear, line, function, file, out);
}

/* On the last rank only: all hear of it, and nothing hangs. */
static void test_no_memory_for_vectors(void **state)
{
  (void)state;
  const problem large = {20000, 3};
  float *z;
  double *y, x[3 * K], *wide;
  nke_krylov_info info;
  nke_operator *a;
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const nke_kept kept = make(&large, part(large.n, nke_split_blocks), &z, &y);
  assert_int_equal(nke_alloc(kept.rows_loc * K, sizeof *wide, "x", &wide), NKE_OK);
  assert_int_equal(nke_outer_operator(&kept, &a), NKE_OK);
  allocate = PetscTrMalloc;
  PetscTrMalloc = allocate_or_fail;
  for (int method = 0; method < 2; method++) {
    nke_status st = NKE_ERR_MEMORY;
    for (int fault = 1; st != NKE_OK; fault++) {
      until_failure = rank == size - 1 ? fault : 0;
      st = method == 0 ? nke_cg_solve(a, NULL, 1, K, y, 1e-10, 100, NULL, wide, &info)
                       : nke_lsqr_solve(&kept, 1, K, y, 1e-10, 100, NULL, x, &info);
      if (st != NKE_OK) {
        assert_int_equal(st, NKE_ERR_MEMORY);
        assert_non_null(strstr(nke_error_text(), "no memory"));
      }
      int least = (int)st;
      MPI_Allreduce(MPI_IN_PLACE, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
      assert_int_equal(least, st);
      if (st == NKE_OK) assert_true(fault > 3);
    }
  }
  until_failure = 0;
  PetscTrMalloc = allocate;
  nke_operator_destroy(&a);
  nke_free(wide);
  nke_free(z);
  nke_free(y);
}

/* With the method and the preconditioner that the options name. */
static double residual_with(const nke_operator *a, const char *method, const char *preconditioner,
                            const double *y, double *x)
{
  nke_krylov_info info;
  assert_int_equal(PetscOptionsSetValue(NULL, "-nke_ksp_type", method), 0);
  assert_int_equal(PetscOptionsSetValue(NULL, "-nke_pc_type", preconditioner), 0);
  const nke_status st = nke_cg_solve(a, NULL, 1, K, y, 1e-10, 1000, NULL, x, &info);
  assert_int_equal(PetscOptionsClearValue(NULL, "-nke_ksp_type"), 0);
  assert_int_equal(PetscOptionsClearValue(NULL, "-nke_pc_type"), 0);
  if (st != NKE_OK) printf("%s, %s: %s\n", method, preconditioner, nke_error_text());
  assert_int_equal(st, NKE_OK);
  return info.residual;
}

/* Every type that may be named solves; types out of the table are not found. */
static void test_types(void **state)
{
  (void)state;
  float *z;
  double *y, *b, *x, *solution;
  nke_operator *a;
  nke_krylov_info info;
  char text[NKE_ERROR_CHARS], *rest = text;
  const nke_kept kept = make(&problems[0], part(problems[0].n, nke_split_blocks), &z, &y);
  const int64_t m_loc = part(kept.m, nke_split).end - part(kept.m, nke_split).begin;
  nke_alloc(kept.m * K, sizeof *solution, "solution", &solution);
  nke_alloc(m_loc * K, sizeof *b, "b", &b);
  nke_alloc(m_loc * K, sizeof *x, "x", &x);
  direct(&kept, 1, y, solution, b);
  assert_int_equal(nke_normal_operator(&kept, &a), NKE_OK);
  PetscOptionsSetValue(NULL, "-nke_ksp_pc_type", "none");
  PetscOptionsSetValue(NULL, "-nke_ksp_ksp_type", "cg");
  PetscOptionsSetValue(NULL, "-nke_pc_composite_pcs", "jacobi,none");
  nke_petsc_types_text(sizeof text, text);
  const char *option = strtok_r(text, ", ", &rest);
  for (const char *word = option; word; word = strtok_r(NULL, ", ", &rest)) {
    if (word[0] == '-') option = word;
    else if (strcmp(option, "-nke_ksp_type") == 0) assert_true(residual_with(a, word, "none", b, x) < 1e-7);
    else if (strcmp(word, "shell") != 0) assert_true(residual_with(a, "fgmres", word, b, x) < 1e-7);
  }
  PetscOptionsSetValue(NULL, "-nke_pc_type", "kaczmarz");
  assert_int_equal(nke_cg_solve(a, NULL, 1, K, b, 1e-10, 100, NULL, x, &info), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "PC type kaczmarz; there are -nke_ksp_type cg"));
  PetscOptionsClear(NULL);
  nke_operator_destroy(&a);
  nke_free(x);
  nke_free(b);
  nke_free(solution);
  nke_free(z);
  nke_free(y);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_features, start),
                                          cmocka_unit_test(test_types),
                                          cmocka_unit_test(test_features_made_anew),
                                          cmocka_unit_test(test_exact),
                                          cmocka_unit_test(test_preconditioned_needs_fewer),
                                          cmocka_unit_test(test_no_memory_for_vectors),
                                          cmocka_unit_test_teardown(test_failures, stop)};

NKE_TEST_MAIN(tests)
