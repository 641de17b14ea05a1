/* The command line, without running anything. */
#include "support/mpi_main.h"

#include "run/cli.h"

#include <string.h>

enum { MOST = 12 };

static nke_status parse(nke_cli *cli, const char *const *words)
{
  static char *argv[MOST + 2];
  int argc = 1;
  argv[0] = (char[]){"nke"};
  for (; words[argc - 1]; argc++) argv[argc] = (char *)(uintptr_t)words[argc - 1];
  return nke_cli_parse(argc, argv, cli);
}

static void test_accepted(void **state)
{
  (void)state;
  nke_cli cli;
  assert_int_equal(parse(&cli, (const char *const[]){"fit", "--set", "a=1", "c.yaml", "--set=b=2", "--dry-run", "--",
                                                     "-v", "--fast", NULL}),
                   NKE_OK);
  assert_int_equal(cli.action, NKE_CLI_RUN);
  assert_string_equal(cli.config_path, "c.yaml");
  assert_int_equal(cli.n_sets, 2);
  assert_string_equal(cli.sets[0], "a=1");
  assert_string_equal(cli.sets[1], "b=2");
  assert_true(cli.invocation.dry_run && !cli.invocation.force);
  assert_int_equal(cli.invocation.petsc_argc, 2);
  assert_string_equal(cli.invocation.petsc_argv[1], "--fast");
  nke_cli_clear(&cli);
  assert_int_equal(
      parse(&cli, (const char *const[]){"predict", "m.h5", "d.h5", "--rows", "5:9", "--out=p.h5", "--force", NULL}),
      NKE_OK);
  assert_null(cli.config_path);
  assert_int_equal(cli.invocation.n_files, 2);
  assert_string_equal(cli.invocation.files[1], "d.h5");
  assert_int_equal(cli.invocation.rows.begin, 5);
  assert_int_equal(cli.invocation.rows.end, 9);
  assert_string_equal(cli.invocation.out, "p.h5");
  nke_cli_clear(&cli);
  assert_int_equal(parse(&cli, (const char *const[]){"predict", "m.h5", "d.h5", "--rows", "5:", NULL}), NKE_OK);
  assert_int_equal(cli.invocation.rows.end, -1);
  nke_cli_clear(&cli);
  assert_int_equal(parse(&cli, (const char *const[]){"info", NULL}), NKE_OK);
  assert_int_equal(cli.invocation.rows.end, -1);
  nke_cli_clear(&cli);
}

static void test_help(void **state)
{
  (void)state;
  nke_cli cli;
  assert_int_equal(parse(&cli, (const char *const[]){"--version", NULL}), NKE_OK);
  assert_int_equal(cli.action, NKE_CLI_VERSION);
  assert_int_equal(parse(&cli, (const char *const[]){"--help", NULL}), NKE_OK);
  assert_int_equal(cli.action, NKE_CLI_HELP);
  assert_int_equal(parse(&cli, (const char *const[]){"fit", "--help", NULL}), NKE_OK); /* needs no config */
  assert_int_equal(cli.action, NKE_CLI_HELP);
  nke_cli_clear(&cli);
}

static void test_refused(void **state)
{
  (void)state;
  static const struct {
    const char *words[MOST], *says;
  } cases[] = {
      {{NULL}, "expected a command"},
      {{"fti", NULL}, "unknown command 'fti'"},
      {{"embedd", NULL}, "did you mean embed"},
      {{"fit", NULL}, "fit: expected CONFIG.yaml, got nothing"},
      {{"fit", "a.yaml", "b.yaml", NULL}, "unexpected argument 'b.yaml'"},
      {{"fit", "a.yaml", "--set", "run.seed=1", "run.out=b", NULL},
       "'run.out=b'; a key=value follows a --set of its own"},
      {{"--dry-run", "fit", "a.yaml", NULL}, "expected a command before '--dry-run'"},
      {{"fit", "a.yaml", "-n", "2", NULL}, "unknown option '-n'; nke fit --help"},
      {{"fit", "a.yaml", "--fast", NULL}, "unknown option '--fast'"},
      {{"fit", "a.yaml", "--dryrun", NULL}, "did you mean --dry-run"},
      {{"fit", "a.yaml", "--set", NULL}, "--set: expected key.path=value, got nothing"},
      {{"fit", "a.yaml", "--force=1", NULL}, "--force: expected no value, got '1'"},
      {{"fit", "a.yaml", "--out", "x", NULL}, "unknown option '--out'"},
      {{"predict", "m.h5", NULL}, "predict: expected MODEL.h5 DATA.h5, got m.h5"},
      {{"predict", "m.h5", "d.h5", "--rows", "9:5", NULL}, "--rows: expected a:b with 0 <= a < b, got '9:5'"},
      {{"predict", "m.h5", "d.h5", "--rows", "-1:5", NULL}, "--rows"},
      {{"predict", "m.h5", "d.h5", "--rows", "5", NULL}, "--rows"},
      {{"predict", "m.h5", "d.h5", "--rows", "1:2x", NULL}, "--rows"},
      {{"fit", "a.yaml", "--dry-run", "--ranks", "0", NULL}, "--ranks: expected a whole number from 1, got '0'"},
      {{"fit", "a.yaml", "--dry-run", "--ranks", "2x", NULL}, "--ranks"},
      {{"fit", "a.yaml", "--dry-run", "--ranks=-2", NULL}, "--ranks"},
      {{"fit", "a.yaml", "--dry-run", "--ranks", "9999999", NULL}, "--ranks: expected at most"},
      {{"fit", "a.yaml", "--ranks", "2", NULL}, "--ranks is for --dry-run"},
      {{"doctor", "x", NULL}, "unexpected argument 'x'; expected none"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nke_cli cli;
    assert_int_equal(parse(&cli, cases[i].words), NKE_ERR_USAGE);
    if (!strstr(nke_error_text(), cases[i].says)) fail_msg("'%s' is not in: %s", cases[i].says, nke_error_text());
    nke_cli_clear(&cli);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_accepted), cmocka_unit_test(test_help),
                                          cmocka_unit_test(test_refused)};

NKE_TEST_MAIN(tests)
