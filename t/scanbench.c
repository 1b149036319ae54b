/*
 * What bench-scan.sh measures with: mscan's own reading and hashing of files, and the latency of a small server.
 * usage: scanbench hash FOLDER      bytes, and seconds of processor that mscan and that bare OpenSSL take for so many, of the second
 *                                   of two rounds
 *        scanbench latency SECONDS  microseconds in which 99 of 100 answers came, over loopback, a request a millisecond
 */
#include "host/internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct hashed { uint64_t bytes; double ours, theirs; };   /* seconds of processor */

/* OpenSSL over as many bytes that stand in the first cache, as `openssl speed` does it. */
static double bare(EVP_MD_CTX *ctx, const EVP_MD *md, uint64_t size)
{
	static unsigned char block[16384];
	unsigned char sum[EVP_MAX_MD_SIZE];
	double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
	unsigned n;

	EVP_DigestInit_ex(ctx, md, NULL);
	for (; size > sizeof(block); size -= sizeof(block))
		EVP_DigestUpdate(ctx, block, sizeof(block));
	EVP_DigestUpdate(ctx, block, size);
	EVP_DigestFinal_ex(ctx, sum, &n);
	return seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
}

/* File by file, so that both meet the same clock rate and the same neighbours. */
static struct hashed hash_folder(struct host *h, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	struct hashed sum = { 0 };
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char sha256[DIGEST_HEX];
	struct stat st;
	uint64_t size;
	int fd;

	while (dir && (d = readdir(dir))) {
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
			double before = seconds(CLOCK_PROCESS_CPUTIME_ID);

			if (!reading_digest(h, fd, &st, sha256, &size)) {
				sum.ours += seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
				sum.theirs += bare(ctx, md, size);
				sum.bytes += size;
			}
		}
		io_close(&fd);
	}
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	if (dir)
		closedir(dir);
	return sum;
}

static int hash(const char *folder)
{
	struct err e;
	struct judge *j = judge_load(NULL, &e);
	struct host *h = j ? host_open("/", j, &e) : NULL;
	struct hashed n;

	if (!h)
		return msg_fail(&e);
	hash_folder(h, folder);
	n = hash_folder(h, folder);
	printf("%llu %.4f %.4f\n", (unsigned long long)n.bytes, n.ours, n.theirs);
	host_close(h);
	judge_free(j);
	return 0;
}

static void serve(int listener, int client)
{
	int fd, one = 1;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(client);
	fd = accept(listener, NULL, NULL);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (read(fd, &byte, 1) == 1)
		if (write(fd, &byte, 1) != 1)
			break;
	_exit(0);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int latency(double how_long)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	const struct timespec pause = { .tv_nsec = 1000000 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	double end = seconds(CLOCK_MONOTONIC) + how_long, *took = buf_alloc(200000 * sizeof(*took)), begin;
	size_t n = 0;
	char byte = 'x';
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0
	    || getsockname(listener, (struct sockaddr *)&at, &length) < 0)
		return EX_OSERR;
	pid = fork();
	if (!pid)
		serve(listener, fd);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return EX_OSERR;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (seconds(CLOCK_MONOTONIC) < end && n < 200000) {
		nanosleep(&pause, NULL);
		begin = seconds(CLOCK_MONOTONIC);
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return EX_OSERR;
		took[n++] = (seconds(CLOCK_MONOTONIC) - begin) * 1e6;
	}
	close(fd);
	waitpid(pid, NULL, 0);
	qsort(took, n, sizeof(*took), by_size);
	printf("%.1f\n", n ? took[n * 99 / 100] : 0);
	free(took);
	return 0;
}

int main(int argc, char **argv)
{
	msg_init("scanbench");
	if (argc == 3 && !strcmp(argv[1], "hash"))
		return hash(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "latency"))
		return latency(strtod(argv[2], NULL));
	return EX_USAGE;
}
