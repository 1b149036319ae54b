#include "host/look.h"

#include <errno.h>
#include <stdlib.h>

void process_span(struct look *l, uint64_t start, uint64_t end, struct piece *p, bool expected)
{
	if (!(l->span_count & (l->span_count - 1)))
		l->spans = buf_realloc(l->spans, l->span_count ? l->span_count * 2 : 1, sizeof(*l->spans));
	l->spans[l->span_count++] = (struct span){ .start = start, .end = end, .piece = p, .expected = expected };
}

void process_sight(const struct look *l, struct piece *p, json_t *sighting)
{
	if (l->known && p->pass != l->h->pass)
		json_decref(sighting);
	else
		piece_sight(p, sighting);
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
	standing_look(h, p, main);
	if (listening)
		piece_sign(h, main, "listener-unowned", "process %d listens on the socket %llu", (int)p->pid, (unsigned long long)listening);
	threads_look(h, p, l->spans, l->span_count, main);
	if (l->has_text && l->all_opened && !l->exe_mapped)
		piece_sign(h, l->exe, "exe-unmapped", "process %d has nothing of its own program %s mapped", (int)p->pid, l->exe_path);
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
	if (running_exe(l) < 0) {
		h->processes_unseen += errno == EACCES || errno == EPERM;
		goto out;
	}
	l->known = again_known(h, &l->proc, l->exe);
	rc = memory_take(l, e);
	if (rc < 0)
		goto out;
	for (i = 0; i < l->count; i++) {
		if (l->items[i].modified)
			json_object_set_new(l->items[i].sighting, "pages_modified", json_integer((json_int_t)l->items[i].modified));
		process_sight(l, l->items[i].piece, l->items[i].sighting);
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
