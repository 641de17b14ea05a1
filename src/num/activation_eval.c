#include "num/activation.h"

#include "base/memory.h"
#include "num/phi.h"

#include <math.h>
#include <stddef.h>

static const double sqrt1_2 = 0.70710678118654752440;
static const double inv_sqrt_2pi = 0.39894228040143267794;
static const double two_inv_sqrt_pi = 1.12837916709551257390;
static const double sigmoid_like_scale = 1 / 2.4020563531719796;
static const double selu_scale = 1.0507009873554805, selu_alpha = 1.6732632423543772;

/* One activation at one point: phi and phi' for parameters p. */
typedef void point_fn(const nke_activation *act, double x, double *f, double *d);

static double sign_of(double x)
{
  return (double)((x > 0) - (x < 0));
}
static double step_of(double x)
{
  return 0.5 * (1 + sign_of(x));
}

static double sigmoid_of(double x)
{
  const double e = exp(-fabs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

static double softplus_of(double x)
{
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static void identity_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = x;
  *d = 1;
}

static void relu_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = fmax(x, 0);
  *d = step_of(x);
}

static void abrelu_at(const nke_activation *act, double x, double *f, double *d)
{
  const double a = act->param[0], b = act->param[1];
  *f = a * fmin(x, 0) + b * fmax(x, 0);
  *d = a + (b - a) * step_of(x);
}

static void sign_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = sign_of(x);
  *d = 0;
}

static void step_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = step_of(x);
  *d = 0;
}

static double power(double x, int k)
{
  double p = 1;
  for (int i = 0; i < k; i++) p *= x;
  return p;
}

static void monomial_at(const nke_activation *act, double x, double *f, double *d)
{
  const int k = (int)act->param[0];
  *d = k == 0 ? 0 : k * power(x, k - 1);
  *f = power(x, k);
}

static void rectified_monomial_at(const nke_activation *act, double x, double *f, double *d)
{
  monomial_at(act, fmax(x, 0), f, d);
  const int k = (int)act->param[0];
  if (k == 0) *f = step_of(x);
  if (k == 1) *d = step_of(x);
}

static void polynomial_at(const nke_activation *act, double x, double *f, double *d)
{
  double p = 0, dp = 0;
  for (int i = act->n_params - 1; i >= 0; i--) {
    dp = dp * x + p;
    p = p * x + act->param[i];
  }
  *f = p;
  *d = dp;
}

static void hermite_at(const nke_activation *act, double x, double *f, double *d)
{
  const int k = (int)act->param[0];
  double h = 1, before = 0; /* sqrt(l + 1) h_{l+1} = x h_l - sqrt(l) h_{l-1};  h_k' = sqrt(k) h_{k-1} */
  for (int l = 0; l < k; l++) {
    const double next = (x * h - sqrt(l) * before) / sqrt(l + 1);
    before = h;
    h = next;
  }
  *f = h;
  *d = sqrt(k) * before;
}

static void erf_at(const nke_activation *act, double x, double *f, double *d)
{
  const double a = act->param[0], b = act->param[1], c = act->param[2];
  *f = a * erf(b * x) + c;
  *d = a * b * two_inv_sqrt_pi * exp(-b * x * b * x);
}

static void sigmoid_like_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  const double y = sigmoid_like_scale * x;
  *f = 0.5 * erfc(-y);
  *d = 0.5 * sigmoid_like_scale * two_inv_sqrt_pi * exp(-y * y);
}

static void gelu_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  const double cdf = 0.5 * erfc(-sqrt1_2 * x);
  *f = x * cdf;
  *d = cdf + x * inv_sqrt_2pi * exp(-0.5 * x * x);
}

static void sin_at(const nke_activation *act, double x, double *f, double *d)
{
  const double a = act->param[0], b = act->param[1], c = act->param[2];
  *f = a * sin(b * x + c);
  *d = a * b * cos(b * x + c);
}

static void cos_at(const nke_activation *act, double x, double *f, double *d)
{
  const double a = act->param[0], b = act->param[1], c = act->param[2];
  *f = a * cos(b * x + c);
  *d = -a * b * sin(b * x + c);
}

/* sqrt 2 sin(y + pi / 4) = sin y + cos y. */
static void rbf_at(const nke_activation *act, double x, double *f, double *d)
{
  const double w = sqrt(2 * act->param[0]);
  const double s = sin(w * x), c = cos(w * x);
  *f = s + c;
  *d = w * (c - s);
}

static void exp_at(const nke_activation *act, double x, double *f, double *d)
{
  *f = act->param[0] * exp(act->param[1] * x);
  *d = act->param[1] * *f;
}

static void gaussian_at(const nke_activation *act, double x, double *f, double *d)
{
  *f = act->param[0] * exp(act->param[1] * x * x);
  *d = 2 * act->param[1] * x * *f;
}

static void gabor_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  const double e = exp(-x * x);
  *f = e * sin(x);
  *d = e * (cos(x) - 2 * x * sin(x));
}

/* exp(x) - 1 and exp(x) for x <= 0 from one call; neither loses digits. */
static void expm1_pair(double x, double *m, double *e)
{
  if (x < -1) {
    *e = exp(x);
    *m = *e - 1;
  } else {
    *m = expm1(x);
    *e = *m + 1;
  }
}

static void elu_at(const nke_activation *act, double x, double *f, double *d)
{
  const double alpha = act->param[0];
  *f = x;
  *d = 1;
  if (x > 0) return;
  expm1_pair(x, f, d);
  *f *= alpha;
  *d = x < 0 ? alpha * *d : 0.5 * (1 + alpha);
}

static void celu_at(const nke_activation *act, double x, double *f, double *d)
{
  const double alpha = act->param[0];
  *f = x;
  *d = 1;
  if (x > 0) return;
  expm1_pair(x / alpha, f, d);
  *f *= alpha;
}

static void selu_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = selu_scale * x;
  *d = selu_scale;
  if (x > 0) return;
  expm1_pair(x, f, d);
  *f *= selu_scale * selu_alpha;
  *d = x < 0 ? selu_scale * selu_alpha * *d : 0.5 * selu_scale * (1 + selu_alpha);
}

static void tanh_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  double m, e; /* e = exp(-2 |x|), m = e - 1 */
  expm1_pair(-2 * fabs(x), &m, &e);
  *f = copysign(-m / (1 + e), x);
  *d = 4 * e / ((1 + e) * (1 + e));
}

static void sigmoid_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = sigmoid_of(x);
  *d = *f * sigmoid_of(-x);
}

static void softplus_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = softplus_of(x);
  *d = sigmoid_of(x);
}

static void log_sigmoid_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = -softplus_of(-x);
  *d = sigmoid_of(-x);
}

static void silu_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  const double s = sigmoid_of(x);
  *f = x * s;
  *d = s + x * s * sigmoid_of(-x);
}

/* With w = exp(x), tanh(log(1 + w)) = (w^2 + 2 w) / (w^2 + 2 w + 2), of slope 4 w (1 + w) / (w^2 + 2 w + 2)^2 in x;
 * for x > 0 the same in e = exp(-x). */
static void mish_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  const double e = exp(-fabs(x));
  const double above = x > 0 ? 1 + 2 * e : e * e + 2 * e;
  const double below = above + 2 * (x > 0 ? e * e : 1);
  const double slope = 4 * (x > 0 ? e * e : e) * (1 + e) / (below * below);
  *f = x * above / below;
  *d = above / below + x * slope;
}

static void relu6_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = fmin(fmax(x, 0), 6);
  *d = step_of(x) - step_of(x - 6);
}

static void hard_tanh_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = fmin(fmax(x, -1), 1);
  *d = step_of(x + 1) - step_of(x - 1);
}

static void hard_sigmoid_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  *f = fmin(fmax(x + 3, 0), 6) / 6;
  *d = (step_of(x + 3) - step_of(x - 3)) / 6;
}

static void hard_silu_at(const nke_activation *act, double x, double *f, double *d)
{
  double gate, slope;
  hard_sigmoid_at(act, x, &gate, &slope);
  *f = x * gate;
  *d = gate + x * slope;
}

static void softsign_at(const nke_activation *act, double x, double *f, double *d)
{
  (void)act;
  const double y = 1 + fabs(x);
  *f = x / y;
  *d = 1 / (y * y);
}

static point_fn *const point[NKE_ACT_COUNT] = {
    [NKE_ACT_IDENTITY] = identity_at,
    [NKE_ACT_RELU] = relu_at,
    [NKE_ACT_ABRELU] = abrelu_at,
    [NKE_ACT_SIGN] = sign_at,
    [NKE_ACT_STEP] = step_at,
    [NKE_ACT_RECTIFIED_MONOMIAL] = rectified_monomial_at,
    [NKE_ACT_MONOMIAL] = monomial_at,
    [NKE_ACT_POLYNOMIAL] = polynomial_at,
    [NKE_ACT_HERMITE] = hermite_at,
    [NKE_ACT_ERF] = erf_at,
    [NKE_ACT_SIGMOID_LIKE] = sigmoid_like_at,
    [NKE_ACT_GELU] = gelu_at,
    [NKE_ACT_SIN] = sin_at,
    [NKE_ACT_COS] = cos_at,
    [NKE_ACT_RBF] = rbf_at,
    [NKE_ACT_EXP] = exp_at,
    [NKE_ACT_GAUSSIAN] = gaussian_at,
    [NKE_ACT_GABOR] = gabor_at,
    [NKE_ACT_ELU] = elu_at,
    [NKE_ACT_TANH] = tanh_at,
    [NKE_ACT_SIGMOID] = sigmoid_at,
    [NKE_ACT_SOFTPLUS] = softplus_at,
    [NKE_ACT_SILU] = silu_at,
    [NKE_ACT_CELU] = celu_at,
    [NKE_ACT_SELU] = selu_at,
    [NKE_ACT_RELU6] = relu6_at,
    [NKE_ACT_HARD_TANH] = hard_tanh_at,
    [NKE_ACT_HARD_SIGMOID] = hard_sigmoid_at,
    [NKE_ACT_HARD_SILU] = hard_silu_at,
    [NKE_ACT_MISH] = mish_at,
    [NKE_ACT_SOFTSIGN] = softsign_at,
    [NKE_ACT_LOG_SIGMOID] = log_sigmoid_at,
};

static nke_status eval_formula(const nke_activation *act, int64_t n, const double *x, double *phi, double *dphi)
{
  nke_status st = NKE_OK;
  nke_phi *plan = NULL;
  double *unused = NULL;
  if (phi == NULL || dphi == NULL) NKE_TRY(nke_alloc(n, sizeof(double), "values of a formula", &unused));
  NKE_TRY(nke_phi_create(act, &plan));
  NKE_TRY(nke_phi_eval(plan, n, x, phi != NULL ? phi : unused, dphi != NULL ? dphi : unused));
done:
  nke_phi_destroy(&plan);
  nke_free(unused);
  return st;
}

nke_status nke_activation_eval(const nke_activation *act, int64_t n, const double *x, double *phi, double *dphi)
{
  if (act->kind == NKE_ACT_FORMULA) return eval_formula(act, n, x, phi, dphi);
  point_fn *at = point[act->kind];
  if (at == NULL)
    return nke_fail(NKE_ERR_USAGE, "this activation has a kernel but no function phi; random features cannot use it");
  for (int64_t i = 0; i < n; i++) {
    double f, d;
    at(act, x[i], &f, &d);
    if (phi != NULL) phi[i] = f;
    if (dphi != NULL) dphi[i] = d;
  }
  return NKE_OK;
}
