/* The plan behind wide.h. Internal to src/sketch. */
#ifndef NKE_SKETCH_PLAN_WIDE_H
#define NKE_SKETCH_PLAN_WIDE_H

#include "sketch/wide.h"

/* Rows of one reduction. */
enum { NKE_WIDE_ROWS = 16 };

struct nke_wide_kind {
  const char *name;
  int64_t max_n;
  /* Sets `columns`, the local tables, and `sums`, how many numbers a row are reduced. Local parts may fail on some
   * ranks; the caller agrees. Collective. */
  nke_status (*plan)(nke_wide *wide, nke_draws *draws);
  /* partial [sums] of one row: this rank's part of what is reduced. Collective for SRFT. */
  void (*partial)(nke_wide *wide, const void *x, double *partial);
  /* y [m] from the reduced numbers. Local. */
  void (*finish)(const nke_wide *wide, const double *sum, void *y);
  void (*destroy)(nke_wide *wide);
};

struct nke_wide {
  MPI_Comm comm;
  const nke_wide_kind *kind;
  nke_precision precision;
  int64_t n, m;
  nke_range columns;
  int64_t sums;
  double *partial;     /* [NKE_WIDE_ROWS][sums] */
  int32_t *index;      /* codes of the local columns, or the sampled frequencies */
  void *signs;         /* [columns] */
  void *transform;     /* srft: struct of wide_srft.c */
  int64_t bytes;
};

/* Allocation that is counted in wide->bytes. */
nke_status nke_wide_alloc(nke_wide *wide, int64_t count, size_t size, void *out);

#endif
