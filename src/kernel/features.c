#include "kernel/features.h"

#include "base/memory.h"
#include "kernel/exact.h"
#include "kernel/features_method.h"
#include "kernel/gated_kernels.h"

#include <math.h>
#include <string.h>

/* Rows that are scaled to their exact kernels together: these come in vectors of rows. */
enum { SCALED_ROWS = 16 };

struct nke_features {
  const nke_features_method *method;
  void *plan;
  const nke_gated_kernels *k;
  nke_shape input;
  nke_embedding_options options;
  double *mirrored; /* one row, when options.flip */
  void *second;     /* its features */
  nke_exact *exact; /* when options.scale_to_exact */
  double *norms;    /* [SCALED_ROWS, their length] */
};

static const nke_features_method *const methods[] = {&nke_features_random, &nke_features_tensorsketch,
                                                    &nke_features_polysketch};

static const nke_features_method *find_method(const char *name)
{
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (strcmp(methods[i]->name, name) == 0) return methods[i];
  return NULL;
}

int nke_features_parts(const nke_network *network, nke_kernel_kind kernel)
{
  if (!network || network->n_layers == 0) return 1;
  const nke_layer_kind last = network->layers[network->n_layers - 1].kind;
  return kernel == NKE_KERNEL_NTK && (last == NKE_LAYER_DENSE || last == NKE_LAYER_CONV) ? 2 : 1;
}

nke_status nke_features_create(const nke_network *network, const nke_embedding_options *options, nke_features **out)
{
  nke_status st = NKE_OK;
  nke_features *f = NULL;
  NKE_TRY(nke_calloc(1, sizeof *f, "the embedding", &f));
  f->options = *options;
  f->input = network->input;
  f->k = nke_gated_kernels_get(options->precision);
  f->method = find_method(options->method);
  if (!f->method) {
    st = nke_fail(NKE_ERR_USAGE, "embedding.method: no method '%s'", options->method);
    goto done;
  }
  NKE_TRY(f->method->create(network, &f->options, &f->plan));
  if (options->flip) {
    NKE_TRY(nke_alloc(nke_shape_length(f->input), sizeof *f->mirrored, "a mirrored row", &f->mirrored));
    NKE_TRY(nke_alloc(f->options.features, (size_t)nke_precision_bytes(options->precision), "features of a mirrored row",
                      &f->second));
  }
  if (options->scale_to_exact) {
    NKE_TRY(nke_exact_create(network, options->precision, options->flip, &f->exact));
    NKE_TRY(nke_alloc(SCALED_ROWS * nke_exact_norms_length(f->exact), sizeof *f->norms, "variances", &f->norms));
  }
done:
  if (st != NKE_OK) nke_features_destroy(&f);
  *out = f;
  return st;
}

void nke_features_destroy(nke_features **features)
{
  if (!features || !*features) return;
  nke_features *const f = *features;
  if (f->plan) f->method->destroy(f->plan);
  nke_free(f->mirrored);
  nke_free(f->second);
  nke_exact_destroy(&f->exact);
  nke_free(f->norms);
  nke_free(f);
  *features = NULL;
}

int64_t nke_features_length(const nke_features *features)
{
  return features->options.features;
}

double nke_features_flops_per_row(const nke_features *features)
{
  const double made = features->method->flops_per_row(features->plan) * (features->options.flip ? 2 : 1);
  return made + (features->exact ? nke_exact_flops_per_pair(features->exact) : 0);
}

int64_t nke_features_bytes(const nke_features *features)
{
  const int64_t norms = features->exact ? SCALED_ROWS * nke_exact_norms_length(features->exact) : 0;
  return features->method->bytes(features->plan) + norms * (int64_t)sizeof *features->norms;
}

int nke_features_widths(const nke_features *features, int64_t widths[NKE_MAX_WIDTHS])
{
  memcpy(widths, features->options.widths, sizeof features->options.widths);
  return features->options.n_widths;
}

/* out = x mirrored left to right. */
static void mirror(nke_shape shape, const double *x, double *out)
{
  const int64_t c = shape.channels, w = shape.width;
  for (int64_t i = 0; i < shape.height; i++)
    for (int64_t j = 0; j < w; j++)
      memcpy(out + (i * w + j) * c, x + (i * w + w - 1 - j) * c, (size_t)c * sizeof *x);
}

/* z <- (z + z(mirrored x)) / 2: the features of (k(x, y) + k(x, flip y)) / 2 for a flip-equivariant network. */
static nke_status average_mirrored(nke_features *f, const double *x, void *z)
{
  nke_status st = NKE_OK;
  mirror(f->input, x, f->mirrored);
  NKE_TRY(f->method->apply(f->plan, f->mirrored, f->second));
  f->k->add_scaled(f->options.features, 1, f->second, z);
  f->k->add_scaled(f->options.features, -0.5, z, z);
done:
  return st;
}

/* exact [n] <- the kernels of n <= SCALED_ROWS rows with themselves. */
static nke_status exact_kernels(nke_features *f, int64_t n, const double *x, double *exact)
{
  nke_status st = NKE_OK;
  const int ntk = f->options.kernel == NKE_KERNEL_NTK;
  NKE_TRY(nke_exact_norms(f->exact, n, x, f->norms));
  st = nke_exact_diagonal(f->exact, n, x, f->norms, ntk ? NULL : exact, ntk ? exact : NULL);
done:
  return st;
}

/* The failure of rows [first, first + n) of a block, with the row that fails by itself. */
static nke_status name_row(nke_features *f, int64_t first, int64_t n, const double *x)
{
  double exact;
  for (int64_t i = 0; i < n; i++)
    if (exact_kernels(f, 1, x + i * nke_shape_length(f->input), &exact) != NKE_OK)
      return nke_fail(NKE_ERR_NUMERIC, "embedding: exact kernel of row %lld of a block: %s", (long long)(first + i),
                      nke_error_text());
  return NKE_ERR_NUMERIC;
}

/* Scale rows [first, first + n) of a block so that |z|^2 is the exact kernel of the row with itself, which the features
 * only estimate: most of the error of a sketch is such a common factor. A row of zero features stays as it is. */
static nke_status scale_rows(nke_features *f, int64_t first, int64_t n, const double *x, void *z)
{
  const int64_t m = f->options.features, bytes = m * nke_precision_bytes(f->options.precision);
  double exact[SCALED_ROWS];
  const nke_status st = exact_kernels(f, n, x, exact);
  if (st != NKE_OK) return st == NKE_ERR_NUMERIC ? name_row(f, first, n, x) : st;
  for (int64_t i = 0; i < n; i++) {
    void *const zi = (char *)z + i * bytes;
    const double estimate = f->k->norm2(m, zi);
    if (estimate > 0) f->k->add_scaled(m, sqrt(exact[i] / estimate) - 1, zi, zi);
  }
  return NKE_OK;
}

/* Beyond this float sums of a row's entries overflow; some activations would hide it. */
static const double largest_input = 1e15;

static nke_status check_input(int64_t d, const double *x, int64_t row)
{
  for (int64_t j = 0; j < d; j++)
    if (!(fabs(x[j]) <= largest_input))
      return nke_fail(NKE_ERR_NUMERIC, "embedding: entry %lld of row %lld of a block is %g; standardize the data",
                      (long long)j, (long long)row, x[j]);
  return NKE_OK;
}

static nke_status apply_row(nke_features *f, int64_t row, const double *x, void *z)
{
  nke_status st = NKE_OK;
  NKE_TRY(check_input(nke_shape_length(f->input), x, row));
  NKE_TRY(f->method->apply(f->plan, x, z));
  if (f->options.flip) NKE_TRY(average_mirrored(f, x, z));
done:
  return st;
}

/* Rows [first, first + n) of a block, n <= SCALED_ROWS. */
static nke_status apply_rows(nke_features *f, int64_t first, int64_t n, const double *x, void *z)
{
  nke_status st = NKE_OK;
  const int64_t d = nke_shape_length(f->input), m = f->options.features;
  const int64_t bytes = m * nke_precision_bytes(f->options.precision);
  for (int64_t i = 0; i < n; i++) NKE_TRY(apply_row(f, first + i, x + i * d, (char *)z + i * bytes));
  if (f->exact) NKE_TRY(scale_rows(f, first, n, x, z));
  for (int64_t i = 0; i < n; i++) {
    const int64_t bad = f->k->find_nonfinite(m, (char *)z + i * bytes);
    if (bad < m)
      return nke_fail(NKE_ERR_NUMERIC, "embedding: feature %lld of row %lld of a block is not finite", (long long)bad,
                      (long long)(first + i));
  }
done:
  return st;
}

nke_status nke_features_apply(nke_features *features, int64_t n, const double *x, void *z)
{
  nke_status st = NKE_OK;
  const int64_t d = nke_shape_length(features->input);
  const int64_t bytes = features->options.features * nke_precision_bytes(features->options.precision);
  for (int64_t i = 0; i < n; i += SCALED_ROWS)
    NKE_TRY(apply_rows(features, i, nke_min(SCALED_ROWS, n - i), x + i * d, (char *)z + i * bytes));
done:
  return st;
}
