/* NTP (RFC 5905) and SNTP: the time is the one that the sample's clock shows. */
#include "internet/internal.h"

#include <string.h>
#include <time.h>

#define PACKET 48
#define SINCE_1900 2208988800u

static void put_time(const struct net *n, unsigned char *at)
{
	struct timespec t;
	int64_t ns;
	uint64_t ntp;

	clock_gettime(CLOCK_REALTIME, &t);
	ns = t.tv_sec * 1000000000LL + t.tv_nsec + n->offset_ns;
	ntp = ((uint64_t)(ns / 1000000000) + SINCE_1900) << 32 | (uint64_t)((ns % 1000000000) * 4294967296.0 / 1e9);
	for (int i = 0; i < 8; i++)
		at[i] = (unsigned char)(ntp >> (56 - 8 * i));
}

static void ntp_data(struct flow *f, const unsigned char *p, size_t n)
{
	static const unsigned char source[4] = { 192, 168, 1, 1 };
	unsigned char o[PACKET] = { 0 };

	if (n < PACKET || (p[0] & 7) != 3)   /* a client's question */
		return;
	o[0] = (unsigned char)((p[0] & 0x38) | 4);
	o[1] = 2;                            /* stratum */
	o[2] = p[2];
	o[3] = 0xe9;                         /* 2^-23 s */
	o[6] = 1;                            /* root delay, dispersion: some milliseconds */
	o[10] = 1;
	memcpy(o + 12, source, sizeof source);
	put_time(f->net, o + 16);
	memcpy(o + 24, p + 40, 8);           /* the client's time comes back */
	put_time(f->net, o + 32);
	put_time(f->net, o + 40);
	udp_send(f, o, sizeof o);
}

const struct datagram_service ntp_datagrams = { .name = "ntp", .data = ntp_data };
