/* The Gauss-Legendre rule on [-1, 1]. */
#ifndef NKE_NUM_QUADRATURE_H
#define NKE_NUM_QUADRATURE_H

/* Nodes (ascending) and weights of the Gauss-Legendre rule: exact for polynomials of degree 31. */
enum { NKE_GAUSS_NODES = 16 };
extern const double nke_gauss_node[NKE_GAUSS_NODES];
extern const double nke_gauss_weight[NKE_GAUSS_NODES];

#endif
