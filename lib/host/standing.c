/* Who accounts for a process: a terminal, a login, a service manager's unit; or nobody. And whether it runs where data belongs. */
#include "host/internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CAP_ANCESTORS 64u    /* of one session */

static bool ends(const char *p, size_t n, const char *with)
{
	size_t k = strlen(with);

	return n >= k && !memcmp(p + n - k, with, k);
}

static bool begins(const char *p, size_t n, const char *with)
{
	size_t k = strlen(with);

	return n >= k && !memcmp(p, with, k);
}

/* The unit nearest to the process counts: of "user@1000.service/app.slice/app-x.scope" that is the last. */
static bool unit_accounts(const char *path, size_t n)
{
	bool accounts = false;
	const char *part = path, *end = path + n;
	size_t k;

	for (; part < end; part += k + 1) {
		const char *slash = memchr(part, '/', (size_t)(end - part));

		k = slash ? (size_t)(slash - part) : (size_t)(end - part);
		if (ends(part, k, ".service"))
			accounts = !begins(part, k, "user@");
		else if (ends(part, k, ".scope"))
			/* a login's scope stays for as long as anything in it does, the login itself does not */
			accounts = !begins(part, k, "session-") && !begins(part, k, "init.scope");
	}
	return accounts;
}

bool standing_accounted(const char *groups)
{
	const char *line = groups, *path, *end;

	for (; *line; line = *end ? end + 1 : end) {
		end = line + strcspn(line, "\n");
		/* the one hierarchy, or the service manager's own among the old ones: "0::/x", "1:name=systemd:/x" */
		path = begins(line, (size_t)(end - line), "0::") ? line + 3 : memmem(line, (size_t)(end - line), ":name=systemd:", 14);
		if (path && *path == ':')
			path += 14;
		if (path && path < end && unit_accounts(path, (size_t)(end - path)))
			return true;
	}
	return false;
}

static bool look_up(const struct host *h, pid_t pid, struct proc *p)
{
	struct buf text = { 0 };
	char name[32];
	bool is;

	snprintf(name, sizeof(name), "%d/stat", (int)pid);
	memset(p, 0, sizeof(*p));
	is = io_slurp_at(h->proc, name, CAP_SLURP, &text) > 0 && !proc_parse_stat(buf_str(&text), p);
	buf_free(&text);
	return is;
}

/* Does init, or a user's own service manager, to which orphans go as well, look after the topmost process of its session? */
static bool orphaned(const struct host *h, const struct proc *p)
{
	struct proc above, at = { .ppid = p->ppid, .session = p->session };
	unsigned i;

	for (i = 0; i < CAP_ANCESTORS && at.ppid > 1; i++) {
		if (!look_up(h, at.ppid, &above))
			return false;
		if (above.session != at.session)
			return !strcmp(above.comm, "systemd");
		at = above;
	}
	/* 0: its parent is in another table of processes, as when somebody entered this one */
	return at.ppid == 1;
}

static bool detached(const struct host *h, const struct proc *p)
{
	struct buf groups = { 0 };
	bool accounted;

	if (p->pid == 1 || p->terminal || p->other_pidns || !orphaned(h, p))
		return false;
	accounted = io_slurp_at(p->dir, "cgroup", CAP_SLURP, &groups) > 0 && standing_accounted(buf_str(&groups));
	buf_free(&groups);
	return !accounted;
}

bool standing_data(const char *path)
{
	/* what file-hierarchy(7) and the FHS keep for data, settings, and what comes and goes */
	static const char *const places[] = {
		"/var/", "/etc/", "/srv/", "/media/", "/mnt/", "/boot/", "/usr/share/", "/usr/include/", "/usr/src/", "/usr/local/share/",
		"/usr/local/etc/", "/usr/local/include/", "/usr/local/src/", "/usr/lib/firmware/", "/usr/lib/locale/", "/usr/lib/modules/",
		"/lib/firmware/", "/lib/modules/",
	};
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (!strncmp(path, places[i], strlen(places[i])))
			return true;
	return false;
}

void standing_look(struct host *h, const struct proc *p, struct piece *main)
{
	const char *path = main->path_count ? roots_inner(p->root, main->path[0]) : "";

	if (detached(h, p))
		piece_sign(h, main, "detached", "process %d (%s) has no terminal, its session %d was left to process 1, and no unit accounts for it",
		           (int)p->pid, p->comm, (int)p->session);
	if (standing_data(path) && (piece_signed(main, "unowned") || !h->dpkg))
		piece_sign(h, main, "data-place", "process %d (%s) runs %s, which stands where data belongs", (int)p->pid, p->comm, path);
}
