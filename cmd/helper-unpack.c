/*
 * helper-unpack: emulates a program until it has unpacked itself, in a process of its own (see lib/confine). Descriptor 3 is the sample,
 * descriptor 4 takes the bytes of what was unpacked; the arguments are the folder of rules and how many instructions may run.
 * static.json's "unpack" goes to standard output. Exit 65: it is no program that can be emulated.
 */
#include "confine/confine.h"
#include "emulate/emulate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE 3
#define BYTES 4
#define SAMPLE_MOST (64 * MIB)    /* mapped, copied as an image, and kept a layer each: no packed program comes near */
#define LIBRARY_MOST (16 * MIB)
#define CALLS 2000u               /* told in the result; all are counted */

static const struct confine_limits limits = { 2 * GIB, 60, 256 * MIB };

/* What programs ask their loader for, in the folders where the loader of this machine looks. */
static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2", "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-i386.so.1" };
static const char *const folders[] = { "/lib/x86_64-linux-gnu", "/lib64", "/lib/i386-linux-gnu", "/lib32" };
static const char *const libraries[] = {
	"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libcrypt.so.1",
	"libgcc_s.so.1", "libstdc++.so.6", "libtinfo.so.6", "libncursesw.so.6", "libreadline.so.8", "libz.so.1", "libbz2.so.1.0",
	"liblzma.so.5", "libzstd.so.1", "liblz4.so.1", "libcrypto.so.3", "libssl.so.3", "libselinux.so.1", "libpcre2-8.so.0",
	"libacl.so.1", "libattr.so.1", "libcap.so.2", "libmount.so.1", "libblkid.so.1", "libuuid.so.1", "libgmp.so.10", "libaudit.so.1",
	"libcap-ng.so.0", "libsystemd.so.0", "libsmartcols.so.1", "libpam.so.0", "libprocps.so.8", "libproc2.so.0",
};
/* What samples hand their scripts and themselves to. */
static const char *const shells[] = { "/bin/sh", "/usr/bin/sh", "/bin/dash", "/usr/bin/dash", "/bin/bash", "/usr/bin/bash", "/usr/bin/env" };
#define COUNT(list) (sizeof(list) / sizeof *(list))
#define FILES (COUNT(loaders) + COUNT(shells) + COUNT(folders) * COUNT(libraries))

struct opened { struct emulate_file file[FILES]; struct stat st[FILES]; size_t n; };

static void take(struct opened *o, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat *st = &o->st[o->n];
	const void *p;

	if (fd < 0)
		return;
	if (!fstat(fd, st) && S_ISREG(st->st_mode) && st->st_size > 0 && st->st_size <= (off_t)LIBRARY_MOST) {
		p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED)
			o->file[o->n++] = (struct emulate_file){ buf_strdup(path), p, (size_t)st->st_size, st };
	}
	close(fd);
}

static void take_libraries(struct opened *o)
{
	for (size_t i = 0; i < COUNT(loaders); i++)
		take(o, loaders[i]);
	for (size_t i = 0; i < COUNT(shells); i++)
		take(o, shells[i]);
	for (size_t f = 0; f < COUNT(folders); f++) {
		for (size_t i = 0; i < COUNT(libraries); i++) {
			char *path = buf_printf("%s/%s", folders[f], libraries[i]);

			take(o, path);
			free(path);
		}
	}
}

static int unpack(const struct emulate_system *s, const void *p, size_t n, uint64_t instructions, struct err *e)
{
	const struct emulate_limits l = { .instructions = instructions, .calls = CALLS };
	struct emulation o;
	struct buf out = { 0 };
	json_t *said;

	if (!emulate_can(p, n))
		return EX_DATAERR;
	if (emulate_run(s, p, n, &l, &o, e))
		return e->code;
	said = report_unpack(&o, p, n, BYTES, e);
	if (!said)
		return e->code;
	jsonio_dump_line(said, &out);
	return io_write(STDOUT_FILENO, out.p, out.len) ? EX_IOERR : 0;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct buf exports = { 0 };
	struct opened *o = buf_alloc(sizeof *o);
	struct emulate_system s = { 0 };
	char *path;
	struct stat st;
	const void *p;
	char hex[DIGEST_HEX];
	int status;

	msg_init("helper-unpack");
	if (argc != 3)
		return msg_fail((err_set(&e, EX_SOFTWARE, "wants the folder of rules and a number of instructions"), &e));
	path = buf_printf("%s/windows/exports.txt", argv[1]);
	if (io_slurp_path(path, CAP_SLURP, &exports, &e))
		return msg_fail((e.code = EX_CONFIG, &e));
	free(path);
	take_libraries(o);
	s = (struct emulate_system){ buf_str(&exports), exports.len, o->file, o->n };
	if (fstat(SAMPLE, &st) || st.st_size < 0)
		return msg_fail((err_sys(&e, "cannot read the sample"), &e));
	if (!st.st_size || st.st_size > (off_t)SAMPLE_MOST)
		return EX_DATAERR;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, SAMPLE, 0);
	if (p == MAP_FAILED)
		return msg_fail((err_sys(&e, "cannot map the sample"), &e));
	digest_bytes(p, 0, hex);   /* OpenSSL opens its configuration with the first digest */
	if (confine_enter(CONFINE_EMULATOR, &limits, &e))
		return msg_fail(&e);
	status = unpack(&s, p, (size_t)st.st_size, strtoull(argv[2], NULL, 10), &e);
	if (status && e.code)
		msg_fail(&e);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(status);
}
