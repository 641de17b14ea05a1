#include "num/dual.h"

#include "base/memory.h"
#include "base/rng.h"
#include "num/dual_loops.h"
#include "num/simd.h"
#include "support/mpi_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double rhos[] = {-1, -1 + 1e-12, -0.999, -0.5, 0, 0.3, 0.9, 0.999, 1 - 1e-12, 1};
enum { RHOS = sizeof rhos / sizeof *rhos };

static nke_dual *plan(const nke_activation *act, double tolerance)
{
  nke_dual *dual = NULL;
  assert_int_equal(nke_dual_create(act, tolerance, &dual), NKE_OK);
  return dual;
}

static nke_activation named(const char *name)
{
  nke_activation act;
  const char *coefs[3] = {"coefs", "coefs", "coefs"};
  const double values[3] = {0.5, -1, 0.25};
  assert_int_equal(nke_activation_init(&act, name, strcmp(name, "polynomial") == 0 ? 3 : 0, coefs, values), NKE_OK);
  return act;
}

static void one(const nke_dual *dual, double qx, double qy, double s, double *k, double *kdot)
{
  if (nke_dual_apply(dual, 1, &qx, &qy, &s, k, kdot) != NKE_OK) fail_msg("%s", nke_error_text());
}

static void expect_refusal(nke_status got, nke_status want, const char *word)
{
  assert_int_equal(got, want);
  if (strstr(nke_error_text(), word) == NULL) fail_msg("'%s' lacks '%s'", nke_error_text(), word);
  assert_null(strchr(nke_error_text(), '\n'));
}

/* One line of duals.txt: kind n parameters qx qy s k kdot. */
static void read_line(char *line, nke_activation *act, double number[5])
{
  char *rest = NULL;
  const nke_activation_info *row = nke_activation_find(strtok_r(line, " ", &rest));
  assert_non_null(row);
  const int n = atoi(strtok_r(NULL, " ", &rest));
  const char *names[NKE_ACT_MAX_PARAMS];
  double values[NKE_ACT_MAX_PARAMS];
  for (int i = 0; i < n; i++) {
    names[i] = row->params[row->kind == NKE_ACT_POLYNOMIAL ? 0 : i];
    values[i] = strtod(strtok_r(NULL, " ", &rest), NULL);
  }
  for (int i = 0; i < 5; i++) number[i] = strtod(strtok_r(NULL, " \n", &rest), NULL);
  assert_int_equal(nke_activation_init(act, row->name, n, names, values), NKE_OK);
}

static int near(double got, double want, double scale)
{
  return fabs(got - want) <= 1e-9 * fabs(want) + 1e-30 * fmax(1, scale);
}

/* 1e-9 of the value itself, however small beside the diagonal; the floor is for values that are 0. */
static void references_are_met_at_every_corner(void **state)
{
  (void)state;
  FILE *file = fopen(NKE_TEST_DATA "/duals.txt", "r");
  char line[4096];
  int count = 0;
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL) {
    if (line[0] == '#') continue;
    nke_activation act;
    double w[5], k, kdot, kx, ky, dx, dy;
    read_line(line, &act, w);
    nke_dual *dual = plan(&act, 1e-12);
    one(dual, w[0], w[1], w[2], &k, &kdot);
    one(dual, w[0], w[0], w[0], &kx, &dx);
    one(dual, w[1], w[1], w[1], &ky, &dy);
    if (!near(k, w[3], sqrt(kx * ky)) || !near(kdot, w[4], sqrt(dx * dy)))
      fail_msg("%s, qx %.17g qy %.17g s %.17g: k %.17g not %.17g or kdot %.17g not %.17g", line, w[0], w[1], w[2], k,
               w[3], kdot, w[4]);
    nke_dual_destroy(&dual);
    count++;
  }
  fclose(file);
  assert_true(count > 1500);
}

static void duals_are_symmetric_and_within_cauchy_schwarz(void **state)
{
  (void)state;
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    if (row->kind == NKE_ACT_FORMULA) continue;
    const nke_activation act = named(row->name);
    nke_dual *dual = plan(&act, 1e-11);
    assert_int_equal(nke_dual_is_exact(dual), row->exact_dual);
    double kx, ky, dx, dy, k, kdot, k2, kdot2;
    one(dual, 0.7, 0.7, 0.7, &kx, &dx);
    one(dual, 1.9, 1.9, 1.9, &ky, &dy);
    for (int i = 0; i < RHOS; i++) {
      const double s = rhos[i] * sqrt(0.7 * 1.9);
      one(dual, 0.7, 1.9, s, &k, &kdot);
      one(dual, 1.9, 0.7, s, &k2, &kdot2);
      if (fabs(k - k2) > 1e-12 * sqrt(kx * ky) || fabs(kdot - kdot2) > 1e-11 * sqrt(dx * dy))
        fail_msg("%s at rho %g is not symmetric: %.17g %.17g, %.17g %.17g", row->name, rhos[i], k, k2, kdot, kdot2);
      assert_true(fabs(k) <= (1 + 1e-12) * sqrt(kx * ky));
      assert_true(fabs(kdot) <= (1 + 1e-9) * sqrt(dx * dy) || row->kind == NKE_ACT_EXP_NORMALIZED);
    }
    assert_true(nke_dual_error(dual) <= 1e-10);
    nke_dual_destroy(&dual);
  }
}

/* kdot = dk / ds (Price). */
static void kdot_is_the_derivative_of_k(void **state)
{
  (void)state;
  const double h = 1e-3, qx = 0.8, qy = 1.7;
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    if (row->kind == NKE_ACT_FORMULA || row->kind == NKE_ACT_SIGN || row->kind == NKE_ACT_STEP) continue;
    const nke_activation act = named(row->name);
    nke_dual *dual = plan(&act, 1e-13);
    for (int i = 3; i < 7; i++) {
      const double s = rhos[i] * sqrt(qx * qy);
      double k[4], kdot, unused;
      for (int j = 0; j < 4; j++) one(dual, qx, qy, s + h * (j < 2 ? j - 2 : j - 1), &k[j], &unused);
      one(dual, qx, qy, s, NULL, &kdot);
      const double slope = (8 * (k[2] - k[1]) - (k[3] - k[0])) / (12 * h);
      if (fabs(slope - kdot) > 1e-9 * (1 + fabs(kdot)))
        fail_msg("%s at rho %g: kdot %.12g, differences of k give %.12g", row->name, rhos[i], kdot, slope);
    }
    nke_dual_destroy(&dual);
  }
}

/* Cholesky of K plus a jitter; 0 if a pivot is not positive. */
static int is_positive(int n, double *a, double jitter)
{
  for (int j = 0; j < n; j++) {
    double pivot = a[j * n + j] + jitter;
    for (int l = 0; l < j; l++) pivot -= a[j * n + l] * a[j * n + l];
    if (!(pivot > 0)) return 0;
    a[j * n + j] = sqrt(pivot);
    for (int i = j + 1; i < n; i++) {
      for (int l = 0; l < j; l++) a[i * n + j] -= a[i * n + l] * a[j * n + l];
      a[i * n + j] /= a[j * n + j];
    }
  }
  return 1;
}

static void kernel_matrices_are_positive(void **state)
{
  (void)state;
  enum { N = 12, D = 3 };
  double x[N][D];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++) x[i][j] = nke_random_normal(7, 99, (uint64_t)(i * D + j));
  for (int j = 0; j < D; j++) {
    x[1][j] = x[0][j]; /* a duplicate, its negative, a zero row */
    x[2][j] = -x[0][j];
    x[3][j] = 0;
  }
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    if (row->kind == NKE_ACT_FORMULA) continue;
    const nke_activation act = named(row->name);
    nke_dual *dual = plan(&act, 1e-11);
    double k[N * N], kdot[N * N], qx[N * N], qy[N * N], s[N * N];
    for (int i = 0; i < N * N; i++) {
      qx[i] = qy[i] = s[i] = 0;
      for (int j = 0; j < D; j++) {
        qx[i] += x[i / N][j] * x[i / N][j] / D;
        qy[i] += x[i % N][j] * x[i % N][j] / D;
        s[i] += x[i / N][j] * x[i % N][j] / D;
      }
    }
    if (nke_dual_apply(dual, N * N, qx, qy, s, k, kdot) != NKE_OK) fail_msg("%s: %s", row->name, nke_error_text());
    double trace = 0, trace_dot = 0;
    for (int i = 0; i < N; i++) trace += k[i * N + i], trace_dot += kdot[i * N + i];
    if (!is_positive(N, k, 1e-9 * trace)) fail_msg("%s: k is not positive", row->name);
    if (!is_positive(N, kdot, 1e-9 * trace_dot + 1e-300)) fail_msg("%s: kdot is not positive", row->name);
    nke_dual_destroy(&dual);
  }
}

static void homogeneous_duals_scale(void **state)
{
  (void)state;
  static const double factors[] = {0x1p-100, 0.125, 8, 0x1p60};
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    if (isnan(row->homogeneity)) continue;
    const nke_activation act = named(row->name);
    nke_dual *dual = plan(&act, 1e-11);
    for (int f = 0; f < 4; f++)
      for (int i = 0; i < RHOS; i++) {
        double k, kdot, k2, kdot2;
        const double c = factors[f], a = row->homogeneity;
        one(dual, 4, 1, 2 * rhos[i], &k, &kdot);
        one(dual, 4 * c, 1 * c, 2 * rhos[i] * c, &k2, &kdot2);
        assert_true(fabs(k2 - pow(c, a) * k) <= 1e-9 * fabs(k) * pow(c, a));
        assert_true(fabs(kdot2 - pow(c, a - 1) * kdot) <= 1e-9 * fabs(kdot) * pow(c, a - 1));
      }
    nke_dual_destroy(&dual);
  }
}

static void at_variance_zero_phi_is_constant(void **state)
{
  (void)state;
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    if (row->kind == NKE_ACT_FORMULA || row->kind == NKE_ACT_EXP_NORMALIZED) continue;
    const nke_activation act = named(row->name);
    nke_dual *dual = plan(&act, 1e-11);
    const double zero = 0;
    double f, d, k, kdot, k2, kdot2;
    assert_int_equal(nke_activation_eval(&act, 1, &zero, &f, &d), NKE_OK);
    one(dual, 0, 0, 0, &k, &kdot);
    one(dual, 0, 1e-20, 0, &k2, &kdot2);
    if (fabs(k - f * f) > 1e-14 || fabs(kdot - d * d) > 1e-14 || fabs(k2 - f * f) > 1e-9 || fabs(kdot2 - d * d) > 1e-9)
      fail_msg("%s: k %g or %g not %g, kdot %g or %g not %g", row->name, k, k2, f * f, kdot, kdot2, d * d);
    nke_dual_destroy(&dual);
  }
}

static void formulas_have_the_duals_of_what_they_spell(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {{"x", "identity"},
                                         {"x>0 ? x : 0", "relu"},
                                         {"max(x, 0)", "relu"},
                                         {"abs(x)", "abs"},
                                         {"sign(x)", "sign"},
                                         {"x>0 ? 1 : 0", "step"},
                                         {"x*(1+erf(x/sqrt(2)))/2", "gelu"},
                                         {"erf(x)", "erf"},
                                         {"max(x, 0)^2", "rectified_monomial"},
                                         {"sin(x)", "sin"},
                                         {"exp(x)", "exp"},
                                         {"exp(-x^2)", "gaussian"},
                                         {"exp(-x^2)*sin(x)", "gabor"},
                                         {"min(max(x, 0), 6)", "relu6"},
                                         {"x*min(max(x+3,0),6)/6", "hard_silu"},
                                         {"x>0 ? x : exp(x)-1", "elu"},
                                         {"x*tanh(log(1+exp(x)))", "mish"}};
  static const double q[][2] = {{1, 1}, {0.3, 1.7}, {1e-6, 1e-6}, {0, 0}, {0, 1}};
  for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
    const nke_activation act = named(pairs[p][1]);
    nke_activation formula;
    assert_int_equal(nke_activation_init_formula(&formula, pairs[p][0]), NKE_OK);
    nke_dual *want = plan(&act, 1e-10), *got = plan(&formula, 1e-10);
    assert_int_equal(nke_dual_is_exact(got), 0);
    for (int i = 0; i < 5; i++)
      for (int j = 0; j < RHOS; j++) {
        const double s = rhos[j] * sqrt(q[i][0] * q[i][1]);
        double k, kdot, k2, kdot2;
        one(want, q[i][0], q[i][1], s, &k, &kdot);
        one(got, q[i][0], q[i][1], s, &k2, &kdot2);
        if (fabs(k - k2) > 1e-9 * (q[i][0] + fabs(k)) + 1e-15 || fabs(kdot - kdot2) > 1e-9 * (1 + fabs(kdot)))
          fail_msg("%s at q %g rho %g: k %.15g not %.15g, kdot %.15g not %.15g", pairs[p][0], q[i][0], rhos[j], k2, k,
                   kdot2, kdot);
      }
    nke_dual_destroy(&want);
    nke_dual_destroy(&got);
  }
}

/* At variances of a million phi' is a spike that only a thousandth of the plane knows. */
static void steep_duals_are_not_missed(void **state)
{
  (void)state;
  static const double q[][2] = {{3e6, 1.2e6}, {1e7, 1e7}, {1e8, 2e7}}, rho[] = {-0.95, 0.3, 0.9, 0.92, 0.99};
  const nke_activation act = named("erf");
  nke_activation formula;
  assert_int_equal(nke_activation_init_formula(&formula, "erf(x)"), NKE_OK);
  nke_dual *want = plan(&act, 1e-10), *got = plan(&formula, 1e-10);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 5; j++) {
      double k, kdot, k2, kdot2, unused, dx, dy;
      const double s = rho[j] * sqrt(q[i][0] * q[i][1]);
      one(want, q[i][0], q[i][0], q[i][0], &unused, &dx);
      one(want, q[i][1], q[i][1], q[i][1], &unused, &dy);
      one(want, q[i][0], q[i][1], s, &k, &kdot);
      one(got, q[i][0], q[i][1], s, &k2, &kdot2);
      if (fabs(k - k2) > 1e-9 || fabs(kdot - kdot2) > 1e-9 * sqrt(dx * dy))
        fail_msg("q %g %g rho %g: k %.15g not %.15g, kdot %.15g not %.15g", q[i][0], q[i][1], rho[j], k2, k, kdot2,
                 kdot);
    }
  nke_dual_destroy(&want);
  nke_dual_destroy(&got);
}

/* Rounded in float, a large s passes the variances by more than the exponentials here bear. */
static void a_covariance_beyond_the_variances_is_clamped(void **state)
{
  (void)state;
  static const char *const names[] = {"rbf", "sin", "cos", "exp_normalized"};
  const double q = 1.2109141e10;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (int sign = -1; sign <= 1; sign += 2) {
      const nke_activation act = named(names[i]);
      nke_dual *dual = plan(&act, 1e-10);
      double k, kdot, k2, kdot2;
      one(dual, q, q, sign * q, &k, &kdot);
      one(dual, q, q, sign * q * (1 + 1e-7), &k2, &kdot2);
      if (k != k2 || kdot != kdot2) fail_msg("%s: k %g not %g, kdot %g not %g", names[i], k2, k, kdot2, kdot);
      nke_dual_destroy(&dual);
    }
}

/* The result of a triple depends on no other: order, chunks, the cache and wider variances before change no bit. */
static void no_bit_depends_on_others(const nke_activation *act, double spread)
{
  enum { N = 3000 };
  static double qx[N], qy[N], s[N], k[N], kdot[N];
  nke_dual *dual = plan(act, 1e-10), *fresh = plan(act, 1e-10);
  for (int i = 0; i < N; i++) {
    qx[i] = 0.5 * exp(spread * (i % 37));
    qy[i] = 0.7 * exp(-spread * (i % 53));
    s[i] = 0.8 * sqrt(qx[i] * qy[i]) * sin(i);
  }
  assert_int_equal(nke_dual_apply(dual, N, qx, qy, s, k, kdot), NKE_OK);
  for (int i = N - 1; i >= 0; i -= 97) {
    double k1, kdot1;
    one(fresh, qx[i], qy[i], s[i], &k1, &kdot1);
    assert_true(k1 == k[i] && kdot1 == kdot[i]);
  }
  nke_dual_destroy(&dual);
  nke_dual_destroy(&fresh);
  assert_null(dual);
  nke_dual_destroy(&dual);
}

static void order_changes_no_bit(void **state)
{
  (void)state;
  nke_activation act = named("tanh");
  no_bit_depends_on_others(&act, 2e-3);
  no_bit_depends_on_others(&act, 0.2);
  assert_int_equal(nke_activation_init_formula(&act, "x > 0.3 ? x : 0.1 * sin(x)"), NKE_OK);
  no_bit_depends_on_others(&act, 0.2);
}

static void instruction_sets_agree(void **state)
{
  (void)state;
  enum { N = 37 };
  nke_dual_loop *const loops[3][3] = {{nke_dual_abrelu_plain, nke_dual_abrelu_avx2, nke_dual_abrelu_avx512},
                                      {nke_dual_erf_plain, nke_dual_erf_avx2, nke_dual_erf_avx512},
                                      {nke_dual_gelu_plain, nke_dual_gelu_avx2, nke_dual_gelu_avx512}};
  const double p[3] = {-0.5, 1.5, 0.25};
  double qx[N], qy[N], s[N], k[2][N], kdot[2][N];
  for (int i = 0; i < N; i++) {
    qx[i] = exp(0.3 * (i - 18));
    qy[i] = exp(0.1 * (18 - i));
    s[i] = sqrt(qx[i] * qy[i]) * (i == 0 ? -1 : cos(i));
  }
  for (int f = 0; f < 3; f++)
    for (int isa = 1; isa <= (int)nke_simd_best(); isa++) {
      loops[f][0](p, N, qx, qy, s, k[0], kdot[0]);
      loops[f][isa](p, N, qx, qy, s, k[1], kdot[1]);
      for (int i = 0; i < N; i++) {
        assert_true(fabs(k[0][i] - k[1][i]) <= 1e-13 * (sqrt(qx[i] * qy[i]) + 1));
        assert_true(fabs(kdot[0][i] - kdot[1][i]) <= 1e-12);
      }
    }
}

static void bad_requests_get_one_clear_line(void **state)
{
  (void)state;
  const nke_activation relu = named("relu"), tanh_act = named("tanh"), grow = named("exp");
  nke_dual *dual = NULL;
  expect_refusal(nke_dual_create(&relu, 0, &dual), NKE_ERR_USAGE, "tolerance");
  expect_refusal(nke_dual_create(&relu, NAN, &dual), NKE_ERR_USAGE, "tolerance");
  assert_null(dual);
  const double bad[][3] = {{-1, 1, 0},   {1, -1e-30, 0}, {NAN, 1, 0},      {1, 1, NAN}, {1, 1, 1.01},
                           {1, 4, -2.1}, {1e300, 1, 0},  {INFINITY, 1, 0}, {0, 1, 0.1}};
  const nke_activation *const both[2] = {&relu, &tanh_act};
  for (int a = 0; a < 2; a++) {
    dual = plan(both[a], 1e-10);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
      double qx[700], qy[700], s[700], k[700];
      for (int j = 0; j < 700; j++) qx[j] = qy[j] = 1, s[j] = 0.5;
      qx[600] = bad[i][0], qy[600] = bad[i][1], s[600] = bad[i][2];
      expect_refusal(nke_dual_apply(dual, 700, qx, qy, s, k, NULL), NKE_ERR_NUMERIC, "pair 600");
    }
    assert_int_equal(nke_dual_apply(dual, 0, NULL, NULL, NULL, NULL, NULL), NKE_OK);
    nke_dual_destroy(&dual);
  }
  double k, kdot;
  const double large = 1e4, one_q = 1;
  dual = plan(&grow, 1e-10);
  expect_refusal(nke_dual_apply(dual, 1, &large, &large, &large, &k, &kdot), NKE_ERR_NUMERIC, "overflow");
  nke_dual_destroy(&dual);
  nke_activation formula;
  assert_int_equal(nke_activation_init_formula(&formula, "exp(0.3*x^2)"), NKE_OK);
  dual = plan(&formula, 1e-10);
  expect_refusal(nke_dual_apply(dual, 1, &one_q, &one_q, &one_q, &k, &kdot), NKE_ERR_NUMERIC, "second moment");
  nke_dual_destroy(&dual);
  assert_int_equal(nke_activation_init_formula(&formula, "log(1+exp(x))"), NKE_OK);
  dual = plan(&formula, 1e-10);
  expect_refusal(nke_dual_apply(dual, 1, &large, &large, &large, &k, &kdot), NKE_ERR_NUMERIC, "not finite at x");
  nke_dual_destroy(&dual);
}

/* Whatever allocation fails, the call says so or does without it, and the next call works. */
static void a_failing_allocation_is_reported(void **state)
{
  (void)state;
  const double q = 1, s = 0.99;
  double k, kdot, want, want_dot;
  nke_activation act;
  assert_int_equal(nke_activation_init_formula(&act, "max(x, 0.5)"), NKE_OK);
  nke_dual *dual = plan(&act, 1e-10);
  one(dual, q, q, s, &want, &want_dot);
  nke_dual_destroy(&dual);
  int failures = 0;
  for (int at = 1; at <= 40; at++) {
    nke_alloc_fail_at(at);
    nke_status st = nke_dual_create(&act, 1e-10, &dual);
    if (st == NKE_OK) st = nke_dual_apply(dual, 1, &q, &q, &s, &k, &kdot);
    nke_alloc_fail_at(0);
    if (st != NKE_OK) {
      assert_int_equal(st, NKE_ERR_MEMORY);
      failures++;
    }
    if (dual != NULL) one(dual, q, q, s, &k, &kdot);
    if (dual != NULL) assert_true(fabs(k - want) < 1e-9 && fabs(kdot - want_dot) < 1e-9);
    nke_dual_destroy(&dual);
  }
  if (failures < 30) fail_msg("%d failures", failures);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(references_are_met_at_every_corner),
                                          cmocka_unit_test(duals_are_symmetric_and_within_cauchy_schwarz),
                                          cmocka_unit_test(kdot_is_the_derivative_of_k),
                                          cmocka_unit_test(kernel_matrices_are_positive),
                                          cmocka_unit_test(homogeneous_duals_scale),
                                          cmocka_unit_test(at_variance_zero_phi_is_constant),
                                          cmocka_unit_test(formulas_have_the_duals_of_what_they_spell),
                                          cmocka_unit_test(steep_duals_are_not_missed),
                                          cmocka_unit_test(a_covariance_beyond_the_variances_is_clamped),
                                          cmocka_unit_test(order_changes_no_bit),
                                          cmocka_unit_test(instruction_sets_agree),
                                          cmocka_unit_test(a_failing_allocation_is_reported),
                                          cmocka_unit_test(bad_requests_get_one_clear_line)};
NKE_TEST_MAIN(tests)
