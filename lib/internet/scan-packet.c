#include "internet/scan.h"

#include <string.h>

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool read_ip(const unsigned char *p, size_t n, struct packet *k, size_t *at)
{
	size_t len;

	if (n >= 20 && p[0] >> 4 == 4) {
		*at = (size_t)(p[0] & 15) * 4;
		len = get16(p + 2);
		if (*at < 20 || len < *at || len > n || get16(p + 6) & 0x1fff)   /* no later fragments */
			return false;
		k->ttl = p[8];
		k->protocol = p[9];
		k->id = get16(p + 4);
		memcpy(k->from + 12, p + 12, 4);
		memcpy(k->to + 12, p + 16, 4);
		k->payload_len = len - *at;
		return true;
	}
	if (n < 40 || p[0] >> 4 != 6)
		return false;
	len = get16(p + 4);
	if (len > n - 40)
		return false;
	k->v6 = true;
	k->ttl = p[7];
	k->protocol = p[6];
	memcpy(k->from, p + 8, 16);
	memcpy(k->to, p + 24, 16);
	*at = 40;
	k->payload_len = len;
	return true;
}

bool scan_packet_read(const unsigned char *p, size_t n, struct packet *k)
{
	size_t at, head;

	memset(k, 0, sizeof *k);
	if (!read_ip(p, n, k, &at))
		return false;
	p += at;
	if (k->protocol == TCP) {
		if (k->payload_len < 20)
			return false;
		head = (size_t)(p[12] >> 4) * 4;
		if (head < 20 || head > k->payload_len)
			return false;
		k->seq = scan_get32(p + 4);
		k->flags = p[13];
		k->window = get16(p + 14);
		k->options = p + 20;
		k->options_len = head - 20;
	} else if (k->protocol == UDP || k->protocol == ICMP || k->protocol == ICMP6) {
		head = 8;
		if (k->payload_len < head)
			return false;
	} else {
		return false;
	}
	if (k->protocol == TCP || k->protocol == UDP) {
		k->source = get16(p);
		k->port = get16(p + 2);
	} else {
		k->flags = p[0];
	}
	k->payload = p + head;
	k->payload_len -= head;
	return true;
}

void scan_packet_options(const struct packet *k, char out[64])
{
	static const char *const names[] = { "E", "N", "M", "W", "S", NULL, NULL, NULL, "T" };
	size_t at = 0, i = 0;

	out[0] = '\0';
	while (i < k->options_len && at < 50) {
		const unsigned char kind = k->options[i], *p = k->options + i;
		size_t len = kind < 2 ? 1 : i + 1 < k->options_len ? p[1] : 0;

		if (!len || (kind >= 2 && len < 2) || len > k->options_len - i)
			break;
		if (at)
			out[at++] = ',';
		if (kind == 2 && len == 4)
			at += (size_t)snprintf(out + at, 64 - at, "M%u", get16(p + 2));
		else if (kind == 3 && len == 3)
			at += (size_t)snprintf(out + at, 64 - at, "W%u", p[2]);
		else if (kind < sizeof names / sizeof *names && names[kind])
			at += (size_t)snprintf(out + at, 64 - at, "%s", names[kind]);
		else
			at += (size_t)snprintf(out + at, 64 - at, "?%u", kind);
		i += len;
		if (!kind)
			break;
	}
}
