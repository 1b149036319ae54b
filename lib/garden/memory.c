#include "garden/garden-internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REGIONS 65536u

struct region {
	uint64_t start, end, inode;
	bool code, shared;
	char path[256];
};

/* proc_pid_maps(5): start-end perms offset major:minor inode path. */
static bool parse_region(char *line, struct region *g)
{
	char *p;

	*g = (struct region){ 0 };
	g->start = strtoull(line, &p, 16);
	if (*p != '-')
		return false;
	g->end = strtoull(p + 1, &p, 16);
	if (*p != ' ' || strnlen(p, 6) < 6)
		return false;
	g->code = p[3] == 'x';
	g->shared = p[4] == 's';
	p += 5;
	for (int skip = 0; skip < 2; skip++)
		p += strspn(p, " "), p += strcspn(p, " ");
	g->inode = strtoull(p, &p, 10);
	snprintf(g->path, sizeof g->path, "%.255s", p + strspn(p, " "));
	return true;
}

static bool next_region(char **line, struct region *g)
{
	while (*line && **line) {
		char *begin = *line, *end = strchr(begin, '\n');

		if (end)
			*end = '\0';
		*line = end ? end + 1 : NULL;
		if (parse_region(begin, g))
			return true;
	}
	return false;
}

/* No file that a scan of the disk would find stands behind it. */
static bool fileless(const struct region *g)
{
	size_t n = strlen(g->path);

	if (!strcmp(g->path, "[vdso]") || !strcmp(g->path, "[vsyscall]") || !strcmp(g->path, "[uprobes]") || !strcmp(g->path, "[vvar]"))
		return false;
	if (g->inode == 0 || !strncmp(g->path, "/memfd:", 7) || !strncmp(g->path, "/dev/zero", 9) || !strncmp(g->path, "/SYSV", 5))
		return true;
	return n > 10 && !strcmp(g->path + n - 10, " (deleted)");
}

static bool maps_of(pid_t pid, struct buf *b)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	return io_slurp_at(AT_FDCWD, path, CAP_SLURP, b) > 0;
}

static ino_t image_inode(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

static bool only_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && !memcmp(p, p + 1, n - 1));
}

/* Pages that were touched; what can't be read stays zero. */
static unsigned char *read_memory(pid_t pid, uint64_t start, size_t n)
{
	char path[64];
	unsigned char *p = buf_alloc(n);
	int fd;

	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t at = 0; fd >= 0 && at < n; ) {
		ssize_t r = pread(fd, p + at, n - at, (off_t)(start + at));

		if (r > 0)
			at += (size_t)r;
		else
			at += 4096 - (start + at) % 4096;
	}
	io_close(&fd);
	return p;
}

/* In a private mapping of a file, pages that were written to are no longer the file's: bit 61 of pagemap is clear. */
static bool any_written(pid_t pid, uint64_t start, uint64_t size)
{
	char path[64];
	uint64_t entry[512];
	bool found = false;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (uint64_t at = 0; fd >= 0 && !found && at < size / 4096; ) {
		size_t want = size / 4096 - at < 512 ? (size_t)(size / 4096 - at) : 512;
		ssize_t r = pread(fd, entry, want * 8, (off_t)((start / 4096 + at) * 8));

		if (r <= 0)
			break;
		for (size_t i = 0; i < (size_t)r / 8; i++)
			if ((entry[i] >> 63 & 1) && !(entry[i] >> 61 & 1))
				found = true;
		at += (size_t)r / 8;
	}
	io_close(&fd);
	return found;
}

static void dump(struct record *r, const struct task *t, uint64_t start, uint64_t size, const char *how, bool repeat)
{
	size_t n = size < GARDEN_DUMP ? (size_t)size : (size_t)GARDEN_DUMP;
	unsigned char *p = read_memory(t->tgid, start, n);
	char address[20];
	json_t *o = json_object();
	bool fresh = false, zero = only_zero(p, n);

	snprintf(address, sizeof address, "%" PRIx64, start);
	json_object_set_new(o, "address", json_string(address));
	json_object_set_new(o, "size", json_integer((json_int_t)size));
	json_object_set_new(o, "how", json_string(how));
	if (!zero)
		fresh = record_dump(r, o, p, n);
	free(p);
	if (fresh || repeat)
		record_event(r, t->tgid, t->ppid, "memory", o);
	else
		json_decref(o);
}

void memory_range(struct record *r, struct task *t, uint64_t start, uint64_t size, const char *how)
{
	struct buf b = { 0 };
	struct region g;
	unsigned n = 0;

	if (size == 0 || start + size < start || !maps_of(t->tgid, &b)) {
		buf_free(&b);
		return;
	}
	for (char *line = (char *)b.p; next_region(&line, &g) && n < 64; ) {
		uint64_t from = g.start > start ? g.start : start, to = g.end < start + size ? g.end : start + size;

		if (from >= to)
			continue;
		if (fileless(&g) || (!g.shared && any_written(t->tgid, from, to - from))) {
			t->code_memory = true;
			dump(r, t, from, to - from, how, true);
			n++;
		}
	}
	buf_free(&b);
}

void memory_sweep(struct record *r, const struct task *t)
{
	struct buf b = { 0 };
	struct region g;
	unsigned n = 0;
	ino_t own = image_inode(t->tgid);

	if (maps_of(t->tgid, &b))
		for (char *line = (char *)b.p; next_region(&line, &g) && n < REGIONS; )
			if (g.code && fileless(&g) && (g.inode == 0 || g.inode != own)) {
				dump(r, t, g.start, g.end - g.start, "sweep", false);
				n++;
			}
	buf_free(&b);
}

void memory_image(struct record *r, const struct task *t)
{
	char path[64];
	struct buf b = { 0 };
	struct err ignored;
	json_t *o;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/exe", t->tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && io_slurp(fd, GARDEN_DUMP, &b, "an image", &ignored) == 0 && b.len) {
		o = json_pack("{s:s, s:I, s:s}", "address", "0", "size", (json_int_t)b.len, "how", "memfd");
		record_dump(r, o, b.p, b.len);
		record_event(r, t->tgid, t->ppid, "memory", o);
	}
	buf_free(&b);
	io_close(&fd);
}
