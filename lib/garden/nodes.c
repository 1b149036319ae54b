#include "garden/garden-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIST_BYTES 65536      /* XATTR_LIST_MAX */
#define VALUE_BYTES 65536     /* XATTR_SIZE_MAX */

static bool overlay_name(const char *name, const char *what)
{
	const char *dot = strncmp(name, "trusted.", 8) ? strncmp(name, "user.", 5) ? NULL : name + 5 : name + 8;

	return dot && !strncmp(dot, "overlay.", 8) && (!what || !strcmp(dot + 8, what));
}

static void look_xattrs(const char *path, struct node *n)
{
	char *list, *value;
	ssize_t len, size;

	/* Most have none. */
	if (listxattr(path, NULL, 0) <= 0)
		return;
	list = buf_alloc(LIST_BYTES);
	value = buf_alloc(VALUE_BYTES);
	len = listxattr(path, list, LIST_BYTES);

	for (char *p = list; len > 0 && p < list + len; p += strlen(p) + 1) {
		char *hex;

		size = getxattr(path, p, value, VALUE_BYTES);
		if (size < 0)
			continue;
		if (overlay_name(p, "opaque") && size > 0 && value[0] == 'y')
			n->opaque = true;
		if (overlay_name(p, NULL))
			continue;
		hex = buf_alloc((size_t)size * 2 + 1);
		digest_tohex((unsigned char *)value, (size_t)size, hex);
		if (!n->xattrs)
			n->xattrs = json_object();
		{
			json_t *key = jsonio_name(p);

			json_object_set_new(n->xattrs, json_string_value(key), json_string(hex));
			json_decref(key);
		}
		free(hex);
	}
	free(list);
	free(value);
}

bool nodes_look(int dir, const char *rel, bool digest, struct node *n)
{
	char link[64], target[4097];
	int fd = io_open_beneath(dir, rel, O_PATH);
	ssize_t len;

	*n = (struct node){ 0 };
	if (fd < 0)
		return false;
	if (fstat(fd, &n->st)) {
		close(fd);
		return false;
	}
	n->whiteout = S_ISCHR(n->st.st_mode) && n->st.st_rdev == makedev(0, 0);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (S_ISLNK(n->st.st_mode)) {
		len = readlinkat(fd, "", target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		n->target = buf_strdup(target);
	} else if (!n->whiteout) {
		look_xattrs(link, n);
	}
	if (digest && S_ISREG(n->st.st_mode)) {
		int in = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		struct err ignored;

		if (in < 0 || digest_fd(in, CAP_BODY, n->sha256, NULL, &ignored))
			n->sha256[0] = '\0';
		io_close(&in);
	}
	close(fd);
	return true;
}

void nodes_digest(const struct layers *l, struct node *n)
{
	const char *rel;
	struct layer *y = layers_of(l, n->path, &rel);
	struct node now;

	if (n->sha256[0] || !S_ISREG(n->st.st_mode) || !nodes_look(y->upper, rel, true, &now))
		return;
	memcpy(n->sha256, now.sha256, sizeof n->sha256);
	n->st = now.st;
	nodes_drop(&now);
}

void nodes_drop(struct node *n)
{
	free(n->path);
	free(n->target);
	json_decref(n->xattrs);
	*n = (struct node){ 0 };
}

void nodes_free(struct nodes *n)
{
	for (size_t i = 0; i < n->count; i++)
		nodes_drop(&n->node[i]);
	free(n->node);
	*n = (struct nodes){ 0 };
}

static void add(struct nodes *n, const struct node *one)
{
	if (n->count == n->room) {
		n->room = n->room ? n->room * 2 : 256;
		n->node = buf_realloc(n->node, n->room, sizeof *n->node);
	}
	n->node[n->count++] = *one;
}

static bool other_layer(const struct layers *l, const struct layer *y, const char *path)
{
	for (size_t i = 0; i < l->count; i++)
		if (&l->layer[i] != y && !strcmp(l->layer[i].path, path))
			return true;
	return false;
}

/* dir is closed. */
static int walk(const struct layers *l, const struct layer *y, int dir, const char *path, int depth, struct nodes *n, struct err *e)
{
	DIR *d = fdopendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (!d) {
		close(dir);
		return 0;
	}
	while (rc == 0 && (entry = readdir(d))) {
		struct node one;
		char *child;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		child = buf_printf("%s/%s", strcmp(path, "/") ? path : "", entry->d_name);
		if (other_layer(l, y, child) || !nodes_look(dirfd(d), entry->d_name, false, &one)) {
			free(child);
			continue;
		}
		if (n->count >= 2 * GARDEN_CHANGES)
			rc = err_set(e, EX_TEMPFAIL, "more than %u paths in the world", 2 * GARDEN_CHANGES);
		one.path = child;
		add(n, &one);
		if (rc == 0 && S_ISDIR(one.st.st_mode) && depth < GARDEN_DEPTH) {
			int sub = io_open_beneath(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY);

			if (sub >= 0)
				rc = walk(l, y, sub, child, depth + 1, n, e);
		}
	}
	closedir(d);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->path, ((const struct node *)b)->path);
}

int nodes_walk(const struct layers *l, struct nodes *n, struct err *e)
{
	*n = (struct nodes){ 0 };
	for (size_t i = 0; i < l->count; i++) {
		const struct layer *y = &l->layer[i];
		int dir = openat(y->upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct node one;

		if (dir < 0)
			return err_sys(e, "cannot read the world's layer %s", err_q(y->path));
		if (nodes_look(y->upper, ".", false, &one)) {
			one.path = buf_strdup(y->path);
			add(n, &one);
		}
		if (walk(l, y, dir, y->path, 0, n, e)) {
			nodes_free(n);
			return -1;
		}
	}
	qsort(n->node, n->count, sizeof *n->node, by_path);
	return 0;
}

struct node *nodes_find(const struct nodes *n, const char *path)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = strcmp(n->node[middle].path, path);

		if (c == 0)
			return &n->node[middle];
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
