/* What the files of the scan profile share: scan-packet.c reads headers, scan.c gathers, scan-report.c tells. */
#ifndef INTERNET_SCAN_H
#define INTERNET_SCAN_H

#include "internet/internal.h"

#define STATES 4096u             /* ports of a protocol that are watched */
#define SEEN (1u << 20)          /* distinct destinations that are told apart, all ports together */
#define FLOWS_SEEN 65536u        /* the last flows, for knowing answers */
#define SAMPLE 256u              /* destinations whose order is correlated with time */
#define SAMPLE_FROM 8u            /* once there are so many: a search through the ports of one host needs no memory for it */

enum { TCP = 6, UDP = 17, ICMP = 1, ICMP6 = 58 };

/* A property that is told when most packets agree on it. */
struct agreed { uint32_t first; uint64_t same; };

struct state {
	uint8_t protocol;
	uint16_t port;
	uint64_t count, steps, constant, revisits;
	uint32_t distinct;
	int64_t first_us, last_us;
	unsigned char first[16];         /* the first destination; an address of IPv4 in the last four bytes */
	bool v6;
	uint64_t at, step;               /* the last destination, and the step to it */
	uint64_t *sample;
	size_t sampled;
	struct agreed ttl, window, source_port, id, seq;
	uint64_t ids_up, ids_masscan, seq_is_address;
	uint32_t last_id;
	char options[64];
	uint64_t options_same;
	uint64_t payloads, payload_same, payload_hash;
	char payload_sha256[DIGEST_HEX];
};

struct scan {
	struct state *state[STATES * 2];
	size_t states;
	uint64_t *seen;
	size_t n_seen;
	uint64_t flow[FLOWS_SEEN];
	uint64_t key[2];
	bool full;
};

struct packet {
	uint8_t protocol, ttl;
	unsigned char from[16], to[16];
	bool v6;
	uint16_t source, port, window, flags;
	uint32_t id, seq;
	const unsigned char *options, *payload;
	size_t options_len, payload_len;
};

/* From an IP header on; false: it is none of the protocols above, or lies about its lengths. */
bool scan_packet_read(const unsigned char *p, size_t n, struct packet *k);
/* TCP's options as p0f writes them: "M1460,S,T,N,W7". */
void scan_packet_options(const struct packet *k, char out[64]);
static inline uint32_t scan_get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif
