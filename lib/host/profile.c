#include "host/internal.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

static bool read_text(const struct host *h, const char *path, struct buf *out)
{
	struct err e;
	int fd = rooted_open(h->root, path, O_RDONLY), rc;

	if (fd < 0)
		return false;
	rc = io_slurp(fd, CAP_START_FILE, out, path, &e);
	close(fd);
	return rc == 0;
}

static bool exists(const struct host *h, const char *path)
{
	int fd = rooted_open(h->root, path, O_PATH);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void chomp(char *s)
{
	s[strcspn(s, "\r\n")] = '\0';
}

static void hostname_of(const struct host *h, char *out, size_t size)
{
	struct buf b = { 0 };

	out[0] = '\0';
	if (h->live)
		gethostname(out, size - 1);
	else if (read_text(h, "/etc/hostname", &b))
		snprintf(out, size, "%s", buf_str(&b));
	out[size - 1] = '\0';
	chomp(out);
	buf_free(&b);
}

/* 32 hex digits that say which machine this is, and not what its machine-id is. */
static void id_of(const struct host *h, const char *name, char id[33])
{
	struct buf b = { 0 };
	char sha256[DIGEST_HEX], *source;

	if (read_text(h, "/etc/machine-id", &b) && b.len >= 32)
		source = buf_printf("%.32smuss", buf_str(&b));
	else
		source = buf_printf("%smuss", name);
	digest_bytes(source, strlen(source), sha256);
	memcpy(id, sha256, 32);
	id[32] = '\0';
	free(source);
	buf_free(&b);
}

static void release_field(const char *text, const char *key, char *out, size_t size)
{
	const char *p = text;
	size_t n = strlen(key);

	out[0] = '\0';
	while (*p) {
		if (!strncmp(p, key, n) && p[n] == '=') {
			p += n + 1;
			if (*p == '"' || *p == '\'')
				p++;
			snprintf(out, size, "%.*s", (int)strcspn(p, "\"'\r\n"), p);
			return;
		}
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
}

static json_t *os_of(const struct host *h)
{
	struct buf b = { 0 };
	json_t *o = json_object();
	char id[64], version[64];

	if (!read_text(h, "/etc/os-release", &b))
		read_text(h, "/usr/lib/os-release", &b);
	release_field(buf_str(&b), "ID", id, sizeof(id));
	release_field(buf_str(&b), "VERSION_ID", version, sizeof(version));
	json_object_set_new(o, "id", jsonio_name(*id ? id : "linux"));
	json_object_set_new(o, "version", jsonio_name(version));
	buf_free(&b);
	return o;
}

static const char *init_of(const struct host *h)
{
	struct buf comm = { 0 };
	const char *init;

	if (h->live)
		io_slurp_at(h->proc, "1/comm", 64, &comm);
	if (exists(h, "/run/systemd/system") || !strcmp(buf_str(&comm), "systemd\n"))
		init = "systemd";
	else if (exists(h, "/run/openrc") || (!h->live && exists(h, "/sbin/openrc-run")))
		init = "openrc";
	else if (!strcmp(buf_str(&comm), "init\n"))
		init = "sysv";
	else if (!h->live && exists(h, "/usr/lib/systemd/systemd"))
		init = "systemd";
	else
		init = "none";
	buf_free(&comm);
	return init;
}

static json_t *libc_of(const struct host *h)
{
	if (exists(h, "/lib/ld-musl-x86_64.so.1") && !exists(h, "/lib64/ld-linux-x86-64.so.2"))
		return json_string("musl");
	if (h->live)
		return json_sprintf("glibc %s", gnu_get_libc_version());
	return json_string(exists(h, "/lib64/ld-linux-x86-64.so.2") ? "glibc" : "");
}

static json_int_t memory_of(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (json_int_t)pages * size : 0;
}

static json_t *scan_of(const struct host *h)
{
	json_t *o = json_object(), *containers;
	double seconds = h->seconds > 0 ? h->seconds : (double)(clock_mono_ms() - h->began) / 1000;
	bool complete = !h->processes_unseen && !h->unlooked && !h->remote_left && !h->given_up && !json_array_size(h->unseen);

	json_object_set_new(o, "processes", json_integer(h->processes));
	json_object_set_new(o, "processes_unseen", json_integer(h->processes_unseen));
	json_object_set_new(o, "files", json_integer((json_int_t)h->files));
	json_object_set_new(o, "bytes", json_integer((json_int_t)h->bytes));
	if (h->cache)
		json_object_set_new(o, "recalled", json_integer((json_int_t)h->recalled));
	json_object_set_new(o, "seconds", json_real(seconds));
	json_object_set_new(o, "root", jsonio_name(*h->root_path ? h->root_path : "/"));
	json_object_set_new(o, "complete", json_boolean(complete));
	json_object_set_new(o, "unseen", json_deep_copy(h->unseen));
	if ((containers = roots_about(h)))
		json_object_set_new(o, "containers", containers);
	if (h->processes_unseen)
		json_array_append_new(json_object_get(o, "unseen"),
		                      json_sprintf("%u processes could not be looked at", h->processes_unseen));
	if (h->remote_left)
		json_array_append_new(json_object_get(o, "unseen"),
		                      json_sprintf("%u files on network or FUSE file systems were left out", h->remote_left));
	if (h->unlooked)
		json_array_append_new(json_object_get(o, "unseen"), json_sprintf("%u files could not be read", h->unlooked));
	return o;
}

json_t *profile_make(const struct host *h, struct err *e)
{
	json_t *o;
	struct statvfs fs;
	struct utsname u;
	char name[256], id[33];

	if (uname(&u) < 0) {
		err_sys(e, "cannot learn the kernel's release");
		return NULL;
	}
	o = json_object();
	hostname_of(h, name, sizeof(name));
	id_of(h, name, id);
	json_object_set_new(o, "id", json_string(id));
	json_object_set_new(o, "name", jsonio_name(name));
	json_object_set_new(o, "os", os_of(h));
	json_object_set_new(o, "kernel", jsonio_name(h->live ? u.release : ""));
	json_object_set_new(o, "arch", jsonio_name(u.machine));
	json_object_set_new(o, "memory", json_integer(h->live ? memory_of() : 0));
	json_object_set_new(o, "disk_free", json_integer(fstatvfs(h->root, &fs) < 0 ? 0 : (json_int_t)fs.f_bavail * (json_int_t)fs.f_frsize));
	json_object_set_new(o, "init", json_string(init_of(h)));
	json_object_set_new(o, "libc", libc_of(h));
	json_object_set_new(o, "scan", scan_of(h));
	return o;
}
