// A zygote starts libvips, has it load everything that a first picture loads, and forks
// workers from then on. They share its memory as long as none of them writes to it, and are
// ready in some milliseconds.
//
// A process in which Go's runtime runs can't fork. So a zygote is this program, with
// "zygote" as its only argument, before Go's runtime begins: a constructor, which runs before
// main. In a zygote it never returns. In a worker that a zygote has forked it returns, Go's
// runtime begins, and finds "worker" as the argument.
//
// zygote.go of package worker asks for workers, over the socket that the zygote has as file
// 3. A request is one byte with four files: the worker's socket, input, output and error
// output. The answer is the number of the new process, or a negative error number. After a
// negative answer the zygote ends.
//
// A worker is a child of the zygote's parent (CLONE_PARENT): the pool can wait for it, and
// it lives on when the zygote ends.

#include "forget.h"
#include "zygote.h"

#ifndef __linux__

int tintype_forked(void) { return 0; }

#else

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vips/vips.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

// Files of a worker, as serve.go of package worker has them, after the error output.
enum { ERROR_OUTPUT = 2, SOCKET = 3, FILES = 4 };

static int forked;

int tintype_forked(void) { return forked; }

// A fork takes along the calling thread only. libvips keeps threads for 15 seconds after a
// picture, and would wait for them forever in a worker. So in a zygote these two functions
// of GLib, in which such a thread waits, stand before GLib's own. They end the wait, and with
// it the thread, when all pictures are done.
static volatile enum { USUAL, WARMING, LEAVING } phase; // other threads read it

// The longest wait while phase may change, in microseconds.
#define SLICE 1000

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end) {
  static gboolean (*wait)(GCond *, GMutex *, gint64);
  if (!wait) {
    wait = (gboolean(*)(GCond *, GMutex *, gint64)) dlsym(RTLD_NEXT, "g_cond_wait_until");
  }
  if (phase == USUAL) {
    return wait(cond, mutex, end);
  }
  gint64 soon = g_get_monotonic_time() + SLICE;
  if (soon >= end) {
    return wait(cond, mutex, end);
  }
  // TRUE without a signal is a spurious wakeup, which callers expect.
  return phase == WARMING && (wait(cond, mutex, soon) || phase == WARMING);
}

gpointer g_async_queue_timeout_pop_unlocked(GAsyncQueue *queue, guint64 timeout) {
  static gpointer (*pop)(GAsyncQueue *, guint64);
  if (!pop) {
    pop = (gpointer(*)(GAsyncQueue *, guint64)) dlsym(RTLD_NEXT, "g_async_queue_timeout_pop_unlocked");
  }
  gpointer found = NULL;
  for (; !found && phase == WARMING && timeout > SLICE; timeout -= SLICE) {
    found = pop(queue, SLICE);
  }
  return found || phase == LEAVING ? found : pop(queue, timeout);
}

static int threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) {
    return -1;
  }
  int n = 0;
  for (struct dirent *e; (e = readdir(tasks));) {
    n += e->d_name[0] != '.';
  }
  closedir(tasks);
  return n;
}

// alone waits until the caller is the only thread.
static gboolean alone(void) {
  phase = LEAVING;
  for (int i = 0; i < 3000; i++) {
    if (threads() == 1) {
      phase = USUAL;
      return TRUE;
    }
    g_usleep(SLICE);
  }
  return FALSE;
}

static const char drawing[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"48\">"
    "<text y=\"20\" font-family=\"sans-serif\">Aa</text>"
    "<text y=\"40\" font-family=\"serif\" font-weight=\"bold\">Aa</text></svg>";

// save writes the image into a buffer of this format, or returns NULL where this libvips can't.
static void *save(VipsImage *image, const char *format, size_t *size) {
  void *made = NULL;
  if (vips_image_write_to_buffer(image, format, &made, size, NULL)) {
    vips_error_clear();
    return NULL;
  }
  return made;
}

static VipsImage *load(const void *data, size_t size) { return vips_image_new_from_buffer(data, size, "", NULL); }

// draw draws an SVG with text and takes the steps that load something.
static void draw(void) {
  VipsImage *steps[5] = {load(drawing, sizeof drawing - 1)};
  if (steps[0] && !vips_resize(steps[0], &steps[1], 0.5, NULL) &&
      !vips_smartcrop(steps[1], &steps[2], 20, 20, "interesting", VIPS_INTERESTING_ATTENTION, NULL) &&
      !vips_rot(steps[2], &steps[3], VIPS_ANGLE_D90, NULL) && !vips_gaussblur(steps[3], &steps[4], 1, NULL)) {
    size_t size;
    g_free(save(steps[4], ".jpg", &size));
  }
  for (int i = 0; i < 5; i++) {
    VIPS_UNREF(steps[i]);
  }
  vips_error_clear();
}

static void decode(const void *data, size_t size) {
  VipsImage *image = load(data, size);
  double mean;
  if (!image || vips_avg(image, &mean, NULL)) {
    vips_error_clear();
  }
  VIPS_UNREF(image);
}

// warm does once what first pictures do.
static void warm(void) {
  static const char *formats[] = {".jpg", ".png", ".gif[effort=1]", ".webp[effort=1]", ".avif[effort=1]", ".tif", ".jxl[effort=3]"};
  static unsigned char pixels[64 * 48 * 4];
  for (size_t i = 0; i < sizeof pixels; i++) {
    pixels[i] = (unsigned char) (i * 7);
  }
  draw();
  VipsImage *image = vips_image_new_from_memory(pixels, sizeof pixels, 64, 48, 4, VIPS_FORMAT_UCHAR);
  VipsImage *picture = NULL;
  if (image && !vips_copy(image, &picture, "interpretation", VIPS_INTERPRETATION_sRGB, NULL)) {
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
      size_t size;
      void *made = save(picture, formats[i], &size);
      if (made) {
        decode(made, size);
        g_free(made);
      }
    }
  }
  VIPS_UNREF(picture);
  VIPS_UNREF(image);
  vips_error_clear();
  vips_thread_shutdown();
}

static void ignore(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {}

// start starts libvips as vips.go does.
static gboolean start(void) {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
  setenv("VIPS_BLOCK_UNTRUSTED", "1", 1);
  setenv("VIPS_DISC_THRESHOLD", "1024g", 1);
  phase = WARMING;
  g_log_set_default_handler(ignore, NULL); // the pictures of the warm-up don't matter
  if (vips_init("tintype")) {
    return FALSE;
  }
  vips_concurrency_set(1);
  vips_cache_set_max(0);
  vips_operation_block_set("VipsForeignLoadSvg", FALSE);
  vips_operation_block_set("VipsForeignLoadJxl", FALSE);
  vips_operation_block_set("VipsForeignSaveJxl", FALSE);
  warm();
  g_log_set_default_handler(g_log_default_handler, NULL);
  if (!alone()) {
    return FALSE;
  }
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  tintype_forget(); // a fork maps what it uses itself
  return TRUE;
}

// take receives a request. It returns 0 at the end, and -1 after an error.
static int take(int *files) {
  char byte, space[CMSG_SPACE(FILES * sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  ssize_t n;
  do {
    n = recvmsg(SOCKET, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) {
    return (int) n;
  }
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  if (!rights || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(FILES * sizeof(int))) {
    return -1;
  }
  memcpy(files, CMSG_DATA(rights), FILES * sizeof(int));
  return 1;
}

static gboolean answer(int32_t number) { return send(SOCKET, &number, sizeof number, MSG_NOSIGNAL) == sizeof number; }

// become makes this new process a worker, whose Go runtime hasn't begun.
static void become(int *files, pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent) {
    _exit(1);
  }
  // First beyond the numbers that are wanted, or one could replace another.
  for (int i = 0; i < FILES; i++) {
    int above = fcntl(files[i], F_DUPFD_CLOEXEC, SOCKET + FILES);
    close(files[i]);
    files[i] = above;
  }
  for (int i = 0; i < FILES; i++) {
    int to = i == FILES - 1 ? ERROR_OUTPUT : SOCKET + i;
    if (files[i] < 0 || dup2(files[i], to) < 0) {
      _exit(1);
    }
    close(files[i]);
  }
  // Go takes its first random numbers from here, such as the place of its heap.
  void *seed = (void *) getauxval(AT_RANDOM);
  if (seed && getrandom(seed, 16, 0) != 16) {
    _exit(1);
  }
  forked = 1;
}

__attribute__((constructor)) static void zygote(void) {
  // Before the environment are: the number of arguments, the two arguments, and NULL. Not
  // every libc passes them here.
  if (!environ || environ[-1] || !environ[-2] || strcmp(environ[-2], "zygote") || (intptr_t) environ[-4] != 2) {
    return;
  }
  char *argument = environ[-2];
  pid_t parent = getppid();
  // libc keeps the number of the thread where the kernel clears it at its end. fork would
  // set it anew, but can't have CLONE_PARENT.
  pid_t *own = NULL;
  if (prctl(PR_GET_TID_ADDRESS, &own) || !own || *own != getpid()) {
    own = NULL;
  }
  char program[16] = "";
  prctl(PR_GET_NAME, program);
  prctl(PR_SET_NAME, "zygote");
  gboolean started = start();
  int files[FILES];
  int taken;
  while ((taken = take(files)) > 0) {
    if (!started) {
      answer(-EBUSY);
      _exit(1);
    }
    long flags = CLONE_PARENT | SIGCHLD | (own ? CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID : 0);
#ifdef __x86_64__ // where the last two arguments are the other way round
    long made = syscall(SYS_clone, flags, 0, NULL, own, 0);
#else
    long made = syscall(SYS_clone, flags, 0, NULL, 0, own);
#endif
    if (made == 0) {
      become(files, parent);
      memcpy(argument, "worker", sizeof "worker");
      prctl(PR_SET_NAME, program);
      return;
    }
    int failed = errno;
    for (int i = 0; i < FILES; i++) {
      close(files[i]);
    }
    if (!answer(made > 0 ? (int32_t) made : -failed) || made < 0) {
      _exit(1);
    }
  }
  _exit(taken < 0);
}

#endif
