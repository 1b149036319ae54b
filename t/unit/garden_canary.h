/*
 * What stands outside of a world for the escape suite: files, listeners, shared objects, a process. All is removed again. One
 * program includes it.
 */
#ifndef GARDEN_CANARY_H
#define GARDEN_CANARY_H

#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY 0x4d555353
#define SECRET "not for samples\n"

static struct {
	char folder[80], name[40], pid[16], port[16];
	int tcp, udp, file_socket, abstract, fifo, process, semaphore, queue;
	mqd_t mq;
	struct stat full, null, file;
} out = { .tcp = -1, .udp = -1, .file_socket = -1, .abstract = -1, .fifo = -1 };

static char *in_folder(const char *name)
{
	return buf_printf("%s/%s", out.folder, name);
}

static void make(const char *name, mode_t mode, const char *text)
{
	char *path = in_folder(name);
	int fd = -1;

	if (S_ISDIR(mode))
		mkdir(path, mode & 07777);
	else if (S_ISREG(mode) || !mode)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	else if (mknod(path, mode, makedev(1, 3)))
		printf("# no %s\n", path);
	if (fd >= 0 && io_write(fd, text, strlen(text)))
		printf("# cannot write %s\n", path);
	io_close(&fd);
	chmod(path, mode & 07777);
	free(path);
}

static int unix_listener(const void *name, size_t n)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, name, n);
	if (bind(s, (void *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) || listen(s, 4))
		printf("# a socket: %s\n", strerror(errno));
	return s;
}

static void listeners(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof a;
	char abstract[70] = "", *path = in_folder("shown/socket");

	out.tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	out.udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(out.tcp, (void *)&a, sizeof a) || listen(out.tcp, 4) || getsockname(out.tcp, (void *)&a, &n) || bind(out.udp, (void *)&a, sizeof a))
		printf("# a listener: %s\n", strerror(errno));
	snprintf(out.port, sizeof out.port, "%d", ntohs(a.sin_port));
	out.file_socket = unix_listener(path, strlen(path));
	chmod(path, 0666);
	free(path);
	snprintf(abstract + 1, sizeof abstract - 1, "%s", out.name);
	out.abstract = unix_listener(abstract, 1 + strlen(out.name));
}

static void shared_objects(void)
{
	char name[70];
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	int fd;

	out.semaphore = semget(KEY, 1, IPC_CREAT | 0666);
	out.queue = msgget(KEY, IPC_CREAT | 0666);
	snprintf(name, sizeof name, "/%s", out.name);
	out.mq = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666, &a);
	fd = shm_open(name, O_RDWR | O_CREAT, 0666);
	if (fd >= 0 && io_write(fd, SECRET, strlen(SECRET)))
		printf("# shared memory: %s\n", strerror(errno));
	io_close(&fd);
}

static bool canaries(void)
{
	char *path;

	snprintf(out.name, sizeof out.name, "muss-escape-%d", (int)getpid());
	/* What stands in /var/lib is in every world. */
	snprintf(out.folder, sizeof out.folder, "%s/%s", geteuid() == 0 ? "/var/lib" : "/tmp", out.name);
	if (mkdir(out.folder, 0755))
		return false;
	make("shown", S_IFDIR | 0755, NULL);
	make("hidden", S_IFDIR | 0755, NULL);
	make("hidden/secret", S_IFREG | 0666, SECRET);
	make("shown/file", S_IFREG | 0666, SECRET);
	make("shown/fifo", S_IFIFO | 0666, NULL);
	if (geteuid() == 0)
		make("shown/null", S_IFCHR | 0666, NULL);
	path = in_folder("shown/fifo");
	out.fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	free(path);
	listeners();
	shared_objects();
	out.process = fork();
	if (out.process == 0)
		for (;;)
			pause();
	snprintf(out.pid, sizeof out.pid, "%d", out.process);
	path = in_folder("shown/file");
	stat(path, &out.file);
	free(path);
	stat("/dev/full", &out.full);
	stat("/dev/null", &out.null);
	return out.process > 0;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_ino == b->st_ino &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool says(const char *name)
{
	char *path = in_folder(name);
	struct buf b = { 0 };
	bool good = io_slurp_at(AT_FDCWD, path, 4096, &b) > 0 && !strcmp(buf_str(&b), SECRET);

	buf_free(&b);
	free(path);
	return good;
}

/* NULL: all is as it was; or what is not. */
static const char *touched(void)
{
	char byte, *path = in_folder("shown/file");
	struct stat st, full, null;
	bool moved = stat(path, &st) || !same(&st, &out.file);

	free(path);
	if (moved || !says("shown/file") || !says("hidden/secret"))
		return "a file";
	if (accept(out.tcp, NULL, NULL) >= 0 || accept(out.file_socket, NULL, NULL) >= 0 || accept(out.abstract, NULL, NULL) >= 0)
		return "a listener";
	if (recv(out.udp, &byte, 1, 0) >= 0 || read(out.fifo, &byte, 1) > 0)
		return "a datagram or a pipe";
	if ((kill(out.process, 0) && errno == ESRCH) || waitpid(out.process, NULL, WNOHANG) > 0)
		return "a process";
	if (stat("/dev/full", &full) || !same(&full, &out.full) || stat("/dev/null", &null) || !same(&null, &out.null))
		return "a device file";
	return NULL;
}

static void canaries_end(void)
{
	char name[70];
	struct err e;
	int *fds[] = { &out.tcp, &out.udp, &out.file_socket, &out.abstract, &out.fifo };

	snprintf(name, sizeof name, "/%s", out.name);
	shm_unlink(name);
	mq_close(out.mq);
	mq_unlink(name);
	semctl(out.semaphore, 0, IPC_RMID);
	msgctl(out.queue, IPC_RMID, NULL);
	kill(out.process, SIGKILL);
	waitpid(out.process, NULL, 0);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		io_close(fds[i]);
	io_rmtree(AT_FDCWD, out.folder, &e);
}

#endif
