#include "fuzz.h"

#include <dirent.h>
#include <mpi.h>
#include <string.h>
#include <unistd.h>

char *fuzz_text(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1);
  if (!text) abort();
  if (size > 0) memcpy(text, data, size);
  text[size] = '\0';
  return text;
}

static char folder[64], path[256];
static pid_t owner;

static void remove_folder(void)
{
  DIR *list = getpid() == owner ? opendir(folder) : NULL;
  if (!list) return;
  for (struct dirent *entry; (entry = readdir(list)) != NULL;)
    if (entry->d_name[0] != '.') unlink(fuzz_path(entry->d_name));
  closedir(list);
  rmdir(folder);
}

/* Of the leak checker, where there is one: what MPI keeps is not of interest. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

void fuzz_start(void)
{
  if (__lsan_disable) __lsan_disable();
  MPI_Init(NULL, NULL);
  if (__lsan_enable) __lsan_enable();
  snprintf(folder, sizeof folder, "%s/nke-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  if (!mkdtemp(folder)) abort();
  owner = getpid();
  atexit(remove_folder);
}

const char *fuzz_path(const char *name)
{
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
  FILE *file = fopen(fuzz_path(name), "wb");
  if (!file || (size > 0 && fwrite(data, size, 1, file) != 1) || fclose(file) != 0) abort();
  return path;
}
