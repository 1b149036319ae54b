#include "garden/garden-internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct change { const char *path; json_t *object; };
struct list {
	const struct layers *l;
	const struct nodes *base, *now;
	const struct machine *machine;
	struct change *change;
	size_t count, room;
	bool full;
};

/* What no tool asks about: made by the kernel or by us. */
static bool left_out(const char *path)
{
	static const char *const OUT[] = { "/proc", "/sys", "/dev", "/run/muss" };

	if (!strncmp(path, "/dev/shm/", 9))
		return false;
	for (size_t i = 0; i < sizeof OUT / sizeof *OUT; i++) {
		size_t n = strlen(OUT[i]);

		if (!strncmp(path, OUT[i], n) && (path[n] == '\0' || path[n] == '/'))
			return true;
	}
	return false;
}

static const char *type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "dir";
	case S_IFLNK: return "link";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	default: return "device";
	}
}

static void add(struct list *s, json_t *o)
{
	if (s->count >= GARDEN_CHANGES) {
		s->full = true;
		json_decref(o);
		return;
	}
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->change = buf_realloc(s->change, s->room, sizeof *s->change);
	}
	s->change[s->count++] = (struct change){ jsonio_str(o, "path"), o };
}

static json_t *object_of(const char *path, const char *change, mode_t mode)
{
	json_t *o = json_object();

	json_object_set_new(o, "path", jsonio_name(path));
	json_object_set_new(o, "change", json_string(change));
	json_object_set_new(o, "type", json_string(type_of(mode)));
	return o;
}

static void add_deleted(struct list *s, const char *path, mode_t mode)
{
	if (!left_out(path))
		add(s, object_of(path, "deleted", mode));
}

static void add_present(struct list *s, struct node *n, const char *change, json_t *what)
{
	json_t *o = object_of(n->path, change, n->st.st_mode);

	nodes_digest(s->l, n);
	json_object_set_new(o, "mode", json_integer(n->st.st_mode & 07777));
	json_object_set_new(o, "uid", json_integer(n->st.st_uid));
	json_object_set_new(o, "gid", json_integer(n->st.st_gid));
	json_object_set_new(o, "mtime_ns", json_integer((json_int_t)n->st.st_mtim.tv_sec * 1000000000 + n->st.st_mtim.tv_nsec));
	if (S_ISREG(n->st.st_mode)) {
		json_object_set_new(o, "size", json_integer(n->st.st_size));
		if (n->sha256[0])
			json_object_set_new(o, "sha256", json_string(n->sha256));
	}
	if (n->target)
		json_object_set_new(o, "target", jsonio_name(n->target));
	if (n->xattrs)
		json_object_set(o, "xattrs", n->xattrs);
	if (what)
		json_object_set_new(o, "what", what);
	add(s, o);
}

/* Below a folder of the lower root that is no longer seen: what was there and is not in the writable layer. dir is closed. */
static void lower_gone(struct list *s, int dir, const char *path, int depth)
{
	DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	struct dirent *entry;

	while (d && !s->full && (entry = readdir(d))) {
		char *child;
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		child = buf_printf("%s/%s", strcmp(path, "/") ? path : "", entry->d_name);
		/* What the world's making put over it is compared with that. */
		if (!layers_hidden(s->l, child) && fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (!nodes_find(s->now, child) && !nodes_find(s->base, child))
				add_deleted(s, child, st.st_mode);
			if (S_ISDIR(st.st_mode) && depth < GARDEN_DEPTH && !nodes_find(s->now, child))
				lower_gone(s, io_open_beneath(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY), child, depth + 1);
		}
		free(child);
	}
	if (d)
		closedir(d);
}

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static bool same_times(const struct node *a, const struct node *b)
{
	return a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec && a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

static bool same_xattrs(const struct node *a, const struct node *b)
{
	return (!a->xattrs && !b->xattrs) || (a->xattrs && b->xattrs && json_equal(a->xattrs, b->xattrs));
}

static void digest_laid(const struct machine *m, struct node *n)
{
	int fd = n->sha256[0] ? -1 : furnish_open(m, n->path);
	struct err ignored;

	if (fd >= 0 && digest_fd(fd, CAP_BODY, n->sha256, NULL, &ignored))
		n->sha256[0] = '\0';
	io_close(&fd);
}

/* Both are there. The aspects that differ; NULL: none. */
static json_t *compare(const struct list *s, struct node *now, struct node *base)
{
	json_t *what = json_array();
	const struct stat *a = &now->st, *b = &base->st;

	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT)) {
		json_array_append_new(what, json_string("type"));
	} else if (S_ISREG(a->st_mode)) {
		if (a->st_size == b->st_size) {
			nodes_digest(s->l, now);
			digest_laid(s->machine, base);
		}
		if (a->st_size != b->st_size || strcmp(now->sha256, base->sha256))
			json_array_append_new(what, json_string("content"));
	}
	if (!same_text(now->target, base->target))
		json_array_append_new(what, json_string("target"));
	if ((a->st_mode & 07777) != (b->st_mode & 07777))
		json_array_append_new(what, json_string("mode"));
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		json_array_append_new(what, json_string("owner"));
	if (!S_ISDIR(a->st_mode) && !same_times(now, base))
		json_array_append_new(what, json_string("mtime"));
	if (!same_xattrs(now, base))
		json_array_append_new(what, json_string("xattrs"));
	if (json_array_size(what))
		return what;
	json_decref(what);
	return NULL;
}

static void look_at(struct list *s, struct node *now)
{
	struct node *base = nodes_find(s->base, now->path), below = { 0 };
	const char *rel;
	struct layer *y = layers_of(s->l, now->path, &rel);
	bool was_folder;
	json_t *what;

	if (left_out(now->path))
		return;
	/* Untouched since the world was made. */
	if (base && base->st.st_ino == now->st.st_ino && base->st.st_ctim.tv_sec == now->st.st_ctim.tv_sec &&
	    base->st.st_ctim.tv_nsec == now->st.st_ctim.tv_nsec)
		return;
	if (!base && y->lower >= 0 && !layers_hidden(s->l, now->path) && nodes_look(y->lower, rel, true, &below))
		base = &below;
	if (base && base->whiteout)
		base = NULL;
	was_folder = base && S_ISDIR(base->st.st_mode) && y->lower >= 0 && !base->opaque && !layers_hidden(s->l, now->path);
	if (now->whiteout) {
		if (base)
			add_deleted(s, now->path, base->st.st_mode);
	} else if (!base) {
		add_present(s, now, "created", NULL);
	} else {
		what = compare(s, now, base);
		if (what)
			add_present(s, now, "modified", what);
	}
	if (was_folder && (!S_ISDIR(now->st.st_mode) || now->opaque))
		lower_gone(s, io_open_beneath(y->lower, rel, O_RDONLY | O_DIRECTORY), now->path, 0);
	nodes_drop(&below);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

json_t *changes_list(const struct layers *l, const struct nodes *base, const struct machine *m, struct err *e)
{
	struct nodes now;
	struct list s = { .l = l, .base = base, .now = &now, .machine = m };
	json_t *all = NULL;

	if (nodes_walk(l, &now, e))
		return NULL;
	for (size_t i = 0; i < now.count; i++)
		look_at(&s, &now.node[i]);
	for (size_t i = 0; i < base->count; i++)
		if (!base->node[i].whiteout && !nodes_find(&now, base->node[i].path))
			add_deleted(&s, base->node[i].path, base->node[i].st.st_mode);
	if (s.full) {
		err_set(e, EX_TEMPFAIL, "more than %u paths of the world differ", GARDEN_CHANGES);
	} else {
		if (s.count)
			qsort(s.change, s.count, sizeof *s.change, by_path);
		all = json_array();
		for (size_t i = 0; i < s.count; i++)
			if (i == 0 || strcmp(s.change[i].path, s.change[i - 1].path))
				json_array_append(all, s.change[i].object);
	}
	for (size_t i = 0; i < s.count; i++)
		json_decref(s.change[i].object);
	free(s.change);
	nodes_free(&now);
	return all;
}
