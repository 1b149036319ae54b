#include "garden/garden-internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTED 4096u

struct stat_line { char comm[64], state; int ppid; unsigned threads; uint64_t ticks, pages; };

static bool read_stat(const char *pid, struct stat_line *s)
{
	char path[300];
	struct buf b = { 0 };
	const char *open, *close;
	bool good = false;

	*s = (struct stat_line){ 0 };
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	if (io_slurp_at(AT_FDCWD, path, 8192, &b) > 0) {
		open = strchr(buf_str(&b), '(');
		close = strrchr(buf_str(&b), ')');
		if (open && close && close > open && close[1] == ' ' && close[2]) {
			char *p;

			s->state = close[2];
			/* proc_pid_stat(5): the state is field 3. */
			p = (char *)(uintptr_t)close + 3;
			for (int field = 4; field <= 24; field++) {
				unsigned long v = strtoul(p, &p, 10);

				if (field == 4)
					s->ppid = (int)v;
				else if (field == 14 || field == 15)
					s->ticks += v;
				else if (field == 20)
					s->threads = (unsigned)v;
				else if (field == 24)
					s->pages = v;
			}
			size_t n = (size_t)(close - open - 1);

			if (n >= sizeof s->comm)
				n = sizeof s->comm - 1;
			memcpy(s->comm, open + 1, n);
			good = true;
		}
	}
	buf_free(&b);
	return good;
}

static bool is_pid(const char *name)
{
	return name[0] >= '1' && name[0] <= '9' && strspn(name, "0123456789") == strlen(name) && strcmp(name, "1");
}

/* Is it one that the run is asked about? */
static bool counts(const char *name, const struct services *v)
{
	return is_pid(name) && !services_has(v, (pid_t)strtol(name, NULL, 10));
}

bool table_others(const struct services *v)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	bool any = !d;

	while (d && !any && (entry = readdir(d)))
		any = counts(entry->d_name, v);
	if (d)
		closedir(d);
	return any;
}

void table_sum(const struct services *v, struct table_sum *s, uint64_t *ticks)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	struct stat_line line;
	uint64_t total = 0;

	*s = (struct table_sum){ 0 };
	while (d && (entry = readdir(d))) {
		if (!counts(entry->d_name, v) || !read_stat(entry->d_name, &line))
			continue;
		if (line.state == 'Z' || line.state == 'X') {
			s->zombies++;
			continue;
		}
		s->processes++;
		s->tasks += line.threads;
		s->resident += line.pages * 4096;
		total += line.ticks;
		if (line.state != 'S' && line.state != 'T' && line.state != 'I')
			s->busy = true;
	}
	if (d)
		closedir(d);
	if (total != *ticks)
		s->busy = true;
	*ticks = total;
}

json_t *table_list(const struct services *v)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	struct stat_line line;
	json_t *list = json_array();
	char hex[DIGEST_HEX], *exe;

	while (d && (entry = readdir(d)) && json_array_size(list) < LISTED) {
		json_t *o;
		pid_t pid;

		if (!counts(entry->d_name, v) || !read_stat(entry->d_name, &line) || line.state == 'Z' || line.state == 'X')
			continue;
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		o = json_object();
		json_object_set_new(o, "pid", json_integer(pid));
		json_object_set_new(o, "ppid", json_integer(line.ppid));
		json_object_set_new(o, "comm", jsonio_name(line.comm));
		json_object_set_new(o, "cmdline", tracee_argv(pid));
		exe = tracee_link(pid, "exe");
		if (exe)
			json_object_set_new(o, "exe", jsonio_name(exe));
		free(exe);
		if (tracee_digest(pid, hex))
			json_object_set_new(o, "sha256", json_string(hex));
		json_object_set_new(o, "state", json_stringn(&line.state, 1));
		json_array_append_new(list, o);
	}
	if (d)
		closedir(d);
	return list;
}

static uint64_t meminfo(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 10) * KIB : 0;
}

void table_machine(uint64_t *shared, bool *scarce)
{
	struct buf b = { 0 };

	*shared = 0;
	*scarce = false;
	if (io_slurp_at(AT_FDCWD, "/proc/meminfo", 65536, &b) > 0) {
		*shared = meminfo(buf_str(&b), "\nShmem:");
		*scarce = meminfo(buf_str(&b), "\nMemAvailable:") < meminfo(buf_str(&b), "MemTotal:") / 8;
	}
	buf_free(&b);
}

#define SEEN 1024u

struct seen { unsigned long inode[SEEN]; size_t count; };

static bool first_seen(struct seen *s, unsigned long inode)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->inode[i] == inode)
			return false;
	if (s->count < SEEN)
		s->inode[s->count++] = inode;
	return true;
}

/* Shared memory without a name, and memory files that are mapped only: by its size, since who touched it may be gone. */
static uint64_t mapped(const char *pid, struct seen *seen)
{
	struct buf b = { 0 };
	char path[300], *line, *rest;
	uint64_t total = 0;

	snprintf(path, sizeof path, "/proc/%.200s/maps", pid);
	if (io_slurp_at(AT_FDCWD, path, CAP_SLURP, &b) <= 0) {
		buf_free(&b);
		return 0;
	}
	for (line = strtok_r((char *)b.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned long start, end, inode;
		char flags[5], number[24], *p;

		start = strtoul(line, &p, 16);
		end = *p == '-' ? strtoul(p + 1, &p, 16) : 0;
		if (end <= start || sscanf(p, " %4s %*s %*s %23s", flags, number) != 2 || flags[3] != 's' || !strstr(p, " (deleted)"))
			continue;
		inode = strtoul(number, NULL, 10);
		if (first_seen(seen, inode))
			total += end - start;
	}
	buf_free(&b);
	return total;
}

uint64_t table_shared(void)
{
	DIR *d = opendir("/proc"), *fds;
	struct dirent *entry, *fd;
	struct seen seen = { .count = 0 };
	uint64_t total = 0;

	while (d && (entry = readdir(d))) {
		char path[300];

		snprintf(path, sizeof path, "/proc/%.200s/fd", entry->d_name);
		fds = is_pid(entry->d_name) ? opendir(path) : NULL;
		while (fds && (fd = readdir(fds)) && seen.count < SEEN) {
			char target[16];
			ssize_t n = readlinkat(dirfd(fds), fd->d_name, target, sizeof target);
			struct stat st;

			if (n < 7 || memcmp(target, "/memfd:", 7) || fstatat(dirfd(fds), fd->d_name, &st, 0))
				continue;
			if (first_seen(&seen, st.st_ino))
				total += (uint64_t)st.st_blocks * 512;
		}
		if (fds)
			closedir(fds);
		if (is_pid(entry->d_name))
			total += mapped(entry->d_name, &seen);
	}
	if (d)
		closedir(d);
	return total;
}
