#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_ITEMS 4096u     /* distinct files one process executes from */

/* One piece of code in this process, as its sighting grows with each mapping. */
struct item {
	struct piece *piece;
	json_t *sighting;
	size_t modified;
};

struct look {
	struct host *h;
	struct proc proc;
	struct piece *exe;
	char exe_path[PATH_MAX];
	struct stat exe_stat;
	bool exe_mapped, all_opened, has_text;
	struct item *items;
	size_t count;
	struct region *regions;
	size_t region_count;
	struct span *spans;       /* where code of no file that has a name is mapped */
	size_t span_count;
	struct span *texts;       /* mapped files whose code differs in memory */
	size_t text_count;
	bool known;               /* was looked at before, in this scan */
	struct runtimes runtimes; /* among what it maps */
	enum mapped_where where, exe_where;   /* of what was taken last, of the program */
	uint64_t unbacked;        /* where the unbacked memory that ends where the last map ended begins */
	uint64_t last_end;
};

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

static void add_span(struct look *l, uint64_t start, uint64_t end, struct piece *p, bool expected)
{
	if (!(l->span_count & (l->span_count - 1)))
		l->spans = buf_realloc(l->spans, l->span_count ? l->span_count * 2 : 1, sizeof(*l->spans));
	l->spans[l->span_count++] = (struct span){ .start = start, .end = end, .piece = p, .expected = expected };
}

/* What was seen of the same process before was told then. */
static void sight(const struct look *l, struct piece *p, json_t *sighting)
{
	if (l->known && p->pass != l->h->pass)
		json_decref(sighting);
	else
		piece_sight(p, sighting);
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

/* 0; -1: not permitted or gone. */
static int take_exe(struct look *l)
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

static int compare_text(struct look *l, const struct map *m, int fd, struct item *it, struct err *e)
{
	struct text_change c;

	if (text_compare(l->h, &l->proc, m, fd, it->piece, &c, e) < 0)
		return -1;
	if (!c.pages)
		return 0;
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

static void note_region(struct look *l, const struct map *m, enum maps_kind kind, uint64_t before)
{
	struct region *r = l->region_count ? &l->regions[l->region_count - 1] : NULL;

	if (!r || r->end != m->start || r->unread || kind == MAPS_FILE) {
		if (l->region_count >= CAP_REGIONS) {
			host_missed(l->h, "a process has more than %u executable regions that no file backs", CAP_REGIONS);
			return;
		}
		if (!l->regions)
			l->regions = buf_alloc(CAP_REGIONS * sizeof(*l->regions));
		r = &l->regions[l->region_count++];
		*r = (struct region){ .start = m->start, .before = before, .unread = kind == MAPS_FILE };
		memcpy(r->perms, m->perms, sizeof(r->perms));
		if (r->unread)
			memccpy(r->file, m->path, '\0', sizeof(r->file) - 1);
	}
	r->end = m->end;
	r->writable |= m->perms[1] == 'w';
	r->heap |= !strcmp(m->path, "[heap]");
	r->stack |= !strncmp(m->path, "[stack", 6);
	r->shared |= kind == MAPS_SHARED;
	if (m->perms[1] == 'w')
		r->perms[1] = 'w';
}

static int take_file_map(struct look *l, const struct map *m, struct err *e)
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
			note_region(l, m, MAPS_FILE, 0);
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
		note_region(l, m, MAPS_FILE, 0);
		goto out;
	}
	it = add_item(l, p, "mapped", path);
	if (!it)
		goto out;
	address(it->sighting, m);
	if (!is_exe && nameless(l->where))
		add_span(l, m->start, m->end, p, piece_signed(p, "jit-memory"));
	if (!is_exe)
		library_signs(l, p, path);
	if (m->perms[1] == 'w' && m->perms[3] == 'p' && !runtime_has(&l->runtimes, "image", path))
		piece_sign(l->h, p, "wx-memory", "process %d maps %s writable and executable at %llx", (int)l->proc.pid, m->path,
		           (unsigned long long)m->start);
	if (m->perms[3] == 'p')
		rc = compare_text(l, m, fd, it, e);
out:
	close(fd);
	return rc;
}

static int take_map(struct look *l, const struct map *m, struct err *e)
{
	enum maps_kind kind = maps_classify(m);
	bool unbacked = kind == MAPS_ANON || kind == MAPS_SHARED;
	uint64_t before = l->last_end == m->start ? l->unbacked : 0;
	int rc = 0;

	l->last_end = m->end;
	l->unbacked = !unbacked ? 0 : before ? before : m->start;
	if (m->perms[2] != 'x')
		return 0;
	l->has_text = true;
	if (unbacked)
		note_region(l, m, kind, before);
	else if (kind == MAPS_FILE)
		rc = take_file_map(l, m, e);
	else if (!strcmp(m->path, "[vdso]") && l->exe && text_vdso_differs(&l->proc, m))
		piece_sign(l->h, l->exe, "vdso-modified", "the vdso of process %d differs from ours", (int)l->proc.pid);
	return rc;
}

static int take_regions(struct look *l, struct err *e)
{
	struct piece *p;
	json_t *o;
	size_t i;

	for (i = 0; i < l->region_count && !host_late(l->h); i++) {
		struct region *r = &l->regions[i];
		uint64_t start = r->start, length = r->end - r->start;

		r->expected = runtime_makes(&l->runtimes, r);
		if (region_take(l->h, &l->proc, r, &p, e) < 0)
			return -1;
		if (l->exe && p && !r->expected && !r->unread)
			piece_sign(l->h, l->exe, "memory-code", "process %d executes %llu bytes at %llx that no file backs (%.12s)",
			           (int)l->proc.pid, (unsigned long long)length, (unsigned long long)start, p->sha256);
		if (!p)
			continue;
		add_span(l, r->start, r->end, p, r->expected);
		if (l->exe && (piece_signed(l->exe, "unowned") || piece_signed(l->exe, "deleted") || piece_signed(l->exe, "memfd")))
			piece_sign(l->h, p, "holder-unowned", "process %d, which holds it, runs %s, which no package owns or which is gone",
			           (int)l->proc.pid, l->exe_path);
		o = proc_sighting(&l->proc, "memory", true);
		json_object_set_new(o, "exe", jsonio_name(l->exe_path));
		if (l->exe)
			json_object_set_new(o, "exe_sha256", json_string(l->exe->sha256));
		json_object_set_new(o, "address", json_sprintf("%llx", (unsigned long long)r->start));
		json_object_set_new(o, "length", json_integer((json_int_t)(r->end - r->start)));
		json_object_set_new(o, "perms", json_string(r->perms));
		sight(l, p, o);
	}
	return 0;
}

/* Signs of the process as such go to what it really runs: the script where the program is an interpreter. */
static void process_signs(struct look *l, struct piece *script, const char *hidden)
{
	struct host *h = l->h;
	struct proc *p = &l->proc;
	const char *arg = proc_arg(p, 0);
	struct piece *main = script ? script : l->exe;
	uint64_t raw = sockets_raw(h, p);
	uint64_t listening = piece_signed(main, "unowned") || piece_signed(main, "deleted") || piece_signed(main, "memfd") ? sockets_listening(h, p) : 0;

	if (disguise_kernel_thread(p->comm))
		piece_sign(h, main, "kernel-thread-name", "process %d calls itself %s", (int)p->pid, p->comm);
	else if (arg && disguise_kernel_thread(arg))
		piece_sign(h, main, "kernel-thread-name", "process %d calls itself %s", (int)p->pid, arg);
	if (!script && disguise_service(p->comm, l->exe_path))
		piece_sign(h, main, "system-name", "process %d calls itself %s but runs %s", (int)p->pid, p->comm, l->exe_path);
	if (hidden) {
		piece_sign(h, main, "hidden-process", "process %d: %s", (int)p->pid, hidden);
		if (main != l->exe)
			piece_sign(h, l->exe, "hidden-process", "process %d: %s", (int)p->pid, hidden);
	}
	if (p->tracer)
		piece_sign(h, main, "traced", "process %d traces process %d", (int)p->tracer, (int)p->pid);
	if (raw)
		piece_sign(h, main, "raw-socket", "process %d holds the raw socket %llu", (int)p->pid, (unsigned long long)raw);
	rights_look(h, p, &l->exe_stat, l->exe, main);
	if (listening)
		piece_sign(h, main, "listener-unowned", "process %d listens on the socket %llu", (int)p->pid, (unsigned long long)listening);
	threads_look(h, p, l->spans, l->span_count, main);
	if (l->has_text && l->all_opened && !l->exe_mapped)
		piece_sign(h, l->exe, "exe-unmapped", "process %d has nothing of its own program %s mapped", (int)p->pid, l->exe_path);
}

static int take_maps(struct look *l, struct err *e)
{
	struct buf maps = { 0 };
	struct map m;
	const char *text;
	int got, rc = 0;

	if (io_slurp_at(l->proc.dir, "maps", 4 * CAP_SLURP, &maps) < 0) {
		l->h->processes_unseen += errno == EACCES || errno == EPERM;
		goto out;
	}
	for (text = buf_str(&maps); (got = maps_next(&text, &m)) && !host_late(l->h); watch_beat())
		if (got == 1 && take_map(l, &m, e) < 0) {
			rc = -1;
			goto out;
		}
out:
	buf_free(&maps);
	return rc;
}

/* To look at it may take a lock that the process keeps for ever; what else is known of it counts all the same. */
static int take_memory(struct look *l, struct err *e)
{
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "the memory of process %d", (int)l->proc.pid);
	if (!watch_enter(watch_id(l->proc.start, name, strlen(name)), DEV_NONE, name))
		return 0;
	watch_brittle();
	rc = take_maps(l, e);
	if (!rc)
		rc = take_regions(l, e);
	watch_leave();
	return rc;
}

int process_scan(struct host *h, pid_t pid, const char *hidden, struct err *e)
{
	struct look *l = buf_alloc(sizeof(*l));
	struct piece *script = NULL;
	size_t i;
	int rc = 0;

	l->h = h;
	l->all_opened = true;
	if (proc_open(h, pid, &l->proc) < 0) {
		if (errno == EACCES || errno == EPERM) {
			h->processes++;
			h->processes_unseen++;
		}
		if (hidden)
			host_missed(h, "process %d: %s, and it cannot be looked at", (int)pid, hidden);
		free(l);
		return 0;
	}
	h->processes += !h->pass;
	if (l->proc.kernel || l->proc.state == 'Z' || l->proc.state == 'X')
		goto out;
	if (take_exe(l) < 0) {
		h->processes_unseen += errno == EACCES || errno == EPERM;
		goto out;
	}
	l->known = again_known(h, &l->proc, l->exe);
	rc = take_memory(l, e);
	if (rc < 0)
		goto out;
	for (i = 0; i < l->count; i++) {
		if (l->items[i].modified)
			json_object_set_new(l->items[i].sighting, "pages_modified", json_integer((json_int_t)l->items[i].modified));
		sight(l, l->items[i].piece, l->items[i].sighting);
		l->items[i].sighting = NULL;
	}
	if (!l->exe)
		goto out;
	again_note(h, &l->proc, l->exe, l->spans, l->span_count, l->texts, l->text_count);
	if (l->known) {
		if (hidden)
			piece_sign(h, l->exe, "hidden-process", "process %d: %s", (int)pid, hidden);
		goto out;
	}
	rc = script_take(h, &l->proc, l->exe_path, l->exe, &script, e);
	if (rc < 0)
		goto out;
	process_signs(l, script, hidden);
	forced_look(h, &l->proc);
out:
	for (i = 0; i < l->count; i++)
		json_decref(l->items[i].sighting);
	free(l->items);
	free(l->regions);
	free(l->spans);
	free(l->texts);
	proc_close(&l->proc);
	free(l);
	return rc;
}
