/* Who made a file, by what compilers, runtimes and packers cannot help leaving in it. Nothing here steers the analysis. */
#include "code/traits.h"

#include "code/elf-internal.h"
#include "code/pe.h"

#include <ctype.h>
#include <string.h>

#define MAKER_MOST 64u
#define MAKER_TEXT 120u
#define STUB_MOST (64 * KIB)     /* of a script or an archive's stub, that is looked into */

struct look { const unsigned char *p; size_t n; json_t *out; };

static void add(struct look *l, const char *kind, const char *name, size_t n, const char *fmt, ...) PRINTF(5, 6);

static void add(struct look *l, const char *kind, const char *name, size_t n, const char *fmt, ...)
{
	char evidence[160];
	json_t *o, *text;
	va_list ap;
	size_t i;

	text = jsonio_bytes(name, n < MAKER_TEXT ? n : MAKER_TEXT);
	json_array_foreach(l->out, i, o)
		if (!strcmp(jsonio_str(o, "kind"), kind) && !strcmp(jsonio_str(o, "name"), json_string_value(text)))
			break;
	if (i < json_array_size(l->out) || i >= MAKER_MOST) {
		json_decref(text);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(evidence, sizeof evidence, fmt, ap);
	va_end(ap);
	o = json_object();
	json_object_set_new(o, "kind", json_string(kind));
	json_object_set_new(o, "name", text);
	json_object_set_new(o, "evidence", jsonio_name(evidence));
	json_array_append_new(l->out, o);
}

static void add_name(struct look *l, const char *kind, const char *name, const char *what, uint64_t offset)
{
	add(l, kind, name, strlen(name), "%s at offset %llx", what, (unsigned long long)offset);
}

static const unsigned char *find(const unsigned char *p, size_t n, const void *what, size_t len)
{
	return n ? memmem(p, n, what, len) : NULL;
}

/* A mark anywhere in the file. */
static const struct { const char *kind, *name, *mark; size_t n; const char *what; } marks[] = {
#define MARK(kind, name, mark, what) { kind, name, mark, sizeof(mark) - 1, what }
	MARK("runtime", "Node.js single executable", "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1", "its lit fuse"),
	MARK("runtime", "Nuitka", "NUITKA_ONEFILE_PARENT", "the name of its onefile variable"),
	MARK("runtime", "pkg (Node.js)", "pkg/prelude/bootstrap.js", "the path of its prelude"),
	MARK("runtime", "AutoIt", "AU3!EA06", "the head of its script"),
	MARK("packer", "NSIS", "\xef\xbe\xad\xdeNullsoftInst", "the head of its archive"),
	MARK("packer", "Inno Setup", "Inno Setup Setup Data (", "the head of its archive"),
	MARK("runtime", "Electron", "Electron Framework\0", "the name of its framework"),
	MARK("runtime", ".NET single file", "\x8b\x12\x02\xb9\x6a\x61\x20\x38\x72\x7b\x93\x02\x14\xd7\xa0\x32\x13\xf5\xb9\xe6\xef\xae\x33\x18\xee\x3b\x2d\xce\x24\xb3\x6a\xae", "the mark of its bundle"),
	MARK("packer", "shc", "\0E: neither argv[0] nor $_ works.\0", "a message of its loader"),
	MARK("compiler", "Nim", "fatal.nim\0", "the path of its runtime"),
	MARK("compiler", "Free Pascal", "\0FPC ", "its version string"),
	MARK("compiler", "Zig", "panicked during a panic. Aborting.\0", "a message of its runtime"),
};

static void look_at_marks(struct look *l)
{
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		const unsigned char *at = find(l->p, l->n, marks[i].mark, marks[i].n);

		if (at)
			add_name(l, marks[i].kind, marks[i].name, marks[i].what, (uint64_t)(at - l->p));
	}
}

static size_t printed(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return i;
}

/* Go's build information (Go, debug/buildinfo): the version in place, or behind two pointers in older releases. */
static void look_at_go(struct look *l)
{
	static const char magic[] = "\xff Go buildinf:";
	const unsigned char *at = find(l->p, l->n, magic, sizeof magic - 1);
	size_t left = at ? l->n - (size_t)(at - l->p) : 0, len;

	if (left < 34)
		return;
	len = at[32];
	if (at[15] & 2 && len < 100 && left >= 33 + len && printed(at + 33, len) == len && len > 2 && !memcmp(at + 33, "go", 2))
		add(l, "compiler", (const char *)at + 33, len, "build information at offset %llx", (unsigned long long)(at - l->p));
	else if (at[14] == 4 || at[14] == 8)
		add_name(l, "compiler", "Go", "build information", (uint64_t)(at - l->p));
}

/* Panics of Rust's standard library name its sources, with the compiler's commit. */
static void look_at_rust(struct look *l)
{
	const unsigned char *at = l->p, *end = l->p + l->n;

	while ((at = find(at, (size_t)(end - at), "/rustc/", 7))) {
		size_t i = 0;

		while (at + 7 + i < end && i < 40 && isxdigit(at[7 + i]))
			i++;
		if (i == 40 && at + 48 < end && (at[47] == '/' || at[47] == '\\')) {
			char name[32];

			snprintf(name, sizeof name, "rustc (commit %.9s)", (const char *)at + 7);
			add_name(l, "compiler", name, "a source path", (uint64_t)(at - l->p));
			return;
		}
		at += 7;
	}
}

/* PyInstaller's cookie (CArchive): magic, length of the package, offset and length of its table, version, library's name. */
static void look_at_pyinstaller(struct look *l)
{
	static const unsigned char magic[] = "MEI\014\013\012\013\016";
	size_t tail = l->n < 4096 * 2 ? l->n : 4096 * 2;
	const unsigned char *at = find(l->p + (l->n - tail), tail, magic, 8);

	if (at && (size_t)(l->p + l->n - at) >= 24) {
		unsigned version = (unsigned)at[20] << 24 | (unsigned)at[21] << 16 | (unsigned)at[22] << 8 | at[23];
		uint32_t length = (uint32_t)at[8] << 24 | (uint32_t)at[9] << 16 | (uint32_t)at[10] << 8 | at[11];
		char name[48];

		if (version < 10 || version > 400 || length > l->n)
			return;
		snprintf(name, sizeof name, "PyInstaller (Python %u.%u)", version > 99 ? version / 100 : version / 10, version > 99 ? version % 100 : version % 10);
		add_name(l, "runtime", name, "the cookie of its archive", (uint64_t)(at - l->p));
	}
}

/* ---- ELF ---- */

/* .comment: strings of all compilers and linkers that had a part. */
static void look_at_comment(struct look *l, const struct elf *f)
{
	for (size_t i = 0; i < f->sections; i++) {
		const struct elf_section *s = &f->section[i];
		uint64_t at = s->offset, end;

		if (strcmp(s->name, ".comment") || s->type == SHT_NOBITS || s->offset >= f->n)
			continue;
		end = s->size < f->n - s->offset && s->size < 4096 ? s->offset + s->size : s->offset + (f->n - s->offset < 4096 ? f->n - s->offset : 4096);
		while (at < end) {
			size_t n = printed(f->p + at, (size_t)(end - at));

			if (n >= 4)
				add(l, "compiler", (const char *)f->p + at, n, ".comment at offset %llx", (unsigned long long)at);
			at += n + 1;
		}
	}
}

/*
 * UPX for ELF by structure (UPX, src/stub/src/include/linux.h): l_info {checksum, magic, loader size, version, format}, p_info
 * {program, file size, block size}, b_info {unpacked size, packed size, method, ...} behind the program headers.
 */
static void look_at_upx(struct look *l, const struct elf *f)
{
	size_t head = (f->is64 ? 64 : 52) + f->segments * (f->is64 ? 56 : 32);
	uint64_t file, block, unpacked, packed, method;

	if (f->sections || !f->segments || head + 36 > f->n)
		return;
	file = elf_number(f, head + 16, 4);
	block = elf_number(f, head + 20, 4);
	unpacked = elf_number(f, head + 24, 4);
	packed = elf_number(f, head + 28, 4);
	method = elf_number(f, head + 32, 1);
	if (block && file && unpacked && packed && packed <= unpacked && unpacked <= file && packed < f->n && method >= 2 && method <= 15 && file >= f->n / 2)
		add_name(l, "packer", !memcmp(f->p + head + 4, "UPX!", 4) ? "UPX" : "UPX (its mark was changed)", "the headers of its blocks", head);
}

static void look_at_elf(struct look *l)
{
	struct elf *f = elf_open(l->p, l->n);
	bool go = false;

	if (!f)
		return;
	look_at_comment(l, f);
	look_at_upx(l, f);
	for (size_t i = 0; i < f->sections; i++)
		go |= !strcmp(f->section[i].name, ".gopclntab");
	if (go)
		add(l, "runtime", "Go", 2, "section .gopclntab");
	if (f->interpreter && strstr(f->interpreter, "ld-musl-"))
		add(l, "runtime", "musl", 4, "its dynamic linker is asked for");
	else if (f->interpreter && strstr(f->interpreter, "/ld-linux"))
		add(l, "runtime", "glibc", 5, "its dynamic linker is asked for");
	for (size_t i = 0; i < f->neededs; i++) {
		if (!strncmp(f->needed[i], "libstdc++.so", 12))
			add(l, "runtime", "libstdc++", 9, "it is a needed library");
		if (!strncmp(f->needed[i], "libpython", 9))
			add(l, "runtime", "Python", 6, "it is a needed library");
		if (!strncmp(f->needed[i], "libjvm.so", 9))
			add(l, "runtime", "Java", 4, "it is a needed library");
	}
	if (l->n > 11 && l->p[8] == 'A' && l->p[9] == 'I' && (l->p[10] == 1 || l->p[10] == 2))
		add(l, "packer", "AppImage", 8, "its mark in the ELF header");
	elf_free(f);
}

/* ---- PE ---- */

/* The Rich header: what Microsoft's linker was given, hidden by exclusive or with a key behind "Rich". */
static void look_at_rich(struct look *l, const struct pe *f)
{
	size_t end = f->header < l->n ? f->header : l->n;
	const unsigned char *rich = find(l->p, end, "Rich", 4);
	size_t at, entries = 0;
	uint32_t key, newest = 0;
	char name[64];

	if (!rich || (size_t)(rich - l->p) + 8 > l->n)
		return;
	at = (size_t)(rich - l->p);
	memcpy(&key, rich + 4, 4);
	while (at >= 8) {
		uint32_t a, b;

		at -= 4;
		memcpy(&a, l->p + at, 4);
		if ((a ^ key) == 0x536e6144)   /* "DanS" */
			break;
		at -= 4;
		memcpy(&b, l->p + at, 4);
		if ((b ^ key) == 0x536e6144)
			break;
		b ^= key;
		entries += b != 0;
		newest = (b & 0xffff) > newest ? b & 0xffff : newest;
	}
	if (!entries || at < 0x40)
		return;
	snprintf(name, sizeof name, "Microsoft linker (newest build %u)", newest);
	add_name(l, "compiler", name, "Rich header", (uint64_t)(rich - l->p));
}

static const char *packer_section(const char *name)
{
	static const struct { const char *section, *packer; } names[] = {
		{ "UPX0", "UPX" }, { "UPX1", "UPX" }, { ".aspack", "ASPack" }, { ".adata", "ASPack" }, { "ASPack", "ASPack" }, { ".petite", "Petite" },
		{ "petite", "Petite" }, { ".MPRESS1", "MPRESS" }, { ".MPRESS2", "MPRESS" }, { ".vmp0", "VMProtect" }, { ".vmp1", "VMProtect" },
		{ ".themida", "Themida" }, { ".winlice", "WinLicense" }, { ".nsp0", "NsPack" }, { ".nsp1", "NsPack" }, { "nsp0", "NsPack" },
		{ "MEW", "MEW" }, { "PEC2", "PECompact" }, { "PECompact2", "PECompact" }, { ".yP", "yoda's Protector" }, { "yC", "yoda's Crypter" },
		{ ".enigma1", "Enigma" }, { "PELOCKnt", "PELock" }, { ".perplex", "Perplex" }, { "WWPACK", "WWPack32" }, { ".WWP32", "WWPack32" },
		{ ".Upack", "Upack" }, { "pebundle", "PEBundle" }, { ".spack", "Simple Pack" }, { ".ndata", "NSIS" }, { ".neolit", "NeoLite" },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i].section))
			return names[i].packer;
	return NULL;
}

static void look_at_sections(struct look *l, const struct pe *f)
{
	bool code = false, data = false, bss = false;

	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		const char *packer = packer_section(s->name);

		if (packer)
			add(l, "packer", packer, strlen(packer), "section %.8s", s->name);
		code |= !strcmp(s->name, "CODE");
		data |= !strcmp(s->name, "DATA");
		bss |= !strcmp(s->name, "BSS");
	}
	if (code && data && bss)
		add(l, "compiler", "Borland Delphi", 14, "sections CODE, DATA and BSS");
	/* By structure, whatever its name: begins in a section that is written to, beside one that holds nothing in the file. */
	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];

		if (!s->filesize && s->memsize >= 4096 && s->flags & PE_EXECUTE && s->flags & (uint32_t)PE_WRITE)
			add(l, "packer", "unknown", 7, "section %.8s is executable and writable, and holds nothing in the file", s->name);
	}
}

static void look_at_pe(struct look *l)
{
	struct pe *f = pe_open(l->p, l->n);

	if (!f)
		return;
	look_at_rich(l, f);
	look_at_sections(l, f);
	if (f->directory[PE_DIR_CLR].rva && f->directory[PE_DIR_CLR].size)
		add(l, "runtime", ".NET", 4, "the header of the common language runtime");
	if (f->time == 0x2a425e19)
		add(l, "compiler", "Borland Delphi", 14, "the time that its linker always writes");
	if (find(l->p, l->n, "GCC: (", 6)) {
		const unsigned char *at = find(l->p, l->n, "GCC: (", 6);

		add(l, "compiler", (const char *)at, printed(at, (size_t)(l->p + l->n - at)), "at offset %llx", (unsigned long long)(at - l->p));
	}
	if (find(l->p, l->n, "MSVBVM60.DLL", 12))
		add(l, "runtime", "Visual Basic 6", 14, "its library is asked for");
	pe_free(f);
}

/* ---- scripts ---- */

static void look_at_script(struct look *l)
{
	size_t n = l->n < STUB_MOST ? l->n : (size_t)STUB_MOST;

	if (n < 2 || memcmp(l->p, "#!", 2))
		return;
	if (find(l->p, n, "This script was generated using Makeself", 40))
		add(l, "packer", "makeself", 8, "the comment of its stub");
	if (find(l->p, n, "gzip -cd", 8) && find(l->p, n, "skip=", 5) && find(l->p, n, "tail ", 5))
		add(l, "packer", "gzexe", 5, "its stub: skip, tail, gzip -cd");
	if (find(l->p, n, "PK\003\004", 4) && find(l->p, n < 128 ? n : 128, "python", 6))
		add(l, "packer", "zipapp (Python)", 15, "an archive behind Python's interpreter line");
}

json_t *maker_find(const void *p, size_t n)
{
	struct look l = { p, n, json_array() };
	bool program = elf_is(p, n) || pe_is(p, n);

	if (elf_is(p, n))
		look_at_elf(&l);
	else if (pe_is(p, n))
		look_at_pe(&l);
	else
		look_at_script(&l);
	if (program) {
		look_at_go(&l);
		look_at_rust(&l);
		look_at_pyinstaller(&l);
		look_at_marks(&l);
	}
	return l.out;
}
