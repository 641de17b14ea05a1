/* The config: every kind of mistake with its line, overrides, and that the resolved config reads back as itself. */
#include "support/mpi_main.h"

#include "base/memory.h"
#include "kernel/features.h"
#include "run/config.h"
#include "run/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char good[] =
    "run: {seed: 5, precision: double, out: \"a b\\\"c\", memory_per_rank: 1.5 GiB}\n"
    "data:\n"
    "  train: {file: c.h5, x: /train/x, y: /train/y, rows: 0:50000}\n"
    "  test: {file: c.h5}\n"
    "  task: regression\n"
    "  validation: {file: v.npy, y: w.npy, rows: \"7:\"}\n"
    "  preprocess: [standardize, layernorm, {zca: 0.1}]\n"
    "  augment: {copies: 20, flip: true, shift: 4}\n"
    "  class_weights: [1, 2.5]\n"
    "network:\n"
    "  - conv: {filter: 3, w_std: 1.4142135623730951, b_std: 0.1, padding: circular}\n"
    "  - activation: {erf: {b: 2}}\n"
    "  - residual: {branch: [{conv: {filter: [3, 1], stride: [1, 1]}}, {activation: {formula: "
    "\"x*tanh(log(1+exp(x)))\"}},\n"
    "                        {conv: {filter: 1}}], shortcut: [identity]}\n"
    "  - layernorm\n"
    "  - activation: {polynomial: {coefs: [0, 1, 0.1]}}\n"
    "  - avgpool: [2, 1]\n"
    "  - conv: {filter: 2, stride: 2, padding: valid}\n"
    "  - activation: abs\n"
    "  - global_avgpool\n"
    "  - dense\n"
    "embedding: {kernel: nngp, method: polysketch, features: 1024, degree: 4, symmetrize: [flip], scale_to_exact: "
    "true}\n"
    "solver: {type: cg, lambda: [1e-2, 1e-6, 0.1], select: {kfold: 5}, precondition: sketch}\n"
    "compare: {methods: [polysketch, none], features: [64, 128], seeds: [1, 2, 3], at_n: 1e6}\n"
    "kernel: {file: k.h5, tile: 32}\n"
    "synth: {file: s.h5, n: 100, d: 3, n_test: 0, hidden: [4], noise: 0.25, spectrum: 1}\n";

static nke_config *parse(const char *text, int n_sets, const char *const *sets)
{
  nke_config *config = NULL;
  if (nke_config_parse("dir/t.yaml", text, n_sets, sets, &config) != NKE_OK) fail_msg("%s", nke_error_text());
  return config;
}

static void check_round_trip(const char *text)
{
  nke_config *first = parse(text, 0, NULL), *second;
  char *printed, *again;
  uint64_t hash[2];
  assert_int_equal(nke_config_print(first, &printed), NKE_OK);
  second = parse(printed, 0, NULL);
  assert_int_equal(nke_config_print(second, &again), NKE_OK);
  assert_string_equal(printed, again);
  assert_int_equal(nke_config_hash(first, &hash[0]), NKE_OK);
  assert_int_equal(nke_config_hash(second, &hash[1]), NKE_OK);
  assert_int_equal(hash[0], hash[1]);
  nke_free(printed);
  nke_free(again);
  nke_config_destroy(&first);
  nke_config_destroy(&second);
}

static void test_round_trip(void **state)
{
  (void)state;
  check_round_trip(good);
  check_round_trip("");
  check_round_trip("run: {seed: 9007199254740991}\nsolver: {lambda: [0, 1.0000000000000002e-7]}\n");
  check_round_trip("network: {preset: myrtle10, activation: {leaky_relu: {alpha: 0.25}}}\n");
  check_round_trip("embedding: {widths: [16, 32]}\ndata: {class_weights: balanced}\n");
}

static void test_values(void **state)
{
  (void)state;
  nke_config *c = parse(good, 0, NULL);
  assert_int_equal(c->run.seed, 5);
  assert_int_equal(c->embedding.seed, 5);
  assert_int_equal(c->embedding.precision, NKE_DOUBLE);
  assert_string_equal(c->run.out, "a b\"c");
  assert_int_equal(c->run.memory_per_rank, 1610612736);
  assert_int_equal(c->data.train.row_begin, 0);
  assert_int_equal(c->data.train.row_end, 50000);
  assert_string_equal(c->data.test.x, "/test/x");
  assert_string_equal(c->data.test.y, "/test/y");
  assert_int_equal(c->data.test.row_end, -1);
  assert_string_equal(c->data.validation.file, "v.npy");
  assert_null(c->data.validation.x);
  assert_int_equal(c->data.validation.row_begin, 7);
  assert_int_equal(c->data.task, NKE_TASK_REGRESSION);
  assert_int_equal(c->data.n_preprocess, 3);
  assert_int_equal(c->data.preprocess[2].kind, NKE_PREPROCESS_ZCA);
  assert_true(c->data.preprocess[2].eps == 0.1);
  assert_int_equal(c->data.augment.copies, 20);
  assert_int_equal(c->data.class_weighting, NKE_CLASS_WEIGHTS_GIVEN);
  assert_true(c->data.class_weights.at[1] == 2.5);
  assert_int_equal(c->network->n_layers, 10);
  assert_int_equal(c->network->layers[0].line, 11);
  assert_int_equal(c->network->layers[0].padding, NKE_PAD_CIRCULAR);
  assert_int_equal(c->network->layers[2].branch->n_layers, 3);
  assert_int_equal(c->network->layers[2].branch->layers[0].filter_w, 1);
  assert_int_equal(c->network->layers[2].branch->layers[2].line, 14);
  assert_int_equal(c->network->layers[5].stride_h, 2);
  assert_int_equal(c->network->layers[5].stride_w, 1);
  assert_int_equal(c->network->layers[4].activation.n_params, 3);
  assert_int_equal(c->embedding.flip, 1);
  assert_string_equal(c->embedding.method, "polysketch");
  assert_int_equal(c->solver.select, NKE_SELECT_KFOLD);
  assert_int_equal(c->solver.folds, 5);
  assert_int_equal(c->solver.lambda.n, 3);
  assert_true(c->solver.lambda.at[0] == 1e-6 && c->solver.lambda.at[2] == 0.1);
  assert_int_equal(c->compare.at_n, 1000000);
  assert_string_equal(c->compare.methods.at[1], "none");
  nke_config_destroy(&c);
}

static void test_defaults(void **state)
{
  (void)state;
  nke_config *c = parse("", 0, NULL);
  assert_string_equal(c->run.out, "runs/t");
  assert_true(c->data.validation_fraction == 0.1);
  assert_null(c->data.train.file);
  assert_null(c->network);
  assert_int_equal(c->embedding.features, 8192);
  assert_int_equal(nke_config_require(c, NKE_NEEDS_TRAIN), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "dir/t.yaml: data.train.file"));
  assert_int_equal(nke_config_require(c, NKE_NEEDS_NETWORK), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "dir/t.yaml: network"));
  nke_config_destroy(&c);
}

/* The length of features follows from widths, unless it is given: twice the last where z = [T ; S]. */
static void test_features_of_widths(void **state)
{
  (void)state;
  static const struct {
    const char *top, *embedding;
    int64_t features;
    bool fits; /* features by embedding.method are of this length */
  } cases[] = {
    {", dense: {}", "", 128, true},
    {", dense: {}", ", kernel: nngp", 64, true},
    {", dense: {}", ", features: 100", 100, false},
    {", dense: {}", ", method: none", 128, false}, /* of the sketch that helps it */
    {", dense: {}", ", method: polysketch", 8192, false},
    {"", "", 64, true},
    {"", ", kernel: nngp", 64, true},
    {", dense: {}, layernorm", "", 64, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[200];
    nke_features *features = NULL;
    snprintf(text, sizeof text, "network: [dense: {}, activation: relu%s]\nembedding: {widths: [64]%s}\n",
             cases[i].top, cases[i].embedding);
    nke_config *c = parse(text, 0, NULL);
    assert_int_equal(c->embedding.features, cases[i].features);
    if (cases[i].fits) {
      assert_int_equal(nke_network_shape(c->network, (nke_shape){.height = 1, .width = 1, .channels = 5}), NKE_OK);
      assert_int_equal(nke_features_create(c->network, &c->embedding, &features), NKE_OK);
    }
    nke_features_destroy(&features);
    nke_config_destroy(&c);
  }
}

static void test_overrides(void **state)
{
  (void)state;
  const char *const sets[] = {"run.seed=7",
                              "solver.lambda=[1e-3]",
                              "data.test=null",
                              "data.validation=0.25",
                              "network.preset=fc2",
                              "network.activation=gelu",
                              "run.out=x=y",
                              "data.train.rows=5:9",
                              "embedding={features: 64, method: tensorsketch}",
                              "run.seed=8"};
  nke_config *c = parse(good, sizeof sets / sizeof *sets, sets);
  assert_int_equal(c->run.seed, 8);
  assert_int_equal(c->solver.lambda.n, 1);
  assert_null(c->data.test.file);
  assert_null(c->data.test.x);
  assert_null(c->data.validation.file);
  assert_true(c->data.validation_fraction == 0.25);
  assert_int_equal(c->network->n_layers, 5);
  assert_int_equal(c->network->layers[1].activation.kind, NKE_ACT_GELU);
  assert_string_equal(c->run.out, "x=y");
  assert_int_equal(c->data.train.row_begin, 5);
  assert_int_equal(c->embedding.features, 64);
  assert_int_equal(c->embedding.degree, 4); /* a map changes only what it names */
  nke_config_destroy(&c);
  const char *const layers[] = {"network=[dense, {activation: relu}, dense]", "run.precision=null"};
  c = parse(good, 2, layers);
  assert_int_equal(c->network->n_layers, 3);
  assert_int_equal(c->run.precision, NKE_SINGLE);
  nke_config_destroy(&c);
}

static void check_set_fails(const char *set, const char *says)
{
  nke_config *c = NULL;
  assert_int_equal(nke_config_parse("t.yaml", good, 1, &set, &c), NKE_ERR_USAGE);
  assert_null(c);
  if (!strstr(nke_error_text(), says)) fail_msg("--set %s: '%s' is not in: %s", set, says, nke_error_text());
}

static void test_bad_overrides(void **state)
{
  (void)state;
  check_set_fails("run.seed", "expected key.path=value");
  check_set_fails("=1", "expected key.path=value");
  check_set_fails("run.seed=", "expected key.path=value");
  check_set_fails("run.sead=1", "--set run.sead=1: run.sead: unknown key; did you mean run.seed?");
  check_set_fails("run.seed=x", "--set run.seed=x: run.seed: expected a whole number");
  check_set_fails("run.seed=[1", "YAML: flow sequence without a closing bracket");
  check_set_fails("run=5", "run: expected a map of keys, got '5'");
  check_set_fails("network.activation=relu", "goes with network.preset");
  check_set_fails("run.seed.x=1", "run.seed.x: unknown key");
}

/* What is wrong, the text, the line that is named, and words of the message. */
static const struct {
  const char *text;
  int line;
  const char *says;
} broken[] = {
    {"- 1\n- 2\n", 1, "config: expected a map of keys, got a list"},
    {"5\n", 1, "config: expected a map of keys, got '5'"},
    {"run: {seed: 1\ndata: {}\n", 2, "YAML"},
    {"run:\n  seed: 1\n out: x\n", 3, "YAML"},
    {"run: {out: \"x}\n", 1, "YAML"},
    {"run: {seed: 1}\n---\nrun: {}\n", 2, "second document"},
    {"run: &a {seed: 1}\n", 1, "anchors"},
    {"\nrun: {seed: *a}\n", 2, "alias"},
    {"run: !!map {seed: 1}\n", 1, "tags"},
    {"? [a]\n: 1\n", 1, "a key is a list or a map"},
    {"run: {seed: 1}\n\001", 2, "control character"},
    {"\377\376r", 1, "UTF-8"},
    {"\nrun: {seed: 1}\n\nrun: {out: x}\n", 4, "run: stands twice, first in line 2"},
    {"run:\n  seed: 1\n  seed: 2\n", 3, "run.seed: stands twice, first in line 2"},
    {"solvers: {}\n", 1, "solvers: unknown key; did you mean solver?"},
    {"run:\n  sed: 1\n", 2, "run.sed: unknown key; did you mean run.seed?"},
    {"features: 4\n", 1, "features: unknown key; did you mean embedding.features?"},
    {"run: {qwertz: 1}\n", 1, "run.qwertz: unknown key"},
    {"data: {preprocessing: []}\n", 1, "data.preprocessing: unknown key; did you mean data.preprocess?"},
    {"data:\n  train: {file:a.h5}\n", 2, "data.train.file:a.h5: unknown key; a colon takes a space behind it"},
    {"embedding: {features: \"256\"}\n", 1, "got the text '256'; write it without quotes"},
    {"solver: {lambda: ['1e-2']}\n", 1, "got the text '1e-2'; write it without quotes"},
    {"embedding: {features: \"8k\"}\n", 1, "from 1 to 268435456, got '8k'"},
    {"data: {train: {path: x}}\n", 1, "data.train.path: unknown key"},
    {"run: 5\n", 1, "run: expected a map of keys, got '5'"},
    {"run: [seed, 1]\n", 1, "run: expected a map of keys, got a list"},
    {"run: {seed: one}\n", 1, "run.seed: expected a whole number from 0 to 9007199254740991, got 'one'"},
    {"run: {seed: -1}\n", 1, "run.seed"},
    {"run: {seed: 1.5}\n", 1, "run.seed"},
    {"run: {seed: \"1\"}\n", 1, "run.seed"},
    {"run: {seed: 1e300}\n", 1, "run.seed"},
    {"run: {seed: 0x10}\n", 1, "run.seed"},
    {"run: {seed: {}}\n", 1, "run.seed: expected a whole number from 0 to 9007199254740991, got a map"},
    {"run: {precision: half}\n", 1, "run.precision: expected single or double, got 'half'"},
    {"run: {out: [x]}\n", 1, "run.out: expected text, got a list"},
    {"run: {memory_per_rank: lots}\n", 1, "run.memory_per_rank: expected a size"},
    {"run: {memory_per_rank: 4GB}\n", 1, "run.memory_per_rank"},
    {"run: {memory_per_rank: 1KiB}\n", 1, "run.memory_per_rank"},
    {"run: {memory_per_rank: 9e99GiB}\n", 1, "run.memory_per_rank"},
    {"data:\n  train:\n    rows: all\n", 3, "data.train.rows: expected rows a:b with 0 <= a < b, got 'all'"},
    {"data: {train: {rows: 5:5}}\n", 1, "data.train.rows"},
    {"data: {train: {rows: 9:5}}\n", 1, "data.train.rows"},
    {"data: {train: {rows: 1:2:3}}\n", 1, "data.train.rows"},
    {"data: {train: {rows: 0:99999999999999999999}}\n", 1, "data.train.rows"},
    {"data: {task: clustering}\n", 1, "data.task: expected classification or regression, got 'clustering'"},
    {"data: {validation: 0}\n", 1, "data.validation: expected a number above 0 and below 1, got '0'"},
    {"data: {validation: 1}\n", 1, "data.validation"},
    {"data: {validation: -0.1}\n", 1, "data.validation"},
    {"data: {validation: [0.1]}\n", 1, "data.validation"},
    {"data: {preprocess: whiten}\n", 1, "data.preprocess: expected a list, got 'whiten'"},
    {"data: {preprocess: [whiten]}\n", 1, "data.preprocess: expected standardize, layernorm or {zca: r}, got 'whiten'"},
    {"data: {preprocess: [{zca: 0}]}\n", 1, "data.preprocess.zca"},
    {"data: {preprocess: [{pca: 1}]}\n", 1, "unknown key 'pca'"},
    {"data: {preprocess: [zca]}\n", 1, "data.preprocess"},
    {"data: {layout: diagonal}\n", 1, "data.layout"},
    {"data: {augment: {copies: 0}}\n", 1, "data.augment.copies"},
    {"data: {augment: {flip: yes}}\n", 1, "data.augment.flip: expected true or false, got 'yes'"},
    {"data: {class_weights: [1]}\n", 1, "data.class_weights"},
    {"data: {class_weights: [1, -1]}\n", 1, "data.class_weights"},
    {"network: myrtle5\n", 1, "network: expected a list of layers, or {preset: name, activation: name}, got 'myrtle5'"},
    {"network: []\n", 1, "network: expected at least one layer"},
    {"network:\n  - flatten\n  - maxpool: 2\n", 3, "network: unknown layer 'maxpool'; expected dense, conv"},
    {"network:\n  - 5\n", 2, "network: expected a layer"},
    {"network:\n  - flatten\n  - conv2d: {filter: 3}\n", 3, "; did you mean conv?"},
    {"network:\n  - ReLU\n", 2, "got 'ReLU'; did you mean activation: relu?"},
    {"network:\n  - activation: rleu\n", 2,
     "activation 'rleu' is unknown; `nke info --activations` lists them; did you mean relu?"},
    {"network:\n  - activation: leakyrelu\n", 2, "did you mean leaky_relu?"},
    {"network:\n  - {conv: {filter: 3}, flatten: {}}\n", 2, "network: expected a layer"},
    {"network:\n  - conv\n", 2, "network.conv: expected {filter: k}, got nothing"},
    {"network:\n  - conv: {w_std: 1}\n", 2, "network.conv.filter"},
    {"network:\n  - conv: {filter: 0}\n", 2, "network.conv.filter: expected a whole number from 1"},
    {"network:\n  - conv: {filter: [1, 2, 3]}\n", 2, "network.conv.filter"},
    {"network:\n  - conv: {filter: 3, fliter: 3}\n", 2, "unknown key 'fliter'"},
    {"network:\n  - conv: {filter: 3, filter: 3}\n", 2, "'filter' stands twice"},
    {"network:\n  - conv: {filter: 3, padding: mirror}\n", 2, "network.conv.padding: expected same, valid or circular"},
    {"network:\n  - dense: {w_std: -1}\n", 2, "network.dense.w_std"},
    {"network:\n  - dense: {b_std: .inf}\n", 2, "network.dense.b_std"},
    {"network:\n  - dense: 3\n", 2, "network.dense"},
    {"network:\n  - flatten: 2\n", 2, "network.flatten: expected no parameters"},
    {"network:\n  - avgpool\n", 2, "network.avgpool"},
    {"network:\n  - activation: rellu\n", 2, "network.activation"},
    {"network:\n  - activation:\n", 2, "network.activation"},
    {"network:\n  - activation: {relu: {slope: 1}}\n", 2, "slope"},
    {"network:\n  - activation: {erf: {a: 1, a: 2}}\n", 2, "'a' stands twice"},
    {"network:\n  - activation: {erf: {a: x}}\n", 2, "network.activation"},
    {"network:\n  - activation: {formula: \"x+\"}\n", 2, "network.activation"},
    {"network:\n  - activation: formula\n", 2, "network.activation"},
    {"network:\n  - residual: []\n", 2, "network.residual"},
    {"network:\n  - residual: {shortcut: []}\n", 2, "network.residual.branch"},
    {"network:\n  - residual:\n      branch:\n        - dense\n        - pool\n", 5, "network"},
    {"network:\n  preset: myrtle6\n", 2, "network.preset: 'myrtle6' is unknown"},
    {"network: {presets: myrtle5}\n", 1, "did you mean network.preset?"},
    {"network:\n  preset: fc1\n  activation: rellu\n", 3, "network.activation"},
    {"embedding: {kernel: gp}\n", 1, "embedding.kernel: expected nngp or ntk, got 'gp'"},
    {"embedding: {method: magic}\n", 1, "embedding.method"},
    {"embedding: {features: 0}\n", 1, "embedding.features"},
    {"embedding: {features: [64]}\n", 1, "embedding.features"},
    {"embedding: {widths: [8, 0]}\n", 1, "embedding.widths"},
    {"embedding: {degree: 100}\n", 1, "embedding.degree"},
    {"embedding: {symmetrize: [rotate]}\n", 1, "embedding.symmetrize: expected [] or [flip], got 'rotate'"},
    {"embedding: {symmetrize: flip}\n", 1, "embedding.symmetrize"},
    {"solver:\n  type: quantum\n", 2, "solver.type: expected auto, cholesky, eigen, dual, cg or lsqr, got 'quantum'"},
    {"solver: {lambda: []}\n", 1, "solver.lambda: expected a list of 1 to 1024 entries, got 0"},
    {"solver: {lambda: [-1e-3]}\n", 1, "solver.lambda"},
    {"solver: {lambda: [.nan]}\n", 1, "solver.lambda"},
    {"solver: {lambda: [small]}\n", 1, "solver.lambda"},
    {"solver: {lambda: [1e-3, 0.001]}\n", 1, "solver.lambda: expected different values"},
    {"solver:\n  lambda:\n    - 1\n    - x\n", 4, "solver.lambda"},
    {"solver: {select: {kfold: 1}}\n", 1, "solver.select.kfold"},
    {"solver: {select: luck}\n", 1, "solver.select"},
    {"checkpoint: {seconds: -1}\n", 1, "checkpoint.seconds"},
    {"compare: {methods: []}\n", 1, "compare.methods"},
    {"compare: {seeds: [x]}\n", 1, "compare.seeds"},
    {"kernel: {tile: 0}\n", 1, "kernel.tile"},
    {"synth: {n: 0}\n", 1, "synth.n"},
    {"synth: {noise: -1}\n", 1, "synth.noise"},
    {"synth: {hidden: []}\n", 1, "synth.hidden"},
};

static void test_broken(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    nke_config *c = NULL;
    char place[32];
    snprintf(place, sizeof place, "t.yaml:%d: ", broken[i].line);
    const nke_status st = nke_config_parse("t.yaml", broken[i].text, 0, NULL, &c);
    if (st != NKE_ERR_USAGE || c) fail_msg("accepted: %s", broken[i].text);
    if (strncmp(nke_error_text(), place, strlen(place)) != 0 || !strstr(nke_error_text(), broken[i].says))
      fail_msg("%s expected: %s%s\n got: %s", broken[i].text, place, broken[i].says, nke_error_text());
  }
}

static void test_limits(void **state)
{
  (void)state;
  static char text[200000];
  nke_config *c = NULL;
  char *at = text + sprintf(text, "solver: {lambda: [0");
  for (int i = 1; i <= NKE_CONFIG_MAX_LIST; i++) at += sprintf(at, ", %d", i);
  strcpy(at, "]}\n");
  assert_int_equal(nke_config_parse("t.yaml", text, 0, NULL, &c), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "1 to 1024 entries"));
  at = text + sprintf(text, "network:\n");
  for (int i = 0; i <= NKE_CONFIG_MAX_LAYERS; i++) at += sprintf(at, "  - dense\n");
  assert_int_equal(nke_config_parse("t.yaml", text, 0, NULL, &c), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "more than 1000 layers"));
  memset(text, '[', 5000);
  text[5000] = '\0';
  assert_int_equal(nke_config_parse("t.yaml", text, 0, NULL, &c), NKE_ERR_USAGE);
  at = text + sprintf(text, "network: ");
  for (int i = 0; i <= NKE_CONFIG_MAX_NESTING; i++) at += sprintf(at, "[{residual: {branch: ");
  assert_int_equal(nke_config_parse("t.yaml", text, 0, NULL, &c), NKE_ERR_USAGE);
  memset(text, 'k', 3000);
  strcpy(text + 3000, ": 1\n");
  assert_int_equal(nke_config_parse("t.yaml", text, 0, NULL, &c), NKE_ERR_USAGE);
}

/* Cut, doubled and overwritten texts are refused or accepted, but never crash, and leave nothing allocated (asan). */
static void test_damaged_texts(void **state)
{
  (void)state;
  static const char noise[] = "{}[]:,-#&*!|>'\"%@`\n\t 0~?";
  char text[2 * sizeof good];
  uint32_t r = 12345;
  for (int trial = 0; trial < 4000; trial++) {
    strcpy(text, good);
    for (int k = 0; k < 1 + trial % 4; k++) {
      r = r * 1664525u + 1013904223u;
      text[(r >> 8) % (sizeof good - 1)] = noise[(r >> 4) % (sizeof noise - 1)];
    }
    r = r * 1664525u + 1013904223u;
    if (trial % 3 == 0) text[(r >> 8) % (sizeof good - 1)] = '\0';
    nke_config *c = NULL;
    const nke_status st = nke_config_parse("t.yaml", text, 0, NULL, &c);
    assert_true(st == NKE_OK ? c != NULL : st == NKE_ERR_USAGE && c == NULL);
    nke_config_destroy(&c);
  }
}

static void test_failing_allocations(void **state)
{
  (void)state;
  for (int64_t k = 1;; k++) {
    nke_config *c = NULL;
    nke_alloc_fail_at(k);
    const nke_status st = nke_config_parse("t.yaml", good, 0, NULL, &c);
    nke_alloc_fail_at(0);
    nke_config_destroy(&c);
    if (st == NKE_OK) {
      assert_true(k > 100);
      return;
    }
    assert_int_equal(st, NKE_ERR_MEMORY);
  }
}

static void test_hash(void **state)
{
  (void)state;
  const char *const same[] = {"run.out=elsewhere", "run.memory_per_rank=1GiB", "checkpoint.seconds=5"};
  const char *const other[] = {"run.seed=6"};
  uint64_t hash[3];
  nke_config *c[3] = {parse(good, 0, NULL), parse(good, 3, same), parse(good, 1, other)};
  for (int i = 0; i < 3; i++) assert_int_equal(nke_config_hash(c[i], &hash[i]), NKE_OK);
  assert_true(hash[0] == hash[1]);
  assert_true(hash[0] != hash[2]);
  for (int i = 0; i < 3; i++) nke_config_destroy(&c[i]);
}

/* All ranks get what rank 0 reads, or the same refusal. */
static void test_read(void **state)
{
  (void)state;
  nke_config *c = NULL;
  char path[64];
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  long process = (long)getpid();
  MPI_Bcast(&process, 1, MPI_LONG, 0, MPI_COMM_WORLD);
  snprintf(path, sizeof path, "/tmp/nke-test-config-%ld.yaml", process);
  assert_int_equal(nke_config_read(MPI_COMM_WORLD, path, 0, NULL, &c), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), path));
  assert_int_equal(nke_config_read(MPI_COMM_WORLD, "/tmp", 0, NULL, &c), NKE_ERR_USAGE);
  FILE *file = rank == 0 ? fopen(path, "w") : NULL;
  if (file) fprintf(file, "%s", good);
  if (file) fclose(file);
  assert_int_equal(nke_config_read(MPI_COMM_WORLD, path, 0, NULL, &c), NKE_OK);
  assert_int_equal(c->run.seed, 5);
  nke_config_destroy(&c);
  file = rank == 0 ? fopen(path, "w") : NULL;
  for (int i = 0; file && i <= NKE_CONFIG_MAX_BYTES; i++) fputc('#', file);
  if (file) fclose(file);
  assert_int_equal(nke_config_read(MPI_COMM_WORLD, path, 0, NULL, &c), NKE_ERR_USAGE);
  assert_non_null(strstr(nke_error_text(), "at most 1048576 bytes"));
  if (rank == 0) unlink(path);
}

static void test_reference(void **state)
{
  (void)state;
  char *text;
  assert_int_equal(nke_config_reference(&text), NKE_OK);
  assert_non_null(strstr(text, "solver.lambda: [1e-6"));
  assert_non_null(strstr(text, "run.precision: single\n    single or double\n"));
  nke_free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_values),        cmocka_unit_test(test_defaults),
    cmocka_unit_test(test_overrides),  cmocka_unit_test(test_bad_overrides), cmocka_unit_test(test_broken),
    cmocka_unit_test(test_limits),     cmocka_unit_test(test_damaged_texts), cmocka_unit_test(test_failing_allocations),
    cmocka_unit_test(test_hash),       cmocka_unit_test(test_read),          cmocka_unit_test(test_reference),
    cmocka_unit_test(test_features_of_widths),
};

NKE_TEST_MAIN(tests)
