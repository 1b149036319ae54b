/* RFC 1035, with EDNS (RFC 6891): any name resolves. */
#include "internet/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 12u
#define NAME_MOST 255u
#define UDP_PLAIN 512u
#define UDP_MOST 4096u
enum { NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4 };
enum { T_A = 1, T_NS = 2, T_CNAME = 5, T_SOA = 6, T_PTR = 12, T_MX = 15, T_TXT = 16, T_AAAA = 28, T_SRV = 33, T_OPT = 41, T_ANY = 255 };

static const struct { unsigned type; const char *name; } type_names[] = {
	{ T_A, "A" }, { T_NS, "NS" }, { T_CNAME, "CNAME" }, { T_SOA, "SOA" }, { T_PTR, "PTR" }, { T_MX, "MX" }, { T_TXT, "TXT" },
	{ T_AAAA, "AAAA" }, { T_SRV, "SRV" }, { T_ANY, "ANY" }, { 10, "NULL" }, { 13, "HINFO" }, { 35, "NAPTR" }, { 43, "DS" }, { 48, "DNSKEY" },
	{ 64, "SVCB" }, { 65, "HTTPS" }, { 252, "AXFR" }, { 257, "CAA" },
};

struct question {
	char name[NAME_MOST + 1];   /* lower case, dots, none at the end; bytes that are none of a name as '?' */
	unsigned type, class;
	size_t end;                 /* offset behind it */
	bool edns;
	unsigned edns_size;
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(struct buf *b, unsigned v)
{
	const unsigned char p[2] = { (unsigned char)(v >> 8), (unsigned char)v };

	buf_add(b, p, 2);
}

static void put32(struct buf *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v & 0xffff);
}

/* Labels only: a question has nothing before it that could be pointed to. 0: malformed. */
static size_t read_name(const unsigned char *p, size_t n, size_t at, char *name)
{
	size_t len = 0;

	while (at < n && p[at]) {
		unsigned label = p[at++];

		if (label > 63 || label > n - at || len + label + 1 > NAME_MOST - 1)
			return 0;
		if (len)
			name[len++] = '.';
		for (unsigned i = 0; i < label; i++, at++)
			name[len++] = p[at] > 32 && p[at] < 127 && p[at] != '.' ? (char)tolower(p[at]) : '?';
	}
	name[len] = '\0';
	return at < n ? at + 1 : 0;
}

/* An OPT record among the additional ones, when it comes first there, as it does of all known clients. */
static void read_edns(const unsigned char *q, size_t n, struct question *k)
{
	const unsigned char *p = q + k->end;

	if (get16(q + 6) || get16(q + 8) || !get16(q + 10) || n - k->end < 11 || p[0] || get16(p + 1) != T_OPT)
		return;
	k->edns = true;
	k->edns_size = get16(p + 3);
}

static bool read_question(const unsigned char *q, size_t n, struct question *k)
{
	size_t at;

	memset(k, 0, sizeof *k);
	if (get16(q + 4) != 1)
		return false;
	at = read_name(q, n, HEADER, k->name);
	if (!at || n - at < 4)
		return false;
	k->type = get16(q + at);
	k->class = get16(q + at + 2);
	k->end = at + 4;
	read_edns(q, n, k);
	return true;
}

static void put_name(struct buf *b, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		if (n > 63)
			n = 63;
		buf_addc(b, (char)n);
		buf_add(b, name, n);
		name += strcspn(name, ".");
		name += *name == '.';
	}
	buf_addc(b, '\0');
}

/* A label before the name that was asked for. */
static void put_under(struct buf *b, const char *label)
{
	buf_addc(b, (char)strlen(label));
	buf_adds(b, label);
	put16(b, 0xc000 | HEADER);
}

struct answer { struct buf *out; const struct dns_settings *s; unsigned count; json_t *text; };

/* The head of a record of the name asked for; returns where its length goes. */
static size_t begin_record(struct answer *a, unsigned type)
{
	put16(a->out, 0xc000 | HEADER);
	put16(a->out, type);
	put16(a->out, 1);
	put32(a->out, a->s->ttl);
	put16(a->out, 0);
	a->count++;
	return a->out->len;
}

static void end_record(struct answer *a, size_t at)
{
	size_t n = a->out->len - at;

	a->out->p[at - 2] = (unsigned char)(n >> 8);
	a->out->p[at - 1] = (unsigned char)n;
}

static void tell(struct answer *a, json_t *text)
{
	if (!a->text)
		a->text = json_array();
	json_array_append_new(a->text, text);
}

static void give_a(struct answer *a, const char *name)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr in;
	uint32_t v4;
	size_t at = begin_record(a, T_A);

	names_address(a->s->names, name, &v4);
	put32(a->out, v4);
	end_record(a, at);
	in.s_addr = htonl(v4);
	inet_ntop(AF_INET, &in, text, sizeof text);
	tell(a, json_string(text));
}

static void give_aaaa(struct answer *a, const char *name)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	uint32_t v4;
	size_t at = begin_record(a, T_AAAA);

	names_address(a->s->names, name, &v4);
	names_v6(a->s->names, v4, &v6);
	buf_add(a->out, &v6, 16);
	end_record(a, at);
	names_text(&v6, text);
	tell(a, json_string(text));
}

static void give_txt(struct answer *a)
{
	const json_t *v;
	size_t i;

	json_array_foreach(a->s->txt, i, v) {
		size_t at = begin_record(a, T_TXT), n = json_string_length(v);
		const char *s = json_string_value(v);

		if (n > 255)
			n = 255;
		buf_addc(a->out, (char)n);
		buf_add(a->out, s, n);
		end_record(a, at);
		tell(a, json_incref(json_array_get(a->s->txt, i)));
	}
}

static void give_under(struct answer *a, unsigned type, const char *label, const char *name)
{
	char *whole = buf_printf("%s%s%s", label, *name ? "." : "", name);
	size_t at = begin_record(a, type);

	if (type == T_MX)
		put16(a->out, 10);
	if (type == T_SRV) {
		put16(a->out, 0);
		put16(a->out, 5);
		put16(a->out, 5269);
	}
	if (type == T_SRV)   /* RFC 2782: no compression there */
		put_name(a->out, whole);
	else
		put_under(a->out, label);
	if (type == T_SOA) {
		put_under(a->out, "hostmaster");
		put32(a->out, 2024010101);
		put32(a->out, 7200);
		put32(a->out, 3600);
		put32(a->out, 1209600);
		put32(a->out, 300);
	}
	end_record(a, at);
	tell(a, jsonio_name(whole));
	free(whole);
}

/* "4.3.2.1.in-addr.arpa", or 32 digits of ip6.arpa. */
static bool reverse_address(const char *name, struct in6_addr *a)
{
	size_t n = strlen(name);
	unsigned b[4];   /* the last one first */
	const char *rest = text_numbers(name, b, 4, '.');

	memset(a, 0, sizeof *a);
	if (rest && !strcmp(rest, ".in-addr.arpa")) {
		a->s6_addr[10] = a->s6_addr[11] = 0xff;
		for (int i = 0; i < 4; i++)
			a->s6_addr[12 + i] = (unsigned char)b[3 - i];
		return b[0] < 256 && b[1] < 256 && b[2] < 256 && b[3] < 256;
	}
	if (n != 64 + strlen("ip6.arpa") || strcmp(name + 64, "ip6.arpa") != 0)
		return false;
	for (size_t i = 0; i < 32; i++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, name[2 * i]);

		if (!d || name[2 * i + 1] != '.')
			return false;
		a->s6_addr[15 - i / 2] |= (unsigned char)((d - digits) << (i % 2 ? 4 : 0));
	}
	return true;
}

/* The names that no server of the Internet knows, and those that the settings list. */
static bool exists(const struct dns_settings *s, const char *name)
{
	static const char *const never[] = { "localhost", "*.localhost", "*.local", "*.invalid", "*.lan", "*.internal", "*.home.arpa" };
	const json_t *v;
	size_t i;

	for (i = 0; i < sizeof never / sizeof *never; i++)
		if (!fnmatch(never[i], name, 0))
			return false;
	json_array_foreach(s->nxdomain, i, v) {
		if (json_is_string(v) && !fnmatch(json_string_value(v), name, 0))
			return false;
	}
	return true;
}

static unsigned give_ptr(struct answer *a, const char *name)
{
	struct in6_addr address;
	const char *found = reverse_address(name, &address) ? names_of(a->s->names, &address) : NULL;
	size_t at;

	if (!found)
		return NXDOMAIN;
	at = begin_record(a, T_PTR);
	put_name(a->out, found);
	end_record(a, at);
	tell(a, jsonio_name(found));
	return NOERROR;
}

/* Whose service it is: "_xmpp._tcp.example.org" asks for one of example.org. */
static const char *owner(const char *name)
{
	while (*name == '_' && strchr(name, '.'))
		name = strchr(name, '.') + 1;
	return name;
}

static unsigned give(struct answer *a, const struct question *k)
{
	const char *arpa = strstr(k->name, ".arpa");

	if (k->class != 1 && k->class != 255)
		return NOERROR;
	if (arpa && !arpa[5])
		return k->type == T_PTR || k->type == T_ANY ? give_ptr(a, k->name) : NOERROR;
	if (!exists(a->s, k->name))
		return NXDOMAIN;
	switch (k->type) {
	case T_A: case T_ANY: give_a(a, k->name); break;
	case T_AAAA: give_aaaa(a, k->name); break;
	case T_TXT: give_txt(a); break;
	case T_MX: give_under(a, T_MX, "mail", k->name); break;
	case T_NS: give_under(a, T_NS, "ns1", k->name); break;
	case T_SOA: give_under(a, T_SOA, "ns1", k->name); break;
	case T_SRV: give_under(a, T_SRV, "srv", owner(k->name)); break;
	default: break;
	}
	return NOERROR;
}

static json_t *make_note(const struct question *k, unsigned rcode, json_t *answers)
{
	char other[24];
	const char *type = other;
	json_t *o;

	snprintf(other, sizeof other, "TYPE%u", k->type);
	for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++)
		if (type_names[i].type == k->type)
			type = type_names[i].name;
	o = json_pack("{s:s,s:o}", "type", type, "name", jsonio_name(k->name));
	if (rcode == NXDOMAIN)
		json_object_set_new(o, "answer", json_string("NXDOMAIN"));
	else if (json_array_size(answers) == 1)
		json_object_set(o, "answer", json_array_get(answers, 0));
	else
		json_object_set_new(o, "answer", answers ? json_incref(answers) : json_null());
	json_decref(answers);
	return o;
}

/* What does not fit goes, all of it: the client asks again over TCP. */
static void truncate_at(struct buf *out, size_t start, const struct question *k)
{
	out->len = start + k->end;
	out->p[start + 2] |= 2;
	memset(out->p + start + 6, 0, 6);
}

bool dns_answer(const struct dns_settings *s, const unsigned char *q, size_t n, size_t most, bool udp, struct buf *out, json_t **note)
{
	const size_t start = out->len;
	struct answer a = { .out = out, .s = s };
	struct question k = { .name = "" };
	unsigned rcode = FORMERR;
	bool good;

	*note = NULL;
	if (n < HEADER || q[2] & 0x80)
		return false;
	good = !(q[2] & 0x78) && read_question(q, n, &k);
	buf_add(out, q, good ? k.end : HEADER);
	memset(out->p + start + 6, 0, 6);
	if (!good)
		memset(out->p + start + 4, 0, 2);
	if (good)
		rcode = give(&a, &k);
	else if (q[2] & 0x78)
		rcode = NOTIMP;
	out->p[start + 2] = (unsigned char)(0x80 | (q[2] & 0x79));
	out->p[start + 7] = (unsigned char)a.count;
	out->p[start + 6] = (unsigned char)(a.count >> 8);
	if (udp)
		most = k.edns && k.edns_size > UDP_PLAIN ? (k.edns_size < UDP_MOST ? k.edns_size : UDP_MOST) : UDP_PLAIN;
	if (out->len - start + (k.edns ? 11 : 0) > most)
		truncate_at(out, start, &k);
	if (k.edns) {
		buf_addc(out, '\0');
		put16(out, T_OPT);
		put16(out, UDP_MOST);
		put32(out, 0);
		put16(out, 0);
		out->p[start + 11] = 1;
	}
	out->p[start + 3] = (unsigned char)(0x80 | rcode);
	if (good)
		*note = make_note(&k, rcode, a.text);
	return true;
}

/* ---- over TCP, behind two bytes of length ---- */

static void stream_data(struct conn *c)
{
	while (!conn_full(c) && c->in.len >= 2) {
		size_t n = get16(c->in.p);
		struct buf out = { 0 };
		json_t *note;

		if (c->in.len < n + 2)
			return;
		put16(&out, 0);
		if (!dns_answer(&c->net->dns, c->in.p + 2, n, 65535, false, &out, &note)) {
			buf_free(&out);
			conn_close(c);
			return;
		}
		out.p[0] = (unsigned char)((out.len - 2) >> 8);
		out.p[1] = (unsigned char)(out.len - 2);
		conn_write(c, out.p, out.len);
		if (note)
			record_note(&c->x, "dns", note);
		conn_took(c, n + 2);
		buf_free(&out);
	}
}

static void datagram(struct flow *f, const unsigned char *p, size_t n)
{
	struct buf out = { 0 };
	json_t *note;

	if (dns_answer(&f->net->dns, p, n, UDP_PLAIN, true, &out, &note)) {
		udp_send(f, out.p, out.len);
		if (note)
			record_note(&f->x, "dns", note);
	}
	buf_free(&out);
}

const struct service dns_service = { .name = "dns", .secure = "dns-tls", .data = stream_data };
const struct datagram_service dns_datagrams = { .name = "dns", .data = datagram };
