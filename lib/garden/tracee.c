#include "garden/garden-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define UNREADABLE "<unreadable>"
#define ARGUMENTS 64u

size_t tracee_bytes(pid_t tid, uint64_t address, void *p, size_t n)
{
	size_t got = 0;

	/* Page by page: what stands before an unmapped page is still read. */
	while (got < n) {
		uint64_t at = address + got;
		size_t part = 4096 - at % 4096;
		struct iovec local = { (char *)p + got, part < n - got ? part : n - got };
		struct iovec remote = { (void *)(uintptr_t)at, local.iov_len };
		ssize_t r = process_vm_readv(tid, &local, 1, &remote, 1, 0);

		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

bool tracee_write(pid_t tid, uint64_t address, const void *p, size_t n)
{
	struct iovec local = { (void *)(uintptr_t)p, n }, remote = { (void *)(uintptr_t)address, n };

	return process_vm_writev(tid, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

char *tracee_string(pid_t tid, uint64_t address)
{
	char text[PATH_MAX + 1];
	size_t n = 0;

	/* In small steps: most are short, and what follows may be unreadable. */
	while (n < PATH_MAX) {
		size_t step = PATH_MAX - n < 256 ? PATH_MAX - n : 256, got = tracee_bytes(tid, address + n, text + n, step);

		if (memchr(text + n, '\0', got))
			return buf_strdup(text);
		n += got;
		if (got < step)
			return buf_strdup(UNREADABLE);
	}
	text[n] = '\0';
	return buf_strdup(text);
}

char *tracee_link(pid_t tid, const char *name)
{
	char path[64], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/%s", tid, name);
	n = readlink(path, target, sizeof target - 1);
	if (n <= 0)
		return NULL;
	target[n] = '\0';
	return buf_strdup(target);
}

char *tracee_fd(pid_t tid, int fd)
{
	char name[32];

	snprintf(name, sizeof name, "fd/%d", fd);
	return tracee_link(tid, name);
}

void tracee_ids(pid_t tid, pid_t *tgid, pid_t *ppid)
{
	char path[64];
	const char *p;
	struct buf b = { 0 };

	*tgid = tid;
	*ppid = 0;
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	if (io_slurp_at(AT_FDCWD, path, 65536, &b) > 0) {
		p = strstr(buf_str(&b), "\nTgid:");
		if (p)
			*tgid = (pid_t)strtol(p + 6, NULL, 10);
		p = strstr(buf_str(&b), "\nPPid:");
		if (p)
			*ppid = (pid_t)strtol(p + 6, NULL, 10);
	}
	buf_free(&b);
}

/* A path's folder with its links resolved, as our root is the tracee's root; the last name stays as it is. */
static char *canonical(pid_t tgid, const char *path)
{
	char own[64], target[PATH_MAX], *folder, *whole = NULL;
	const char *slash = strrchr(path, '/');
	ssize_t n;
	int fd;

	if (!strncmp(path, "/proc/self", 10) && (path[10] == '/' || path[10] == '\0'))
		return buf_printf("/proc/%d%s", tgid, path + 10);
	if (!slash || !strcmp(slash, "/..") || !strcmp(slash, "/.") || slash[1] == '\0')
		return buf_strdup(path);
	folder = slash == path ? buf_strdup("/") : buf_printf("%.*s", (int)(slash - path), path);
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return buf_strdup(path);
	snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
	n = readlink(own, target, sizeof target - 1);
	if (n > 0) {
		target[n] = '\0';
		whole = buf_printf("%s%s", strcmp(target, "/") ? target : "", slash);
	}
	close(fd);
	return whole ? whole : buf_strdup(path);
}

char *tracee_path(const struct task *t, int dirfd, uint64_t address)
{
	char *name = tracee_string(t->tid, address), *base, *joined, *whole;

	if (!strcmp(name, UNREADABLE))
		return name;
	if (name[0] == '/') {
		joined = name;
	} else {
		base = dirfd == AT_FDCWD ? tracee_link(t->tid, "cwd") : tracee_fd(t->tid, dirfd);
		joined = *name == '\0' ? buf_strdup(base ? base : "?") : buf_printf("%s/%s", base ? strcmp(base, "/") ? base : "" : "?", name);
		free(base);
		free(name);
	}
	whole = canonical(t->tgid, joined);
	free(joined);
	return whole;
}

/* ---- sockets ---- */

int tracee_copy(pid_t tgid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tgid, 0), copy = -1;

	if (pidfd >= 0)
		copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	io_close(&pidfd);
	return copy;
}

static const char *protocol_of(int sock)
{
	int domain = 0, type = 0, protocol = 0;
	socklen_t n = sizeof(int);

	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &n) || getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &n) ||
	    getsockopt(sock, SOL_SOCKET, SO_PROTOCOL, &protocol, &n))
		return "unknown";
	if (domain == AF_UNIX)
		return "unix";
	if (domain == AF_NETLINK)
		return "netlink";
	if (domain == AF_PACKET)
		return "packet";
	if (domain != AF_INET && domain != AF_INET6)
		return "unknown";
	if (type == SOCK_RAW)
		return "raw";
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return "icmp";
	return type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "unknown";
}

static void describe(json_t *o, const struct sockaddr_storage *a, size_t len)
{
	char text[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	const struct sockaddr_un *un = (const void *)a;

	if (a->ss_family == AF_INET && len >= sizeof *v4) {
		json_object_set_new(o, "address", json_string(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text)));
		json_object_set_new(o, "port", json_integer(ntohs(v4->sin_port)));
	} else if (a->ss_family == AF_INET6 && len >= 24) {
		json_object_set_new(o, "address", json_string(inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text)));
		json_object_set_new(o, "port", json_integer(ntohs(v6->sin6_port)));
	} else if (a->ss_family == AF_UNIX && len > sizeof(sa_family_t)) {
		size_t n = len - sizeof(sa_family_t);
		struct buf b = { 0 };

		/* The abstract kind begins with a NUL; it is written with an @, as ss does. */
		if (un->sun_path[0] == '\0') {
			buf_addc(&b, '@');
			buf_add(&b, un->sun_path + 1, n - 1);
		} else {
			buf_add(&b, un->sun_path, strnlen(un->sun_path, n));
		}
		json_object_set_new(o, "address", jsonio_bytes(b.p, b.len));
		buf_free(&b);
	}
}

json_t *tracee_address(const struct task *t, int fd, uint64_t address, uint64_t len)
{
	struct sockaddr_storage a = { 0 };
	json_t *o = json_object();
	size_t n = len < sizeof a ? (size_t)len : sizeof a;
	int sock = tracee_copy(t->tgid, fd);

	json_object_set_new(o, "protocol", json_string(sock >= 0 ? protocol_of(sock) : "unknown"));
	io_close(&sock);
	if (n > 0 && tracee_bytes(t->tid, address, &a, n) == n)
		describe(o, &a, n);
	else
		json_object_set_new(o, "address", json_string(UNREADABLE));
	return o;
}

int tracee_port(const struct task *t, int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof a;
	int sock = tracee_copy(t->tgid, fd), port = 0;

	if (sock >= 0 && getsockname(sock, (struct sockaddr *)&a, &n) == 0)
		port = a.ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port) :
			a.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)(const void *)&a)->sin6_port) : 0;
	io_close(&sock);
	return port;
}

json_t *tracee_socket(const struct task *t, int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof a;
	json_t *o = json_object();
	int sock = tracee_copy(t->tgid, fd);

	json_object_set_new(o, "protocol", json_string(sock >= 0 ? protocol_of(sock) : "unknown"));
	if (sock >= 0 && getsockname(sock, (struct sockaddr *)&a, &n) == 0)
		describe(o, &a, n);
	io_close(&sock);
	return o;
}

/* ---- programs ---- */

json_t *tracee_argv(pid_t pid)
{
	char path[64];
	struct buf b = { 0 };
	json_t *list = json_array();

	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	if (io_slurp_at(AT_FDCWD, path, 128 * KIB, &b) > 0) {
		for (size_t at = 0; at < b.len && json_array_size(list) < ARGUMENTS; ) {
			size_t n = strnlen((char *)b.p + at, b.len - at);

			json_array_append_new(list, jsonio_bytes(b.p + at, n < 4096 ? n : 4096));
			at += n + 1;
		}
	}
	buf_free(&b);
	return list;
}

bool tracee_digest(pid_t pid, char hex[DIGEST_HEX])
{
	/* The same few programs are exec'd over and over; a file's ctime can't be set back. */
	static struct { dev_t dev; ino_t ino; struct timespec ctime; off_t size; char hex[DIGEST_HEX]; } known[64];
	static unsigned next;
	char path[64];
	struct stat st;
	struct err ignored;
	int fd;
	bool good;

	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		io_close(&fd);
		return false;
	}
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].hex[0] && known[i].dev == st.st_dev && known[i].ino == st.st_ino && known[i].size == st.st_size &&
		    !memcmp(&known[i].ctime, &st.st_ctim, sizeof st.st_ctim)) {
			memcpy(hex, known[i].hex, DIGEST_HEX);
			close(fd);
			return true;
		}
	}
	good = digest_fd(fd, 256 * MIB, hex, NULL, &ignored) == 0;
	if (good) {
		known[next].dev = st.st_dev;
		known[next].ino = st.st_ino;
		known[next].size = st.st_size;
		known[next].ctime = st.st_ctim;
		memcpy(known[next].hex, hex, DIGEST_HEX);
		next = (next + 1) % (sizeof known / sizeof *known);
	}
	close(fd);
	return good;
}
