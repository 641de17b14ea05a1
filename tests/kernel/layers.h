/* Networks made of a list of layers, for tests. */
#ifndef NKE_TESTS_KERNEL_LAYERS_H
#define NKE_TESTS_KERNEL_LAYERS_H

#include "kernel/network.h"
#include "support/mpi_main.h"

static inline nke_layer relu_layer(void)
{
  nke_activation relu;
  assert_int_equal(nke_activation_init(&relu, "relu", 0, NULL, NULL), NKE_OK);
  return nke_layer_activation(&relu);
}

static inline nke_network *network_made_of(int n, const nke_layer *layers)
{
  nke_network *network = NULL;
  assert_int_equal(nke_network_create(&network), NKE_OK);
  for (int i = 0; i < n; i++) assert_int_equal(nke_network_append(network, &layers[i]), NKE_OK);
  return network;
}

#endif
