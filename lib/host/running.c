/* The files that a process runs: its program and what else it maps to execute. */
#include "host/look.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CAP_ITEMS 4096u     /* distinct files one process executes from */

static struct item *add_item(struct look *l, struct piece *p, const char *how, const char *path)
{
	struct item *it;
	size_t i;
	bool whole = !strcmp(how, "exe");

	for (i = 0; i < l->count; i++)
		if (l->items[i].piece == p)
			return &l->items[i];
	if (l->count >= CAP_ITEMS)
		return NULL;
	if (!(l->count & (l->count - 1)))
		l->items = buf_realloc(l->items, l->count ? l->count * 2 : 1, sizeof(*l->items));
	it = &l->items[l->count++];
	*it = (struct item){ .piece = p, .sighting = proc_sighting(&l->proc, how, whole) };
	if (l->exe)
		json_object_set_new(it->sighting, "exe_sha256", json_string(l->exe->sha256));
	json_object_set_new(it->sighting, "exe", jsonio_name(l->exe_path));
	json_object_set_new(it->sighting, "path", jsonio_name(path));
	return it;
}

/* The signs that follow from where a running file is now. */
static void where_signs(struct look *l, struct piece *p, enum mapped_where where, const char *path, bool exe)
{
	struct host *h = l->h;
	int pid = l->proc.pid;

	if (where == MAPPED_MEMFD && !exe && runtime_has(&l->runtimes, "memfd", NULL))
		piece_sign(h, p, "jit-memory", "process %d executes code of the anonymous memory file %s", pid, path);
	else if (where == MAPPED_MEMFD)
		piece_sign(h, p, exe ? "memfd" : "memfd-mapped", "process %d %s the anonymous memory file %s", pid,
		           exe ? "runs" : "executes code of", path);
	else if (where == MAPPED_GONE)
		piece_sign(h, p, exe ? "deleted" : "library-deleted", "process %d %s %s, which was deleted", pid,
		           exe ? "runs" : "executes code of", path);
	else if (where == MAPPED_REPLACED)
		piece_sign(h, p, exe ? "exe-replaced" : "library-replaced", "process %d %s what %s was; that name is another file now",
		           pid, exe ? "runs" : "executes code of", path);
	else if (where == MAPPED_DETACHED)
		piece_sign(h, p, "mount-detached", "process %d %s %s of a file system that is mounted nowhere any more", pid,
		           exe ? "runs" : "executes code of", path);
}

static bool nameless(enum mapped_where where)
{
	return where == MAPPED_GONE || where == MAPPED_MEMFD || where == MAPPED_DETACHED;
}

static const char *kind_of(enum mapped_where where)
{
	return where == MAPPED_MEMFD ? "memfd" : nameless(where) || where == MAPPED_REPLACED ? "deleted" : "file";
}

/* Of a file that no path names: its code pages, since nobody can look at it again. */
static void note_pages(struct piece *p, int fd)
{
	struct pages *pages;

	if (p->pages)
		return;
	pages = pages_new();
	p->pages = json_object();
	if (pages_each(fd, pages_note, pages) < 0)
		json_object_set_new(p->pages, "pages_cut", json_true());
	pages_put(pages, p->pages);
}

/* A running file: its piece, place and signs. NULL: it cannot be read, or it is gone by now. */
static struct piece *take_running(struct look *l, int fd, const char *link, bool exe, struct stat *st, char *path)
{
	enum mapped_where where;
	struct piece *p;

	if (reading_stat(fd, st) < 0)
		return NULL;
	where = mapped_where(l->h, &l->proc, link, st, path);
	p = image_take(l->h, fd, kind_of(where), st);
	if (!p)
		return NULL;
	if (strcmp(kind_of(where), "file") != 0)
		note_pages(p, fd);
	if (where == MAPPED_REPLACED && mapped_same_bytes(l->h, &l->proc, path, p)) {
		where = MAPPED_HERE;
		p = piece_get(l->h, p->sha256, "file", p->size);
	} else if ((where == MAPPED_REPLACED || where == MAPPED_ELSEWHERE) && mapped_detached(l->h, &l->proc, fd)) {
		where = MAPPED_DETACHED;
		p = piece_get(l->h, p->sha256, "deleted", p->size);
	}
	if (where == MAPPED_MEMFD || where == MAPPED_DETACHED)
		piece_path(p, path);
	else
		image_place_seen(l->h, p, path, st, &l->proc);
	if (l->h->dpkg && (where == MAPPED_DETACHED || (where == MAPPED_MEMFD && exe)))
		piece_sign(l->h, p, "unowned", "no package owns %s, which no folder holds", path);
	where_signs(l, p, where, path, exe);
	if (where == MAPPED_HERE && !l->proc.foreign)
		runtime_note(l->h, &l->runtimes, p, path, exe);
	l->where = where;
	return p;
}

int running_exe(struct look *l)
{
	char link[PATH_MAX];
	struct item *it;
	int fd;

	if (proc_link(&l->proc, "exe", link, sizeof(link)) < 0)
		return -1;
	fd = mapped_open_exe(&l->proc, link);
	if (fd < 0)
		return errno == ETIMEDOUT ? 0 : -1;
	l->exe = take_running(l, fd, link, true, &l->exe_stat, l->exe_path);
	if (l->exe)
		privileged_running(l->h, l->exe, fd, l->exe_path);
	close(fd);
	l->exe_where = l->where;
	if (!l->exe)
		return 0;
	it = add_item(l, l->exe, "exe", l->exe_path);
	json_object_set_new(it->sighting, "exe", jsonio_name(l->exe_path));
	return 0;
}

static void address(json_t *sighting, const struct map *m)
{
	if (json_object_get(sighting, "address"))
		return;
	json_object_set_new(sighting, "address", json_sprintf("%llx", (unsigned long long)m->start));
	json_object_set_new(sighting, "length", json_integer((json_int_t)(m->end - m->start)));
	json_object_set_new(sighting, "perms", json_string(m->perms));
}

/* Whoever answers for a file system can answer a read in another way than he did when the pages were mapped. */
static int compare_answer(struct look *l, const struct map *m, int fd, struct item *it, struct err *e)
{
	struct text_change c;
	struct stat st;

	if (reading_stat(fd, &st) < 0 || !mounts_remote(fd, st.st_dev))
		return 0;
	if (text_compare(l->h, &l->proc, m, fd, NULL, it->piece, &c, e) < 0)
		return -1;
	it->modified += c.pages;
	if (c.pages)
		piece_sign(l->h, it->piece, "text-unlike-file", "%zu code pages of %s that process %d (%s) executes are not what reading the file gives, first at %llx",
		           c.pages, m->path, (int)l->proc.pid, l->proc.comm, (unsigned long long)c.first);
	return 0;
}

static int compare_text(struct look *l, const struct map *m, int fd, struct item *it, struct err *e)
{
	struct text_change c = { 0 };

	if (m->perms[3] == 'p' && text_compare(l->h, &l->proc, m, fd, &l->flags, it->piece, &c, e) < 0)
		return -1;
	/* whose debugger is still there, with no more than breakpoints, is traced, which says it all */
	if (c.forced && !(l->proc.tracer && c.breakpoints_only)) {
		json_object_set_new(it->sighting, "forced", json_true());
		piece_sign(l->h, it->piece, "text-forced", "code pages of %s in process %d (%s) were written to from without: no right to write to them was ever given",
		           m->path, (int)l->proc.pid, l->proc.comm);
	}
	if (!c.pages)
		return compare_answer(l, m, fd, it, e);
	it->modified += c.pages;
	if (!(l->text_count & (l->text_count - 1)))
		l->texts = buf_realloc(l->texts, l->text_count ? l->text_count * 2 : 1, sizeof(*l->texts));
	l->texts[l->text_count++] = (struct span){ .start = m->start, .end = m->end, .piece = it->piece, .hash = c.hash };
	if (facts_textrel(fd))
		piece_sign(l->h, it->piece, "text-relocated", "%zu code pages of %s in process %d differ from the file, which asks for that",
		           c.pages, m->path, (int)l->proc.pid);
	else if (m->perms[1] == 'w' && runtime_has(&l->runtimes, "image", m->path))
		piece_sign(l->h, it->piece, "jit-memory", "%zu pages of the heap image %s in process %d differ from the file", c.pages, m->path,
		           (int)l->proc.pid);
	else
		piece_sign(l->h, it->piece, "text-modified", "%zu code pages of %s in process %d (%s) differ from the file in %zu bytes, first at %llx%s",
		           c.pages, m->path, (int)l->proc.pid, l->proc.comm, c.bytes, (unsigned long long)c.first,
		           c.breakpoints_only ? "; all are breakpoints" : "");
	return 0;
}

/* What a packaged program brings along stands in packages as well. Interpreters load what their users wrote. */
static void library_signs(struct look *l, struct piece *p, const char *path)
{
	const char *name = strrchr(l->exe_path, '/');

	if (!l->exe || !l->h->dpkg || l->exe_where != MAPPED_HERE || l->proc.foreign || piece_signed(l->exe, "unowned")
	    || script_interpreter(name ? name + 1 : l->exe_path))
		return;
	if (piece_signed(p, "unowned"))
		piece_sign(l->h, p, "library-unowned", "process %d of the packaged program %s executes code of %s", (int)l->proc.pid,
		           l->exe_path, path);
	if (piece_signed(p, "temporary-place") || piece_signed(p, "hidden-folder"))
		piece_sign(l->h, p, "library-misplaced", "process %d of the packaged program %s executes code of %s", (int)l->proc.pid,
		           l->exe_path, path);
}

int running_map(struct look *l, const struct map *m, struct err *e)
{
	char path[PATH_MAX] = "";
	struct piece *p;
	struct item *it;
	struct stat st;
	int fd = mapped_open(&l->proc, m), rc = 0;
	bool is_exe;

	if (fd < 0) {
		if (errno != ENOENT && errno != ESRCH && errno != ETIMEDOUT)
			host_missed(l->h, "some mapped files could not be opened");
		l->all_opened = false;
		if (errno == ETIMEDOUT)
			memory_note(l, m, MAPS_FILE, 0);
		return 0;
	}
	if (reading_stat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		goto out;
	is_exe = l->exe && st.st_dev == l->exe_stat.st_dev && st.st_ino == l->exe_stat.st_ino;
	l->exe_mapped |= is_exe;
	p = is_exe ? l->exe : take_running(l, fd, m->path, false, &st, path);
	if (!p) {
		/* what of it is in memory is all there is to be had */
		l->all_opened = false;
		memory_note(l, m, MAPS_FILE, 0);
		goto out;
	}
	it = add_item(l, p, "mapped", path);
	if (!it)
		goto out;
	address(it->sighting, m);
	if (!is_exe && nameless(l->where))
		process_span(l, m->start, m->end, p, piece_signed(p, "jit-memory"));
	if (!is_exe)
		library_signs(l, p, path);
	if (m->perms[1] == 'w' && m->perms[3] == 'p' && !runtime_has(&l->runtimes, "image", path))
		piece_sign(l->h, p, "wx-memory", "process %d maps %s writable and executable at %llx", (int)l->proc.pid, m->path,
		           (unsigned long long)m->start);
	rc = compare_text(l, m, fd, it, e);
out:
	close(fd);
	return rc;
}
