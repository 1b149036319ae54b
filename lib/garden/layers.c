#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NESTED 32u   /* further file systems below the lower root */

static const char *const HIDDEN[] = { "/tmp", "/var/tmp", "/run", "/root", "/home", "/mnt", "/media", "/srv", "/lost+found",
	"/etc/muss", "/var/lib/muss", "/var/spool/muss", "/etc/ssl/private", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-",
	"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key", "/etc/krb5.keytab",
	"/.dockerenv" };
static const char *const TOPS[] = { "/tmp", "/mnt", "/run", "/var" };

struct nested { char *path; int fd; };

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = io_write(fd, text, strlen(text));
	close(fd);
	return rc;
}

/* A mount namespace of our own; without root a user namespace first, in which we are root. */
static int own_mounts(struct err *e)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWNS)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) {
			err_sys(e, "no user namespace can be had");
			e->code = EX_UNAVAILABLE;
			return -1;
		}
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %u 1", uid);
		if (write_text("/proc/self/uid_map", map))
			return err_sys(e, "cannot map the user");
		snprintf(map, sizeof map, "0 %u 1", gid);
		if (write_text("/proc/self/gid_map", map))
			return err_sys(e, "cannot map the group");
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_sys(e, "cannot make the mounts private");
	return 0;
}

static int own_tmpfs(struct layers *l, uint64_t size, struct err *e)
{
	char options[96];
	struct stat st;

	for (size_t i = 0; i < sizeof TOPS / sizeof *TOPS && !l->top; i++)
		if (lstat(TOPS[i], &st) == 0 && S_ISDIR(st.st_mode))
			l->top = buf_strdup(TOPS[i]);
	if (!l->top)
		return err_set(e, EX_UNAVAILABLE, "no folder to mount a world on");
	/* Whoever fills it with empty files meets nr_inodes before the machine's memory. */
	snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=0755", (unsigned long long)size,
		 (unsigned long long)size / 2048 + 20000);
	if (mount(l->device, l->top, "tmpfs", MS_NOSUID | MS_NODEV, options))
		return err_sys(e, "cannot mount a tmpfs");
	/* Root of a user namespace that somebody else made is not root enough for overlays over a whole tree. */
	l->privileged = geteuid() == 0 && setxattr(l->top, "trusted.muss", "y", 1, 0) == 0;
	l->merged = buf_printf("%s/m", l->top);
	if (mkdir(l->merged, 0755))
		return err_sys(e, "cannot make a folder");
	return 0;
}

static void add_hidden(struct layers *l, const char *path)
{
	size_t n = strlen(path);

	l->hidden = buf_realloc(l->hidden, l->hiddens + 1, sizeof *l->hidden);
	l->hidden[l->hiddens] = buf_strdup(path);
	while (n > 1 && l->hidden[l->hiddens][n - 1] == '/')
		l->hidden[l->hiddens][--n] = '\0';
	l->hiddens++;
}

static int learn_hidden(struct layers *l, bool defaults, const json_t *hide, struct err *e)
{
	size_t i;
	json_t *v;

	for (i = 0; defaults && i < sizeof HIDDEN / sizeof *HIDDEN; i++)
		add_hidden(l, HIDDEN[i]);
	json_array_foreach(hide, i, v) {
		struct buf b = { 0 };

		if (!json_is_string(v) || jsonio_tobytes(json_string_value(v), &b) || b.len < 2 || b.p[0] != '/') {
			err_set(e, EX_USAGE, "a path to hide is not absolute: %s", err_qn(b.p, b.len));
			buf_free(&b);
			return -1;
		}
		add_hidden(l, buf_str(&b));
		buf_free(&b);
	}
	return 0;
}

bool layers_hidden(const struct layers *l, const char *path)
{
	for (size_t i = 0; i < l->hiddens; i++) {
		size_t n = strlen(l->hidden[i]);

		if (!strncmp(path, l->hidden[i], n) && (path[n] == '\0' || path[n] == '/'))
			return true;
	}
	return false;
}

struct layer *layers_of(const struct layers *l, const char *path, const char **rel)
{
	struct layer *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct layer *y = &l->layer[i];
		size_t n = strcmp(y->path, "/") ? strlen(y->path) : 0;

		if (strncmp(path, y->path, n) || (path[n] != '/' && path[n] != '\0') || (best && n < longest))
			continue;
		best = y;
		longest = n;
	}
	*rel = best ? path + longest + strspn(path + longest, "/") : path;
	if (**rel == '\0')
		*rel = ".";
	return best;
}

void layers_add(struct layers *l, const char *path, bool overlay, int upper, int lower)
{
	l->layer = buf_realloc(l->layer, l->count + 1, sizeof *l->layer);
	l->layer[l->count++] = (struct layer){ .path = buf_strdup(path), .overlay = overlay, .upper = upper, .lower = lower };
}

char *layers_folder(struct layers *l, const char *kind)
{
	char *path = buf_printf("%s/%s%zu", l->top, kind, l->count);

	if (mkdir(path, 0755) == 0)
		return path;
	free(path);
	return NULL;
}

/* Further disk file systems below the lower root, opened before our tmpfs covers anything. */
static size_t find_nested(struct layers *l, int lower, struct nested *n)
{
	char link[64], path[PATH_MAX], **all;
	ssize_t len;
	size_t count = 0, skip;

	snprintf(link, sizeof link, "/proc/self/fd/%d", lower);
	len = readlink(link, path, sizeof path - 1);
	if (len <= 0)
		return 0;
	path[len] = '\0';
	skip = strcmp(path, "/") ? (size_t)len : 0;
	all = mounts_list(path);
	for (size_t i = 0; all[i]; i++) {
		const char *inside = all[i] + skip;

		if (count < NESTED && !layers_hidden(l, inside) && strncmp(inside, "/dev/", 5) && mounts_disk(all[i])) {
			n[count].fd = open(all[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (n[count].fd >= 0)
				n[count++].path = buf_strdup(inside);
		}
		free(all[i]);
	}
	free(all);
	return count;
}

/* The further tree that a world was asked to show. */
static int show(struct layers *l, const struct nested *n, struct err *e)
{
	char *target = buf_printf("%s%s", l->merged, n->path);
	int rc = mkdir(target, 0755) && errno != EEXIST ? err_sys(e, "cannot make %s in the world", err_q(n->path)) :
		places_overlay(l, n->path, n->fd, false, e);

	free(target);
	return rc;
}

static int build(struct layers *l, bool defaults, struct nested *n, size_t nested, const struct nested *shown, struct err *e)
{
	char *shm;

	if (l->privileged) {
		if (places_overlay(l, "/", l->lower, defaults, e))
			return -1;
		for (size_t i = 0; i < nested; i++) {
			struct err ignored;

			if (places_overlay(l, n[i].path, n[i].fd, defaults, &ignored))
				msg_debug("a world without %s: %s", err_q(n[i].path), ignored.msg);
		}
	} else if (compose_root(l, l->lower, "/", 0, defaults, e)) {
		return -1;
	}
	if (shown->fd >= 0 && show(l, shown, e))
		return -1;
	shm = layers_folder(l, "shm");
	if (!shm || chmod(shm, 01777)) {
		free(shm);
		return err_sys(e, "cannot make a folder");
	}
	layers_add(l, "/dev/shm", false, open(shm, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1);
	free(shm);
	l->root = open(l->merged, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->root < 0 ? err_sys(e, "cannot open the world's root") : 0;
}

/* What was opened before belongs to the old mount namespace, and is no lower layer in ours. Closes old. */
static int open_again(int old, struct err *e)
{
	char link[64], path[PATH_MAX];
	ssize_t len;
	int fd;

	snprintf(link, sizeof link, "/proc/self/fd/%d", old);
	len = readlink(link, path, sizeof path - 1);
	if (len <= 0)
		return err_sys(e, "cannot find a lower folder");
	path[len] = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(old);
	return fd < 0 ? err_sys(e, "cannot open %s", err_q(path)) : fd;
}

int layers_open(struct layers *l, int lower, bool defaults, uint64_t size, const json_t *hide, const char *device, int shown,
                const char *shown_at, struct err *e)
{
	struct nested n[NESTED], show_it = { .path = (char *)(uintptr_t)shown_at, .fd = -1 };
	size_t nested;

	*l = (struct layers){ .root = -1, .lower = lower, .device = device };
	if (learn_hidden(l, defaults, hide, e) || own_mounts(e) || (l->lower = open_again(lower, e)) < 0 ||
	    (shown >= 0 && (show_it.fd = open_again(shown, e)) < 0))
		return -1;
	nested = find_nested(l, l->lower, n);
	if (own_tmpfs(l, size, e) || build(l, defaults, n, nested, &show_it, e)) {
		if (e->code != EX_TEMPFAIL)
			e->code = EX_UNAVAILABLE;
		return -1;
	}
	for (size_t i = 0; i < nested; i++)
		free(n[i].path);
	return 0;
}
