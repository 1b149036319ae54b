/* The smallest valid files of some kinds, made here, so that what is downloaded opens, and does nothing. */
#include "internet/internal.h"

#include <stdlib.h>
#include <string.h>

static void put(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> 8 * i));
}

static void put_be(struct buf *b, uint32_t v)
{
	for (int i = 3; i >= 0; i--)
		buf_addc(b, (char)(v >> 8 * i));
}

static void pad(struct buf *b, size_t start, size_t to)
{
	while (b->len - start < to)
		buf_addc(b, '\0');
}

/* CRC-32 of ISO 3309, as in zip, gzip and PNG. */
static uint32_t crc(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t c = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		c ^= p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return ~c;
}

static uint32_t adler(const unsigned char *p, size_t n)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < n; i++) {
		a = (a + p[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

/* x86-64: exit(0). */
void files_elf(struct buf *b)
{
	static const unsigned char code[] = { 0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05 };
	const uint64_t base = 0x400000, head = 64 + 56, size = head + sizeof code;

	buf_add(b, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0", 16);
	put(b, 2, 2);             /* ET_EXEC */
	put(b, 62, 2);            /* EM_X86_64 */
	put(b, 1, 4);
	put(b, base + head, 8);   /* entry */
	put(b, 64, 8);            /* program headers */
	put(b, 0, 8);
	put(b, 0, 4);
	put(b, 64, 2);
	put(b, 56, 2);
	put(b, 1, 2);
	put(b, 64, 2);
	put(b, 0, 4);
	put(b, 1, 4);             /* PT_LOAD */
	put(b, 5, 4);             /* read, execute */
	put(b, 0, 8);
	put(b, base, 8);
	put(b, base, 8);
	put(b, size, 8);
	put(b, size, 8);
	put(b, 0x1000, 8);
	buf_add(b, code, sizeof code);
}

/* 32 bits, console: as a program it returns 0, as a library its entry returns TRUE. */
void files_pe(struct buf *b, bool dll)
{
	static const unsigned char program[] = { 0x31, 0xc0, 0xc3 }, library[] = { 0xb8, 1, 0, 0, 0, 0xc2, 12, 0 };
	const size_t start = b->len;

	buf_add(b, "MZ", 2);
	pad(b, start, 60);
	put(b, 64, 4);
	buf_add(b, "PE\0\0", 4);
	put(b, 0x14c, 2);         /* i386 */
	put(b, 1, 2);             /* sections */
	put(b, 0, 4);
	put(b, 0, 8);
	put(b, 224, 2);           /* of the optional header */
	put(b, dll ? 0x2103 : 0x103, 2);
	put(b, 0x10b, 2);
	put(b, 0, 2);
	put(b, 0x200, 4);         /* code */
	put(b, 0, 8);
	put(b, 0x1000, 4);        /* entry */
	put(b, 0x1000, 4);
	put(b, 0x1000, 4);
	put(b, 0x400000, 4);      /* image */
	put(b, 0x1000, 4);
	put(b, 0x200, 4);
	put(b, 4, 4);
	put(b, 0, 4);
	put(b, 4, 4);
	put(b, 0, 4);
	put(b, 0x2000, 4);        /* size of the image and of the headers */
	put(b, 0x200, 4);
	put(b, 0, 4);
	put(b, 3, 2);             /* console */
	put(b, 0, 2);
	put(b, 0x100000, 4);
	put(b, 0x1000, 4);
	put(b, 0x100000, 4);
	put(b, 0x1000, 4);
	put(b, 0, 4);
	put(b, 16, 4);
	pad(b, start, 64 + 24 + 224);
	buf_add(b, ".text\0\0\0", 8);
	put(b, 0x1000, 4);
	put(b, 0x1000, 4);
	put(b, 0x200, 4);
	put(b, 0x200, 4);
	put(b, 0, 8);
	put(b, 0, 4);
	put(b, 0x60000020, 4);    /* code, execute, read */
	pad(b, start, 0x200);
	if (dll)
		buf_add(b, library, sizeof library);
	else
		buf_add(b, program, sizeof program);
	pad(b, start, 0x400);
}

static void zip_entry(struct buf *b, const char *name, const char *text, bool central)
{
	const size_t n = strlen(text);

	buf_add(b, central ? "PK\1\2\24\0" : "PK\3\4", central ? 6 : 4);
	put(b, 20, 2);
	put(b, 0, 4);             /* stored */
	put(b, 0x58215821, 4);    /* 2024-01-01 */
	put(b, crc(text, n), 4);
	put(b, n, 4);
	put(b, n, 4);
	put(b, strlen(name), 2);
	put(b, 0, 2);
	if (central)
		put(b, 0, 6);
	if (central)
		put(b, 0, 8);     /* attributes, and the offset of the other head: 0 */
	buf_adds(b, name);
	if (!central)
		buf_adds(b, text);
}

void files_zip(struct buf *b, const char *name, const char *text)
{
	const size_t start = b->len;
	size_t middle, end;

	zip_entry(b, name, text, false);
	middle = b->len - start;
	zip_entry(b, name, text, true);
	end = b->len - start;
	buf_add(b, "PK\5\6\0\0\0\0\1\0\1\0", 12);
	put(b, end - middle, 4);
	put(b, middle, 4);
	put(b, 0, 2);
}

/* RFC 1950's and RFC 1952's stored block. */
static void put_stored(struct buf *b, const void *p, size_t n)
{
	buf_addc(b, 1);
	put(b, n, 2);
	put(b, ~n, 2);
	buf_add(b, p, n);
}

void files_gzip(struct buf *b, const char *text)
{
	buf_add(b, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	put_stored(b, text, strlen(text));
	put(b, crc(text, strlen(text)), 4);
	put(b, strlen(text), 4);
}

void files_pdf(struct buf *b, const char *text)
{
	static const char *const objects[] = {
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		NULL,
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	};
	const size_t start = b->len, count = sizeof objects / sizeof *objects;
	size_t at[sizeof objects / sizeof *objects], xref;
	char *page = buf_printf("BT /F1 12 Tf 72 770 Td (%s) Tj ET\n", text);

	buf_adds(b, "%PDF-1.4\n");
	for (size_t i = 0; i < count; i++) {
		at[i] = b->len - start;
		if (objects[i])
			buf_addf(b, "%zu 0 obj%sendobj\n", i + 1, objects[i]);
		else
			buf_addf(b, "%zu 0 obj<</Length %zu>>stream\n%sendstream endobj\n", i + 1, strlen(page), page);
	}
	xref = b->len - start;
	buf_addf(b, "xref\n0 %zu\n0000000000 65535 f \n", count + 1);
	for (size_t i = 0; i < count; i++)
		buf_addf(b, "%010zu 00000 n \n", at[i]);
	buf_addf(b, "trailer<</Size %zu/Root 1 0 R>>\nstartxref\n%zu\n%%%%EOF\n", count + 1, xref);
	free(page);
}

static void png_chunk(struct buf *b, const char *type, const void *p, size_t n)
{
	size_t at;

	put_be(b, (uint32_t)n);
	at = b->len;
	buf_adds(b, type);
	buf_add(b, p, n);
	put_be(b, crc(b->p + at, b->len - at));
}

static void png(struct buf *b)
{
	static const unsigned char head[] = { 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0 };   /* 1 by 1, 8 bits, grey */
	static const unsigned char row[] = { 0, 0xff };
	struct buf data = { 0 };

	buf_add(b, "\x89PNG\r\n\x1a\n", 8);
	png_chunk(b, "IHDR", head, sizeof head);
	buf_add(&data, "\x78\x01", 2);
	put_stored(&data, row, sizeof row);
	put_be(&data, adler(row, sizeof row));
	png_chunk(b, "IDAT", data.p, data.len);
	png_chunk(b, "IEND", "", 0);
	buf_free(&data);
}

/* Baseline, grey, one block of zeroes: each Huffman table has the one code that is needed. */
static void jpg(struct buf *b)
{
	buf_add(b, "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20);
	buf_add(b, "\xff\xdb\0\x43\0", 5);
	for (int i = 0; i < 64; i++)
		buf_addc(b, 1);
	buf_add(b, "\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0", 13);
	for (int table = 0; table < 2; table++) {
		buf_add(b, "\xff\xc4\0\x14", 4);
		buf_addc(b, (char)(table << 4));
		buf_addc(b, 1);
		for (int i = 0; i < 15; i++)
			buf_addc(b, 0);
		buf_addc(b, 0);
	}
	buf_add(b, "\xff\xda\0\x08\1\1\0\0\x3f\0\x3f\xff\xd9", 13);   /* two bits 0, the rest ones */
}

void files_image(struct buf *b, const char *kind)
{
	static const char gif[] = "GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;";
	struct buf inner = { 0 };

	if (!strcmp(kind, "gif")) {
		buf_add(b, gif, sizeof gif - 1);
	} else if (!strcmp(kind, "jpg")) {
		jpg(b);
	} else if (!strcmp(kind, "ico")) {
		png(&inner);
		buf_add(b, "\0\0\1\0\1\0\1\1\0\0\1\0\x20\0", 14);
		put(b, inner.len, 4);
		put(b, 22, 4);
		buf_add(b, inner.p, inner.len);
		buf_free(&inner);
	} else {
		png(b);
	}
}
