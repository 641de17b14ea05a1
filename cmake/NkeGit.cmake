# Run at every build (cmake -DSOURCE=... -DOUTPUT=... -P): a C file with the commit, rewritten only when it changes.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit MATCHES "^[-.A-Za-z0-9_/]+$")
  set(commit unknown)
endif()
set(text "#include \"run/version.h\"\n\nconst char *nke_git(void) { return \"${commit}\"; }\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${OUTPUT} "${text}")
endif()
