#include "num/hermite.h"

#include "num/dual.h"
#include "support/mpi_main.h"

#include <math.h>

static nke_activation named(const char *name, const char *param, double value)
{
  nke_activation act;
  assert_int_equal(nke_activation_init(&act, name, param != NULL, &param, &value), NKE_OK);
  return act;
}

static double series(int degree, const double *cx, const double *cy, double rho)
{
  double sum = 0;
  for (int l = degree; l >= 0; l--) sum = sum * rho + cx[l] * cy[l];
  return sum;
}

/* hermite(k) at scale 1 is the k-th basis function. */
static void hermite_polynomials_are_the_basis(void **state)
{
  (void)state;
  for (int k = 0; k <= 12; k += 3) {
    const nke_activation act = named("hermite", "degree", k);
    double c[16], cdot[16];
    nke_hermite_moments m;
    assert_int_equal(nke_hermite_coefficients(&act, 1, 15, c, cdot, &m), NKE_OK);
    for (int l = 0; l < 16; l++) {
      assert_true(fabs(c[l] - (l == k)) < 1e-12);
      assert_true(fabs(cdot[l] - (l == k - 1 ? sqrt(k) : 0)) < 1e-12);
    }
    assert_true(fabs(m.second - 1) < 1e-12 && m.rest < 1e-12 && fabs(m.second_dot - k) < 1e-11);
  }
}

/* E[phi(sigma z)^2] is k at rho = 1, and what the coefficients leave of it is `rest`. */
static void moments_are_those_of_the_closed_form(void **state)
{
  (void)state;
  static const char *const names[] = {"relu", "erf", "gelu", "sin", "gaussian", "abs", "step"};
  static const double sigmas[] = {0, 1e-6, 0.3, 1, 4};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const nke_activation act = named(names[i], NULL, 0);
    nke_dual *dual = NULL;
    assert_int_equal(nke_dual_create(&act, 1e-10, &dual), NKE_OK);
    for (int j = 0; j < 5; j++) {
      const double q = sigmas[j] * sigmas[j];
      double c[33], k, kdot, sum = 0;
      nke_hermite_moments m;
      assert_int_equal(nke_hermite_coefficients(&act, sigmas[j], 32, c, NULL, &m), NKE_OK);
      assert_int_equal(nke_dual_apply(dual, 1, &q, &q, &q, &k, &kdot), NKE_OK);
      for (int l = 0; l <= 32; l++) sum += c[l] * c[l];
      if (fabs(m.second - k) > 1e-12 * k || fabs(m.second_dot - kdot) > 1e-11 * kdot ||
          fabs(sum + m.rest - k) > 1e-12 * k)
        fail_msg("%s at sigma %g: %.15g not %.15g, %.15g not %.15g", names[i], sigmas[j], m.second, k, m.second_dot,
                 kdot);
    }
    nke_dual_destroy(&dual);
  }
}

/* The error is within the stated bound, and the bound is of the right size: a smooth phi converges geometrically,
 * relu's rest falls as degree^-1.5. */
static void series_reach_the_closed_forms_at_their_rate(void **state)
{
  (void)state;
  static const char *const names[] = {"relu", "erf", "gelu", "sin", "abs"};
  const double sx = 0.8, sy = 1.3;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const nke_activation act = named(names[i], NULL, 0);
    nke_dual *dual = NULL;
    assert_int_equal(nke_dual_create(&act, 1e-10, &dual), NKE_OK);
    for (int degree = 4; degree <= 64; degree *= 2)
      for (double rho = -1; rho <= 1; rho += 0.125) {
        double cx[65], cy[65], dx[65], dy[65], k, kdot;
        nke_hermite_moments mx, my;
        const double qx = sx * sx, qy = sy * sy, s = rho * sx * sy;
        assert_int_equal(nke_hermite_coefficients(&act, sx, degree, cx, dx, &mx), NKE_OK);
        assert_int_equal(nke_hermite_coefficients(&act, sy, degree, cy, dy, &my), NKE_OK);
        assert_int_equal(nke_dual_apply(dual, 1, &qx, &qy, &s, &k, &kdot), NKE_OK);
        const double decay = pow(fabs(rho), degree + 1);
        const double error = fabs(series(degree, cx, cy, rho) - k),
                     error_dot = fabs(series(degree, dx, dy, rho) - kdot);
        const double bound = sqrt(mx.rest * my.rest) * decay, bound_dot = sqrt(mx.rest_dot * my.rest_dot) * decay;
        if (error > bound + 1e-13 || error_dot > bound_dot + 1e-12)
          fail_msg("%s, degree %d, rho %g: error %g above %g or %g above %g", names[i], degree, rho, error, bound,
                   error_dot, bound_dot);
      }
    nke_dual_destroy(&dual);
  }
  double c[257];
  nke_hermite_moments coarse, fine;
  nke_activation act = named("relu", NULL, 0);
  assert_int_equal(nke_hermite_coefficients(&act, 1, 64, c, NULL, &coarse), NKE_OK);
  assert_int_equal(nke_hermite_coefficients(&act, 1, 256, c, NULL, &fine), NKE_OK);
  assert_true(fabs(log(coarse.rest / fine.rest) / log(4) - 1.5) < 0.1);
  act = named("erf", NULL, 0);
  assert_int_equal(nke_hermite_coefficients(&act, 1, 64, c, NULL, &fine), NKE_OK);
  assert_true(fine.rest < 1e-12 * fine.second);
}

/* Taylor coefficients of kappa(rho) = 2 E[relu(u) relu(v)] and kappadot(rho) = 2 E[step(u) step(v)] at unit variances:
 * pi kappadot = pi / 2 + arcsin rho, pi kappa = pi rho / 2 + rho arcsin rho + sqrt(1 - rho^2): with
 * b_j = binom(2j, j) / 4^j, arcsin = sum b_j rho^(2j+1) / (2j+1), and the even part of kappa is
 * sum b_j rho^(2j) / (2j - 1)^2 (from arcsin' sqrt and integration; j = 0 gives 1). */
static void relu_taylor(int degree, double *kappa, double *kappadot)
{
  const double inv_pi = 0.31830988618379067154;
  double b = 1;
  for (int l = 0; l <= degree; l++) kappa[l] = kappadot[l] = 0;
  kappadot[0] = 0.5;
  if (degree >= 1) kappa[1] = 0.5;
  for (int j = 0; 2 * j <= degree; j++) {
    if (j > 0) b *= (2 * j - 1.0) / (2 * j);
    kappa[2 * j] = inv_pi * b / ((2 * j - 1.0) * (2 * j - 1.0));
    if (2 * j + 1 <= degree) kappadot[2 * j + 1] = inv_pi * b / (2 * j + 1);
  }
}

static void relu_taylor_coefficients_are_those_of_the_series(void **state)
{
  (void)state;
  enum { DEGREE = 40 };
  double kappa[DEGREE + 1], slope[DEGREE + 1], c[DEGREE + 1], cdot[DEGREE + 1];
  const nke_activation act = named("relu", NULL, 0);
  relu_taylor(DEGREE, kappa, slope);
  assert_int_equal(nke_hermite_coefficients(&act, 1, DEGREE, c, cdot, NULL), NKE_OK);
  for (int l = 0; l <= DEGREE; l++) {
    assert_true(kappa[l] >= 0 && slope[l] >= 0);
    assert_true(fabs(kappa[l] - 2 * c[l] * c[l]) < 1e-14);
    assert_true(fabs(slope[l] - 2 * cdot[l] * cdot[l]) < 1e-14);
  }
}

/* E[phi'(sigma z)^2], phi^2 = 1 + max(0.92 - 1.1 x, 0)^2, by Simpson's rule on the side where phi' is not 0. */
static double bent_slope(double sigma)
{
  enum { STEPS = 20000 };
  const double end = 0.92 / 1.1 / sigma, h = (end + 12) / STEPS;
  double sum = 0;
  for (int i = 0; i <= STEPS; i++) {
    const double z = -12 + i * h, u = fmax(0.92 - 1.1 * sigma * z, 0), slope = 1.1 * u / sqrt(1 + u * u);
    const double weight = i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2;
    sum += weight * slope * slope * exp(-0.5 * z * z);
  }
  return sum * h / 3 * 0.39894228040143267794;
}

/* A kink of phi' hardly shows in phi. */
static void kinks_of_the_slope_are_seen(void **state)
{
  (void)state;
  static const double sigmas[] = {0.5, 1, 2, 5, 20};
  nke_activation act;
  assert_int_equal(nke_activation_init_formula(&act, "sqrt(1+max(0.92-1.1*x,0)^2)"), NKE_OK);
  for (int i = 0; i < 5; i++) {
    const double want = bent_slope(sigmas[i]);
    double c[33];
    nke_hermite_moments m;
    assert_int_equal(nke_hermite_coefficients(&act, sigmas[i], 32, c, NULL, &m), NKE_OK);
    if (fabs(m.second_dot - want) > 1e-10 * want) fail_msg("sigma %g: %.15g not %.15g", sigmas[i], m.second_dot, want);
  }
}

static void what_cannot_be_expanded_is_refused(void **state)
{
  (void)state;
  double c[NKE_HERMITE_MAX_DEGREE + 1];
  nke_activation act = named("relu", NULL, 0);
  assert_int_equal(nke_hermite_coefficients(&act, -1, 4, c, NULL, NULL), NKE_ERR_NUMERIC);
  assert_int_equal(nke_hermite_coefficients(&act, NAN, 4, c, NULL, NULL), NKE_ERR_NUMERIC);
  assert_int_equal(nke_hermite_coefficients(&act, 1, NKE_HERMITE_MAX_DEGREE + 1, c, NULL, NULL), NKE_ERR_NUMERIC);
  act = named("exp_normalized", NULL, 0);
  assert_int_equal(nke_hermite_coefficients(&act, 1, 4, c, NULL, NULL), NKE_ERR_USAGE);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(hermite_polynomials_are_the_basis),
                                          cmocka_unit_test(moments_are_those_of_the_closed_form),
                                          cmocka_unit_test(series_reach_the_closed_forms_at_their_rate),
                                          cmocka_unit_test(relu_taylor_coefficients_are_those_of_the_series),
                                          cmocka_unit_test(kinks_of_the_slope_are_seen),
                                          cmocka_unit_test(what_cannot_be_expanded_is_refused)};
NKE_TEST_MAIN(tests)
