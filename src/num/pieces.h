/* A function of one variable resolved into pieces on which it is a polynomial of degree 15 to rounding; places where no
 * refinement helps are its kinks and jumps. */
#ifndef NKE_NUM_PIECES_H
#define NKE_NUM_PIECES_H

#include "base/status.h"

#include <stdint.h>

enum { NKE_PIECES_MAX_KINKS = 64, NKE_PIECES_LEVELS = 4096 };

/* The function to resolve: f at n points; fails where it cannot be evaluated. */
typedef nke_status nke_function(void *context, int64_t n, const double *x, double *f);

typedef struct nke_pieces {
  int64_t n, room; /* pieces; piece i is [edge[i], edge[i + 1]] */
  double *edge;
  double *coef;     /* [n, NKE_GAUSS_NODES] Legendre coefficients */
  int *degree;      /* [n] above which a piece's are 0 */
  int64_t n_panels; /* longer intervals, enough for the 16-node Gauss rule: its degree is twice that of a piece */
  double *panel;    /* [n_panels + 1] edges; every kink is one */
  int n_kinks;
  double kink[NKE_PIECES_MAX_KINKS]; /* ascending */
} nke_pieces;

/* Ranges go up in steps of 2^(1/4): the lowest level, below NKE_PIECES_LEVELS, whose range holds [-reach, reach]. Level
 * 0 holds [-2, 2]. NKE_ERR_NUMERIC if there is none. Local. */
nke_status nke_pieces_level(double reach, int *level);

/* Resolve f on the range of a level. The pieces of a lower level are among those of a higher one, bit for bit. Kinks
 * are located to about 1e-11 by bisection on a dyadic grid, weak ones (of phi'' and higher) until they no longer show
 * in f at 2e-14; what happens between two points of the finest grid (a spike) is not seen. NKE_ERR_NUMERIC where f or
 * its slope is unbounded, needs too many pieces or has too many kinks. Local. */
nke_status nke_pieces_create(nke_function *f, void *context, int level, nke_pieces **out);
void nke_pieces_destroy(nke_pieces **pieces);

/* f and its derivative at n points in the range of the pieces; at an edge the mean of both sides. */
void nke_pieces_eval(const nke_pieces *pieces, int64_t n, const double *x, double *f, double *d);

#endif
