#include "host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY (24 * 60 * 60)

static bool same_file(const struct seen *s, const struct stat *st)
{
	return s->dev == st->st_dev && s->ino == st->st_ino && s->size == st->st_size && s->mtime.tv_sec == st->st_mtim.tv_sec
		&& s->mtime.tv_nsec == st->st_mtim.tv_nsec && s->ctime.tv_sec == st->st_ctim.tv_sec
		&& s->ctime.tv_nsec == st->st_ctim.tv_nsec;
}

static struct seen *seen_slot(struct host *h, const struct stat *st)
{
	size_t i = ((uint64_t)st->st_ino * 0x9e3779b97f4a7c15u ^ (uint64_t)st->st_dev * 0xff51afd7ed558ccdu) >> 7;

	for (i &= h->seen_size - 1; h->seen[i].piece && !same_file(&h->seen[i], st);)
		i = (i + 1) & (h->seen_size - 1);
	return &h->seen[i];
}

static void seen_grow(struct host *h)
{
	struct seen *old = h->seen;
	size_t old_size = h->seen_size, i;

	if (h->seen_count * 2 < h->seen_size)
		return;
	h->seen_size = h->seen_size ? h->seen_size * 2 : 1024;
	h->seen = buf_alloc(h->seen_size * sizeof(*h->seen));
	for (i = 0; i < old_size; i++)
		if (old[i].piece) {
			struct stat st = { .st_dev = old[i].dev, .st_ino = old[i].ino, .st_size = old[i].size,
			                   .st_mtim = old[i].mtime, .st_ctim = old[i].ctime };

			*seen_slot(h, &st) = old[i];
		}
	free(old);
}

static struct piece *remember(struct host *h, struct seen *s, const struct stat *st, struct piece *p)
{
	*s = (struct seen){ .dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .mtime = st->st_mtim,
	                    .ctime = st->st_ctim, .piece = p };
	h->seen_count++;
	h->files++;
	return p;
}

struct piece *image_take(struct host *h, int fd, const char *kind, struct stat *st)
{
	struct stat mine;
	struct seen *s;
	struct piece *p;

	if (!st)
		st = &mine;
	if (reading_stat(fd, st) < 0 || !S_ISREG(st->st_mode))
		return NULL;
	seen_grow(h);
	s = seen_slot(h, st);
	if (s->piece)
		return piece_get(h, s->piece->sha256, kind, s->piece->size);
	p = recall_find(h, fd, st, kind, NULL);
	h->recalled += p != NULL;
	if (!p)
		p = recall_read(h, fd, st, kind);
	return p ? remember(h, s, st, p) : NULL;
}

struct piece *image_recall(struct host *h, const struct stat *st, const char *kind, bool *is_code)
{
	struct seen *s;
	struct piece *p;

	*is_code = true;
	if (!h->cache)
		return NULL;
	seen_grow(h);
	p = recall_find(h, -1, st, kind, is_code);
	if (!p)
		return NULL;
	s = seen_slot(h, st);
	if (s->piece)
		return p;
	h->recalled++;
	return remember(h, s, st, p);
}

/* A file's place is judged once in each root. */
static bool new_place(const struct host *h, struct piece *p, const struct root *root, const char *path)
{
	const uint64_t key[2] = { h->secret, root ? root->number : 0 };

	return *path && !piece_placed(p, sip_hash(key, path, strlen(path)));
}

/* path: below the root, which is open; d: the package database that speaks for it, or NULL. */
static void place_signs(struct host *h, struct piece *p, const char *path, const struct stat *st, const struct dpkg *d, int root,
                        bool owned, const char *where)
{
	const char *name = strrchr(path, '/');
	char package[256];

	if (owned && altered_file(d, root, path, st, package, sizeof(package)))
		piece_sign(h, p, "package-altered", "%s%s is not what the package %s holds", path, where, package);

	if (!owned) {
		if (d)
			piece_sign(h, p, "unowned", "no package owns %s%s", path, where);
		if (disguise_hidden(path))
			piece_sign(h, p, "hidden-folder", "%s is hidden%s", path, where);
		if (disguise_odd(path))
			piece_sign(h, p, "odd-name", "%s is named so as to be misread%s", path, where);
		if (disguise_temporary(path))
			piece_sign(h, p, "temporary-place", "%s is a place for temporary data%s", path, where);
		if (name && disguise_service(name + 1, path))
			piece_sign(h, p, "system-name", "%s bears the name of a system service that belongs elsewhere%s", path, where);
		if (d && st->st_mode & (S_ISUID | S_ISGID) && st->st_mode & 0111)
			piece_sign(h, p, "setuid-unowned", "%s has mode %04o%s", path, st->st_mode & 07777u, where);
	}
	if (clock_now() - st->st_ctim.tv_sec < DAY && st->st_ctim.tv_sec <= clock_now() + DAY)
		piece_sign(h, p, "fresh", "%s changed %lld minutes ago%s", path,
		           (long long)(clock_now() - st->st_ctim.tv_sec) / 60, where);
}

static void told(const struct root *r, char *out, size_t size)
{
	*out = '\0';
	if (r && r->name[0])
		snprintf(out, size, " in %s", r->name);
	else if (r && r->view)
		snprintf(out, size, ", which its own mount namespace alone shows");
}

void image_place(struct host *h, struct piece *p, const char *path, const struct stat *st, bool ours)
{
	const struct dpkg *d = ours ? h->dpkg : NULL;
	char where[128];

	if (!new_place(h, p, h->at, path))
		return;
	piece_path(p, path);
	told(h->at, where, sizeof(where));
	place_signs(h, p, path, st, d, h->root, d && dpkg_owns(d, path), where);
	if (ours && !h->at)
		recall_path(h, p, path);
}

/* Does the path below our own root name this very file, and not what took its place? */
static bool is_at(const struct host *h, const char *path, const struct stat *st)
{
	struct stat now;

	return h->cache && fstatat(h->root, path, &now, 0) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

void image_place_seen(struct host *h, struct piece *p, const char *path, const struct stat *st, const struct proc *proc)
{
	struct root *r = roots_owner(h, proc, path, st, p);
	const char *inner = roots_inner(r, path);
	const struct dpkg *d = roots_dpkg(h, r);
	char where[128];

	if (!new_place(h, p, r, path))
		return;
	piece_path(p, path);
	told(r, where, sizeof(where));
	/* what stands in the way of our own file is none of the package's */
	place_signs(h, p, inner, st, d, r ? r->fd : h->root, d && !(r && r->view) && dpkg_owns(d, inner), where);
	if (!r && is_at(h, path, st))
		recall_path(h, p, path);
}
