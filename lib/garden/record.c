#include "garden/garden-internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEN 4096u

#define CALL 16u
#define SILENCE_NS (30 * 86400 * 1000000000LL)   /* of bent time, in which nothing was done: more is not waited for */
#define SLEEPER 3

struct dump_seen { char hex[DIGEST_HEX]; int64_t at; };
struct slept { pid_t pid, ppid; char call[CALL]; int64_t ms, skipped_ns; double seconds; unsigned times; struct slept *next; };

static void put(struct record *r, json_t *o)
{
	r->line.len = 0;
	jsonio_dump_line(o, &r->line);
	if (r->bytes + r->line.len > GARDEN_EVENT_BYTES || io_write(r->events, r->line.p, r->line.len))
		r->full = true;
	r->bytes += r->line.len;
	r->count++;
}

/* now: when it was; skipped: of bent time at that moment. Steals members. */
static void write_event(struct record *r, int64_t now, int64_t skipped, pid_t pid, pid_t ppid, const char *event, json_t *members)
{
	double t = (double)(now - r->began_ms) / 1000;
	json_t *o;

	if (r->events < 0 || r->full) {
		json_decref(members);
		return;
	}
	if (r->services && members && !strcmp(event, "kill")) {
		const char *name = services_name(r->services, (pid_t)jsonio_int(members, "target", 0));

		if (name)
			json_object_set_new(members, "service", json_string(name));
	}
	if (r->count + 1 >= r->max) {
		r->full = true;
		event = "limit";
		json_decref(members);
		members = json_pack("{s:s}", "what", "events");
	}
	o = json_object();
	json_object_set_new(o, "t", json_real(t));
	if (skipped)
		json_object_set_new(o, "clock", json_real(t + (double)skipped / 1e9));
	json_object_set_new(o, "pid", json_integer(pid));
	json_object_set_new(o, "ppid", json_integer(ppid));
	json_object_set_new(o, "event", json_string(event));
	if (members)
		json_object_update(o, members);
	json_decref(members);
	put(r, o);
	json_decref(o);
}

/* ---- waits ---- */

static void write_slept(struct record *r, struct slept **p)
{
	struct slept *s = *p;

	*p = s->next;
	write_event(r, s->ms, s->skipped_ns, s->pid, s->ppid, "sleep",
		    json_pack("{s:s, s:f, s:I}", "call", s->call, "seconds", s->seconds, "times", (json_int_t)s->times));
	free(s);
}

static struct slept **slept_of(struct record *r, pid_t pid)
{
	struct slept **p = &r->slept;

	while (*p && (*p)->pid != pid)
		p = &(*p)->next;
	return p;
}

void record_sleep(struct record *r, pid_t pid, pid_t ppid, const char *call, double seconds)
{
	struct slept **p = slept_of(r, pid), *s;

	if (*p && strcmp((*p)->call, call))
		write_slept(r, p);
	p = slept_of(r, pid);
	if (!*p) {
		s = buf_alloc(sizeof *s);
		*s = (struct slept){ .pid = pid, .ppid = ppid, .ms = clock_mono_ms(), .skipped_ns = r->skipped_ns };
		snprintf(s->call, sizeof s->call, "%s", call);
		*p = s;
	}
	(*p)->seconds += seconds;
	(*p)->times++;
}

int64_t record_patience(const struct record *r, int64_t quiet_ms)
{
	int64_t leapt = r->skipped_ns - r->last_skipped_ns;

	return leapt > 0 && leapt < SILENCE_NS ? quiet_ms * SLEEPER : quiet_ms;
}

void record_rest(struct record *r)
{
	while (r->slept)
		write_slept(r, &r->slept);
}

void record_event(struct record *r, pid_t pid, pid_t ppid, const char *event, json_t *members)
{
	struct slept **p = slept_of(r, pid);

	if (*p)
		write_slept(r, p);
	r->last_ms = clock_mono_ms();
	r->last_skipped_ns = r->skipped_ns;
	write_event(r, r->last_ms, r->skipped_ns, pid, ppid, event, members);
}

bool record_dump(struct record *r, json_t *o, const void *p, size_t n)
{
	char hex[DIGEST_HEX];
	struct dump_seen *s = NULL;
	bool fresh = true;

	digest_bytes(p, n, hex);
	json_object_set_new(o, "sha256", json_string(hex));
	for (size_t i = 0; i < r->seen_count && fresh; i++) {
		if (!strcmp(r->seen[i].hex, hex)) {
			s = &r->seen[i];
			fresh = false;
		}
	}
	if (fresh && r->seen_count < SEEN) {
		r->seen = buf_realloc(r->seen, r->seen_count + 1, sizeof *r->seen);
		s = &r->seen[r->seen_count++];
		memcpy(s->hex, hex, sizeof hex);
		s->at = -1;
		if (r->dumps >= 0 && r->dumped + n <= GARDEN_DUMPS && io_write(r->dumps, p, n) == 0) {
			s->at = (int64_t)r->dumped;
			r->dumped += n;
		}
	}
	if (s && s->at >= 0) {
		json_object_set_new(o, "dump_at", json_integer(s->at));
		json_object_set_new(o, "dump_size", json_integer((json_int_t)n));
	}
	return fresh;
}

/* ---- the tool's side ---- */

int record_collect(struct run *r, int events, struct err *e)
{
	struct buf b = { 0 };
	size_t count = 0;
	int rc = 0;

	if (!r->events)
		return 0;
	if (lseek(events, 0, SEEK_SET) || io_slurp(events, CAP_JSON, &b, "the garden's events", e))
		return -1;
	for (size_t at = 0; rc == 0 && at < b.len && count++ < GARDEN_EVENTS; ) {
		unsigned char *end = memchr(b.p + at, '\n', b.len - at);
		json_t *o;
		const char *name;

		if (!end)
			break;   /* the last line of a warden that was killed */
		o = jsonio_parse(b.p + at, (size_t)(end - (b.p + at)), "an event of the garden", e);
		at = (size_t)(end - b.p) + 1;
		if (!o) {
			rc = -1;
			break;
		}
		name = jsonio_str(o, "what");
		if (name && !strcmp(name, "events"))
			r->limit_events = true;
		json_array_append_new(r->events, o);
	}
	buf_free(&b);
	return rc;
}
