/* What an iterative method sees of a problem: products with a symmetric positive semidefinite A, and with something
 * close to (A + s I)^-1. Vectors are blocks of k columns, row-major, spread over the ranks by rows. */
#ifndef NKE_SOLVE_OPERATOR_H
#define NKE_SOLVE_OPERATOR_H

#include "base/status.h"
#include "base/timer.h"
#include "solve/parts.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct nke_operator {
  nke_parts parts; /* of vectors; parts.n is the order of A */
  double flops;    /* of this rank, for a product with one column */
  bool dear;       /* a product makes A anew: better with many columns at a time */
  void *context;
  nke_status (*multiply)(void *context, int k, const double *x_loc, double *y_loc); /* y <- A x. Collective */
  nke_status (*diagonal)(void *context, double *diagonal_loc);                      /* Collective; may be NULL */
  void (*destroy)(void *context); /* what the context holds, not itself; it may be all zero */
} nke_operator;
void nke_operator_destroy(nke_operator **a);

/* A copy of `methods` with parts of n rows, dealt by a function of split.h, and a context of `size` zeroed bytes, which
 * goes with the operator after its destroy() has released what it holds. Collective. */
nke_status nke_operator_create(const nke_operator *methods, MPI_Comm comm, int64_t n,
                               nke_range (*split)(int64_t, int, int), size_t size, nke_operator **out);

/* |(A + shift I) X - B|_F / |B|_F, 0 for B = 0; x_loc, b_loc [rows of this rank, k]. Collective; one product. */
nke_status nke_operator_residual(const nke_operator *a, double shift, int k, const double *b_loc, const double *x_loc,
                                 double *residual);

/* A symmetric matrix K of order n that is spread over the ranks in a way of its own. */
typedef struct nke_symmetric_matrix {
  MPI_Comm comm;
  int64_t n;
  double flops; /* of this rank, for a product with one column */
  bool dear;    /* made anew in every product */
  void *context;
  /* y <- K x, both [n, k] row-major; x the same on every rank, y afterwards. Collective, same status on all ranks. */
  nke_status (*product)(void *context, int k, const double *x, double *y);
  const double *diagonal; /* [n], the same on every rank */
} nke_symmetric_matrix;

/* A = D K D, D = diag(scale), for a symmetric K, which is copied; what its pointers show is borrowed. scale [n]
 * (borrowed), the same on every rank, or NULL for ones; where it is 0 the row is left out: there A is zero, and a
 * right-hand side of zero gives a solution of zero. Rows are dealt by nke_split_blocks(). Collective. A product: one of
 * K, for which every rank receives the n k entries of x. Memory: 16 n k bytes on every rank. */
nke_status nke_kernel_operator(const nke_symmetric_matrix *kernel, const double *scale, nke_operator **out);

#endif
