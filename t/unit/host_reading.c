#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/internal.h"

#define SIZE (3 * MIB + 12345)    /* a window, and a part of one */
#define ROUNDS 200

static char *body;

static int make_file(size_t size)
{
	char path[] = "reading.XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	OK(fd >= 0 && !io_write(fd, body, size), "a file");
	return fd;
}

/* Mapped or not, of whatever size: the digest is that of the bytes. */
static void sums(struct host *h)
{
	static const size_t sizes[] = { 0, 1, 4095, 65535, 65536, 65537, 2 * MIB, 2 * MIB + 1, 2 * MIB + 65536, SIZE };
	char want[DIGEST_HEX], have[DIGEST_HEX];
	uint64_t size;
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int fd = make_file(sizes[i]);

		digest_bytes(body, sizes[i], want);
		OK(!fstat(fd, &st) && !reading_digest(h, fd, &st, have, &size) && size == sizes[i] && !strcmp(have, want), "the sum");
		close(fd);
	}
}

/* It grew or shrank since it was looked at: then its bytes of now count. */
static void other_size(struct host *h)
{
	char want[DIGEST_HEX], have[DIGEST_HEX];
	int fd = make_file(MIB);
	uint64_t size;
	struct stat st;

	OK(!fstat(fd, &st) && !ftruncate(fd, 100000), "cut");
	digest_bytes(body, 100000, want);
	OK(!reading_digest(h, fd, &st, have, &size) && size == 100000 && !strcmp(have, want), "the sum of what is left");
	OK(!fstat(fd, &st) && pwrite(fd, body + 100000, 100000, 100000) == 100000, "grown");
	digest_bytes(body, 200000, want);
	OK(!reading_digest(h, fd, &st, have, &size) && size == 200000 && !strcmp(have, want), "the sum of all");
	close(fd);
}

/* Somebody cuts the file and fills it again, all the time: the scan neither crashes nor takes zeros for its bytes. */
static void cut_meanwhile(struct host *h)
{
	char have[DIGEST_HEX];
	int fd = make_file(SIZE), i, done = 0;
	pid_t parent = getpid(), other = fork();
	uint64_t size;
	struct stat st;

	if (!other) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent) {
			struct timespec pause = { .tv_nsec = 700000 };

			if (ftruncate(fd, 4096) < 0 || nanosleep(&pause, NULL) < 0 || pwrite(fd, body, SIZE, 0) < 0 || nanosleep(&pause, NULL) < 0)
				break;
		}
		_exit(0);
	}
	for (i = 0; i < ROUNDS; i++)
		if (!fstat(fd, &st)) {
			reading_digest(h, fd, &st, have, &size);
			done++;
		}
	OK(done == ROUNDS, "all read");
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	close(fd);
}

int main(void)
{
	struct host *h = buf_alloc(sizeof(*h));
	size_t i;

	body = buf_alloc(SIZE);
	for (i = 0; i < SIZE; i++)
		body[i] = (char)(i * 2654435761u >> 13);
	h->unseen = json_array();
	sums(h);
	other_size(h);
	cut_meanwhile(h);
	json_decref(h->unseen);
	free(body);
	free(h);
	return unit_end();
}
