/*
 * deadfs: a file system that stops answering. It serves FILE, executable, as "program" in a FUSE mount on FOLDER, by
 * <linux/fuse.h> spoken raw; from SIGUSR1 on it reads requests and answers none. With OTHER, whoever opens the program from SIGUSR2
 * on reads OTHER's bytes, past the page cache, in which FILE's pages stay. Inert: it does nothing else, prints "ready"
 * when it serves, and ends by itself after two minutes, or as soon as its parent does; what waits for it is freed then.
 * usage: deadfs FOLDER FILE [OTHER]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM 2u

#define LYING 3u

static int device, file, other = -1;
static volatile sig_atomic_t lies;
static uint64_t size;
static volatile sig_atomic_t dead;

static void die(int sig)
{
	(void)sig;
	dead = 1;
}

static void lie(int sig)
{
	(void)sig;
	lies = 1;
}

static void answer(uint64_t unique, int error, const void *p, size_t n)
{
	static char out[1 << 18];
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + n), .error = -error, .unique = unique };

	memcpy(out, &h, sizeof(h));
	if (n)
		memcpy(out + sizeof(h), p, n);
	if (!dead && write(device, out, sizeof(h) + n) < 0 && errno != ENOENT)
		exit(3);
}

static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr a = { .ino = node, .mode = S_IFDIR | 0755, .nlink = 2, .blksize = 4096 };

	if (node == PROGRAM) {
		a.mode = S_IFREG | 0755;
		a.nlink = 1;
		a.size = size;
		a.blocks = (size + 511) / 512;
	}
	return a;
}

static void lookup(uint64_t unique, const char *name)
{
	struct fuse_entry_out o = { .nodeid = PROGRAM, .attr = attr_of(PROGRAM) };

	answer(unique, strcmp(name, "program") ? ENOENT : 0, &o, strcmp(name, "program") ? 0 : sizeof(o));
}

static void list(uint64_t unique, uint64_t offset)
{
	static const char *const names[] = { ".", "..", "program" };
	char out[512] = "";
	size_t n = 0;

	for (; offset < 3; offset++) {
		struct fuse_dirent *d = (void *)(out + n);

		d->ino = offset == 2 ? PROGRAM : 1;
		d->off = offset + 1;
		d->namelen = (uint32_t)strlen(names[offset]);
		d->type = (offset == 2 ? S_IFREG : S_IFDIR) >> 12;
		memcpy(d->name, names[offset], d->namelen);
		n += FUSE_DIRENT_SIZE(d);
	}
	answer(unique, 0, out, n);
}

static void serve(const struct fuse_in_header *in, const void *arg)
{
	static char bytes[1 << 17];
	const struct fuse_read_in *r = arg;
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_readahead = 1 << 17,
	                              .max_write = 4096, .max_background = 16, .congestion_threshold = 12 };
	struct fuse_attr_out a = { .attr = attr_of(in->nodeid) };
	struct fuse_open_out open = { .fh = lies ? LYING : in->nodeid, .open_flags = FOPEN_KEEP_CACHE | (lies ? FOPEN_DIRECT_IO : 0) };
	struct fuse_statfs_out fs = { .st = { .bsize = 4096, .namelen = 255, .frsize = 4096 } };
	ssize_t n;

	switch (in->opcode) {
	case FUSE_INIT: answer(in->unique, 0, &init, sizeof(init)); break;
	case FUSE_LOOKUP: lookup(in->unique, arg); break;
	case FUSE_GETATTR: answer(in->unique, 0, &a, sizeof(a)); break;
	case FUSE_OPENDIR: open = (struct fuse_open_out){ .fh = in->nodeid }; answer(in->unique, 0, &open, sizeof(open)); break;
	case FUSE_OPEN: answer(in->unique, 0, &open, sizeof(open)); break;
	case FUSE_STATFS: answer(in->unique, 0, &fs, sizeof(fs)); break;
	case FUSE_READDIR: list(in->unique, r->offset); break;
	case FUSE_READ:
		n = pread(r->fh == LYING ? other : file, bytes, r->size < sizeof(bytes) ? r->size : sizeof(bytes), (off_t)r->offset);
		answer(in->unique, n < 0 ? EIO : 0, bytes, n < 0 ? 0 : (size_t)n);
		break;
	case FUSE_RELEASE: case FUSE_RELEASEDIR: answer(in->unique, 0, NULL, 0); break;
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: break;
	default: answer(in->unique, ENOSYS, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	static char in[1 << 18];
	char options[128];
	struct stat st;
	struct sigaction act = { .sa_handler = die, .sa_flags = SA_RESTART };

	if (argc != 3 && argc != 4)
		return 2;
	if (argc == 4 && (other = open(argv[3], O_RDONLY | O_CLOEXEC)) < 0)
		return 3;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(120);
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	file = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (device < 0 || file < 0 || fstat(file, &st) < 0)
		return 3;
	size = (uint64_t)st.st_size;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other", device, geteuid(), getegid());
	if (mount("deadfs", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		perror("deadfs: mount");
		return 3;
	}
	sigaction(SIGUSR1, &act, NULL);
	act.sa_handler = lie;
	sigaction(SIGUSR2, &act, NULL);
	puts("ready");
	fflush(stdout);
	for (;;) {
		ssize_t n = read(device, in, sizeof(in));

		if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
			continue;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			return 0;
		if (!dead)
			serve((void *)in, in + sizeof(struct fuse_in_header));
	}
}
