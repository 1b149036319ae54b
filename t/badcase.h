/*
 * badcase: cases built block by block, without libarchive and without the writer under test, so that each can be wrong
 * in one way. badcase_make fills b; the kinds stand in badcase_kinds with what the refusal must name.
 */
#ifndef BADCASE_H
#define BADCASE_H

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

struct badcase_kind { const char *kind, *names; };
static const struct badcase_kind badcase_kinds[] = {
	{ "good", NULL }, { "folders", NULL }, { "pax", NULL }, { "unknown", NULL }, { "padded", NULL }, { "signed", NULL },
	{ "missing", "/body'" }, { "added", "'report/ghost'" }, { "wrong-digest", "/body'" }, { "swapped", "/about.json'" },
	{ "dotdot", "'remedy/../../etc/passwd'" }, { "absolute", "'/etc/passwd'" }, { "pax-dotdot", "'../../etc/passwd'" },
	{ "dot", "'./remedy/x'" }, { "empty-part", "'remedy//x'" }, { "control", "'remedy/\\x1b[2Jx'" }, { "long", "name too long" },
	{ "symlink", "'remedy/link'" }, { "hardlink", "'remedy/link'" }, { "pax-link", "'remedy/link'" }, { "chardev", "'remedy/link'" },
	{ "blockdev", "'remedy/link'" }, { "fifo", "'remedy/link'" }, { "sparse", "'remedy/link'" }, { "unknown-type", "'remedy/link'" },
	{ "duplicate", "'remedy/x'" }, { "duplicate-body", "/body'" }, { "huge", "'remedy/x'" }, { "huge-pax", "'remedy/x'" },
	{ "two-sizes", "'remedy/x'" }, { "deep", "'report/deep.json'" }, { "deep-about", "/about.json'" }, { "deep-case", "'case.json'" },
	{ "body-digest", "/body'" }, { "code-twice", "/more'" }, { "about-late", "/body'" }, { "case-late", "'remedy/x'" },
	{ "no-manifest", "'MANIFEST'" }, { "behind-manifest", "'remedy/late'" }, { "signature-first", "'MANIFEST.sig'" },
	{ "two-manifests", "'MANIFEST'" }, { "format", "'case.json'" }, { "id", "'case.json'" }, { "case-text", "'case.json'" },
	{ "trail", "'case.json'" }, { "no-digest", "'code/abc/body'" }, { "range", "/memory/2-1'" }, { "file-as-folder", "/body/x'" },
	{ "folder-size", "'remedy/'" }, { "folder-late", "'remedy'" }, { "many-headers", "'case.json'" }, { "concatenated", "MANIFEST'" },
	{ "no-members", "not a case" }, { "text", "not a case" }, { "zeros", "not a case" }, { "empty", "empty input" },
};

#define BADCASE_HEAD "{\"format\":\"muss-case/1\",\"id\":\"0123456789abcdef0123456789abcdef\",\"time\":\"2026-11-22T21:30:00Z\",\"trail\":[]}\n"
#define BADCASE_BODY "#!/bin/sh\necho inert\n"
#define BADCASE_ABOUT "{\"kind\":\"script\",\"size\":21,\"paths\":[\"/tmp/x\"],\"signs\":[],\"score\":1}\n"

struct badcase {
	struct buf *tar;
	struct buf manifest;
	char folder[80], other[80];   /* code/<sha256> */
	const char *skip;             /* the name that MANIFEST leaves out */
};

static inline void badcase_block(struct badcase *b, const char *name, char type, uint64_t size, const char *link)
{
	unsigned char h[512] = { 0 };
	unsigned sum = 0;

	/* ustar: what does not fit into 100 bytes is parted at a slash. */
	if (strlen(name) > 100) {
		const char *slash = name + strlen(name) - 101;

		slash = strchr(slash, '/');
		memcpy(h + 345, name, (size_t)(slash - name));
		name = slash + 1;
	}
	memcpy(h, name, strlen(name));
	memcpy(h + 100, "000644 ", 8);
	memcpy(h + 108, "000000 ", 8);
	memcpy(h + 116, "000000 ", 8);
	if (size < (uint64_t)1 << 33)
		snprintf((char *)h + 124, 12, "%011llo", (unsigned long long)size);
	else
		for (int i = 0; i < 12; i++)
			h[124 + i] = (unsigned char)(i == 0 ? 0x80 : i < 4 ? 0 : size >> 8 * (11 - i));
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = (unsigned char)type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257, "ustar", 6);
	memcpy(h + 263, "00", 2);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	buf_add(b->tar, h, 512);
}

static inline void badcase_data(struct badcase *b, const void *p, size_t n)
{
	static const char zero[512];

	if (n)
		buf_add(b->tar, p, n);
	buf_add(b->tar, zero, -n & 511);
}

static inline void badcase_pax(struct badcase *b, const char *key, const char *value)
{
	size_t n = strlen(key) + strlen(value) + 3;
	char *line;

	for (size_t len = n + 1;; len++) {
		line = buf_printf("%zu %s=%s\n", len, key, value);
		if (strlen(line) == len)
			break;
		free(line);
	}
	badcase_block(b, "PaxHeader/x", 'x', strlen(line), "");
	badcase_data(b, line, strlen(line));
	free(line);
}

static inline void badcase_line(struct badcase *b, const char *name, const void *p, size_t n)
{
	char hex[DIGEST_HEX];

	digest_bytes(p, n, hex);
	if (!b->skip || strcmp(b->skip, name))
		buf_addf(&b->manifest, "%s  %s\n", hex, name);
}

static inline void badcase_add(struct badcase *b, const char *name, const char *text)
{
	badcase_block(b, name, '0', strlen(text), "");
	badcase_data(b, text, strlen(text));
	badcase_line(b, name, text, strlen(text));
}

static inline void badcase_add_in(struct badcase *b, const char *folder, const char *name, const char *text)
{
	char *path = buf_printf("%s/%s", folder, name);

	badcase_add(b, path, text);
	free(path);
}

static inline void badcase_end(struct badcase *b, const char *kind)
{
	static const char zero[1024];

	if (strcmp(kind, "no-manifest")) {
		badcase_block(b, "MANIFEST", '0', b->manifest.len, "");
		badcase_data(b, b->manifest.p, b->manifest.len);
	}
	if (!strcmp(kind, "two-manifests")) {
		badcase_block(b, "MANIFEST", '0', b->manifest.len, "");
		badcase_data(b, b->manifest.p, b->manifest.len);
	}
	if (!strcmp(kind, "signed")) {
		badcase_block(b, "MANIFEST.sig", '0', 3, "");
		badcase_data(b, "sig", 3);
	}
	if (!strcmp(kind, "behind-manifest"))
		badcase_add(b, "remedy/late", "x");
	if (!strcmp(kind, "folder-late"))
		badcase_block(b, "remedy/", '5', 0, "");
	buf_add(b->tar, zero, 1024);
	for (int i = 0; !strcmp(kind, "padded") && i < 7; i++)
		buf_add(b->tar, zero, 1024);
}

/* What stands behind the codes. */
static inline void badcase_others(struct badcase *b, const char *kind)
{
	static const struct { const char *kind; char type; } links[] = {
		{ "hardlink", '1' }, { "symlink", '2' }, { "chardev", '3' }, { "blockdev", '4' }, { "fifo", '6' }, { "sparse", 'S' },
		{ "unknown-type", 'Q' },
	};
	static const struct { const char *kind, *name; } names[] = {
		{ "dotdot", "remedy/../../etc/passwd" }, { "absolute", "/etc/passwd" }, { "dot", "./remedy/x" }, { "empty-part", "remedy//x" },
		{ "control", "remedy/\033[2Jx" }, { "duplicate", "remedy/x" }, { "unknown", "what/is/this" }, { "no-digest", "code/abc/body" },
	};
	char *deep, *name;

	badcase_add(b, "remedy/x", "x");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(kind, names[i].kind))
			badcase_add(b, names[i].name, "root:x:0:0");
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		if (!strcmp(kind, links[i].kind))
			badcase_block(b, "remedy/link", links[i].type, 0, "x");
	if (!strcmp(kind, "pax-link")) {
		badcase_pax(b, "linkpath", "/etc/passwd");
		badcase_block(b, "remedy/link", '2', 0, "");
	}
	if (!strcmp(kind, "pax-dotdot")) {
		badcase_pax(b, "path", "../../etc/passwd");
		badcase_add(b, "remedy/y", "y");
	}
	if (!strcmp(kind, "pax")) {
		badcase_pax(b, "mtime", "1700000000.123456");
		badcase_add(b, "remedy/y", "y");
	}
	if (!strcmp(kind, "long")) {
		char *path = buf_alloc(400);

		memset(path, 'x', 300);
		badcase_pax(b, "path", path);
		badcase_add(b, "remedy/y", "y");
		free(path);
	}
	if (!strcmp(kind, "code-twice"))
		badcase_add_in(b, b->folder, "more", "x");
	if (!strcmp(kind, "folder-size")) {
		badcase_block(b, "remedy/", '5', 1, "");
		badcase_data(b, "x", 1);
	}
	if (!strcmp(kind, "deep")) {
		deep = buf_alloc(20001);
		memset(deep, '[', 10000);
		memset(deep + 10000, ']', 10000);
		badcase_add(b, "report/deep.json", deep);
		free(deep);
	}
	if (!strcmp(kind, "swapped") || !strcmp(kind, "wrong-digest")) {
		/* Two lines in the other order; one digit of the body's digest. */
		char *lines = (char *)b->manifest.p, *second = strchr(lines, '\n') + 1, *third = strchr(second, '\n') + 1;

		if (!strcmp(kind, "wrong-digest")) {
			third[5] = third[5] == '0' ? '1' : '0';
			return;
		}
		name = buf_printf("%.*s%.*s%s", (int)(strchr(third, '\n') + 1 - third), third, (int)(third - second), second,
			strchr(third, '\n') + 1);
		memcpy(second, name, strlen(name));
		free(name);
	}
}

static inline void badcase_code(struct badcase *b, const char *kind)
{
	char *deep;

	if (!strcmp(kind, "folders")) {
		badcase_block(b, "code/", '5', 0, "");
		deep = buf_printf("%s/", b->folder);
		badcase_block(b, deep, '5', 0, "");
		free(deep);
	}
	if (!strcmp(kind, "about-late"))
		badcase_add_in(b, b->folder, "body", BADCASE_BODY);
	if (!strcmp(kind, "deep-about")) {
		deep = buf_alloc(10001);
		memset(deep, '[', 10000);
		badcase_add_in(b, b->folder, "about.json", deep);
		free(deep);
	} else {
		badcase_add_in(b, b->folder, "about.json", BADCASE_ABOUT);
	}
	if (strcmp(kind, "about-late"))
		badcase_add_in(b, b->folder, "body", strcmp(kind, "body-digest") ? BADCASE_BODY : "other bytes");
	if (!strcmp(kind, "duplicate-body"))
		badcase_add_in(b, b->folder, "body", BADCASE_BODY);
	if (!strcmp(kind, "range"))
		badcase_add_in(b, b->folder, "memory/2-1", "x");
	if (!strcmp(kind, "file-as-folder"))
		badcase_add_in(b, b->folder, "body/x", "x");
	badcase_add_in(b, b->folder, "memory/7f0000001000-7f0000002000", "m");
	badcase_add_in(b, b->other, "about.json", BADCASE_ABOUT);
	if (!strcmp(kind, "added")) {
		char hex[DIGEST_HEX];

		digest_bytes("x", 1, hex);
		buf_addf(&b->manifest, "%s  report/ghost\n", hex);
	}
}

static inline const char *badcase_head(const char *kind)
{
	static char deep[10001];

	if (!strcmp(kind, "format"))
		return "{\"format\":\"muss-case/2\",\"id\":\"0123456789abcdef0123456789abcdef\"}";
	if (!strcmp(kind, "id"))
		return "{\"format\":\"muss-case/1\",\"id\":\"../../0123456789abcdef0123456789\"}";
	if (!strcmp(kind, "trail"))
		return "{\"format\":\"muss-case/1\",\"id\":\"0123456789abcdef0123456789abcdef\",\"trail\":5}";
	if (!strcmp(kind, "case-text"))
		return "format: muss-case/1\n";
	if (!strcmp(kind, "deep-case"))
		return memset(deep, '[', 10000);
	return BADCASE_HEAD;
}

/* -1: no such kind */
static inline int badcase_make(const char *kind, struct buf *tar)
{
	static const char zero[1024];
	struct badcase b = { .tar = tar };
	char hex[DIGEST_HEX], skip[128];
	size_t i = 0, n = sizeof badcase_kinds / sizeof *badcase_kinds;

	while (i < n && strcmp(kind, badcase_kinds[i].kind))
		i++;
	if (i == n)
		return -1;
	if (!strcmp(kind, "empty"))
		return 0;
	if (!strcmp(kind, "text")) {
		for (i = 0; i < 100; i++)
			buf_adds(tar, "This is no archive, but a long letter.\n");
		return 0;
	}
	if (!strcmp(kind, "no-members") || !strcmp(kind, "zeros")) {
		for (i = 0; i < (*kind == 'z' ? 64 : 1); i++)
			buf_add(tar, zero, 1024);
		return 0;
	}
	digest_bytes(BADCASE_BODY, strlen(BADCASE_BODY), hex);
	snprintf(b.folder, sizeof b.folder, "code/%s", hex);
	digest_bytes("other", 5, hex);
	snprintf(b.other, sizeof b.other, "code/%s", hex);
	if (!strcmp(kind, "missing")) {
		snprintf(skip, sizeof skip, "%s/body", b.folder);
		b.skip = skip;
	}
	if (!strcmp(kind, "case-late"))
		badcase_add(&b, "remedy/x", "x");
	if (!strcmp(kind, "signature-first")) {
		badcase_add(&b, "case.json", BADCASE_HEAD);
		badcase_block(&b, "MANIFEST.sig", '0', 0, "");
		badcase_end(&b, kind);
		goto out;
	}
	badcase_add(&b, "case.json", badcase_head(kind));
	for (i = 0; !strcmp(kind, "many-headers") && i < 100; i++)
		badcase_pax(&b, "comment", "again and again");
	if (!strcmp(kind, "huge") || !strcmp(kind, "huge-pax") || !strcmp(kind, "two-sizes")) {
		if (*kind == 't')
			badcase_pax(&b, "size", "1");
		else if (kind[4])
			badcase_pax(&b, "size", "10737418240");
		badcase_block(&b, "remedy/x", '0', *kind == 't' ? 513 : kind[4] ? 1 : 10 * GIB, "");
		badcase_data(&b, zero, 513);
		badcase_end(&b, kind);
		goto out;
	}
	badcase_code(&b, kind);
	badcase_others(&b, kind);
	badcase_end(&b, kind);
	if (!strcmp(kind, "concatenated")) {
		struct buf copy = { 0 };

		buf_add(&copy, tar->p, tar->len);
		buf_add(tar, copy.p, copy.len);
		buf_free(&copy);
	}
out:
	buf_free(&b.manifest);
	return 0;
}

#endif
