/* Makes makeflow see the results of -T mesos at once.  Loaded into makeflow only (LD_PRELOAD), by the launcher.
 *
 * makeflow opens mesos_task_state for each wait of up to 5 s, reads lines to the end of the file, and sleeps 1 s
 * between tries; but a stream of glibc that has met the end of its file stays there, so what is appended during a
 * wait is seen only by the next.  Here, for that file only:
 *   fopen   remembers the stream, and steps over the lines that earlier waits have read whole (see below);
 *   fgets, getline   clear the end-of-file first, so that they read on;
 *   ftell   counts from where the stream began for makeflow, which takes differences of it for lengths of lines;
 *   sleep   while the stream is open, ends as soon as the file has grown (inotify, or else polling);
 *   time    just after such a sleep that a signal or the end of a LOCAL rule's process cut short, returns a
 *           late time, so that the wait ends: makeflow looks at signals and LOCAL rules only between waits;
 *   access  creates the file when it is missing, since makeflow would wait for it deaf to every signal;
 *   vsnprintf   ends a variable that makeflow logs for us (makeflow_debug.py) with a mark, for spaces at its end.
 *
 * Stepping over: within one wait makeflow takes the first line whose id it has not yet taken and returns at once;
 * lines before it are of ids taken before.  So when the stream is closed, every line that was read whole has been
 * taken, and no later wait wants it.  A half line is not stepped over, and a file that was replaced, cut or
 * rewritten (it differs in inode, size, or the bytes before the mark) is read from its start.
 *
 * And MPI_Init, MPI_Comm_rank, MPI_Comm_size and MPI_Finalize answer as for a process alone, without MPI: a makeflow
 * built with MPI (Debian's) starts it whatever its batch type is, which takes time (docs/performance.md, Start-up) and a
 * daemon of Open MPI, leaves folders in /tmp, and fails where openmpi-bin is not installed.
 *
 * Outside makeflow (another name, or MFMESOS_PRELOADED not set) nothing is changed.  The constructor takes LD_PRELOAD's first entry
 * and MFMESOS_PRELOADED out of the environment, so that rules do not inherit them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#undef fgets
#undef vsnprintf
#undef getline

#define STATE_FILE "mesos_task_state"
#define SLICE_MS 50
#define TAIL 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int active;
static FILE *stream;       /* of the present wait, or NULL */
static off_t begun_at;     /* where the stream begins for makeflow */
static off_t read_to;      /* the end of the last complete line read from it */
static int half;           /* whether the line being read is incomplete */
static int hurry;          /* the wait is to end: for the one call of time() that follows sleep() */
static pid_t reported;     /* the last ended child that cut a wait short: each child does so once */
static off_t taken_to;     /* lines before here were taken by earlier waits */
static dev_t device;
static ino_t inode;
static char tail[TAIL];    /* the bytes before taken_to */
static size_t tail_length;

static FILE *(*real_fopen)(const char *, const char *);
static FILE *(*real_fopen64)(const char *, const char *);
static int (*real_fclose)(FILE *);
static char *(*real_fgets)(char *, int, FILE *);
static char *(*real_fgets_chk)(char *, size_t, int, FILE *);
static ssize_t (*real_getdelim)(char **, size_t *, int, FILE *);
static unsigned (*real_sleep)(unsigned);
static int (*real_access)(const char *, int);
static int (*real_vsnprintf)(char *, size_t, const char *, va_list);
static int (*real_vsnprintf_chk)(char *, size_t, int, size_t, const char *, va_list);
static time_t (*real_time)(time_t *);
static long (*real_ftell)(FILE *);
static off_t (*real_ftello)(FILE *);
static int (*real_mpi_init)(int *, char ***);
static int (*real_mpi_rank)(void *, int *);
static int (*real_mpi_size)(void *, int *);
static int (*real_mpi_finalize)(void);

static void find(void)
{
	*(void **) &real_fopen = dlsym(RTLD_NEXT, "fopen");
	*(void **) &real_fopen64 = dlsym(RTLD_NEXT, "fopen64");
	*(void **) &real_fclose = dlsym(RTLD_NEXT, "fclose");
	*(void **) &real_fgets = dlsym(RTLD_NEXT, "fgets");
	*(void **) &real_fgets_chk = dlsym(RTLD_NEXT, "__fgets_chk");
	*(void **) &real_getdelim = dlsym(RTLD_NEXT, "getdelim");
	*(void **) &real_sleep = dlsym(RTLD_NEXT, "sleep");
	*(void **) &real_access = dlsym(RTLD_NEXT, "access");
	*(void **) &real_vsnprintf = dlsym(RTLD_NEXT, "vsnprintf");
	*(void **) &real_vsnprintf_chk = dlsym(RTLD_NEXT, "__vsnprintf_chk");
	*(void **) &real_time = dlsym(RTLD_NEXT, "time");
	*(void **) &real_ftell = dlsym(RTLD_NEXT, "ftell");
	*(void **) &real_ftello = dlsym(RTLD_NEXT, "ftello");
	*(void **) &real_mpi_init = dlsym(RTLD_NEXT, "MPI_Init");
	*(void **) &real_mpi_rank = dlsym(RTLD_NEXT, "MPI_Comm_rank");
	*(void **) &real_mpi_size = dlsym(RTLD_NEXT, "MPI_Comm_size");
	*(void **) &real_mpi_finalize = dlsym(RTLD_NEXT, "MPI_Finalize");
}

static pthread_once_t found = PTHREAD_ONCE_INIT;
#define FIND() pthread_once(&found, find)

__attribute__((constructor)) static void begin(void)
{
	const char *mark = getenv("MFMESOS_PRELOADED");
	const char *list = getenv("LD_PRELOAD");

	FIND();
	if (!mark || strcmp(program_invocation_short_name, "makeflow") != 0)
		return;
	active = 1;
	int fd = atoi(mark);
	if (fd > 2)
		close(fd);
	unsetenv("MFMESOS_PRELOADED");
	if (!list)
		return;
	const char *rest = strpbrk(list, ": ");
	if (rest && rest[1]) {
		char *copy = strdup(rest + 1);
		if (copy)
			setenv("LD_PRELOAD", copy, 1);
		free(copy);
	} else {
		unsetenv("LD_PRELOAD");
	}
}

/* Whether the marked lines still stand at the start of this file. */
static int same_start(int fd)
{
	struct stat now;
	char seen[TAIL];

	if (taken_to == 0 || fstat(fd, &now) != 0)
		return 0;
	if (now.st_dev != device || now.st_ino != inode || now.st_size < taken_to)
		return 0;
	return pread(fd, seen, tail_length, taken_to - (off_t) tail_length) == (ssize_t) tail_length
		&& memcmp(seen, tail, tail_length) == 0;
}

static FILE *opened(FILE *f, const char *name, const char *mode)
{
	if (!active || !f || mode[0] != 'r' || mode[1] == '+' || strcmp(name, STATE_FILE) != 0)
		return f;
	pthread_mutex_lock(&lock);
	if (!stream) {
		stream = f;
		half = 0;
		if (!same_start(fileno(f)) || fseeko(f, taken_to, SEEK_SET) != 0) {
			rewind(f);
			taken_to = 0;
		}
		begun_at = read_to = taken_to;
	}
	pthread_mutex_unlock(&lock);
	return f;
}

FILE *fopen(const char *name, const char *mode)
{
	FIND();
	return opened(real_fopen(name, mode), name, mode);
}

FILE *fopen64(const char *name, const char *mode)
{
	FIND();
	return opened(real_fopen64(name, mode), name, mode);
}

/* The wait is over: what was read whole has been taken. */
static void mark(FILE *f)
{
	struct stat now;
	int fd = fileno(f);
	size_t length = read_to < TAIL ? (size_t) read_to : TAIL;

	if (read_to <= 0 || fstat(fd, &now) != 0 || now.st_size < read_to
	    || pread(fd, tail, length, read_to - (off_t) length) != (ssize_t) length || tail[length - 1] != '\n') {
		taken_to = 0;
		return;
	}
	device = now.st_dev;
	inode = now.st_ino;
	tail_length = length;
	taken_to = read_to;
}

int fclose(FILE *f)
{
	FIND();
	if (active && f) {
		pthread_mutex_lock(&lock);
		if (f == stream) {
			mark(f);
			stream = NULL;
			hurry = 0;
		}
		pthread_mutex_unlock(&lock);
	}
	return real_fclose(f);
}

static int ours(FILE *f)
{
	return active && f && f == stream;
}

static void note_line(const char *text, size_t length)
{
	hurry = 0;
	if (half && read_to < 0)
		return;
	read_to += (off_t) length;
	half = length == 0 || text[length - 1] != '\n';
	if (half)
		read_to = -1; /* makeflow took half a line: never step over anything because of it */
}

char *fgets(char *buffer, int size, FILE *f)
{
	FIND();
	if (!ours(f))
		return real_fgets(buffer, size, f);
	clearerr(f);
	char *line = real_fgets(buffer, size, f);
	if (line)
		note_line(line, strlen(line));
	return line;
}

char *__fgets_chk(char *buffer, size_t room, int size, FILE *f)
{
	FIND();
	if (!ours(f))
		return real_fgets_chk(buffer, room, size, f);
	clearerr(f);
	char *line = real_fgets_chk(buffer, room, size, f);
	if (line)
		note_line(line, strlen(line));
	return line;
}

static ssize_t read_delimited(char **line, size_t *room, int delimiter, FILE *f)
{
	FIND();
	if (!ours(f))
		return real_getdelim(line, room, delimiter, f);
	clearerr(f);
	ssize_t length = real_getdelim(line, room, delimiter, f);
	if (length > 0)
		note_line(*line, (size_t) length);
	return length;
}

ssize_t getline(char **line, size_t *room, FILE *f)
{
	return read_delimited(line, room, '\n', f);
}

ssize_t __getdelim(char **line, size_t *room, int delimiter, FILE *f)
{
	return read_delimited(line, room, delimiter, f);
}

ssize_t getdelim(char **line, size_t *room, int delimiter, FILE *f)
{
	return read_delimited(line, room, delimiter, f);
}

long ftell(FILE *f)
{
	FIND();
	long position = real_ftell(f);
	return ours(f) && position >= begun_at ? position - (long) begun_at : position;
}

static long left_ms(const struct timespec *end)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
}

time_t time(time_t *where)
{
	FIND();
	time_t now = real_time(NULL);
	if (hurry && stream) {
		hurry = 0;
		now += 3600;
	}
	if (where)
		*where = now;
	return now;
}

/* Whether another child has ended since the last call; makeflow itself collects it. */
static int child_ended(void)
{
	siginfo_t info;

	info.si_pid = 0;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 || info.si_pid == reported)
		return 0;
	reported = info.si_pid;
	return 1;
}

unsigned sleep(unsigned seconds)
{
	FIND();
	if (!active || !stream)
		return real_sleep(seconds);

	static int watch = -2; /* an inotify descriptor; -1: inotify is unavailable */
	static int watched = -1;
	struct stat status;
	struct timespec end;
	off_t position = real_ftello(stream);

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	if (watch == -2)
		watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch >= 0) {
		char name[64];
		snprintf(name, sizeof name, "/proc/self/fd/%d", fileno(stream));
		int now_watched = inotify_add_watch(watch, name, IN_MODIFY);
		if (now_watched != watched && watched >= 0 && now_watched >= 0)
			inotify_rm_watch(watch, watched);
		watched = now_watched;
	}
	for (;;) {
		char events[1024];
		while (watch >= 0 && read(watch, events, sizeof events) > 0)
			;
		if (position >= 0 && fstat(fileno(stream), &status) == 0 && status.st_size > position)
			return 0;
		if (child_ended()) {
			hurry = 1;
			return 0;
		}
		long left = left_ms(&end);
		if (left <= 0)
			return 0;
		/* Slices: inotify does not report changes made over a network. */
		int slice = watch >= 0 && watched >= 0 ? 2 * SLICE_MS : SLICE_MS;
		struct pollfd item = {.fd = watch, .events = POLLIN, .revents = 0};
		if (poll(&item, watch >= 0 ? 1 : 0, left < slice ? (int) left : slice) < 0 && errno == EINTR) {
			hurry = 1;
			left = left_ms(&end);
			return left > 0 ? (unsigned) (left + 999) / 1000 : 0;
		}
	}
}

int access(const char *name, int mode)
{
	FIND();
	int result = real_access(name, mode);
	if (active && result != 0 && errno == ENOENT && strcmp(name, STATE_FILE) == 0) {
		int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd >= 0) {
			close(fd);
			return real_access(name, mode);
		}
		errno = ENOENT;
	}
	return result;
}

/* What makeflow logs of a variable of a task loses the spaces at its end. */
static const char *marked(const char *format)
{
	return active && strcmp(format, "export %s=%s") == 0 ? "export %s=%s\x1e" : format;
}

int vsnprintf(char *buffer, size_t room, const char *format, va_list values)
{
	FIND();
	return real_vsnprintf(buffer, room, marked(format), values);
}

int __vsnprintf_chk(char *buffer, size_t room, int flag, size_t length, const char *format, va_list values)
{
	FIND();
	return real_vsnprintf_chk(buffer, room, flag, length, marked(format), values);
}

/* What MPI.h declares; a communicator is a pointer or an int, and both are passed in the same way. */
int MPI_Init(int *argc, char ***argv)
{
	FIND();
	return active ? 0 : real_mpi_init(argc, argv);
}

static int alone(int (*real)(void *, int *), int answer, void *communicator, int *where)
{
	if (!active)
		return real(communicator, where);
	*where = answer;
	return 0;
}

int MPI_Comm_rank(void *communicator, int *rank)
{
	FIND();
	return alone(real_mpi_rank, 0, communicator, rank);
}

int MPI_Comm_size(void *communicator, int *size)
{
	FIND();
	return alone(real_mpi_size, 1, communicator, size);
}

int MPI_Finalize(void)
{
	FIND();
	return active ? 0 : real_mpi_finalize();
}
