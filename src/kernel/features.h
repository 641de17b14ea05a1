/* Embeddings: maps z with <z(x), z(x')> close to the NNGP or NTK of a network, plain arrays in and out.
 *
 * An embedding is a plan made from (network, options, seed): every random number comes from (seed, stream, index), so
 * the features of a row depend neither on the other rows nor on ranks or threads. */
#ifndef NKE_KERNEL_FEATURES_H
#define NKE_KERNEL_FEATURES_H

#include "base/checked.h"
#include "base/status.h"
#include "kernel/network.h"

#include <stdint.h>

typedef enum nke_kernel_kind { NKE_KERNEL_NNGP, NKE_KERNEL_NTK } nke_kernel_kind;

/* The revision counts the changes in what features a config and seed stand for: weights belong to one of them. */
enum { NKE_MAX_WIDTHS = 64, NKE_FEATURES_REVISION = 4 };

typedef struct nke_embedding_options {
  nke_kernel_kind kernel;
  const char *method;              /* "random_features", "polysketch", "tensorsketch" */
  int64_t features;                /* length of z; 0: from widths */
  int n_widths;                    /* 0: chosen from `features` */
  int64_t widths[NKE_MAX_WIDTHS];  /* one per activation layer */
  int degree;                      /* polynomial sketches */
  int flip;                        /* average over the mirrored image: (z(x) + z(flip x)) / 2 */
  int scale_to_exact;              /* scale each row to its exact kernel diagonal */
  nke_precision precision;
  uint64_t seed;
} nke_embedding_options;

typedef struct nke_features nke_features;

/* Length of z over the last width, for random features and tensorsketch (polysketch: 1): 2 for the NTK of a network
 * that ends in a dense or conv layer, z = [T ; part of S], else 1, for no network (NULL) too. Local. */
int nke_features_parts(const nke_network *network, nke_kernel_kind kernel);

/* Plan. network must be shaped (nke_network_shape) and outlive the plan. NKE_ERR_USAGE where the method does not
 * cover a layer, widths do not match the activation layers or `features`. Local, same result on every rank. */
nke_status nke_features_create(const nke_network *network, const nke_embedding_options *options, nke_features **out);
void nke_features_destroy(nke_features **features);

/* Length m of a feature vector. */
int64_t nke_features_length(const nke_features *features);

/* Floating-point operations one row costs, and bytes of tables and work space the plan holds, both by formula. */
double nke_features_flops_per_row(const nke_features *features);
int64_t nke_features_bytes(const nke_features *features);

/* The widths in use, one per activation layer. */
int nke_features_widths(const nke_features *features, int64_t widths[NKE_MAX_WIDTHS]);

/* z for n rows: x [n, d] row-major (d = height * width * channels, channels fastest), z [n, m] row-major, float or
 * double by options.precision. Non-finite features give NKE_ERR_NUMERIC naming the row. Local. */
nke_status nke_features_apply(nke_features *features, int64_t n, const double *x, void *z);

#endif
