#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
	struct cgroups groups;
	uint64_t size;
	pid_t table[TABLES];
	struct machine machine;
	char **argv;
	struct cgroup group[TABLES];
};

static int reply(struct keeper *k, json_t *o, int fd, const char *name, struct err *e)
{
	return message_send(k->sock, o, (struct message_fd[]){ { name ? name : "none", fd }, { NULL, -1 } }, e);
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
static int give_maps(const struct keeper *k, int sync, pid_t pid, struct err *e)
{
	struct pollfd p = { .fd = sync, .events = POLLIN };
	char c;

	if (poll(&p, 1, GARDEN_REPLY_MS) != 1 || read(sync, &c, 1) != 1)
		return 0;   /* it has failed before and says why itself */
	if (copy_map("uid_map", pid) || copy_map("gid_map", pid))
		return err_sys(e, "cannot map users for a run");
	guise_time(&k->machine, pid);
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
		cgroup_drop(&k->groups, &k->group[i]);
		k->table[i] = 0;
	}
}

static int new_table(struct keeper *k, int sock, uint64_t memory, unsigned processes, bool *grouped, struct err *e)
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
	/* What it writes into the world is in its account as well. More tasks than the warden allows: the latter says so in time. */
	*grouped = cgroup_make(&k->groups, &k->group[i], memory + k->size, processes * 8 + 128);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		struct err why = { 0 };
		int niceness = getpriority(PRIO_PROCESS, 0);

		/* The warden goes before whom it watches, where that may be asked for: it must get to end a fork bomb. */
		setpriority(PRIO_PROCESS, 0, niceness - 10);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(k->sock);
		close(sync[0]);
		if (k->machine.plan)
			guise_init(k->argv);
		if (cage_enter(&k->layers, &k->machine, sync[1], &why)) {
			message_fail(sock, &why);
			_exit(1);
		}
		close(sync[1]);
		warden_main(sock, niceness, &k->machine, &k->group[i]);
	}
	close(sync[1]);
	cgroup_leave(&k->group[i]);
	if (pid < 0) {
		close(sync[0]);
		cgroup_drop(&k->groups, &k->group[i]);
		err_sys(e, "no process namespace can be had");
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	k->table[i] = pid;
	if (give_maps(k, sync[0], pid, e)) {
		close(sync[0]);
		end_table(k, pid);
		return -1;
	}
	close(sync[0]);
	return (int)pid;
}

/* ---- requests ---- */

/* Files that belong to the world as it is made: a sample finds them there. Where a file that is added to is not, there is no use for it. */
static int lay_files(const struct keeper *k, const json_t *files, struct err *e)
{
	int rc = 0, fd;
	size_t i;
	json_t *o;

	json_array_foreach(files, i, o) {
		const char *path = jsonio_str(o, "path"), *text = jsonio_str(o, "text");
		bool append = jsonio_bool(o, "append", false);
		struct err ignored;
		int there = append && path ? files_open(&k->layers, path, &ignored) : -1;

		if (!path || !text || (append && there < 0))
			continue;
		io_close(&there);
		fd = memfd_create("file", MFD_CLOEXEC);
		rc = fd < 0 || io_write(fd, text, strlen(text)) ? err_sys(e, "cannot make a memory file") :
			files_put(&k->layers, path, 0644, fd, append, e);
		io_close(&fd);
		if (rc)
			break;
	}
	return rc;
}

static int open_world(struct keeper *k, struct message *m, struct err *e)
{
	int lower = message_take(m, "lower"), shown = message_take(m, "shown");
	json_int_t size = jsonio_int(m->body, "size", 0);
	const char *device;

	if (lower < 0 || size <= 0)
		return err_set(e, EX_SOFTWARE, "a world without a lower root");
	k->size = (uint64_t)size;
	cgroups_open(&k->groups);
	k->machine.plan = json_incref(json_object_get(m->body, "machine"));
	k->machine.contents = message_take(m, "contents");
	if (k->machine.plan)
		card_kinds(&k->machine);
	device = k->machine.plan ? jsonio_str(k->machine.plan, "device") : NULL;
	if (layers_open(&k->layers, lower, jsonio_bool(m->body, "defaults", true), (uint64_t)size,
			json_object_get(m->body, "hide"), device ? device : "muss-world", shown, jsonio_str(m->body, "shown_at"), e))
		return -1;
	if (k->machine.plan && furnish_lay(&k->layers, &k->machine, e))
		return -1;
	if (lay_files(k, json_object_get(m->body, "files"), e) || nodes_walk(&k->layers, &k->base, e))
		return -1;
	/* What was laid can be asked for later as well. */
	for (size_t i = 0; i < k->base.count; i++)
		if (!furnish_has(&k->machine, k->base.node[i].path))
			nodes_digest(&k->layers, &k->base.node[i]);
	return reply(k, json_pack("{s:b}", "privileged", k->layers.privileged), -1, NULL, e);
}

/* As the world showed it when it was made: what makes the machine look lived in was there as well. */
static int open_lower(const struct keeper *k, const char *path, struct err *e)
{
	int fd = furnish_open(&k->machine, path);

	return fd >= 0 ? fd : files_open_lower(&k->layers, path, e);
}

static int answer_file(struct keeper *k, struct message *m, const char *what, const char *path, struct err *e)
{
	int fd = -1, src = message_take(m, "src"), rc = -1;
	unsigned mode = (unsigned)jsonio_int(m->body, "mode", 0);

	if (path[0] != '/')
		err_set(e, EX_USAGE, "a path in a world must be absolute: %s", err_q(path));
	else if (!strcmp(what, "put") || !strcmp(what, "append"))
		rc = src < 0 ? err_set(e, EX_SOFTWARE, "nothing to put") : files_put(&k->layers, path, mode, src, *what == 'a', e);
	else
		rc = fd = *what == 'f' ? files_open(&k->layers, path, e) : open_lower(k, path, e);
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
		o = changes_list(&k->layers, &k->base, &k->machine, e);
		return o ? reply(k, json_pack("{s:o}", "changes", o), -1, NULL, e) : -1;
	}
	if (!strcmp(what, "table")) {
		int sock = message_take(m, "sock");

		bool grouped = false;

		rc = sock < 0 ? err_set(e, EX_SOFTWARE, "a run without a socket") :
			new_table(k, sock, (uint64_t)jsonio_int(m->body, "memory", (json_int_t)GIB), (unsigned)jsonio_int(m->body, "processes", 64), &grouped, e);
		io_close(&sock);
		return rc < 0 ? -1 : reply(k, json_pack("{s:i, s:b}", "table", rc, "grouped", grouped), -1, NULL, e);
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
	struct keeper k = { .machine.contents = -1, .argv = argv, .groups = { .life = -1 } };
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
	cgroups_close(&k.groups);
	_exit(0);
}
