#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A root that may not be looked at: nothing is said of what belongs to whom there. */
static struct root unknown = { .number = UINT_MAX, .fd = -1, .prefix = (char[]){ "" } };

/* The host name that its processes have. Our own name space is entered again at once; it is this process's alone. */
static void hostname_there(const struct host *h, const struct proc *p, char *out, size_t size)
{
	struct stat ours, theirs;
	int own = openat(h->proc, "self/ns/uts", O_RDONLY | O_CLOEXEC), fd = openat(p->dir, "ns/uts", O_RDONLY | O_CLOEXEC);

	*out = '\0';
	if (own >= 0 && fd >= 0 && !fstat(own, &ours) && !fstat(fd, &theirs) && ours.st_ino != theirs.st_ino
	    && !setns(fd, CLONE_NEWUTS)) {
		if (gethostname(out, size - 1) < 0)
			*out = '\0';
		out[size - 1] = '\0';
		if (setns(own, CLONE_NEWUTS) < 0)
			msg_debug("cannot return to our own host name");
	}
	io_close(&own);
	io_close(&fd);
}

static bool name_taken(const struct host *h, const struct root *r)
{
	size_t i;

	for (i = 0; i < h->root_count; i++)
		if (h->roots[i] != r && !strcmp(h->roots[i]->name, r->name))
			return true;
	return false;
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(o, key, jsonio_name(text));
}

static void call_it(const struct host *h, struct root *r, const struct proc *p)
{
	struct buf text = { 0 }, ours = { 0 };
	struct container_name c = { 0 };
	char hostname[256];
	size_t n;

	if (io_slurp_at(p->dir, "cgroup", CAP_SLURP, &text) > 0 && io_slurp_at(h->proc, "self/cgroup", CAP_SLURP, &ours) >= 0)
		container_parse(buf_str(&text), buf_str(&ours), &c);
	buf_free(&text);
	buf_free(&ours);
	hostname_there(h, p, hostname, sizeof(hostname));
	if (c.id[0])
		snprintf(r->name, sizeof(r->name), "%.*s", strlen(c.id) >= 32 && !strpbrk(c.id, "ghijklmnopqrstuvwxyz._-") ? 12 : 64, c.id);
	else if (r->prefix[0])
		snprintf(r->name, sizeof(r->name), "chroot %.64s", r->prefix);
	else if (hostname[0])
		snprintf(r->name, sizeof(r->name), "%.64s", hostname);
	else
		snprintf(r->name, sizeof(r->name), "mntns %llu", (unsigned long long)r->mntns);
	n = strlen(r->name);
	if (name_taken(h, r))
		snprintf(r->name + n, sizeof(r->name) - n, " (%llu)", (unsigned long long)r->mntns);
	r->about = json_object();
	set_text(r->about, "name", r->name);
	set_text(r->about, "engine", c.engine);
	set_text(r->about, "id", c.id);
	set_text(r->about, "cgroup", c.cgroup);
	set_text(r->about, "hostname", hostname);
	set_text(r->about, "root", r->prefix);
	json_object_set_new(r->about, "mntns", json_integer((json_int_t)r->mntns));
	json_object_set_new(r->about, "pidns", json_integer((json_int_t)p->pidns));
	json_object_set_new(r->about, "pid", json_integer((json_int_t)p->pid));
}

static struct root *add(struct host *h, const struct proc *p, const struct stat *st, bool view)
{
	char link[PATH_MAX] = "";
	struct root *r;
	int fd;

	if (h->root_count >= CAP_ROOTS) {
		host_missed(h, "there are more than %u different root folders", CAP_ROOTS);
		return &unknown;
	}
	fd = openat(p->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return &unknown;
	r = buf_alloc(sizeof(*r));
	*r = (struct root){ .mntns = p->mntns, .dev = st->st_dev, .ino = st->st_ino, .number = (unsigned)h->root_count + 1,
	                    .fd = fd, .view = view, .known = true };
	if (proc_link(p, "root", link, sizeof(link)) < 0 || !strcmp(link, "/"))
		*link = '\0';
	r->prefix = buf_strdup(view ? "" : link);
	h->roots = buf_realloc(h->roots, h->root_count + 1, sizeof(struct root *));
	h->roots[h->root_count++] = r;
	if (!view)
		call_it(h, r, p);
	return r;
}

struct root *roots_of(struct host *h, const struct proc *p)
{
	struct stat st, ours;
	bool same;
	size_t i;

	if (fstatat(p->dir, "root/", &st, 0) < 0 || fstat(h->root, &ours) < 0)
		return p->foreign ? &unknown : NULL;
	same = st.st_dev == ours.st_dev && st.st_ino == ours.st_ino;
	if (same && !p->foreign)
		return NULL;
	for (i = 0; i < h->root_count; i++)
		if (h->roots[i]->mntns == p->mntns && h->roots[i]->dev == st.st_dev && h->roots[i]->ino == st.st_ino)
			return h->roots[i];
	return add(h, p, &st, same);
}

/* A layered file system can have two numbers for one file. */
static bool same_bytes(struct host *h, const char *path, const struct piece *piece)
{
	char sha256[DIGEST_HEX];
	struct stat st;
	int fd = rooted_regular(h->root, path, &st);
	bool same = fd >= 0 && !reading_digest(h, fd, &st, sha256, NULL) && !strcmp(sha256, piece->sha256);

	io_close(&fd);
	return same;
}

struct root *roots_owner(struct host *h, const struct proc *p, const char *path, const struct stat *st, const struct piece *piece)
{
	struct stat now;

	if (!p->root)
		return NULL;
	if (!fstatat(h->root, path, &now, 0) && S_ISREG(now.st_mode)) {
		/* what stands in a chroot's folder has a path in ours as well */
		if (now.st_dev == st->st_dev && now.st_ino == st->st_ino)
			return roots_inner(p->root, path) != path ? p->root : NULL;
		if (p->root->view && now.st_size == st->st_size && same_bytes(h, path, piece))
			return NULL;
	}
	return p->root;
}

const char *roots_inner(const struct root *r, const char *path)
{
	size_t n = r ? strlen(r->prefix) : 0;

	return n && !strncmp(path, r->prefix, n) && path[n] == '/' ? path + n : path;
}

struct dpkg *roots_dpkg(struct host *h, struct root *r)
{
	if (!r || r->view)
		return h->dpkg;
	if (r->known && !r->asked) {
		r->asked = true;
		r->dpkg = dpkg_open(r->fd);
	}
	return r->dpkg;
}

int roots_startup(struct host *h, struct err *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < h->root_count; i++) {
		h->at = h->roots[i];
		if (!h->at->view)
			rc = startup_scan_root(h, h->at->fd, h->at->name, e);
	}
	h->at = NULL;
	return rc;
}

json_t *roots_about(const struct host *h)
{
	json_t *list = NULL;
	size_t i;

	for (i = 0; i < h->root_count; i++) {
		struct root *r = h->roots[i];

		if (!r->about)
			continue;
		json_object_set_new(r->about, "packages", json_boolean(r->dpkg != NULL));
		if (!list)
			list = json_array();
		json_array_append(list, r->about);
	}
	return list;
}

void roots_free(struct host *h)
{
	size_t i;

	for (i = 0; i < h->root_count; i++) {
		io_close(&h->roots[i]->fd);
		dpkg_close(h->roots[i]->dpkg);
		json_decref(h->roots[i]->about);
		free(h->roots[i]->prefix);
		free(h->roots[i]);
	}
	free(h->roots);
}
