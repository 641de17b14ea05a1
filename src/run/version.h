/* What was built, and by what. All local. */
#ifndef NKE_RUN_VERSION_H
#define NKE_RUN_VERSION_H

const char *nke_version(void);   /* "0.1.0" */
const char *nke_git(void);       /* commit, "-dirty" where files were changed; "unknown" outside git */
const char *nke_compiler(void);  /* name, version and build type */
const char *nke_libraries(void); /* names and versions built against */

#endif
