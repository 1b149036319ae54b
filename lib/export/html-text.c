#include "export/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_FIRST 0xf780u   /* jsonio_bytes() writes a byte that is no UTF-8 as one of these */
#define BYTE_LAST 0xf7ffu

/* What changes how the text around it looks, or is not seen at all. */
static bool is_deceptive(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
		(c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0xfffe || c == 0xffff || (c >= 0xe0000 && c <= 0xe007f);
}

static void one(struct buf *b, const char *s, size_t len, uint32_t c)
{
	if (c == '&')
		buf_adds(b, "&amp;");
	else if (c == '<')
		buf_adds(b, "&lt;");
	else if (c == '>')
		buf_adds(b, "&gt;");
	else if (c == '"')
		buf_adds(b, "&quot;");
	else if (c >= BYTE_FIRST && c <= BYTE_LAST)
		buf_addf(b, "\\x%02x", c - 0xf700u);
	else if (c == '\t')
		buf_addc(b, ' ');
	else if (c < 0x20 || c == 0x7f)
		buf_addf(b, "\\x%02x", c);
	else if (is_deceptive(c))
		buf_addf(b, "\\u{%x}", c);
	else
		buf_add(b, s, len);
}

void html_textn(struct buf *b, const char *s, size_t n, size_t most)
{
	for (size_t i = 0, told = 0; i < n; told++) {
		uint32_t c;
		size_t len = utf8_length((const unsigned char *)s + i, n - i, &c);

		if (told == most) {
			buf_adds(b, "\xe2\x80\xa6");
			return;
		}
		if (len)
			one(b, s + i, len, c);
		else
			buf_addf(b, "\\x%02x", (unsigned char)s[i]);
		i += len ? len : 1;
	}
}

void html_text(struct buf *b, const char *s, size_t most)
{
	if (s)
		html_textn(b, s, strlen(s), most);
}

void html_cell(struct buf *b, const char *cls, const char *s, size_t most)
{
	if (cls)
		buf_addf(b, "<td class=\"%s\">", cls);
	else
		buf_adds(b, "<td>");
	html_text(b, s, most);
	buf_adds(b, "</td>");
}

void html_size(struct buf *b, double bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	if (!(bytes >= 0))
		bytes = 0;
	for (; bytes >= 1024 && u < 4; u++)
		bytes /= 1024;
	buf_addf(b, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

void html_size_cell(struct buf *b, const json_t *o)
{
	buf_adds(b, "<td class=\"num\">");
	if (json_is_number(json_object_get(o, "size")))
		html_size(b, jsonio_num(o, "size", 0));
	buf_adds(b, "</td>");
}

void html_count(struct buf *b, json_int_t n)
{
	char digits[32];
	size_t len = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)n);

	for (size_t i = 0; i < len; i++) {
		buf_addc(b, digits[i]);
		if ((len - i) % 3 == 1 && i + 1 < len && digits[i] != '-')
			buf_adds(b, "\xe2\x80\x89");
	}
}

void html_span(struct buf *b, double seconds)
{
	double whole = floor(seconds + 0.5);

	if (!(seconds >= 0) || seconds > 1e12)
		seconds = whole = 0;
	if (seconds < 0.9995)
		buf_addf(b, "%.0f ms", seconds * 1000);
	else if (seconds < 120)
		buf_addf(b, "%.4g s", seconds);
	else if (whole < 7200)
		buf_addf(b, "%.0f min %.0f s", floor(whole / 60), fmod(whole, 60));
	else if (whole < 2 * 86400)
		buf_addf(b, "%.0f h %.0f min", floor(whole / 3600), floor(fmod(whole, 3600) / 60));
	else
		buf_addf(b, "%.0f d %.0f h", floor(whole / 86400), floor(fmod(whole, 86400) / 3600));
}

bool html_address(const json_t *v, uint64_t *out)
{
	const char *s = json_string_value(v);
	char *end;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*out = (uint64_t)json_integer_value(v);
		return true;
	}
	if (!s || !*s || strspn(s, "0123456789abcdefABCDEFx") != strlen(s))
		return false;
	*out = strtoull(s, &end, 16);
	return !*end;
}

void html_scroll(struct buf *b, const char *label)
{
	buf_addf(b, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">", label);
}

void html_scroll_end(struct buf *b)
{
	buf_adds(b, "</div>");
}
