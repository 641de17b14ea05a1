#include "run/config_table.h"

#include <stddef.h>

static const char *const precisions[] = {"single", "double", NULL};
static const char *const tasks[] = {"classification", "regression", NULL};
static const char *const layouts[] = {"rows", "columns", NULL};
static const char *const input_sketches[] = {"auto", "none", "countsketch", "osnap", "srft", NULL};
static const char *const kernels[] = {"nngp", "ntk", NULL};
static const char *const methods[] = {"random_features", "polysketch", "tensorsketch", "none", NULL};
static const char *const solvers[] = {"auto", "cholesky", "eigen", "dual", "cg", "lsqr", NULL};
const char *const nke_precondition_name[] = {"none", "jacobi", "nystrom", "sketch", NULL};

/* The choices above stand in the order of these enumerations. */
_Static_assert(sizeof(nke_precision) == sizeof(int) && NKE_SINGLE == 0 && NKE_DOUBLE == 1, "precisions");
_Static_assert(NKE_TASK_CLASSIFICATION == 0 && NKE_TASK_REGRESSION == 1, "tasks");
_Static_assert(NKE_INPUT_AUTO == 0 && NKE_INPUT_SRFT == 4, "input_sketches");
_Static_assert(NKE_KERNEL_NNGP == 0 && NKE_KERNEL_NTK == 1, "kernels");
_Static_assert(NKE_SOLVER_AUTO == 0 && NKE_SOLVER_CHOLESKY == 1 && NKE_SOLVER_LSQR == 5, "solvers");
_Static_assert(NKE_PRECONDITION_NONE == 0 && NKE_PRECONDITION_SKETCH == 3, "preconditioners");

#define AT(field) offsetof(nke_config, field)
#define MOST NKE_CONFIG_MAX_LIST

static const double max_int = 9007199254740991.0; /* 2^53 - 1: exact as a double, so as YAML anywhere */

static bool has_validation_file(const nke_config *config) { return config->data.validation.file != NULL; }
static bool has_no_validation_file(const nke_config *config) { return !config->data.validation.file; }
static bool always(const nke_config *config) { return config != NULL; }

/* clang-format off: one row a key */
#define SOURCE(section, member, what)                                                                                  \
  {section ".file", &nke_type_text, AT(member.file), "null", .hidden = HIDDEN, .doc = what                             \
   "; .h5, .npy, .csv or libsvm text; a relative path is taken from $NKE_DATA, else from the current folder"},         \
  {section ".x", &nke_type_text, AT(member.x), "null", .hidden = HIDDEN,                                               \
   .doc = "data set of the rows (HDF5; without x and y: /" GROUP "/x and /" GROUP "/y)"},                              \
  {section ".y", &nke_type_text, AT(member.y), "null", .hidden = HIDDEN,                                               \
   .doc = "data set of the targets (HDF5), a file (npy), or a column by name or number (csv)"},                        \
  {section ".rows", &nke_type_rows, AT(member.row_begin), "null", .hidden = HIDDEN,                                    \
   .doc = "rows a:b, from a up to but without b; null: all"}

const nke_key nke_config_keys[] = {
  {"run.seed", &nke_type_int, AT(run.seed), "1", .max = max_int, .doc = "seed of everything random"},
  {"run.precision", &nke_type_choice, AT(run.precision), "single", .choices = precisions, .doc = "of the features"},
  {"run.out", &nke_type_text, AT(run.out), "null", .free = true,
   .doc = "folder of the results; null: runs/ and the name of the config file"},
  {"run.memory_per_rank", &nke_type_bytes, AT(run.memory_per_rank), "4GiB", .min = 1 << 20, .max = max_int,
   .free = true, .doc = "what a rank may use; more is refused before the run"},
#define HIDDEN NULL
#define GROUP "train"
  SOURCE("data.train", data.train, "training rows"),
#undef GROUP
#define GROUP "test"
  SOURCE("data.test", data.test, "test rows; null: none"),
#undef GROUP
#undef HIDDEN
  {"data.task", &nke_type_choice, AT(data.task), "classification", .choices = tasks,
   .doc = "classification: one-hot targets minus 1/k; regression: targets minus their mean"},
  {"data.validation", &nke_type_validation, AT(data.validation_fraction), "0.1", .max = 1, .open = true,
   .hidden = has_validation_file,
   .doc = "fraction of the training rows held out to choose lambda; or a data set of its own, {file, x, y, rows}"},
#define HIDDEN has_no_validation_file
#define GROUP "validation"
  SOURCE("data.validation", data.validation, "validation rows"),
#undef GROUP
#undef HIDDEN
  {"data.preprocess", &nke_type_preprocess, AT(data.n_preprocess), "[]", .most = NKE_PREPROCESS_MAX_STEPS,
   .doc = "steps in order: standardize, layernorm, {zca: r} with r relative to the mean variance"},
  {"data.layout", &nke_type_choice, AT(data.layout), "rows", .choices = layouts,
   .doc = "how the data is spread over the ranks; columns: each row by its columns, for rows too wide for one rank (an HDF5 "
          "array [n, d]), sketched across the ranks by countsketch (auto) or srft; taken also where 64 rows are more than half of "
          "run.memory_per_rank and preprocess is []"},
  {"data.sketch.kind", &nke_type_choice, AT(data.sketch.kind), "auto", .choices = input_sketches,
   .doc = "rows are sketched as they are read, in time proportional to their non-zeros; auto: osnap for rows stored "
          "sparse (libsvm, HDF5 group of data, indices, indptr) and wider than columns, unless method is none; else none"},
  {"data.sketch.columns", &nke_type_int, AT(data.sketch.columns), "4096", .min = 1, .max = 1 << 29,
   .doc = "entries of a sketched row, which the network sees in place of the row"},
  {"data.augment.copies", &nke_type_int, AT(data.augment.copies), "1", .min = 1, .max = 1e6,
   .doc = "times `fit` uses each training row (signals, images): first as it is, then changed at random"},
  {"data.augment.flip", &nke_type_flag, AT(data.augment.flip), "false",
   .doc = "copies are mirrored left-right with probability 1/2"},
  {"data.augment.shift", &nke_type_int, AT(data.augment.shift), "0", .max = 1024,
   .doc = "copies are moved by up to so many pixels each way; what comes in is the image mirrored at its edge"},
  {"data.class_weights", &nke_type_class_weights, AT(data.class_weighting), "none", .max = 1e12, .open = true,
   .most = MOST, .doc = "none, balanced, or a list with one weight a class in ascending order of the labels; the "
                        "mean diagonal that lambda is relative to is then the weighted one"},
  {"network", &nke_type_layers, AT(network), "null",
   .doc = "list of layers, or {preset, activation}; layers: conv, dense, activation, avgpool, global_avgpool, flatten, "
          "layernorm, residual, identity (`nke info`)"},
  {"network.preset", &nke_type_preset, AT(network), "null", .hidden = always,
   .doc = "myrtle5, myrtle7, myrtle10, for images of 32 x 32 pixels and more, or fc1, fc2, ... with so many hidden layers, "
          "for rows [n, d]; w_std sqrt 2, no bias"},
  {"network.activation", &nke_type_activation, AT(network), "relu", .hidden = always,
   .doc = "of the preset: a name, {name: {parameter: value}}, or {formula: \"...\"}"},
  {"embedding.kernel", &nke_type_choice, AT(embedding.kernel), "ntk", .choices = kernels, .doc = "which kernel"},
  {"embedding.method", &nke_type_word, AT(embedding.method), "random_features", .choices = methods,
   .doc = "how rows become features; none: the exact kernel"},
  {"embedding.features", &nke_type_features, AT(embedding.features), "8192", .min = 1, .max = 1 << 28,
   .doc = "length of a feature vector; where only widths are given they decide"},
  {"embedding.widths", &nke_type_ints, AT(embedding.n_widths), "[]", .min = 1, .max = 1 << 28, .most = NKE_MAX_WIDTHS,
   .doc = "random_features: one an activation layer; the last gives `width` features, or twice as many (ntk that ends in dense or conv); "
          "[]: chosen from features"},
  {"embedding.degree", &nke_type_int32, AT(embedding.degree), "8", .min = 1, .max = 64,
   .doc = "polynomial sketches: degree of the expansions"},
  {"embedding.symmetrize", &nke_type_symmetrize, AT(embedding.flip), "[]",
   .doc = "[flip]: average the kernel over mirrored images"},
  {"embedding.scale_to_exact", &nke_type_flag, AT(embedding.scale_to_exact), "false",
   .doc = "scale each feature row to its exact kernel diagonal"},
  {"solver.type", &nke_type_choice, AT(solver.type), "auto", .choices = solvers,
   .doc = "auto: cholesky, or dual where there are fewer rows than features"},
  {"solver.select", &nke_type_select, AT(solver.select), "validation",
   .doc = "how lambda is chosen: validation, loo, gcv, {kfold: k}"},
  {"solver.precondition", &nke_type_choice, AT(solver.precondition), "none", .choices = nke_precondition_name,
   .doc = "of cg; sketch: of the exact kernel, helped by its random_features of embedding.features or widths"},
  {"solver.lambda", &nke_type_reals, AT(solver.lambda), "[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]", .max = 1e12, .least = 1,
   .most = MOST, .doc = "ridge, relative to the mean diagonal of the kernel; of several the best is chosen"},
  {"checkpoint.seconds", &nke_type_real, AT(checkpoint.seconds), "600", .min = 0, .max = 1e9, .free = true,
   .doc = "between checkpoints; 0: after every slab and solution; features that are kept and take longer go to a file"},
  {"compare.methods", &nke_type_texts, AT(compare.methods), "[random_features]", .choices = methods, .least = 1,
   .most = MOST, .doc = "embedding methods to compare with the exact kernel"},
  {"compare.features", &nke_type_ints, AT(compare.features), "[4096]", .min = 1, .max = 1 << 28, .least = 1,
   .most = MOST, .doc = "feature counts"},
  {"compare.seeds", &nke_type_ints, AT(compare.seeds), "[1]", .max = max_int, .least = 1, .most = MOST, .doc = "seeds"},
  {"compare.at_n", &nke_type_int, AT(compare.at_n), "60000", .min = 1, .max = max_int,
   .doc = "rows for which the speed-up is worked out"},
  {"kernel.file", &nke_type_text, AT(kernel.file), "null", .free = true,
   .doc = "file of the exact kernel; null: kernel.h5 in run.out"},
  {"kernel.tile", &nke_type_int, AT(kernel.tile), "64", .min = 1, .max = 65536, .doc = "rows and columns of a tile"},
  {"synth.file", &nke_type_text, AT(synth.file), "null", .free = true,
   .doc = "file to write; null: synth.h5 in run.out"},
  {"synth.n", &nke_type_int, AT(synth.n), "10000", .min = 1, .max = max_int, .doc = "training rows"},
  {"synth.d", &nke_type_int, AT(synth.d), "100", .min = 1, .max = 1 << 20, .doc = "columns"},
  {"synth.n_test", &nke_type_int, AT(synth.n_test), "1000", .max = max_int, .doc = "test rows"},
  {"synth.hidden", &nke_type_ints, AT(synth.hidden), "[64, 64]", .min = 1, .max = 65536, .least = 1, .most = 64,
   .doc = "widths of the relu network that makes the targets"},
  {"synth.noise", &nke_type_real, AT(synth.noise), "0.1", .max = 1e12,
   .doc = "variance of the noise added to targets of variance 1"},
  {"synth.spectrum", &nke_type_real, AT(synth.spectrum), "0", .max = 16,
   .doc = "p: directions of scale j^-p in a random rotation; 0: independent columns"},
  {.path = NULL},
};
/* clang-format on */
