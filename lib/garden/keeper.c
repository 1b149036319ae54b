#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLES 16u

struct keeper {
	int sock;
	struct layers layers;
	struct nodes base;
	pid_t table[TABLES];
};

static int reply(struct keeper *k, json_t *o, int fd, const char *name, struct err *e)
{
	return message_send(k->sock, o, (struct message_fd[]){ { name ? name : "none", fd }, { NULL, -1 } }, e);
}

/* ---- files of the world ---- */

static int in_root(int root, const char *path, int flags, unsigned mode)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd;

	for (int i = 0; i < 100; i++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

/* /dev is made for each run; only /dev/shm is ours. */
static int root_of(const struct keeper *k, const char *path, const char **rel)
{
	const struct layer *y;

	if (strncmp(path, "/dev/shm/", 9)) {
		*rel = path;
		return k->layers.root;
	}
	y = layers_of(&k->layers, path, rel);
	return y->upper;
}

/* The folder that a path's last name stands in, made where it is missing. */
static int make_parent(int root, const char *path, struct err *e)
{
	int at = in_root(root, "/", O_RDONLY | O_DIRECTORY, 0), next;
	char *whole = buf_strdup(path), *p = whole + strspn(whole, "/"), *slash;

	for (; at >= 0 && (slash = strchr(p, '/')); p = slash + 1 + strspn(slash + 1, "/")) {
		*slash = '\0';
		next = in_root(root, whole, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0 && errno == ENOENT && mkdirat(at, p, 0755) == 0)
			next = in_root(root, whole, O_RDONLY | O_DIRECTORY, 0);
		close(at);
		at = next;
		if (at < 0)
			err_sys(e, "cannot make %s in the world", err_q(whole));
		*slash = '/';
	}
	free(whole);
	return at;
}

static int put(struct keeper *k, const char *path, unsigned mode, int src, bool append, struct err *e)
{
	const char *name, *rel;
	int root = root_of(k, path, &rel), dir, fd;
	struct stat st;

	name = strrchr(path, '/') + 1;
	if (*name == '\0' || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(e, EX_USAGE, "not a file's path: %s", err_q(path));
	dir = make_parent(root, rel, e);
	if (dir < 0)
		return e->code ? -1 : err_sys(e, "cannot open the world");
	if (append) {
		fd = in_root(root, rel, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, mode);
	} else {
		if (unlinkat(dir, name, 0) && errno == EISDIR)
			unlinkat(dir, name, AT_REMOVEDIR);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	close(dir);
	if (fd < 0)
		return err_sys(e, "cannot write %s in the world", err_q(path));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, EX_DATAERR, "not a regular file in the world: %s", err_q(path));
	}
	lseek(src, 0, SEEK_SET);
	if (io_copy(src, fd, CAP_BODY, NULL, e)) {
		close(fd);
		return err_wrap(e, "cannot write %s in the world", err_q(path));
	}
	if (!append && fchmod(fd, mode & 07777)) {
		close(fd);
		return err_sys(e, "cannot set the mode of %s", err_q(path));
	}
	close(fd);
	return 0;
}

static int regular(int fd, const char *path, struct err *e)
{
	char link[64];
	struct stat st;
	int in = -1;

	if (fd < 0)
		return err_sys(e, "cannot open %s in the world", err_q(path));
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		in = open(link, O_RDONLY | O_CLOEXEC);
	else
		errno = 0;
	if (in < 0)
		errno ? err_sys(e, "cannot open %s in the world", err_q(path)) :
			err_set(e, EX_DATAERR, "not a regular file in the world: %s", err_q(path));
	close(fd);
	return in;
}

static int open_file(struct keeper *k, const char *path, struct err *e)
{
	const char *rel;
	int root = root_of(k, path, &rel);

	return regular(in_root(root, rel, O_PATH | O_NOFOLLOW, 0), path, e);
}

static int open_lower(struct keeper *k, const char *path, struct err *e)
{
	const char *rel;
	struct layer *y = layers_of(&k->layers, path, &rel), *first = k->layers.layer;
	struct node n;
	int fd;

	if (!y || !first)
		return err_set(e, EX_SOFTWARE, "a world without layers");
	if (y->lower < 0 && first->lower < 0 && !layers_hidden(&k->layers, path)) {
		/* A copied folder of an unprivileged world. */
		rel = path + strspn(path, "/");
		fd = nodes_open(k->layers.lower, rel, O_PATH);
		return regular(fd, path, e);
	}
	if (y->lower < 0 || layers_hidden(&k->layers, path) || !nodes_look(y->lower, rel, false, &n))
		return err_set(e, EX_NOINPUT, "%s is not in the lower root", err_q(path));
	nodes_drop(&n);
	return regular(nodes_open(y->lower, rel, O_PATH), path, e);
}

/* ---- process tables ---- */

static int copy_map(const char *name, pid_t pid)
{
	char own[64], other[64];
	struct buf b = { 0 }, map = { 0 };
	int fd, rc;

	snprintf(own, sizeof own, "/proc/self/%s", name);
	snprintf(other, sizeof other, "/proc/%d/%s", pid, name);
	if (io_slurp_at(AT_FDCWD, own, 65536, &b) <= 0)
		return -1;
	for (char *p = (char *)b.p, *end; p && *p; p = end + (*end == '\n')) {
		unsigned long inside = strtoul(p, &end, 10), count;

		strtoul(end, &end, 10);   /* what it is outside of ours */
		count = strtoul(end, &end, 10);
		if (count == 0)
			break;
		buf_addf(&map, "%lu %lu %lu\n", inside, inside, count);
	}
	fd = open(other, O_WRONLY | O_CLOEXEC);
	/* A map is written with one call or not at all. */
	rc = fd >= 0 && write(fd, map.p, map.len) == (ssize_t)map.len ? 0 : -1;
	io_close(&fd);
	buf_free(&b);
	buf_free(&map);
	return rc;
}

/* Waits for the new init's word that it has a user namespace, and fills the maps of that. */
static int give_maps(int sync, pid_t pid, struct err *e)
{
	struct pollfd p = { .fd = sync, .events = POLLIN };
	char c;

	if (poll(&p, 1, GARDEN_REPLY_MS) != 1 || read(sync, &c, 1) != 1)
		return 0;   /* it has failed before and says why itself */
	if (copy_map("uid_map", pid) || copy_map("gid_map", pid))
		return err_sys(e, "cannot map users for a run");
	return io_write(sync, "m", 1);
}

static void end_table(struct keeper *k, pid_t pid)
{
	for (unsigned i = 0; i < TABLES; i++) {
		if (pid <= 0 || k->table[i] != pid)
			continue;
		kill(pid, SIGKILL);
		/* The kernel lets an init go once nothing is left of its namespace. */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		k->table[i] = 0;
	}
}

static int new_table(struct keeper *k, int sock, struct err *e)
{
	unsigned i = 0;
	int sync[2];
	pid_t pid;

	while (i < TABLES && k->table[i])
		i++;
	if (i == TABLES)
		return err_set(e, EX_TEMPFAIL, "too many runs in one world");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync))
		return err_sys(e, "cannot make a socket");
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		struct err why = { 0 };
		int niceness = getpriority(PRIO_PROCESS, 0);

		/* The warden goes before whom it watches, where that may be asked for: it must get to end a fork bomb. */
		setpriority(PRIO_PROCESS, 0, niceness - 10);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(k->sock);
		close(sync[0]);
		if (cage_enter(&k->layers, sync[1], &why)) {
			message_fail(sock, &why);
			_exit(1);
		}
		close(sync[1]);
		warden_main(sock, niceness);
	}
	close(sync[1]);
	if (pid < 0) {
		close(sync[0]);
		err_sys(e, "no process namespace can be had");
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	k->table[i] = pid;
	if (give_maps(sync[0], pid, e)) {
		close(sync[0]);
		end_table(k, pid);
		return -1;
	}
	close(sync[0]);
	return (int)pid;
}

/* ---- requests ---- */

static int open_world(struct keeper *k, struct message *m, struct err *e)
{
	int lower = message_take(m, "lower");
	json_int_t size = jsonio_int(m->body, "size", 0);

	if (lower < 0 || size <= 0)
		return err_set(e, EX_SOFTWARE, "a world without a lower root");
	if (layers_open(&k->layers, lower, jsonio_bool(m->body, "defaults", true), (uint64_t)size,
			json_object_get(m->body, "hide"), e))
		return -1;
	if (nodes_walk(&k->layers, &k->base, e))
		return -1;
	for (size_t i = 0; i < k->base.count; i++)
		nodes_digest(&k->layers, &k->base.node[i]);
	return reply(k, json_pack("{s:b}", "privileged", k->layers.privileged), -1, NULL, e);
}

static int answer_file(struct keeper *k, struct message *m, const char *what, const char *path, struct err *e)
{
	int fd = -1, src = message_take(m, "src"), rc = -1;
	unsigned mode = (unsigned)jsonio_int(m->body, "mode", 0);

	if (path[0] != '/')
		err_set(e, EX_USAGE, "a path in a world must be absolute: %s", err_q(path));
	else if (!strcmp(what, "put") || !strcmp(what, "append"))
		rc = src < 0 ? err_set(e, EX_SOFTWARE, "nothing to put") : put(k, path, mode, src, *what == 'a', e);
	else
		rc = fd = *what == 'f' ? open_file(k, path, e) : open_lower(k, path, e);
	if (rc >= 0)
		rc = reply(k, json_object(), fd, "file", e);
	io_close(&src);
	io_close(&fd);
	return rc;
}

static int answer(struct keeper *k, struct message *m, struct err *e)
{
	const char *what = jsonio_str(m->body, "do"), *path = jsonio_str(m->body, "path");
	struct buf b = { 0 };
	json_t *o;
	int rc;

	if (!what)
		return err_set(e, EX_SOFTWARE, "an empty request");
	if (!strcmp(what, "changes")) {
		o = changes_list(&k->layers, &k->base, e);
		return o ? reply(k, json_pack("{s:o}", "changes", o), -1, NULL, e) : -1;
	}
	if (!strcmp(what, "table")) {
		int sock = message_take(m, "sock");

		rc = sock < 0 ? err_set(e, EX_SOFTWARE, "a run without a socket") : new_table(k, sock, e);
		io_close(&sock);
		return rc < 0 ? -1 : reply(k, json_pack("{s:i}", "table", rc), -1, NULL, e);
	}
	if (!strcmp(what, "end")) {
		end_table(k, (pid_t)jsonio_int(m->body, "table", 0));
		return reply(k, json_object(), -1, NULL, e);
	}
	if (!path || jsonio_tobytes(path, &b)) {
		buf_free(&b);
		return err_set(e, EX_SOFTWARE, "a request that is not known: %s", err_q(what));
	}
	rc = answer_file(k, m, what, buf_str(&b), e);
	buf_free(&b);
	return rc;
}

int keeper_main(int argc, char **argv)
{
	struct keeper k = { 0 };
	struct message m;
	struct err e = { 0 };
	bool open = false;
	int r;

	if (argc != 2 || (k.sock = (int)strtol(argv[1], NULL, 10)) < 3 || fcntl(k.sock, F_SETFD, FD_CLOEXEC)) {
		fprintf(stderr, "helper-garden: started by muss's tools, never by hand\n");
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(0);
	while ((r = message_receive(k.sock, -1, &m, &e)) == 1) {
		err_clear(&e);
		if ((open ? answer(&k, &m, &e) : open_world(&k, &m, &e)))
			r = message_fail(k.sock, &e);
		else
			open = true;
		message_free(&m);
		/* Entering a user namespace forgets who is to take us along; who died meanwhile has closed the socket. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 0);
		if (r < 0 || !open)
			break;
	}
	for (unsigned i = 0; i < TABLES; i++)
		end_table(&k, k.table[i]);
	_exit(0);
}
