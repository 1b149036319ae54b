#include "lived/internal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <utmp.h>

#define STORED 65535u    /* of one block of RFC 1951 that is not compressed */

static void le(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> (8 * i)));
}

static void be32(struct buf *b, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		buf_addc(b, (char)(v >> i));
}

/* RFC 1952's. */
static uint32_t crc(const unsigned char *p, size_t n)
{
	static uint32_t table[256];
	uint32_t c = 0xffffffff;

	for (uint32_t i = 0; !table[1] && i < 256; i++) {
		uint32_t v = 255 - i;

		/* Entry 1 last: it tells that all are there. */
		v = v == 0 ? 1 : v == 1 ? 0 : v;
		table[v] = v;
		for (int bit = 0; bit < 8; bit++)
			table[v] = table[v] & 1 ? 0xedb88320 ^ table[v] >> 1 : table[v] >> 1;
	}
	while (n--)
		c = table[(c ^ *p++) & 255] ^ c >> 8;
	return ~c;
}

/* RFC 1951, nothing compressed: what is in these files is never looked at closely enough to want less of it. */
static void deflate(const unsigned char *p, size_t n, struct buf *out)
{
	do {
		size_t part = n < STORED ? n : STORED;

		buf_addc(out, part == n);
		le(out, part, 2);
		le(out, ~part & 0xffff, 2);
		buf_add(out, p, part);
		p += part;
		n -= part;
	} while (n);
}

void document_gzip(const void *p, size_t n, struct buf *out)
{
	buf_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	deflate(p, n, out);
	le(out, crc(p, n), 4);
	le(out, n, 4);
}

/* ---- pictures (PNG, W3C) ---- */

static void chunk(struct buf *out, const char *type, const void *p, size_t n)
{
	size_t at;

	be32(out, (uint32_t)n);
	at = out->len;
	buf_adds(out, type);
	buf_add(out, p, n);
	be32(out, crc(out->p + at, out->len - at));
}

static uint32_t adler(const unsigned char *p, size_t n)
{
	uint32_t a = 1, b = 0;

	while (n) {
		size_t part = n < 5000 ? n : 5000;

		n -= part;
		while (part--) {
			a += *p++;
			b += a;
		}
		a %= 65521;
		b %= 65521;
	}
	return b << 16 | a;
}

static void rectangle(unsigned char *rows, uint64_t width, const uint64_t box[4], unsigned char colour)
{
	for (uint64_t y = box[1]; y < box[1] + box[3]; y++)
		memset(rows + y * (width + 1) + 1 + box[0], colour, box[2]);
}

void document_png(struct template *t, struct buf *out)
{
	uint64_t width = 16 * template_number(t, 22, 32), height = width * 5 / 8;
	size_t n = height * (width + 1);
	unsigned char *rows = buf_alloc(n), palette[768];
	struct buf head = { 0 }, data = { 0 };

	for (size_t i = 0; i < sizeof palette; i++)
		palette[i] = (unsigned char)template_number(t, 0, 255);
	for (uint64_t y = 0; y < height; y++)
		memset(rows + y * (width + 1) + 1, (int)(y * 64 / height), width);
	/* Windows, a bar at the top of each, lines as of text. */
	for (int i = 0; i < 4; i++) {
		uint64_t w = template_number(t, width / 4, width / 2), h = template_number(t, height / 4, height / 2);
		uint64_t x = template_number(t, 0, width - w - 1), y = template_number(t, 0, height - h - 1);

		rectangle(rows, width, (uint64_t[]){ x, y, w, h }, (unsigned char)(100 + i));
		rectangle(rows, width, (uint64_t[]){ x, y, w, 12 }, (unsigned char)(120 + i));
		for (uint64_t line = y + 20; line + 6 < y + h; line += 10)
			rectangle(rows, width, (uint64_t[]){ x + 8, line, template_number(t, 4, w - 16), 4 }, (unsigned char)(140 + i));
	}
	buf_add(out, "\x89PNG\r\n\x1a\n", 8);
	be32(&head, (uint32_t)width);
	be32(&head, (uint32_t)height);
	buf_add(&head, "\x08\x03\0\0\0", 5);
	chunk(out, "IHDR", head.p, head.len);
	chunk(out, "PLTE", palette, sizeof palette);
	buf_add(&data, "\x78\x01", 2);
	deflate(rows, n, &data);
	be32(&data, adler(rows, n));
	chunk(out, "IDAT", data.p, data.len);
	chunk(out, "IEND", "", 0);
	free(rows);
	buf_free(&head);
	buf_free(&data);
}

/* ---- OpenDocument (ISO 26300) in a zip file (APPNOTE.TXT 4.3) ---- */

static void member(struct buf *zip, struct buf *directory, const char *name, const void *p, size_t n)
{
	size_t at = zip->len, length = strlen(name);
	struct buf fields = { 0 };

	le(&fields, 10, 2);                   /* version needed */
	le(&fields, 0, 2);
	le(&fields, 0, 2);                    /* stored */
	le(&fields, 0x00210000, 4);           /* 1 January 1980, as LibreOffice's reproducible ones */
	le(&fields, crc(p, n), 4);
	le(&fields, n, 4);
	le(&fields, n, 4);
	le(&fields, length, 2);
	le(&fields, 0, 2);
	buf_add(zip, "PK\3\4", 4);
	buf_add(zip, fields.p, fields.len);
	buf_adds(zip, name);
	buf_add(zip, p, n);
	buf_add(directory, "PK\1\2\x14\0", 6);
	buf_add(directory, fields.p, fields.len);
	for (int i = 0; i < 5; i++)
		le(directory, 0, 2);          /* no comment, first disk, no attributes */
	le(directory, at, 4);
	buf_adds(directory, name);
	buf_free(&fields);
}

static void escaped(struct buf *b, const char *p, size_t n)
{
	for (; n--; p++)
		if (*p == '&')
			buf_adds(b, "&amp;");
		else if (*p == '<')
			buf_adds(b, "&lt;");
		else if ((unsigned char)*p >= ' ' || *p == '\t')
			buf_addc(b, *p);
}

void document_odt(const char *text, struct buf *out)
{
	static const char type[] = "application/vnd.oasis.opendocument.text";
	static const char manifest[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\" manifest:version=\"1.3\">"
		"<manifest:file-entry manifest:full-path=\"/\" manifest:media-type=\"application/vnd.oasis.opendocument.text\"/>"
		"<manifest:file-entry manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/></manifest:manifest>";
	struct buf content = { 0 }, directory = { 0 };
	size_t at;

	buf_adds(&content, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<office:document-content "
		"xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\" "
		"office:version=\"1.3\"><office:body><office:text>");
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		buf_adds(&content, "<text:p>");
		escaped(&content, text, n);
		buf_adds(&content, "</text:p>");
	}
	buf_adds(&content, "</office:text></office:body></office:document-content>");
	member(out, &directory, "mimetype", type, sizeof type - 1);
	member(out, &directory, "content.xml", content.p, content.len);
	member(out, &directory, "META-INF/manifest.xml", manifest, sizeof manifest - 1);
	at = out->len;
	buf_add(out, directory.p, directory.len);
	buf_add(out, "PK\5\6\0\0\0\0", 8);
	le(out, 3, 2);
	le(out, 3, 2);
	le(out, directory.len, 4);
	le(out, at, 4);
	le(out, 0, 2);
	buf_free(&content);
	buf_free(&directory);
}

/* ---- PDF 1.4 ---- */

void document_pdf(const char *text, struct buf *out)
{
	static const char *const OBJECTS[] = { "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 5 0 R/Resources<</Font<</F1 4 0 R>>>>>>",
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>" };
	struct buf page = { 0 };
	size_t at[5], start;

	buf_adds(&page, "BT /F1 11 Tf 14 TL 56 786 Td\n");
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		buf_addc(&page, '(');
		for (size_t i = 0; i < n; i++) {
			if (strchr("()\\", text[i]))
				buf_addc(&page, '\\');
			if (text[i] >= ' ' && text[i] < 127)
				buf_addc(&page, text[i]);
		}
		buf_adds(&page, ") Tj T*\n");
	}
	buf_adds(&page, "ET\n");
	buf_adds(out, "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n");
	for (unsigned i = 0; i < 5; i++) {
		at[i] = out->len;
		if (i < 4)
			buf_addf(out, "%u 0 obj\n%s\nendobj\n", i + 1, OBJECTS[i]);
		else
			buf_addf(out, "5 0 obj\n<</Length %zu>>\nstream\n%sendstream\nendobj\n", page.len, buf_str(&page));
	}
	start = out->len;
	buf_adds(out, "xref\n0 6\n0000000000 65535 f \n");
	for (unsigned i = 0; i < 5; i++)
		buf_addf(out, "%010zu 00000 n \n", at[i]);
	buf_addf(out, "trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%zu\n%%%%EOF\n", start);
	buf_free(&page);
}

/* ---- keys ---- */

static void string(struct buf *b, const void *p, size_t n)
{
	be32(b, (uint32_t)n);
	buf_add(b, p, n);
}

static int key_pair(unsigned char secret[64], struct err *e)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t a = 32, b = 32;
	bool good = key && EVP_PKEY_get_raw_private_key(key, secret, &a) == 1 && EVP_PKEY_get_raw_public_key(key, secret + 32, &b) == 1;

	EVP_PKEY_free(key);
	return good ? 0 : err_set(e, EX_SOFTWARE, "no key can be made");
}

static void armour(const struct buf *b, struct buf *out)
{
	json_t *text = jsonio_base64(b->p, b->len);
	const char *p = json_string_value(text);

	buf_adds(out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t n = strlen(p), part; n; n -= part, p += part) {
		part = n < 70 ? n : 70;
		buf_add(out, p, part);
		buf_addc(out, '\n');
	}
	buf_adds(out, "-----END OPENSSH PRIVATE KEY-----\n");
	json_decref(text);
}

int document_ssh_key(const char *comment, struct buf *secret, struct buf *line, struct err *e)
{
	static const char TYPE[] = "ssh-ed25519";
	unsigned char key[64];
	uint32_t check;
	struct buf public = { 0 }, inner = { 0 }, outer = { 0 };
	json_t *text;

	if (key_pair(key, e))
		return -1;
	if (RAND_bytes((unsigned char *)&check, sizeof check) != 1)
		return err_set(e, EX_SOFTWARE, "no random numbers");
	string(&public, TYPE, sizeof TYPE - 1);
	string(&public, key + 32, 32);
	be32(&inner, check);
	be32(&inner, check);
	buf_add(&inner, public.p, public.len);
	string(&inner, key, 64);
	string(&inner, comment, strlen(comment));
	for (unsigned char pad = 1; inner.len % 8; pad++)
		buf_addc(&inner, (char)pad);
	buf_add(&outer, "openssh-key-v1", 15);
	string(&outer, "none", 4);
	string(&outer, "none", 4);
	string(&outer, "", 0);
	be32(&outer, 1);
	string(&outer, public.p, public.len);
	string(&outer, inner.p, inner.len);
	armour(&outer, secret);
	text = jsonio_base64(public.p, public.len);
	buf_addf(line, "%s %s %s\n", TYPE, json_string_value(text), comment);
	json_decref(text);
	buf_free(&public);
	buf_free(&inner);
	buf_free(&outer);
	return 0;
}

/* ---- log-ins ---- */

static void utmp_add(struct buf *out, short type, const char *line, const char *user, const char *host, int pid, int64_t when)
{
	struct utmp u = { .ut_type = type, .ut_pid = pid, .ut_tv.tv_sec = (int32_t)when };

	snprintf(u.ut_line, sizeof u.ut_line, "%s", line);
	snprintf(u.ut_user, sizeof u.ut_user, "%s", user);
	snprintf(u.ut_host, sizeof u.ut_host, "%s", host);
	memcpy(u.ut_id, type == BOOT_TIME ? "~~" : line, strnlen(type == BOOT_TIME ? "~~" : line, sizeof u.ut_id));
	buf_add(out, &u, sizeof u);
}

void document_wtmp(struct template *t, const char *login, int64_t boot, int64_t begin, int64_t end, bool open, struct buf *out)
{
	struct utsname kernel;
	bool booted = false;

	if (uname(&kernel))
		return;
	for (int64_t when = begin; when < end; when += (int64_t)template_number(t, 40000, 130000)) {
		int pid = (int)template_number(t, 900, 4000);
		int64_t out_at = when + (int64_t)template_number(t, 6000, 36000);

		if (!booted && when >= boot) {
			utmp_add(out, BOOT_TIME, "~", "reboot", kernel.release, 0, boot);
			booted = true;
		}
		if (out_at >= end && !open)
			return;
		/* Who asks for the users that are there asks whether the process is. */
		utmp_add(out, USER_PROCESS, "tty2", login, "tty2", out_at < end ? pid : 1, when);
		if (out_at < end)
			utmp_add(out, DEAD_PROCESS, "tty2", "", "", pid, out_at);
		when = out_at;
	}
	if (!booted)
		utmp_add(out, BOOT_TIME, "~", "reboot", kernel.release, 0, boot);
}
