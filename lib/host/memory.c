/* The executable memory of a process: its maps one by one, then what of them no file backs. */
#include "host/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void memory_note(struct look *l, const struct map *m, enum maps_kind kind, uint64_t before)
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
		memory_note(l, m, kind, before);
	else if (kind == MAPS_FILE)
		rc = running_map(l, m, e);
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
		process_span(l, r->start, r->end, p, r->expected);
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
		process_sight(l, p, o);
	}
	return 0;
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
	text_flags_free(&l->flags);
	return rc;
}

/* To look at it may take a lock that the process keeps for ever; what else is known of it counts all the same. */
int memory_take(struct look *l, struct err *e)
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
