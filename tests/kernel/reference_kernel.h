/* A plain kernel of one pair of images, straight from the recursion: all pixel pairs in memory, no planes, no vectors.
 * The oracle of test_exact*.c. Activations: relu, abrelu, erf. */
#ifndef NKE_TESTS_REFERENCE_KERNEL_H
#define NKE_TESTS_REFERENCE_KERNEL_H

#include "kernel/network.h"

/* nngp and ntk of rows x and y under a shaped network. */
void reference_kernel(const nke_network *network, const double *x, const double *y, double *nngp, double *ntk);

#endif
