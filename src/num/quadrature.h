/* Gauss-Legendre and Gauss-Kronrod rules on [-1, 1]. */
#ifndef NKE_NUM_QUADRATURE_H
#define NKE_NUM_QUADRATURE_H

/* Nodes (ascending) and weights of the Gauss-Legendre rule: exact for polynomials of degree 31. */
enum { NKE_GAUSS_NODES = 16 };
extern const double nke_gauss_node[NKE_GAUSS_NODES];
extern const double nke_gauss_weight[NKE_GAUSS_NODES];

/* Gauss-Kronrod (7, 15): nodes (ascending), Kronrod weights, and the weights of the embedded Gauss rule (0 at nodes
 * that it lacks). */
enum { NKE_KRONROD_NODES = 15 };
extern const double nke_kronrod_node[NKE_KRONROD_NODES];
extern const double nke_kronrod_weight[NKE_KRONROD_NODES];
extern const double nke_kronrod_gauss_weight[NKE_KRONROD_NODES];

#endif
