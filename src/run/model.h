/* A trained model: everything `predict` needs, in one HDF5 file. */
#ifndef NKE_RUN_MODEL_H
#define NKE_RUN_MODEL_H

#include "base/shape.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/targets.h"
#include "dist/blockcyclic.h"
#include "run/config.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct nke_model {
  char *config;  /* the resolved config as YAML; owned. Network, embedding and seed are remade from it */
  nke_shape shape; /* of a row of data */
  char *names;     /* of its columns (dataset.h); NULL: none; owned */
  nke_preprocess *preprocess; /* owned */
  nke_targets *targets;       /* owned */
  int64_t m, k;
  double *weights; /* [m, k] row-major, the same on every rank; owned */
  nke_dataset *rows; /* exact kernel: the training rows, saved preprocessed as /train/x; borrowed. Else NULL */
  nke_bcmat *factor; /* to be saved: of A + lambda_absolute I, for the posterior variance; borrowed. Else NULL */
  double lambda_relative, lambda_absolute;
  int64_t sketch_period; /* config.h: data.sketch.period; 0: none */
} nke_model;

/* Write the model as `path`, whole or not at all. Collective. Layout: root attributes nke, kind = "model", config,
 * lambda_relative, lambda_absolute, features_revision; /shape; /columns, the names of a csv file's;
 * /sketch_period, of an srft; /weights; /preprocess;
 * /targets; of an exact kernel /train/x, the preprocessed training rows, one a row of weights; for the posterior
 * variance /factor (matrix_file.h). Statuses of src/data/h5file.h. */
nke_status nke_model_save(MPI_Comm comm, const char *path, bool force, const nke_model *model);

/* Read a model. Collective. NKE_ERR_DATA where the file is missing, not a model, or damaged. */
nke_status nke_model_load(MPI_Comm comm, const char *path, nke_model *model);

/* The parsed config of a model read from `path`; it has a network. NKE_ERR_DATA. Local. */
nke_status nke_model_config(const nke_model *model, const char *path, nke_config **config);

void nke_model_clear(nke_model *model);

#endif
