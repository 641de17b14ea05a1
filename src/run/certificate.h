/* What the features of a model are worth against the exact kernel, from a sample of pairs: no n x n matrix is made.
 *
 * A sampled block is two disjoint sets I, J of rows of data.train, drawn without replacement, so that its entries (i, j) are
 * uniform over all off-diagonal pairs; its rows give as many diagonal entries. With E = Z Z' - K every block gives
 *   e = n mean_i E_ii^2 + n (n - 1) mean_ij E_ij^2,     k = the same of K,
 * unbiased for |E|_F^2 and |K|_F^2, and blocks are independent. For v of random signs, u = sum_j E_ij v_j has
 * E u^2 = sum_j E_ij^2, which gives the error of a product with v from the same block, averaged over several v. */
#ifndef NKE_RUN_CERTIFICATE_H
#define NKE_RUN_CERTIFICATE_H

#include "num/ratio.h"
#include "run/session.h"

typedef struct nke_certificate {
  int64_t pairs;       /* off-diagonal pairs that were computed; 0: no certificate */
  nke_ratio frobenius; /* |Z Z' - K|_F / |K|_F */
  nke_ratio product;   /* |(Z Z' - K) v| / |K v| for random signs v, root of the mean square */
  double seconds;
} nke_certificate;

/* At least `pairs` pairs of the exact kernel of data.train's rows and of the session's features, drawn by the counters of
 * `seed`: the same at any number of ranks, which share out the blocks. Collective, after nke_session_fit(). NKE_ERR_USAGE
 * for less than two rows. Cost: a pair of the exact kernel each, and an embedding for every eighth of them. */
nke_status nke_certificate_make(nke_session *session, int64_t pairs, uint64_t seed, nke_certificate *out);

#endif
