/* Part of the public API (nke.h): what every fallible function returns. */
#ifndef NKE_STATUS_H
#define NKE_STATUS_H

typedef enum nke_status {
  NKE_OK = 0,
  NKE_ERR_INTERNAL = 1, /* our own bug, or a library that failed for no reason the user can mend */
  NKE_ERR_USAGE = 2,    /* command line or config; does not fit run.memory_per_rank; output that is not ours */
  NKE_ERR_DATA = 3,     /* data, model, kernel or checkpoint file: missing, unreadable, wrong shape, NaN, bad label */
  NKE_ERR_NUMERIC = 4,  /* not positive definite, not converged, overflow */
  NKE_STOPPED = 5,      /* stopped by a signal after a checkpoint */
  NKE_ERR_OUTPUT = 6,   /* output cannot be written */
  NKE_ERR_MEMORY = 7    /* an allocation failed */
} nke_status;

#endif
