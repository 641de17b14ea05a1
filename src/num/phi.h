/* An activation made ready to be evaluated many times: the formula parsed, the pieces and kinks of phi found. */
#ifndef NKE_NUM_PHI_H
#define NKE_NUM_PHI_H

#include "base/status.h"
#include "num/activation.h"
#include "num/pieces.h"

#include <stdint.h>

typedef struct nke_phi nke_phi;

/* Plan; copies the activation. NKE_ERR_USAGE for an activation without a function, or a formula in error. Local. */
nke_status nke_phi_create(const nke_activation *act, nke_phi **out);
void nke_phi_destroy(nke_phi **phi);

/* phi and phi' at n points. Those of a formula come from its pieces (phi to 1e-13 and phi' to about 1e-11 of its size
 * near 0), at a jump or kink the mean of both sides. NKE_ERR_NUMERIC where a formula is not finite or varies too fast.
 * Local; one thread at a time. */
nke_status nke_phi_eval(nke_phi *phi, int64_t n, const double *x, double *f, double *d);

/* The pieces of phi on at least [-reach, reach], which depend on reach alone; owned by phi. Local. */
nke_status nke_phi_pieces(nke_phi *phi, double reach, const nke_pieces **out);

#endif
