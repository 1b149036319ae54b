#include "garden/garden-internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEEN 4096u

static void put(struct record *r, json_t *o)
{
	r->line.len = 0;
	jsonio_dump_line(o, &r->line);
	if (r->bytes + r->line.len > GARDEN_EVENT_BYTES || io_write(r->events, r->line.p, r->line.len))
		r->full = true;
	r->bytes += r->line.len;
	r->count++;
}

void record_event(struct record *r, pid_t pid, pid_t ppid, const char *event, json_t *members)
{
	int64_t now = clock_mono_ms();
	json_t *o;

	r->last_ms = now;
	if (r->events < 0 || r->full) {
		json_decref(members);
		return;
	}
	if (r->count + 1 >= GARDEN_EVENTS) {
		r->full = true;
		event = "limit";
		json_decref(members);
		members = json_pack("{s:s}", "what", "events");
	}
	o = json_object();
	json_object_set_new(o, "t", json_real((double)(now - r->began_ms) / 1000));
	json_object_set_new(o, "pid", json_integer(pid));
	json_object_set_new(o, "ppid", json_integer(ppid));
	json_object_set_new(o, "event", json_string(event));
	if (members)
		json_object_update(o, members);
	json_decref(members);
	put(r, o);
	json_decref(o);
}

bool record_dump(struct record *r, json_t *o, const void *p, size_t n)
{
	char hex[DIGEST_HEX];

	digest_bytes(p, n, hex);
	json_object_set_new(o, "sha256", json_string(hex));
	for (size_t i = 0; i < r->seen_count; i++)
		if (!strcmp(r->seen[i], hex))
			return false;
	if (r->seen_count < SEEN) {
		r->seen = buf_realloc(r->seen, r->seen_count + 1, sizeof *r->seen);
		memcpy(r->seen[r->seen_count++], hex, sizeof hex);
	}
	if (r->dumps >= 0 && r->dumped + n <= GARDEN_DUMPS && io_write(r->dumps, p, n) == 0) {
		json_object_set_new(o, "dump_at", json_integer((json_int_t)r->dumped));
		json_object_set_new(o, "dump_size", json_integer((json_int_t)n));
		r->dumped += n;
	}
	return true;
}

void record_free(struct record *r)
{
	buf_free(&r->line);
	free(r->seen);
	r->seen = NULL;
}

/* ---- the tool's side ---- */

static int save_dump(const struct run *r, json_t *o, const unsigned char *dumps, size_t size, struct err *e)
{
	json_int_t at = jsonio_int(o, "dump_at", -1), n = jsonio_int(o, "dump_size", -1);
	const char *hex = jsonio_str(o, "sha256");
	int fd, rc;

	json_object_del(o, "dump_at");
	json_object_del(o, "dump_size");
	if (at < 0 || n <= 0 || r->dumps_dir <= 0 || !hex || !digest_ok(hex) || (uint64_t)at > size || (uint64_t)n > size - (uint64_t)at)
		return 0;
	fd = openat(r->dumps_dir, hex, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot write a memory dump");
	rc = io_write(fd, dumps + at, (size_t)n) ? err_sys(e, "cannot write a memory dump") : 0;
	close(fd);
	return rc;
}

int record_collect(struct run *r, int events, int dumps, struct err *e)
{
	struct buf b = { 0 };
	struct stat st;
	unsigned char *map = MAP_FAILED;
	size_t size = 0, count = 0;
	int rc = 0;

	if (!r->events)
		return 0;
	if (lseek(events, 0, SEEK_SET) || io_slurp(events, CAP_JSON, &b, "the garden's events", e))
		return -1;
	if (dumps >= 0 && fstat(dumps, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size <= GARDEN_DUMPS) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, dumps, 0);
		size = map == MAP_FAILED ? 0 : (size_t)st.st_size;
	}
	for (size_t at = 0; rc == 0 && at < b.len && count++ < GARDEN_EVENTS; ) {
		unsigned char *end = memchr(b.p + at, '\n', b.len - at);
		json_t *o;

		if (!end)
			break;   /* the last line of a warden that was killed */
		o = jsonio_parse(b.p + at, (size_t)(end - (b.p + at)), "an event of the garden", e);
		at = (size_t)(end - b.p) + 1;
		if (!o) {
			rc = -1;
			break;
		}
		rc = save_dump(r, o, map, size, e);
		if (!strcmp(jsonio_str(o, "event") ? jsonio_str(o, "event") : "", "limit"))
			r->limit_events = true;
		json_array_append_new(r->events, o);
	}
	if (map != MAP_FAILED)
		munmap(map, size);
	buf_free(&b);
	return rc;
}
