/* Images of initial file systems: archives of the kernel's form in memory, and what of their files runs. */
#include "unit.h"

#include <stdlib.h>

#include "casefile/casefile.h"
#include "initrd/initrd.h"

/* One file as an archive in the new ASCII format. */
static void add_linked(struct buf *b, const char *name, unsigned mode, unsigned links, const char *data)
{
	size_t n = strlen(data);

	buf_addf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1u, mode, 0u, 0u, links, 0u, (unsigned)n, 0u, 0u, 0u, 0u,
	         (unsigned)strlen(name) + 1, 0u);
	buf_add(b, name, strlen(name) + 1);
	while (b->len % 4)
		buf_addc(b, '\0');
	buf_add(b, data, n);
	while (b->len % 4)
		buf_addc(b, '\0');
}

static void add(struct buf *b, const char *name, unsigned mode, const char *data)
{
	add_linked(b, name, mode, 1, data);
}

static void lists(const struct buf *b, const char *want, const char *name)
{
	json_t *o = list_make(b->p, b->len), *file;
	struct buf got = { 0 };
	size_t i;

	json_array_foreach(json_object_get(o, "files"), i, file)
		buf_addf(&got, "%s%lld:%s:%s", i ? " " : "", (long long)jsonio_int(file, "number", -1), jsonio_str(file, "path"), jsonio_str(file, "like"));
	if (json_object_get(o, "problem"))
		buf_adds(&got, " !");
	if (!OK_STR(buf_str(&got), want, name))
		printf("# got '%s', '%s'\n", buf_str(&got), jsonio_str(o, "problem") ? jsonio_str(o, "problem") : "");
	buf_free(&got);
	json_decref(o);
}

static void like(const char *path, const char *text, const char *want)
{
	const char *got = likeness_of(path, text, strlen(text), true);

	if (!OK_STR(got, want, err_q(text)))
		printf("# got %s\n", got);
}

static void archives(void)
{
	struct buf b = { 0 }, out = { 0 };
	const uint64_t wanted[] = { 0, 3 };
	size_t whole;

	add(&b, "./init", 0100755, "#!/bin/sh\n");
	add(&b, "etc/data", 0100644, "data");
	add(&b, "bin", 0120777, "usr/bin");
	add(&b, "empty", 0100755, "");
	add(&b, "usr/../bin//x", 0100644, "\177ELF");
	add(&b, "TRAILER!!!", 0, "");
	lists(&b, "0:init:script 3:bin/x:elf", "archive: what runs is listed, by a clean name");
	whole = b.len;
	buf_add(&b, "\0\0\0\0\0\0\0", 7);
	lists(&b, "0:init:script 3:bin/x:elf", "archive: zeros behind it are nothing");
	buf_addc(&b, '\0');
	add(&b, "scripts/a", 0100644, "x");
	lists(&b, "0:init:script 3:bin/x:elf 4:scripts/a:text", "archive: another one stands behind zeros");
	list_take(b.p, b.len, wanted, 2, &out);
	OK_STR(buf_str(&out), "0 10\n#!/bin/sh\n3 4\n\177ELF", "archive: files are given back by number");
	b.len = whole - 130;
	lists(&b, "0:init:script !", "archive: what is cut is a problem, and what stood before it is listed");
	b.len = 0;
	add(&b, "a/b", 0100755, "x");
	memcpy(b.p + 6 + (size_t)8 * 6, "fffffff0", 8);
	lists(&b, " !", "archive: a size beyond the end");
	memcpy(b.p + 6 + (size_t)8 * 6, "0000000z", 8);
	lists(&b, " !", "archive: a size that is none");
	memcpy(b.p + 6 + (size_t)8 * 6, "00000001", 8);
	memcpy(b.p + 6 + (size_t)8 * 11, "00002000", 8);
	lists(&b, " !", "archive: a name longer than any");
	buf_free(&b);
	buf_free(&out);
}

/* The list stays one that can be read, and says that it is not all. */
static void crowd(void)
{
	struct buf b = { 0 }, line = { 0 };
	char name[4096] = "";
	json_t *o;
	int i;

	memset(name, '\x01', sizeof(name) - 1);
	memcpy(name, "init/", 5);
	for (i = 0; i < 3000; i++)
		add(&b, name, 0100755, "#!");
	o = list_make(b.p, b.len);
	jsonio_dump_line(o, &line);
	OK(line.len < CAP_JSON && json_array_size(json_object_get(o, "files")) > 1000 && jsonio_bool(o, "more", false) && !json_object_get(o, "problem"),
	   "archive: of a crowd of long names the list has a part, and says so");
	json_decref(o);
	buf_free(&b);
	buf_free(&line);
}

/* What the kernel reads otherwise than one may think. */
static void kernel_ways(void)
{
	/* a zero by gzip -n: what follows its 21 bytes stands askew */
	static const char zero[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03\x63\0\0\x8d\xef\x02\xd2\x01\0\0\0";
	struct buf b = { 0 };

	add(&b, "x/../TRAILER!!!", 0100755, "#!/bin/sh\n");
	lists(&b, "0:TRAILER!!!:script", "kernel: only the very name ends an archive");
	b.len = 0;
	add_linked(&b, "scripts/init-top/x", 0100644, 2, "");
	add_linked(&b, "lib/firmware/x", 0100644, 2, "x\n");
	lists(&b, "1:lib/firmware/x:text", "kernel: the bytes are those of all hard links");
	b.len = 0;
	buf_add(&b, zero, 21);
	buf_add(&b, "\0\0\0", 3);
	add(&b, "init", 0100755, "#!/bin/sh\n");
	add(&b, "sh", 0100755, "#!/bin/sh\nx");
	lists(&b, "0:init:script 1:sh:script", "kernel: behind a compressed run it counts on from the image's begin");
	buf_free(&b);
}

static bool runs(const char *path, unsigned mode)
{
	const struct initrd_file f = { .path = path, .mode = mode };

	return likeness_runs(&f, "x", 1);
}

/* One byte, "a\n" in its smallest streams; each with other bytes behind it. */
static void extents(void)
{
	static const struct { const char *name; size_t n; const char *p; } stream[] = {
		{ "zstd", 19, "\x28\xb5\x2f\xfd\x04\x58\x11\0\0\x61\x0a\xe7\x77\x3f\x70\x28\xb5\x2f\xfd" },
		{ "lz4", 25, "\x04\x22\x4d\x18\x64\x40\xa7\x02\0\0\x80\x61\x0a\0\0\0\0\x3d\xe0\x2b\x43\0\0\0\0" },
		{ "lz4 legacy", 15, "\x02\x21\x4c\x18\x03\0\0\0\x20\x61\x0a\0\0\0\0" },
	};
	static const size_t want[] = { 15, 21, 11 };
	size_t i;

	for (i = 0; i < 3; i++)
		if (!OK(extent_of(stream[i].p, stream[i].n) == want[i], stream[i].name))
			printf("# got %zu\n", extent_of(stream[i].p, stream[i].n));
	OK(extent_of("\x28\xb5\x2f\xfd", 4) == 4 && extent_of("\x04\x22\x4d\x18\x64", 5) == 5 && extent_of("\x28\xb5\x2f\xfd\xff\xff\xff", 7) == 7,
	   "extent: a stream that is cut ends where the bytes do");
	OK(extent_of("\x1f\x8b\x08\0", 4) == 4 && extent_of("", 0) == 0, "extent: of other formats nothing is told");
}

int main(void)
{
	archives();
	kernel_ways();
	crowd();
	extents();
	like("conf/a", "# x\n\nRESUME=\"UUID=a-b\"\nexport MODULES\n", "settings");
	like("conf/a", "RESUME=`x`\n", "text");
	like("conf/a", "RESUME=\"a\";x\n", "text");
	like("conf/a", "RESUME=a x\n", "text");
	like("conf/a", "init=/x\n", "text");
	like("conf/a", "LD_PRELOAD=/x\n", "text");
	like("conf/a", "RESUME=a\nx\n", "text");
	like("a/ORDER", "/scripts/a/b \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n", "order");
	like("a/ORDER", "/scripts/a/b x \"$@\"\n", "text");
	like("a/ORDER", "/opt/a/b \"$@\"\n", "text");
	like("a/ORDER", "/scripts/a/b \"$@\" &\n", "text");
	like("lib/x.ko.zst", "x", "module");
	like("conf/a", "BOOT=nfs\n", "settings");
	like("conf/a", "BOOT=../lib/x\n", "text");
	like("conf/a", "BOOT=\"../lib/x\"\n", "text");
	OK(runs("usr/lib/udev/rules.d/x", 0644) && runs("x/y", 0755) && runs("a.ko", 0644), "what runs");
	OK(runs("usr/lib/cryptsetup/functions", 0644) && runs("lib/live/boot/x", 0644) && runs("etc/zfs/zfs-functions", 0644), "what scripts read as commands runs");
	OK(!runs("usr/lib/modules/6/modules.dep.bin", 0755) && !runs("etc/fstab", 0644), "what does not run");
	OK(runs("a/b.bin", 0755), "a table of modules stands among them");
	return unit_end();
}
