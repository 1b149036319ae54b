/* Linux's files and the system calls for them: what exists is the program, the C library, some of /proc, /dev and /etc, and what it writes. */
#include "emulate/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unicorn/unicorn.h>

#define TRANSFER (16 * MIB)

/* ---- files ---- */

size_t linux_file_size(const struct linux_file *f) { return f->p ? f->n : f->data.len; }
const unsigned char *linux_file_bytes(const struct linux_file *f) { return f->p ? f->p : (const unsigned char *)buf_str(&f->data); }

static struct linux_file *add_file(struct linux_process *l, const char *path)
{
	struct linux_file *f;

	if (l->files >= LINUX_FILES)
		return NULL;
	f = &l->file[l->files++];
	*f = (struct linux_file){ .path = buf_strdup(path), .mode = 0755 };
	return f;
}

static void add_text(struct linux_process *l, const char *path, const char *text)
{
	struct linux_file *f = add_file(l, path);

	if (f)
		buf_adds(&f->data, text);
}

static void fresh_maps(struct linux_process *l, struct linux_file *f)
{
	buf_clear(&f->data);
	for (size_t i = 0; i < l->m->regions; i++) {
		const struct machine_region *r = &l->m->region[i];
		bool image = r->address >= l->m->image && r->address < l->m->image + l->m->image_size;
		unsigned long long end = r->address + r->size;

		buf_addf(&f->data, "%08llx-%08llx %c%c%cp 00000000 %s                  %s\n", (unsigned long long)r->address,
			end, r->prot & MACHINE_R ? 'r' : '-', r->prot & MACHINE_W ? 'w' : '-',
			r->prot & MACHINE_X ? 'x' : '-', image ? "08:01 1048" : "00:00 0",
			image ? LINUX_SAMPLE : end == l->stack_top ? "[stack]" : "");
	}
}

/* "/proc/self", "/proc/PID" and "/proc/thread-self" are one; the libraries of any folder are those we have. */
static const char *plain(struct linux_process *l, const char *path, char out[LINUX_PATH])
{
	char own[32];
	size_t n;

	snprintf(own, sizeof own, "/proc/%u/", l->pid);
	n = strlen(own);
	if (!strncmp(path, own, n))
		snprintf(out, LINUX_PATH, "/proc/self/%s", path + n);
	else if (!strncmp(path, "./", 2))
		snprintf(out, LINUX_PATH, "/home/anna/%s", path + 2);
	else
		snprintf(out, LINUX_PATH, "%s%s", path[0] == '/' ? "" : "/home/anna/", path);
	if (!strcmp(out, "/proc/self/exe"))
		snprintf(out, LINUX_PATH, "%s", LINUX_SAMPLE);
	return out;
}

struct linux_file *linux_file(struct linux_process *l, const char *path, bool make)
{
	char name[LINUX_PATH];

	plain(l, path, name);
	if (!strncmp(name, "/proc/self/fd/", 14)) {
		struct linux_fd *d = linux_fd(l, strtoull(name + 14, NULL, 10));

		return d && d->kind == FD_FILE ? &l->file[d->file] : NULL;
	}
	for (size_t i = l->files; i-- > 0;)
		if (!l->file[i].gone && !strcmp(l->file[i].path, name)) {
			if (!strcmp(name, "/proc/self/maps"))
				fresh_maps(l, &l->file[i]);
			return &l->file[i];
		}
	return make ? add_file(l, name) : NULL;
}

void linux_files_begin(struct linux_process *l, const void *p, size_t n)
{
	struct linux_file *f = add_file(l, LINUX_SAMPLE);

	f->p = p;
	f->n = n;
	f->own = true;
	for (size_t i = 0; i < l->system->linux_files; i++) {
		f = add_file(l, l->system->linux_file[i].path);
		if (!f)
			break;
		f->p = l->system->linux_file[i].p;
		f->n = l->system->linux_file[i].n;
		f->st = l->system->linux_file[i].st;
	}
	add_text(l, "/proc/self/maps", "");
	add_text(l, "/proc/self/cmdline", LINUX_SAMPLE);
	add_text(l, "/proc/self/comm", "setup\n");
	add_text(l, "/proc/self/status", "Name:\tsetup\nState:\tR (running)\nPid:\t2817\nPPid:\t2790\nTracerPid:\t0\nUid:\t1000\t1000\t1000\t1000\n");
	add_text(l, "/proc/self/stat", "2817 (setup) R 2790 2817 2790 34816 2817 4194304 0 0 0 0 0 0 0 0 20 0 1 0 918273\n");
	add_text(l, "/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\ncpu cores\t: 4\n\n"
		"processor\t: 1\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\ncpu cores\t: 4\n\n");
	add_text(l, "/proc/version", "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org)\n");
	add_text(l, "/proc/meminfo", "MemTotal:       16267424 kB\nMemFree:         8120448 kB\n");
	add_text(l, "/proc/uptime", "918273.41 3411000.10\n");
	add_text(l, "/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna,,,:/home/anna:/bin/bash\n");
	add_text(l, "/etc/hostname", "anna-laptop\n");
	add_text(l, "/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n");
	for (unsigned i = 0; i < 3; i++)
		l->fd[i] = (struct linux_fd){ .kind = i ? FD_OUT : FD_NULL };
}

void linux_files_end(struct linux_process *l)
{
	for (size_t i = 0; i < l->files; i++) {
		struct linux_file *f = &l->file[i];

		if (f->written)
			emulation_drop(l->m->out, f->pipe ? "pipe" : !strncmp(f->path, "/memfd:", 7) ? "memfd" : "file", f->path, f->data.p, f->data.len);
		free(f->path);
		buf_free(&f->data);
	}
}

/* ---- descriptors ---- */

struct linux_fd *linux_fd(struct linux_process *l, uint64_t fd)
{
	return (uint32_t)fd < LINUX_DESCRIPTORS && l->fd[(uint32_t)fd].kind != FD_FREE ? &l->fd[(uint32_t)fd] : NULL;
}

int64_t linux_fd_new(struct linux_process *l, unsigned kind, unsigned file)
{
	for (unsigned i = 0; i < LINUX_DESCRIPTORS; i++) {
		if (l->fd[i].kind == FD_FREE) {
			l->fd[i] = (struct linux_fd){ .kind = kind, .file = file };
			return i;
		}
	}
	return -EMFILE;
}

static bool path_at(struct linux_process *l, uint64_t at, char out[LINUX_PATH])
{
	struct buf b = { 0 };
	bool well = machine_text(l->m, at, 1, LINUX_PATH - 64, &b);

	snprintf(out, LINUX_PATH, "%s", buf_str(&b));
	buf_free(&b);
	return well;
}

static void notice(struct linux_process *l, const char *path)
{
	if (strstr(path, "/status") && !strncmp(path, "/proc/", 6))
		linux_finding(l, "anti-debugger", "it reads %.60s, where a tracer would show", path);
	if (!strncmp(path, "/sys/class/dmi", 14) || !strcmp(path, "/proc/scsi/scsi"))
		linux_finding(l, "anti-sandbox", "it reads %.60s, where a virtual machine would show", path);
}

static int64_t open_path(struct linux_process *l, const char *path, uint64_t flags)
{
	static const struct { const char *path; unsigned kind; } devices[] = {
		{ "/dev/null", FD_NULL }, { "/dev/zero", FD_ZERO }, { "/dev/urandom", FD_RANDOM }, { "/dev/random", FD_RANDOM }, { "/dev/tty", FD_OUT },
	};
	struct linux_file *f;
	int64_t fd;

	notice(l, path);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		if (!strcmp(path, devices[i].path))
			return linux_fd_new(l, devices[i].kind, 0);
	f = linux_file(l, path, false);
	if (f && flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (!f && flags & O_CREAT)
		f = linux_file(l, path, true);
	if (!f)
		return -ENOENT;
	if (flags & O_TRUNC && !f->p) {
		buf_clear(&f->data);
		f->written = true;
	}
	fd = linux_fd_new(l, FD_FILE, (unsigned)(f - l->file));
	if (fd >= 0 && flags & O_APPEND)
		l->fd[fd].at = linux_file_size(f);
	return fd;
}

static int64_t sys_open(struct linux_process *l, const uint64_t *a)
{
	char path[LINUX_PATH];

	return path_at(l, a[0], path) ? open_path(l, path, a[1]) : -EFAULT;
}

static int64_t sys_openat(struct linux_process *l, const uint64_t *a) { return sys_open(l, a + 1); }
static int64_t sys_creat(struct linux_process *l, const uint64_t *a)
{
	return sys_open(l, (const uint64_t[]){ a[0], O_CREAT | O_TRUNC | O_WRONLY });
}

static int64_t sys_close(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);

	if (!d)
		return -EBADF;
	d->kind = FD_FREE;
	return 0;
}

/* Who finds it empty lets another process fill it. */
static int64_t from_pipe(struct linux_process *l, const struct linux_fd *d, uint64_t to, uint64_t n)
{
	struct linux_file *f = &l->file[d->file];
	uint64_t left = f->data.len - f->taken;

	if (!left && n && linux_yield(l))
		return 0;
	if (n > left)
		n = left;
	if (n && !machine_put(l->m, to, f->data.p + f->taken, (size_t)n))
		return -EFAULT;
	f->taken += n;
	return (int64_t)n;
}

static int64_t read_at(struct linux_process *l, struct linux_fd *d, uint64_t to, uint64_t n, uint64_t at)
{
	const struct linux_file *f;
	unsigned char *p;
	int64_t rc = 0;

	if (n > TRANSFER)
		n = TRANSFER;
	switch (d->kind) {
	case FD_FILE:
		f = &l->file[d->file];
		if (at >= linux_file_size(f))
			return 0;
		if (n > linux_file_size(f) - at)
			n = linux_file_size(f) - at;
		return machine_put(l->m, to, linux_file_bytes(f) + at, (size_t)n) ? (int64_t)n : -EFAULT;
	case FD_ZERO: case FD_RANDOM:
		p = buf_alloc((size_t)n + 1);
		for (uint64_t i = 0; i < n && d->kind == FD_RANDOM; i++) {
			l->random = l->random * UINT64_C(6364136223846793005) + 1442695040888963407;
			p[i] = (unsigned char)(l->random >> 56);
		}
		rc = machine_put(l->m, to, p, (size_t)n) ? (int64_t)n : -EFAULT;
		free(p);
		return rc;
	case FD_PIPE:
		return from_pipe(l, d, to, n);
	case FD_SOCKET:
		return -ECONNRESET;
	default:
		return 0;
	}
}

static int64_t sys_read(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);
	int64_t n;

	if (!d)
		return -EBADF;
	n = read_at(l, d, a[1], a[2], d->at);
	if (n > 0)
		d->at += (uint64_t)n;
	return n;
}

static int64_t sys_pread(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);

	return d ? read_at(l, d, a[1], a[2], a[3]) : -EBADF;
}

/* A given file that is written to becomes one of the program's own. */
static int64_t write_at(struct linux_process *l, struct linux_fd *d, uint64_t from, uint64_t n, uint64_t at)
{
	struct linux_file *f = &l->file[d->file];
	uint64_t end;

	if (n > TRANSFER)
		n = TRANSFER;
	if (d->kind == FD_PIPE)
		at = f->data.len;
	else if (d->kind != FD_FILE)
		return (int64_t)n;
	if (at > LINUX_FILE_MOST || n > LINUX_FILE_MOST - at)
		return -EFBIG;
	if (f->p) {
		buf_add(&f->data, f->p, f->n);
		f->p = NULL;
	}
	end = at + n;
	if (end > f->data.len) {
		buf_reserve(&f->data, end - f->data.len + 1);
		memset(f->data.p + f->data.len, 0, end - f->data.len);
		f->data.len = end;
	}
	f->written = true;
	return machine_read(l->m, from, f->data.p + at, (size_t)n) ? (int64_t)n : -EFAULT;
}

static int64_t sys_write(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);
	int64_t n;

	if (!d)
		return -EBADF;
	n = write_at(l, d, a[1], a[2], d->at);
	if (n > 0)
		d->at += (uint64_t)n;
	return n;
}

static int64_t sys_pwrite(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);

	return d ? write_at(l, d, a[1], a[2], a[3]) : -EBADF;
}

static int64_t vector(struct linux_process *l, const uint64_t *a, linux_fn *each)
{
	int64_t sum = 0;

	for (uint64_t i = 0; i < a[2] && i < 1024; i++) {
		uint64_t at = a[1] + 2 * l->width * i, v[3] = { a[0], machine_number(l->m, at, l->width), machine_number(l->m, at + l->width, l->width) };
		int64_t n = v[2] ? each(l, v) : 0;

		if (n < 0)
			return sum ? sum : n;
		sum += n;
		if ((uint64_t)n < v[2])
			break;
	}
	return sum;
}

static int64_t sys_readv(struct linux_process *l, const uint64_t *a) { return vector(l, a, sys_read); }
static int64_t sys_writev(struct linux_process *l, const uint64_t *a) { return vector(l, a, sys_write); }

static int64_t sys_lseek(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);
	int64_t at = l->width == 4 ? (int32_t)a[1] : (int64_t)a[1];

	if (!d)
		return -EBADF;
	if (d->kind != FD_FILE)
		return -ESPIPE;
	if (__builtin_add_overflow(at, a[2] == SEEK_CUR ? (int64_t)d->at : a[2] == SEEK_END ? (int64_t)linux_file_size(&l->file[d->file]) : 0, &at) || at < 0)
		return -EINVAL;
	d->at = (uint64_t)at;
	return at;
}

static int64_t sys_llseek(struct linux_process *l, const uint64_t *a)
{
	int64_t at = sys_lseek(l, (const uint64_t[]){ a[0], a[2], a[4] });

	if (at < 0)
		return at;
	machine_put_number(l->m, a[3], (uint64_t)at, 8);
	return 0;
}

static int64_t sys_ftruncate(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);
	struct linux_file *f = d && d->kind == FD_FILE ? &l->file[d->file] : NULL;

	if (!f || f->p || a[1] > LINUX_FILE_MOST)
		return -EINVAL;
	if (a[1] > f->data.len) {
		buf_reserve(&f->data, a[1] - f->data.len + 1);
		memset(f->data.p + f->data.len, 0, a[1] - f->data.len);
	}
	f->data.len = a[1];
	return 0;
}

/* struct stat of each width: the fields that programs look at. */
static int64_t put_stat(struct linux_process *l, uint64_t at, const struct linux_file *f, unsigned kind)
{
	bool wide = l->width == 8;
	unsigned total = wide ? 144 : 96;
	struct stat s = { .st_dev = 0x801, .st_ino = f ? 1048576 + (ino_t)(f - l->file) : 7, .st_nlink = 1, .st_uid = 1000, .st_gid = 1000,
		.st_mode = f && kind == FD_FILE ? S_IFREG | f->mode : kind == FD_PIPE ? S_IFIFO | 0600u : S_IFCHR | 0620u,
		.st_size = f && kind == FD_FILE ? (off_t)linux_file_size(f) : 0, .st_mtim.tv_sec = 1705000000 };

	for (unsigned i = 0; i < total; i += 4)
		machine_put_number(l->m, at + i, 0, 4);
	/* Samples may make a key of what stands here about a file of the system (shc does). */
	if (f && f->st && kind == FD_FILE && f->p)
		s = *f->st;
	machine_put_number(l->m, at, s.st_dev, wide ? 8 : 4);
	machine_put_number(l->m, at + (wide ? 8 : 88), s.st_ino, 8);
	machine_put_number(l->m, at + (wide ? 24 : 16), s.st_mode, 4);
	machine_put_number(l->m, at + (wide ? 16 : 20), s.st_nlink, 4);
	machine_put_number(l->m, at + (wide ? 28 : 24), s.st_uid, 4);
	machine_put_number(l->m, at + (wide ? 32 : 28), s.st_gid, 4);
	machine_put_number(l->m, at + (wide ? 48 : 44), (uint64_t)s.st_size, 8);
	machine_put_number(l->m, at + (wide ? 56 : 52), 4096, 4);
	machine_put_number(l->m, at + (wide ? 88 : 72), (uint64_t)s.st_mtime, l->width);
	machine_put_number(l->m, at + (wide ? 104 : 80), (uint64_t)s.st_ctime, l->width);
	return 0;
}

static int64_t stat_path(struct linux_process *l, uint64_t name, uint64_t out)
{
	static const char *const folders[] = { "/", "/tmp", "/home", "/home/anna", "/etc", "/usr", "/usr/bin", "/var", "/var/tmp", "/dev/shm", "/proc" };
	char path[LINUX_PATH];
	struct linux_file *f;

	if (!path_at(l, name, path))
		return -EFAULT;
	notice(l, path);
	f = linux_file(l, path, false);
	if (f)
		return put_stat(l, out, f, FD_FILE);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (!strcmp(path, folders[i])) {
			put_stat(l, out, NULL, FD_OTHER);
			machine_put_number(l->m, out + (l->width == 8 ? 24 : 16), S_IFDIR | 0755, 4);
			return 0;
		}
	return -ENOENT;
}

static int64_t sys_stat(struct linux_process *l, const uint64_t *a) { return stat_path(l, a[0], a[1]); }

static int64_t sys_fstat(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);

	return d ? put_stat(l, a[1], d->kind == FD_FILE ? &l->file[d->file] : NULL, d->kind) : -EBADF;
}

static int64_t sys_fstatat(struct linux_process *l, const uint64_t *a)
{
	if (!machine_number(l->m, a[1], 1))
		return sys_fstat(l, (const uint64_t[]){ a[0], a[2] });
	return stat_path(l, a[1], a[2]);
}

static int64_t exists(struct linux_process *l, uint64_t name)
{
	char path[LINUX_PATH];

	if (!path_at(l, name, path))
		return -EFAULT;
	notice(l, path);
	return linux_file(l, path, false) ? 0 : -ENOENT;
}

static int64_t sys_access(struct linux_process *l, const uint64_t *a) { return exists(l, a[0]); }
static int64_t sys_faccessat(struct linux_process *l, const uint64_t *a) { return exists(l, a[1]); }

static int64_t link_text(struct linux_process *l, uint64_t name, uint64_t to, uint64_t n)
{
	char path[LINUX_PATH], whole[LINUX_PATH];
	size_t length = strlen(LINUX_SAMPLE);

	if (!path_at(l, name, path))
		return -EFAULT;
	if (strcmp(plain(l, path, whole), LINUX_SAMPLE) || !strcmp(path, LINUX_SAMPLE))
		return linux_file(l, path, false) ? -EINVAL : -ENOENT;
	if (length > n)
		length = (size_t)n;
	return machine_put(l->m, to, LINUX_SAMPLE, length) ? (int64_t)length : -EFAULT;
}

static int64_t sys_readlink(struct linux_process *l, const uint64_t *a) { return link_text(l, a[0], a[1], a[2]); }
static int64_t sys_readlinkat(struct linux_process *l, const uint64_t *a) { return link_text(l, a[1], a[2], a[3]); }

static int64_t remove_path(struct linux_process *l, uint64_t name)
{
	char path[LINUX_PATH];
	struct linux_file *f = path_at(l, name, path) ? linux_file(l, path, false) : NULL;

	if (!f)
		return -ENOENT;
	if (f->own)
		linux_finding(l, "self-deletion", "it deletes its own file");
	f->gone = true;
	return 0;
}

static int64_t sys_unlink(struct linux_process *l, const uint64_t *a) { return remove_path(l, a[0]); }
static int64_t sys_unlinkat(struct linux_process *l, const uint64_t *a) { return remove_path(l, a[1]); }

static int64_t sys_rename(struct linux_process *l, const uint64_t *a)
{
	char from[LINUX_PATH], to[LINUX_PATH], whole[LINUX_PATH];
	struct linux_file *f = path_at(l, a[0], from) ? linux_file(l, from, false) : NULL;

	if (!f || !path_at(l, a[1], to))
		return -ENOENT;
	free(f->path);
	f->path = buf_strdup(plain(l, to, whole));
	f->written = f->written || !f->p;
	return 0;
}

static int64_t sys_memfd(struct linux_process *l, const uint64_t *a)
{
	char name[LINUX_PATH], path[LINUX_PATH + 16];
	struct linux_file *f;

	path_at(l, a[0], name);
	snprintf(path, sizeof path, "/memfd:%.200s", name);
	f = add_file(l, path);
	if (!f)
		return -EMFILE;
	f->written = true;
	return linux_fd_new(l, FD_FILE, (unsigned)(f - l->file));
}

static int64_t sys_dup2(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);

	if (!d || a[1] >= LINUX_DESCRIPTORS)
		return -EBADF;
	l->fd[a[1]] = *d;
	return (int64_t)a[1];
}

static int64_t sys_dup(struct linux_process *l, const uint64_t *a)
{
	struct linux_fd *d = linux_fd(l, a[0]);
	int64_t fd = d ? linux_fd_new(l, d->kind, d->file) : -EBADF;

	if (fd >= 0)
		l->fd[fd].at = d->at;
	return fd;
}

static int64_t sys_fcntl(struct linux_process *l, const uint64_t *a)
{
	if (a[1] == F_DUPFD || a[1] == F_DUPFD_CLOEXEC)
		return sys_dup(l, a);
	return linux_fd(l, a[0]) ? 0 : -EBADF;
}

static int64_t sys_pipe(struct linux_process *l, const uint64_t *a)
{
	struct linux_file *f = add_file(l, "pipe");
	int64_t r, w;

	if (!f)
		return -ENFILE;
	f->pipe = true;
	r = linux_fd_new(l, FD_PIPE, (unsigned)(f - l->file));
	w = linux_fd_new(l, FD_PIPE, (unsigned)(f - l->file));
	if (r < 0 || w < 0)
		return -EMFILE;
	machine_put_number(l->m, a[0], (uint64_t)r, 4);
	machine_put_number(l->m, a[0] + 4, (uint64_t)w, 4);
	return 0;
}

static int64_t sys_getcwd(struct linux_process *l, const uint64_t *a)
{
	static const char here[] = "/home/anna";

	return a[1] >= sizeof here && machine_put(l->m, a[0], here, sizeof here) ? (int64_t)sizeof here : -ERANGE;
}

static int64_t zero(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return 0; }
static int64_t not_a_terminal(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return -ENOTTY; }

const struct linux_entry linux_file_table[] = {
	{ 0, 3, "read", "dpx", sys_read }, { 1, 4, "write", "dtx", sys_write }, { 2, 5, "open", "sxx", sys_open }, { 3, 6, "close", "d", sys_close },
	{ 4, 195, "stat", "sp", sys_stat }, { 5, 197, "fstat", "dp", sys_fstat }, { 6, 196, "lstat", "sp", sys_stat }, { 8, 19, "lseek", "dxd", sys_lseek },
	{ -1, 140, "_llseek", "dxxpd", sys_llseek }, { 16, 54, "ioctl", "dx", not_a_terminal }, { 17, 180, "pread64", "dpxx", sys_pread },
	{ 18, 181, "pwrite64", "dpxx", sys_pwrite }, { 19, 145, "readv", "dpx", sys_readv }, { 20, 146, "writev", "dpx", sys_writev },
	{ 21, 33, "access", "sd", sys_access }, { 22, 42, "pipe", "p", sys_pipe }, { 293, 331, "pipe2", "px", sys_pipe }, { 32, 41, "dup", "d", sys_dup },
	{ 33, 63, "dup2", "dd", sys_dup2 }, { 292, 330, "dup3", "ddx", sys_dup2 }, { 72, 55, "fcntl", "ddx", sys_fcntl }, { -1, 221, "fcntl64", "ddx", sys_fcntl },
	{ 77, 93, "ftruncate", "dx", sys_ftruncate }, { 79, 183, "getcwd", "px", sys_getcwd }, { 80, 12, "chdir", "s", zero }, { 82, 38, "rename", "ss", sys_rename },
	{ 83, 39, "mkdir", "sx", zero }, { 85, 8, "creat", "sx", sys_creat }, { 87, 10, "unlink", "s", sys_unlink }, { 89, 85, "readlink", "spx", sys_readlink },
	{ 90, 15, "chmod", "sx", zero }, { 91, 94, "fchmod", "dx", zero }, { 92, 212, "chown", "sdd", zero }, { 95, 60, "umask", "x", zero },
	{ 74, 118, "fsync", "d", zero }, { 257, 295, "openat", "dsxx", sys_openat }, { 262, 300, "newfstatat", "dspx", sys_fstatat },
	{ 263, 301, "unlinkat", "dsx", sys_unlinkat }, { 267, 305, "readlinkat", "dspx", sys_readlinkat }, { 269, 307, "faccessat", "dsx", sys_faccessat },
	{ 439, 439, "faccessat2", "dsxx", sys_faccessat }, { 319, 356, "memfd_create", "sx", sys_memfd }, { 258, 296, "mkdirat", "dsx", zero },
	{ 268, 306, "fchmodat", "dsx", zero }, { 132, 30, "utime", "sp", zero }, { 285, 324, "fallocate", "dxxx", zero },
	{ 0, 0, NULL, NULL, NULL },
};
