/* Drives a fuzz target without libFuzzer: replays files and folders of inputs, then runs random changes of them.
 *
 * usage: TARGET [-runs=N] [-seed=S] [-max_len=BYTES] PATH...
 * The input that a crash, failed check or hang is found with is written to ./crash-input. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_INPUTS = 4096, SECONDS = 20 };

typedef struct input {
  uint8_t *at;
  size_t size;
} input;

static input inputs[MAX_INPUTS], now;
static int n_inputs;
static uint64_t state = 1;

/* splitmix64 [Steele, Lea, Flood 2014]. */
static uint64_t draw(uint64_t below)
{
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return (z ^ z >> 31) % below;
}

static void keep_input(int number)
{
  const int fd = open("crash-input", O_CREAT | O_TRUNC | O_WRONLY, 0666);
  static const char text[] = "fuzz: the input is in ./crash-input\n";
  if (fd >= 0 && write(fd, now.at, now.size) >= 0 && write(2, text, sizeof text - 1) > 0) close(fd);
  signal(number, SIG_DFL);
  raise(number);
}

static void run(const uint8_t *data, size_t size)
{
  now = (input){.size = size};
  now.at = malloc(size + !size); /* exactly as long, so that the sanitizer sees a read past it */
  if (!now.at) abort();
  if (size > 0) memcpy(now.at, data, size);
  alarm(SECONDS);
  LLVMFuzzerTestOneInput(now.at, size);
  alarm(0);
  free(now.at);
}

static void load(const char *path)
{
  struct stat info;
  DIR *list = opendir(path);
  for (struct dirent *entry; list && (entry = readdir(list)) != NULL;) {
    char below[4096];
    snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    if (entry->d_name[0] != '.') load(below);
  }
  if (list) closedir(list);
  FILE *file = list || stat(path, &info) != 0 || !S_ISREG(info.st_mode) ? NULL : fopen(path, "rb");
  if (!file || n_inputs == MAX_INPUTS) return;
  input *in = &inputs[n_inputs++];
  in->size = (size_t)info.st_size;
  in->at = malloc(in->size + 1);
  if (!in->at || (in->size > 0 && fread(in->at, in->size, 1, file) != 1)) abort();
  fclose(file);
}

/* One random change in place of a buffer of `room` bytes; returns the new size. */
static size_t change(uint8_t *at, size_t size, size_t room)
{
  static const uint8_t telling[] = "\0\xff\x7f\x80 \n,:[]{}()\"'-+.0123456789eEnx#/=";
  const size_t where = draw(size + 1);
  const input *other = &inputs[draw((uint64_t)n_inputs)];
  size_t length = draw(8) ? draw(8) + 1 : draw(64) + 1;
  switch (draw(6)) {
    case 0:
      if (where < size) at[where] ^= (uint8_t)(1 << draw(8));
      return size;
    case 1:
      if (where < size) at[where] = telling[draw(sizeof telling - 1)];
      return size;
    case 2: /* remove */
      length = length < size - where ? length : size - where;
      memmove(at + where, at + where + length, size - where - length);
      return size - length;
    case 3: /* cut */
      return draw(8) ? size : where;
    case 4: /* repeat */
      length = length < size - where ? length : size - where;
      length = length < room - size ? length : room - size;
      memmove(at + where + length, at + where, size - where);
      return size + length;
    default: /* a piece of another input */
      if (other->size == 0) return size;
      length = length < room - where ? length : room - where;
      const size_t from = draw(other->size);
      length = length < other->size - from ? length : other->size - from;
      memcpy(at + where, other->at + from, length);
      return where + length > size ? where + length : size;
  }
}

static void run_changed(uint8_t *buffer, size_t room)
{
  const input *in = &inputs[draw((uint64_t)n_inputs)];
  size_t size = in->size < room ? in->size : room;
  memcpy(buffer, in->at, size);
  for (uint64_t k = draw(6) + 1; k > 0; k--) size = change(buffer, size, room);
  run(buffer, size);
}

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc, (void)argv;
  return 0;
}

int main(int argc, char **argv)
{
  long runs = 0;
  size_t room = 4096;
  static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
  LLVMFuzzerInitialize(&argc, &argv);
  for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) signal(deadly[i], keep_input);
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "-runs=", 6) == 0) runs = atol(argv[i] + 6);
    else if (strncmp(argv[i], "-seed=", 6) == 0) state = (uint64_t)atol(argv[i] + 6);
    else if (strncmp(argv[i], "-max_len=", 9) == 0) room = (size_t)atol(argv[i] + 9);
    else if (argv[i][0] != '-') load(argv[i]);
  }
  if (n_inputs == 0) {
    fprintf(stderr, "fuzz: no inputs\n");
    return 2;
  }
  for (int i = 0; i < n_inputs; i++) run(inputs[i].at, inputs[i].size);
  uint8_t *buffer = malloc(room);
  if (!buffer) abort();
  for (long i = 0; i < runs; i++) run_changed(buffer, room);
  printf("replayed %d inputs, ran %ld changed ones\n", n_inputs, runs);
  for (int i = 0; i < n_inputs; i++) free(inputs[i].at);
  free(buffer);
  return 0;
}
