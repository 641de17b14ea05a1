#include "num/activation.h"

#include "num/phi.h"
#include "support/mpi_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 40 };

/* Points off the kinks of every activation in the table. */
static void points(double x[POINTS])
{
  for (int i = 0; i < POINTS; i++) x[i] = -7.93 + 0.41 * i;
}

static void expect_refusal(nke_status got, const char *word)
{
  assert_int_not_equal(got, NKE_OK);
  if (strstr(nke_error_text(), word) == NULL) fail_msg("'%s' lacks '%s'", nke_error_text(), word);
  assert_null(strchr(nke_error_text(), '\n'));
}

static void make_default(const nke_activation_info *row, nke_activation *act)
{
  const char *coefs[3] = {"coefs", "coefs", "coefs"};
  const double values[3] = {0.5, -1, 0.25};
  const int list = row->kind == NKE_ACT_POLYNOMIAL;
  assert_int_equal(nke_activation_init(act, row->name, list ? 3 : 0, coefs, values), NKE_OK);
}

static int has_phi(const nke_activation_info *row)
{
  return row->kind != NKE_ACT_EXP_NORMALIZED && row->kind != NKE_ACT_FORMULA;
}

static void the_derivative_is_that_of_phi(void **state)
{
  (void)state;
  const double h = 1e-3;
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    if (!has_phi(row)) continue;
    nke_activation act;
    make_default(row, &act);
    double x[POINTS];
    points(x);
    for (int i = 0; i < POINTS; i++) {
      const double at[5] = {x[i] - 2 * h, x[i] - h, x[i], x[i] + h, x[i] + 2 * h};
      double f[5], d[5];
      assert_int_equal(nke_activation_eval(&act, 5, at, f, d), NKE_OK);
      const double slope = (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * h);
      if (fabs(slope - d[2]) > 1e-8 * (1 + fabs(d[2]) + fabs(f[2])))
        fail_msg("%s at %g: phi' is %.12g, differences give %.12g", row->name, x[i], d[2], slope);
    }
  }
}

static void at_a_kink_the_derivative_is_the_mean(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    double x, slope;
  } cases[] = {{"relu", 0, 0.5},
               {"abs", 0, 0},
               {"relu6", 6, 0.5},
               {"hard_tanh", -1, 0.5},
               {"hard_tanh", 1, 0.5},
               {"hard_silu", 3, 1.25},
               {"hard_silu", -3, -0.25},
               {"elu", 0, 1},
               {"selu", 0, 0.5 * 1.0507009873554805 * (1 + 1.6732632423543772)}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nke_activation act;
    double d;
    assert_int_equal(nke_activation_init(&act, cases[i].name, 0, NULL, NULL), NKE_OK);
    assert_int_equal(nke_activation_eval(&act, 1, &cases[i].x, NULL, &d), NKE_OK);
    assert_true(fabs(d - cases[i].slope) < 1e-15);
  }
}

static void every_row_is_complete_and_found(void **state)
{
  (void)state;
  for (const nke_activation_info *row = nke_activation_table(); row->name != NULL; row++) {
    assert_ptr_equal(nke_activation_find(row->name), row);
    assert_non_null(row->params);
    assert_non_null(row->definition);
    if (row->params[0] != NULL) assert_non_null(row->defaults);
    if (!has_phi(row)) continue;
    nke_activation act;
    make_default(row, &act);
    const double a = nke_activation_homogeneity(&act);
    assert_true(isnan(a) == isnan(row->homogeneity) && (isnan(a) || a == row->homogeneity));
    const double x[4] = {-1.3, -3.9, 0.7, 2.1};
    double f[4];
    assert_int_equal(nke_activation_eval(&act, 4, x, f, NULL), NKE_OK);
    for (int i = 0; i < 4 && !isnan(a); i += 2) assert_true(fabs(f[i + 1] - pow(3, a) * f[i]) < 1e-12);
  }
  assert_null(nke_activation_find("no_such"));
  assert_null(nke_activation_find(NULL));
}

static void parameters_are_named_and_checked(void **state)
{
  (void)state;
  nke_activation act;
  const char *names[2] = {"c", "a"};
  const double values[2] = {0.25, 3};
  assert_int_equal(nke_activation_init(&act, "erf", 2, names, values), NKE_OK);
  assert_true(act.param[0] == 3 && act.param[1] == 1 && act.param[2] == 0.25);
  const char *alpha = "alpha", *a = "a", *b = "b", *degree = "degree", *gamma = "gamma", *coefs = "coefs";
  const double half = 0.5, minus = -1, nan = NAN, one = 1, many = 99;
  assert_int_equal(nke_activation_init(&act, "leaky_relu", 1, &alpha, &half), NKE_OK);
  assert_true(act.kind == NKE_ACT_ABRELU && act.param[0] == 0.5 && act.param[1] == 1);
  expect_refusal(nke_activation_init(&act, "rleu", 0, NULL, NULL), "rleu");
  expect_refusal(nke_activation_init(&act, "erf", 1, &alpha, &half), "a, b, c");
  expect_refusal(nke_activation_init(&act, "relu", 1, &alpha, &half), "none");
  expect_refusal(nke_activation_init(&act, "erf", 1, &a, &nan), "erf: a");
  expect_refusal(nke_activation_init(&act, "gaussian", 1, &b, &one), "0 or less");
  expect_refusal(nke_activation_init(&act, "monomial", 1, &degree, &half), "whole degree");
  expect_refusal(nke_activation_init(&act, "hermite", 1, &degree, &many), "whole degree");
  expect_refusal(nke_activation_init(&act, "rectified_monomial", 1, &degree, &minus), "whole degree");
  expect_refusal(nke_activation_init(&act, "rbf", 1, &gamma, &minus), "0 or more");
  expect_refusal(nke_activation_init(&act, "exp_normalized", 1, &gamma, &minus), "0 or more");
  expect_refusal(nke_activation_init(&act, "celu", 1, &alpha, &minus), "above 0");
  expect_refusal(nke_activation_init(&act, "polynomial", 0, NULL, NULL), "1 to 32");
  expect_refusal(nke_activation_init(&act, "polynomial", 1, &a, &half), "coefs");
  assert_int_equal(nke_activation_init(&act, "polynomial", 1, &coefs, &half), NKE_OK);
  expect_refusal(nke_activation_init(&act, "formula", 0, NULL, NULL), "text in x");
  assert_int_equal(nke_activation_init(&act, "exp_normalized", 0, NULL, NULL), NKE_OK);
  double f;
  expect_refusal(nke_activation_eval(&act, 1, &half, &f, NULL), "no function");
}

/* A formula and the activation that it spells out, with the kinks that must be found. */
static const struct {
  const char *formula, *name;
  int n_kinks;
  double kink[2];
} pairs[] = {{"x", "identity", 0, {0}},
             {"x>0 ? x : 0", "relu", 1, {0}},
             {"max(x, 0)", "relu", 1, {0}},
             {"(x > 0) * x", "relu", 1, {0}},
             {"relu(x)", "relu", 1, {0}},
             {"abs(x)", "abs", 1, {0}},
             {"x*(1+erf(x/sqrt(2)))/2", "gelu", 0, {0}},
             {"x*tanh(log(1+exp(x)))", "mish", 0, {0}},
             {"min(max(x, -1), 1)", "hard_tanh", 2, {-1, 1}},
             {"min(max(x, 0), 6)", "relu6", 2, {0, 6}},
             {"x*min(max(x+3,0),6)/6", "hard_silu", 2, {-3, 3}},
             {"x > 0 ? x : exp(x) - 1", "elu", 1, {0}},
             {"x/(1+abs(x))", "softsign", 1, {0}},
             {"(1+sign(x))/2", "step", 1, {0}},
             {"x/(1+exp(-x))", "silu", 0, {0}},
             {"sin(x)", "sin", 0, {0}},
             {"exp(-x^2)*sin(x)", "gabor", 0, {0}}};

static void a_formula_equals_the_activation_it_spells(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    nke_activation formula, named;
    nke_phi *phi = NULL;
    const nke_pieces *pieces;
    double x[POINTS], f[POINTS], d[POINTS], g[POINTS], e[POINTS];
    points(x);
    assert_int_equal(nke_activation_init_formula(&formula, pairs[i].formula), NKE_OK);
    assert_int_equal(nke_activation_init(&named, pairs[i].name, 0, NULL, NULL), NKE_OK);
    assert_int_equal(nke_activation_eval(&formula, POINTS, x, f, d), NKE_OK);
    assert_int_equal(nke_activation_eval(&named, POINTS, x, g, e), NKE_OK);
    for (int j = 0; j < POINTS; j++) {
      assert_true(fabs(f[j] - g[j]) <= 1e-14 * (1 + fabs(g[j])));
      if (fabs(d[j] - e[j]) > 1e-11)
        fail_msg("%s at %g: phi' is %.15g, expected %.15g", pairs[i].formula, x[j], d[j], e[j]);
    }
    assert_int_equal(nke_phi_create(&formula, &phi), NKE_OK);
    assert_int_equal(nke_phi_pieces(phi, 100, &pieces), NKE_OK);
    if (pieces->n_kinks != pairs[i].n_kinks) fail_msg("%s: %d kinks", pairs[i].formula, pieces->n_kinks);
    for (int j = 0; j < pairs[i].n_kinks; j++) assert_true(fabs(pieces->kink[j] - pairs[i].kink[j]) < 1e-12);
    nke_phi_destroy(&phi);
    assert_null(phi);
  }
}

/* Whatever has been asked before: other arguments, wider ranges. */
static void a_formula_has_no_memory(void **state)
{
  (void)state;
  enum { MANY = 200 };
  nke_activation act;
  nke_phi *used = NULL, *fresh = NULL;
  const nke_pieces *wide, *narrow;
  assert_int_equal(nke_activation_init_formula(&act, "x*tanh(log(1+exp(min(x, 0.3))))"), NKE_OK);
  assert_int_equal(nke_phi_create(&act, &used), NKE_OK);
  assert_int_equal(nke_phi_create(&act, &fresh), NKE_OK);
  assert_int_equal(nke_phi_pieces(used, 300, &wide), NKE_OK);
  double x[MANY], f[MANY], d[MANY], one[2];
  for (int i = 0; i < MANY; i++) x[i] = 0.01 * exp(0.045 * i) * (i % 2 ? 1 : -1); /* to 77 */
  assert_int_equal(nke_phi_eval(used, MANY, x, f, d), NKE_OK);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(nke_phi_eval(fresh, 1, x + i, one, one + 1), NKE_OK);
    assert_memory_equal(&one[0], &f[i], sizeof *f);
    assert_memory_equal(&one[1], &d[i], sizeof *d);
  }
  assert_int_equal(nke_phi_pieces(fresh, 5, &narrow), NKE_OK);
  assert_true(narrow->edge[0] <= -5 && narrow->edge[narrow->n] >= 5 && narrow->n < wide->n);
  int64_t at = 0;
  while (wide->edge[at] < narrow->edge[0]) at++;
  assert_memory_equal(narrow->edge, wide->edge + at, (size_t)(narrow->n + 1) * sizeof *narrow->edge);
  nke_phi_destroy(&used);
  nke_phi_destroy(&fresh);
}

static void kinks_at_odd_places_are_located(void **state)
{
  (void)state;
  static const struct {
    const char *formula;
    double kink;
    double accuracy;
  } cases[] = {{"abs(x - 1/3)", 1.0 / 3, 1e-10},
               {"max(x - sqrt(2), 0) + x", 1.4142135623730951, 1e-10},
               {"x > 0.123456789 ? 1 : 0", 0.123456789, 1e-10},
               {"max(x, 0.83)", 0.83, 1e-10},
               {"exp(min(x, 0.5001)) + sin(x)", 0.5001, 1e-10},
               {"max(x + 2.71828, 0)^2", -2.71828, 1e-4}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nke_activation act;
    nke_phi *phi = NULL;
    const nke_pieces *pieces;
    assert_int_equal(nke_activation_init_formula(&act, cases[i].formula), NKE_OK);
    assert_int_equal(nke_phi_create(&act, &phi), NKE_OK);
    assert_int_equal(nke_phi_pieces(phi, 9, &pieces), NKE_OK);
    if (pieces->n_kinks > 1 || (pieces->n_kinks == 1 && fabs(pieces->kink[0] - cases[i].kink) > cases[i].accuracy))
      fail_msg("%s: %d kinks, the first at %.17g", cases[i].formula, pieces->n_kinks, pieces->kink[0]);
    double x[2] = {cases[i].kink - 1e-3, cases[i].kink + 1e-3}, d[2], f[2];
    assert_int_equal(nke_phi_eval(phi, 2, x, f, d), NKE_OK);
    assert_true(isfinite(d[0]) && isfinite(d[1]));
    nke_phi_destroy(&phi);
  }
}

static void bad_formulas_get_one_clear_line(void **state)
{
  (void)state;
  static const char *const cases[][2] = {{"", "empty"},
                                         {"x*", "end of expression"},
                                         {"y*x", "\"y\""},
                                         {"x=3", "assigned"},
                                         {"x=x+1,x", "assigned"},
                                         {"x,2", "list of 2"},
                                         {"strfun(\"a\")", "not allowed"},
                                         {"x;x", "not allowed"},
                                         {"sin(", "end"},
                                         {"system(x)", "system"},
                                         {"x\nx", "not allowed"},
                                         {"2x", "x"},
                                         {"rnd*x", "rnd"},
                                         {"((x)", "parenthesis"},
                                         {"x`", "not allowed"},
                                         {"sin(x,2)", "sin"}};
  nke_activation act;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(nke_activation_init_formula(&act, cases[i][0]), NKE_ERR_USAGE);
    expect_refusal(NKE_ERR_USAGE, cases[i][1]);
  }
  char longest[NKE_ACT_FORMULA_CHARS + 1];
  for (int i = 0; i < NKE_ACT_FORMULA_CHARS; i++) longest[i] = i % 2 ? '+' : 'x';
  longest[NKE_ACT_FORMULA_CHARS] = 0;
  assert_int_equal(nke_activation_init_formula(&act, longest), NKE_ERR_USAGE);
  expect_refusal(NKE_ERR_USAGE, "512");
  longest[NKE_ACT_FORMULA_CHARS - 1] = 0;
  assert_int_equal(nke_activation_init_formula(&act, longest), NKE_OK);
}

static void formulas_that_cannot_be_used_are_refused(void **state)
{
  (void)state;
  static const char *const cases[][2] = {{"log(x)", "not finite at x = "},
                                         {"1/x", "unbounded"},
                                         {"sqrt(abs(x))", "unbounded"},
                                         {"sin(1/x)", "x = "},
                                         {"rint(x)", "kinks"},
                                         {"sin(1e9*x)", "too"},
                                         {"exp(exp(x^2))", "not finite"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nke_activation act;
    const double x = -100;
    double d;
    assert_int_equal(nke_activation_init_formula(&act, cases[i][0]), NKE_OK);
    expect_refusal(nke_activation_eval(&act, 1, &x, NULL, &d), cases[i][1]);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(the_derivative_is_that_of_phi),
                                          cmocka_unit_test(at_a_kink_the_derivative_is_the_mean),
                                          cmocka_unit_test(every_row_is_complete_and_found),
                                          cmocka_unit_test(parameters_are_named_and_checked),
                                          cmocka_unit_test(a_formula_equals_the_activation_it_spells),
                                          cmocka_unit_test(a_formula_has_no_memory),
                                          cmocka_unit_test(kinks_at_odd_places_are_located),
                                          cmocka_unit_test(bad_formulas_get_one_clear_line),
                                          cmocka_unit_test(formulas_that_cannot_be_used_are_refused)};
NKE_TEST_MAIN(tests)
