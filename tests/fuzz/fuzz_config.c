/* A config's text. What is accepted prints to a text that parses to the same config. */
#include "fuzz.h"

#include "base/memory.h"
#include "run/config.h"

#include <string.h>

static void check_round_trip(const nke_config *config)
{
  nke_config *again = NULL;
  char *text = NULL, *text_again = NULL;
  FUZZ_CHECK(nke_config_print(config, &text) == NKE_OK);
  FUZZ_CHECK(nke_config_parse("printed", text, 0, NULL, &again) == NKE_OK);
  FUZZ_CHECK(nke_config_print(again, &text_again) == NKE_OK);
  FUZZ_CHECK(strcmp(text, text_again) == 0);
  nke_config_destroy(&again);
  nke_free(text_again);
  nke_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  nke_config *config = NULL;
  char *text = fuzz_text(data, size);
  if (nke_config_parse("input", text, 0, NULL, &config) == NKE_OK) check_round_trip(config);
  nke_config_destroy(&config);
  free(text);
  return 0;
}
