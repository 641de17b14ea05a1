/* A function of one variable resolved into pieces on which it is a polynomial of degree 15 to rounding; places where no
 * refinement helps are its kinks and jumps. */
#ifndef NKE_NUM_PIECES_H
#define NKE_NUM_PIECES_H

#include "base/status.h"

#include <stdint.h>

enum { NKE_PIECES_MAX_KINKS = 64 };

/* The function to resolve: f at n points; fails where it cannot be evaluated. */
typedef nke_status nke_function(void *context, int64_t n, const double *x, double *f);

typedef struct nke_pieces {
  double reach; /* resolved on [-reach, reach] */
  int64_t n;    /* pieces; piece i is [edge[i], edge[i + 1]] */
  double *edge;
  double *coef;     /* [n, NKE_GAUSS_NODES] Legendre coefficients */
  int *degree;      /* [n] above which a piece's are 0 */
  int64_t n_panels; /* longer intervals, enough for the 16-node Gauss rule: its degree is twice that of a piece */
  double *panel;    /* [n_panels + 1] edges; every kink is one */
  int n_kinks;
  double kink[NKE_PIECES_MAX_KINKS]; /* ascending */
} nke_pieces;

/* Resolve f on [-reach, reach] (at least on [-2, 2]). Kinks are located to about 1e-11 by bisection on a dyadic grid,
 * weak ones (of phi'' and higher) until they no longer show in f at 2e-14; what happens between two points of the
 * finest grid (a spike) is not seen. Fills a zeroed or earlier `pieces`. NKE_ERR_NUMERIC where f or its slope is
 * unbounded, needs too many pieces or has too many kinks. Local. */
nke_status nke_pieces_make(nke_function *f, void *context, double reach, nke_pieces *pieces);
void nke_pieces_clear(nke_pieces *pieces);

/* f and its derivative at n points in [-reach, reach] from the pieces; at an edge the mean of both sides. */
void nke_pieces_eval(const nke_pieces *pieces, int64_t n, const double *x, double *f, double *d);

#endif
