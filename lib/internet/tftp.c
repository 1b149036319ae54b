/* TFTP (RFC 1350), without options: reads give what the web server would, writes are kept by digest. One transfer a flow. */
#include "internet/internal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 512u
enum { RRQ = 1, WRQ, DATA, ACK, ERROR };

struct tftp {
	bool writing, done;
	char *path;
	struct buf content;
	uint16_t block;
	struct kept stored;
};

static void send_block(struct flow *f)
{
	const struct tftp *s = f->state;
	const size_t at = (size_t)(s->block - 1) * BLOCK, left = at < s->content.len ? s->content.len - at : 0, n = left < BLOCK ? left : BLOCK;
	unsigned char p[4 + BLOCK] = { 0, DATA, (unsigned char)(s->block >> 8), (unsigned char)s->block };

	if (n)
		memcpy(p + 4, s->content.p + at, n);
	udp_send(f, p, 4 + n);
}

static void send_ack(struct flow *f)
{
	const struct tftp *s = f->state;
	const unsigned char p[4] = { 0, ACK, (unsigned char)(s->block >> 8), (unsigned char)s->block };

	udp_send(f, p, sizeof p);
}

static void tftp_close(struct flow *f)
{
	struct tftp *s = f->state;
	json_t *o;

	if (!s)
		return;
	o = json_pack("{s:s,s:o}", "request", s->writing ? "write" : "read", "path", jsonio_name(s->path));
	if (s->writing)
		record_kept(&s->stored, o, "");
	record_note(&f->x, "tftp", o);
	record_drop(&s->stored);
	buf_free(&s->content);
	free(s->path);
	free(s);
	f->state = NULL;
}

static void begin(struct flow *f, const unsigned char *p, size_t n)
{
	struct tftp *s;

	if (!memchr(p + 2, 0, n - 2))
		return;
	tftp_close(f);
	s = f->state = buf_alloc(sizeof *s);
	s->writing = p[1] == WRQ;
	s->path = buf_printf("%.255s", (const char *)p + 2);
	if (s->writing) {
		send_ack(f);
	} else {
		content_of(f->net, s->path, "", &s->content);
		s->block = 1;
		send_block(f);
	}
}

static void take(struct flow *f, const unsigned char *p, size_t n)
{
	struct tftp *s = f->state;
	const uint16_t block = (uint16_t)(p[2] << 8 | p[3]);

	if (s->writing && p[1] == DATA) {
		if (block == (uint16_t)(s->block + 1) && !s->done) {
			s->block = block;
			s->done = n - 4 < BLOCK;
			record_keep(&s->stored, p + 4, n - 4);
		}
		if (block == s->block)   /* again, when our answer was lost */
			send_ack(f);
	} else if (!s->writing && p[1] == ACK && block == s->block && (size_t)s->block * BLOCK <= s->content.len) {
		s->block++;
		send_block(f);
	}
}

static void tftp_data(struct flow *f, const unsigned char *p, size_t n)
{
	if (n < 4 || p[0])
		return;
	if (p[1] == RRQ || p[1] == WRQ)
		begin(f, p, n);
	else if (f->state)
		take(f, p, n);
}

const struct datagram_service tftp_datagrams = { .name = "tftp", .data = tftp_data, .close = tftp_close };
