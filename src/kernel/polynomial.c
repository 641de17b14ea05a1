#include "kernel/polynomial.h"

/* options->degree, its default where it is 0. */
static nke_status settle_degree(nke_embedding_options *options)
{
  if (options->degree < 0 || options->degree > NKE_POLYNOMIAL_MAX_DEGREE)
    return nke_fail(NKE_ERR_USAGE, "embedding.degree: expected 1 to %d, got %d", NKE_POLYNOMIAL_MAX_DEGREE,
                    options->degree);
  if (options->degree == 0) options->degree = NKE_POLYNOMIAL_DEFAULT_DEGREE;
  return NKE_OK;
}

static const nke_gated_variant tensorsketch_variant = {
  .splits = 1, .narrow = 1, .activation = nke_tensorsketch_activation, .linear = nke_gated_linear};

static const nke_gated_variant polysketch_variant = {
  .splits = 0, .narrow = 0, .activation = nke_polysketch_activation, .linear = nke_polysketch_linear};

static nke_status create(const nke_gated_variant *variant, const nke_network *network, nke_embedding_options *options,
                         void **out)
{
  const nke_status st = settle_degree(options);
  return st == NKE_OK ? nke_gated_create(variant, network, options, out) : st;
}

static nke_status tensorsketch_create(const nke_network *network, nke_embedding_options *options, void **out)
{
  return create(&tensorsketch_variant, network, options, out);
}

static nke_status polysketch_create(const nke_network *network, nke_embedding_options *options, void **out)
{
  return create(&polysketch_variant, network, options, out);
}

const nke_features_method nke_features_tensorsketch = {
  .name = "tensorsketch",
  .create = tensorsketch_create,
  .destroy = nke_gated_destroy,
  .flops_per_row = nke_gated_flops,
  .bytes = nke_gated_bytes,
  .apply = nke_gated_apply,
};

const nke_features_method nke_features_polysketch = {
  .name = "polysketch",
  .create = polysketch_create,
  .destroy = nke_gated_destroy,
  .flops_per_row = nke_gated_flops,
  .bytes = nke_gated_bytes,
  .apply = nke_gated_apply,
};
