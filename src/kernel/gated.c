/* The plan of the gated random features: layers -> stages. */
#include "kernel/gated.h"

#include "base/memory.h"
#include "base/rng.h"
#include "num/fwht.h"

#include <math.h>
#include <string.h>

enum { MAX_STAGES = 4096 };

nke_status nke_gated_alloc(nke_gated_plan *plan, int64_t count, const char *what, void *out)
{
  const nke_status st = nke_calloc(count, (size_t)plan->real_bytes, what, out);
  if (st == NKE_OK) plan->bytes += count * plan->real_bytes;
  return st;
}

nke_status nke_gated_signs(nke_gated_plan *plan, int64_t n, double scale, void *table)
{
  nke_status st = NKE_OK;
  double *signs = NULL;
  NKE_TRY(nke_alloc(n, sizeof *signs, "random signs", &signs));
  nke_random_signs(plan->seed, nke_stream(NKE_STREAM_PROJECTION, plan->next_stream++), n, signs);
  plan->k->from_double(n, scale, signs, table);
done:
  nke_free(signs);
  return st;
}

void nke_gated_add_sigma(const nke_gated_plan *plan, int64_t n, const void *sign, const void *s, void *t)
{
  if (sign) plan->k->scale_by(n, sign, s, plan->work);
  plan->k->add(n, sign ? plan->work : s, t);
}

nke_status nke_image_alloc(nke_gated_plan *plan, nke_image *image)
{
  nke_status st = NKE_OK;
  const int64_t entries = image->kept * image->shape.width * image->stride;
  image->s = image->t = NULL;
  NKE_TRY(nke_gated_alloc(plan, entries, "features of a layer", &image->s));
  if (image->theta == NKE_THETA_OWN) NKE_TRY(nke_gated_alloc(plan, entries, "features of a layer", &image->t));
done:
  return st;
}

nke_status nke_gated_stage_add(nke_gated_plan *plan, const nke_image *in, nke_gated_stage **out)
{
  if (plan->n_stages == MAX_STAGES)
    return nke_fail(NKE_ERR_USAGE, "network: more than %d layers", MAX_STAGES);
  const nke_status st = nke_calloc(1, sizeof **out, "a layer", out);
  if (st != NKE_OK) return st;
  (*out)->in = in;
  plan->stages[plan->n_stages++] = *out;
  return NKE_OK;
}

static void stage_destroy(nke_gated_stage *stage)
{
  if (!stage) return;
  nke_taps_clear(&stage->taps);
  nke_free(stage->out.s);
  nke_free(stage->out.t);
  nke_free(stage->w.signs);
  nke_free(stage->g.signs);
  nke_free(stage->w_dense);
  nke_free(stage->g_dense);
  nke_free(stage->out_table);
  nke_free(stage->phase);
  nke_phi_destroy(&stage->phi);
  nke_free(stage->other_sign);
  nke_free(stage->sigma_sign);
  nke_free(stage->in_begin);
  nke_free(stage->in_end);
  if (stage->own) stage->own_destroy(stage->own);
  nke_free(stage);
}

/* Poolings that follow layer i compose: mean over p x p of means over q x q is the mean over pq x pq. Returns the index
 * of the last of them (i if there is none). */
static int compose_pools(const nke_network *network, int i, int *pool_h, int *pool_w)
{
  *pool_h = *pool_w = 1;
  for (; i + 1 < network->n_layers; i++) {
    const nke_layer *const next = &network->layers[i + 1];
    if (next->kind == NKE_LAYER_AVGPOOL) {
      *pool_h *= next->filter_h;
      *pool_w *= next->filter_w;
    } else if (next->kind == NKE_LAYER_GLOBAL_AVGPOOL) {
      *pool_h *= (int)next->in.height;
      *pool_w *= (int)next->in.width;
    } else {
      break;
    }
  }
  return i;
}

static nke_status build(nke_gated_plan *plan, const nke_network *network, int is_top, const nke_image *in,
                        const nke_image **out);

static nke_status build_residual(nke_gated_plan *plan, const nke_layer *layer, const nke_image *in,
                                 const nke_image **out)
{
  nke_status st = NKE_OK;
  const nke_image *a, *b;
  NKE_TRY(build(plan, layer->branch, 0, in, &a));
  NKE_TRY(build(plan, layer->shortcut, 0, in, &b));
  st = nke_gated_sum(plan, layer, a, b, out);
done:
  return st;
}

/* Whether one linear layer, the last, is all that follows layer i but poolings. */
static int ends_linear(const nke_network *network, int i)
{
  for (i++; i + 1 < network->n_layers; i++) {
    const nke_layer_kind kind = network->layers[i].kind;
    if (kind != NKE_LAYER_AVGPOOL && kind != NKE_LAYER_GLOBAL_AVGPOOL && kind != NKE_LAYER_FLATTEN &&
        kind != NKE_LAYER_IDENTITY)
      return 0;
  }
  return i < network->n_layers && nke_gated_has_weights(&network->layers[i]);
}

/* network NULL: a shortcut that is not given, the identity. */
static nke_status build(nke_gated_plan *plan, const nke_network *network, int is_top, const nke_image *in,
                        const nke_image **out)
{
  nke_status st = NKE_OK;
  for (int i = 0; network && i < network->n_layers; i++) {
    const nke_layer *layer = &network->layers[i], *linear = NULL;
    if (nke_gated_has_weights(layer) && i + 1 < network->n_layers &&
        network->layers[i + 1].kind == NKE_LAYER_ACTIVATION) {
      linear = layer;
      layer = &network->layers[++i];
    }
    int pool_h, pool_w;
    switch (layer->kind) {
      case NKE_LAYER_ACTIVATION:
        i = compose_pools(network, i, &pool_h, &pool_w);
        plan->ends = is_top && plan->variant->splits && ends_linear(network, i);
        NKE_TRY(plan->variant->activation(plan, linear, layer, pool_h, pool_w, network->layers[i].out, in, &in));
        break;
      case NKE_LAYER_RESIDUAL: NKE_TRY(build_residual(plan, layer, in, &in)); break;
      case NKE_LAYER_LAYERNORM: NKE_TRY(nke_gated_layernorm(plan, layer, in, &in)); break;
      case NKE_LAYER_IDENTITY: break;
      default: NKE_TRY(plan->variant->linear(plan, layer, in, is_top && i + 1 == network->n_layers, &in)); break;
    }
  }
  *out = in;
done:
  return st;
}

/* Pixels that each activation layer works on, in the order of execution. */
static int activation_pixels(const nke_network *network, int n, int64_t pixels[NKE_MAX_WIDTHS])
{
  for (int i = 0; network && i < network->n_layers; i++) {
    const nke_layer *const layer = &network->layers[i];
    if (layer->kind == NKE_LAYER_RESIDUAL) {
      n = activation_pixels(layer->branch, n, pixels);
      n = activation_pixels(layer->shortcut, n, pixels);
    } else if (layer->kind == NKE_LAYER_ACTIVATION) {
      if (n < NKE_MAX_WIDTHS) pixels[n] = nke_shape_pixels(layer->in);
      n++;
    }
  }
  return n;
}

/* Widths grow as pooling shrinks the image: about the same number of entries, 2^21, in every layer's image (2048
 * for each of 32 x 32 pixels), at most the last width and at least 512. Late layers are nearly free, and the early
 * ones' error averages out over their many pixels. */
static int64_t default_width(int64_t pixels, int64_t last)
{
  int64_t width = 512;
  while (2 * width * pixels <= ((int64_t)1 << 21)) width *= 2;
  return nke_min(width, last);
}

static nke_status choose_widths(nke_gated_plan *plan, const nke_network *network, const nke_embedding_options *options)
{
  int64_t pixels[NKE_MAX_WIDTHS];
  const int n = activation_pixels(network, 0, pixels);
  if (n > NKE_MAX_WIDTHS) return nke_fail(NKE_ERR_USAGE, "network: more than %d activation layers", NKE_MAX_WIDTHS);
  plan->n_widths = n;
  if (n == 0) return NKE_OK;
  if (options->n_widths > 0) {
    if (options->n_widths != n)
      return nke_fail(NKE_ERR_USAGE, "embedding.widths: expected %d, one for each activation layer, got %d", n,
                      options->n_widths);
    for (int i = 0; i < n; i++) {
      if (options->widths[i] < 1 || options->widths[i] > NKE_FWHT_MAX)
        return nke_fail(NKE_ERR_USAGE, "embedding.widths: expected 1 to %d, got %lld", NKE_FWHT_MAX,
                        (long long)options->widths[i]);
      plan->widths[i] = options->widths[i];
    }
    return NKE_OK;
  }
  const int parts = plan->variant->splits ? nke_features_parts(network, options->kernel) : 1;
  if (options->features < parts || options->features % parts != 0 || options->features / parts > NKE_FWHT_MAX)
    return nke_fail(NKE_ERR_USAGE, "embedding.features: expected a multiple of %d up to %d, got %lld", parts,
                    parts * NKE_FWHT_MAX, (long long)options->features);
  const int64_t last = options->features / parts;
  for (int i = 0; i < n; i++) {
    const int is_last = i == n - 1 || !plan->variant->narrow;
    plan->widths[i] = is_last ? last : default_width(pixels[i], last);
  }
  return NKE_OK;
}

/* The part of S in z = [T ; part of S]. Sigma is smoother than Theta, so far fewer features tell it: where the last
 * activation was widened, an eighth of z (measured on Myrtle-5: the spectrum of the NTK of 960 images against the exact
 * one is the same with a quarter of S as with all of it). Behind a sum or a layer norm all of S, or what `features`
 * leaves beside T if that is an eighth too. */
static nke_status choose_sigma(nke_gated_plan *plan, int64_t features)
{
  nke_status st = NKE_OK;
  const nke_image *const r = plan->result;
  plan->sigma_length = r->width_s;
  if (!plan->split || plan->n_widths == 0) return st;
  if (plan->widened) {
    plan->sigma_length = nke_min(r->width_s, 2 * plan->widths[plan->n_widths - 1] - r->width_t);
    return st;
  }
  const int64_t left = features - r->width_t;
  if (left < nke_max(1, features / 8) || left >= r->width_s) return st;
  plan->sigma_length = left;
  NKE_TRY(nke_hadamard_create(plan, r->stride, left, 1, &plan->cut));
  nke_gated_need_work(plan, r->stride);
done:
  return st;
}

/* Length of z and what it is made of: [T ; part of S] where the last layer is linear, else T (S for NNGP or where they
 * agree). */
static int64_t result_length(const nke_gated_plan *plan)
{
  const nke_image *const r = plan->result;
  if (plan->split) return r->width_t + plan->sigma_length;
  if (plan->kernel == NKE_KERNEL_NTK && r->theta == NKE_THETA_OWN) return r->width_t;
  return r->width_s;
}

static nke_status check_result(const nke_gated_plan *plan, nke_embedding_options *options)
{
  if (plan->kernel == NKE_KERNEL_NTK && plan->result->theta == NKE_THETA_ZERO)
    return nke_fail(NKE_ERR_USAGE, "network: the NTK of a network without dense or conv layers is zero");
  if (nke_shape_pixels(plan->result->shape) != 1)
    return nke_fail(NKE_ERR_USAGE, "network: the output still has %lld x %lld pixels; end with flatten or a pooling",
                    (long long)plan->result->shape.height, (long long)plan->result->shape.width);
  const int64_t length = result_length(plan);
  /* A network without activations has exact features of a length of its own. */
  if (options->features != 0 && options->features != length && plan->n_widths > 0)
    return nke_fail(NKE_ERR_USAGE, "embedding.features: %lld asked for, but the network and widths give %lld",
                    (long long)options->features, (long long)length);
  options->features = length;
  options->n_widths = plan->n_widths;
  memcpy(options->widths, plan->widths, sizeof plan->widths);
  return NKE_OK;
}

void nke_gated_destroy(void *p)
{
  nke_gated_plan *const plan = p;
  if (!plan) return;
  for (int i = 0; i < plan->n_stages; i++) stage_destroy(plan->stages[i]);
  nke_free(plan->stages);
  nke_free(plan->cut.signs);
  nke_free(plan->input.s);
  nke_free(plan->work);
  nke_free(plan);
}

nke_status nke_gated_create(const nke_gated_variant *variant, const nke_network *network,
                            nke_embedding_options *options, void **out)
{
  nke_status st = NKE_OK;
  nke_gated_plan *plan = NULL;
  NKE_TRY(nke_calloc(1, sizeof *plan, "the embedding", &plan));
  plan->precision = options->precision;
  plan->real_bytes = nke_precision_bytes(options->precision);
  plan->k = nke_gated_kernels_get(options->precision);
  plan->variant = variant;
  plan->kernel = options->kernel;
  plan->degree = options->degree;
  plan->seed = options->seed;
  NKE_TRY(nke_calloc(MAX_STAGES, sizeof *plan->stages, "the embedding", &plan->stages));
  NKE_TRY(choose_widths(plan, network, options));
  const int64_t channels = network->input.channels;
  plan->input = (nke_image){.shape = network->input, .kept = network->input.height, .raw = 1, .width_s = channels};
  plan->input.stride = nke_power_of_two(nke_max(NKE_GATED_LANES, channels));
  NKE_TRY(nke_image_alloc(plan, &plan->input));
  NKE_TRY(build(plan, network, 1, &plan->input, &plan->result));
  NKE_TRY(nke_gated_rows_create(plan));
  NKE_TRY(choose_sigma(plan, options->features));
  NKE_TRY(check_result(plan, options));
  NKE_TRY(nke_alloc(plan->work_bytes, 1, "work space of the embedding", &plan->work));
  plan->bytes += plan->work_bytes;
done:
  if (st != NKE_OK) {
    nke_gated_destroy(plan);
    plan = NULL;
  }
  *out = plan;
  return st;
}

double nke_gated_flops(const void *p)
{
  const nke_gated_plan *const plan = p;
  double flops = 0;
  for (int i = 0; i < plan->n_stages; i++) flops += plan->stages[i]->flops;
  return flops;
}

int64_t nke_gated_bytes(const void *p)
{
  return ((const nke_gated_plan *)p)->bytes;
}

/* z = [T ; part of S], scaled so that the part stands for all of S. */
static void apply_split(const nke_gated_plan *plan, void *z)
{
  const nke_image *const r = plan->result;
  const int64_t length = plan->sigma_length;
  void *const s = nke_at(plan, z, r->width_t);
  memcpy(z, r->t, (size_t)(r->width_t * plan->real_bytes));
  if (plan->cut.signs) {
    /* The first rows of the transform, as good as any others behind random signs. */
    nke_hadamard_apply(plan, &plan->cut, 0, r->s, plan->work);
    plan->k->scale(length, 1 / sqrt((double)length), plan->work, s);
    return;
  }
  memset(s, 0, (size_t)(length * plan->real_bytes));
  plan->k->add_scaled(length, sqrt((double)r->width_s / (double)length), r->s, s);
}

nke_status nke_gated_apply(void *p, const double *x, void *z)
{
  nke_status st = NKE_OK;
  nke_gated_plan *const plan = p;
  const nke_image *const input = &plan->input, *const r = plan->result;
  for (int64_t i = 0; i < nke_shape_pixels(input->shape); i++)
    plan->k->from_double(input->width_s, 1 / sqrt((double)input->width_s), x + i * input->width_s,
                         nke_at(plan, input->s, i * input->stride));
  for (int i = 0; i < plan->n_stages; i++) plan->stages[i]->done = 0;
  NKE_TRY(nke_gated_rows(plan, r, r->shape.height));
  const size_t bytes_s = (size_t)(r->width_s * plan->real_bytes);
  if (plan->split) {
    apply_split(plan, z);
  } else if (plan->kernel == NKE_KERNEL_NTK && r->theta == NKE_THETA_OWN) {
    memcpy(z, r->t, (size_t)(r->width_t * plan->real_bytes));
  } else {
    memcpy(z, r->s, bytes_s);
  }
done:
  return st;
}

static const nke_gated_variant random_variant = {
  .splits = 1, .narrow = 1, .activation = nke_gated_activation, .linear = nke_gated_linear};

static nke_status random_create(const nke_network *network, nke_embedding_options *options, void **out)
{
  return nke_gated_create(&random_variant, network, options, out);
}

const nke_features_method nke_features_random = {
  .name = "random_features",
  .create = random_create,
  .destroy = nke_gated_destroy,
  .flops_per_row = nke_gated_flops,
  .bytes = nke_gated_bytes,
  .apply = nke_gated_apply,
};
