/* frames: the bytes on the wire, both directions (man/muss-protocol.7). Room-internal; knows neither sockets nor states. */
#ifndef LINK_FRAMES_H
#define LINK_FRAMES_H

#include "link/link.h"

#define FRAMES_HEAD 5u                 /* length of the payload, 4 bytes big-endian; type, 1 byte */
#define FRAMES_CONTROL (64 * KIB)      /* the longest JSON payload; DATA and BODIES may have CAP_FRAME */
#define FRAMES_RECORD 40u              /* of BODIES: SHA-256, then the size, 8 bytes big-endian */
#define FRAMES_VERSION 1u

enum frame {
	FRAME_HELLO = 1, FRAME_OFFER, FRAME_BODIES, FRAME_WANT, FRAME_SEND, FRAME_FROM, FRAME_DATA, FRAME_END,
	FRAME_RECEIPT, FRAME_FETCH, FRAME_ANSWER, FRAME_NOT_YET, FRAME_UNKNOWN, FRAME_WAIT, FRAME_ERROR, FRAME_DELTA,
	FRAME_TYPES,
};
const char *frames_name(enum frame type);

/* What JSON payloads carry; each type uses some members. */
struct frames_msg {
	char id[LINK_ID], sha256[DIGEST_HEX], origin[DIGEST_HEX], tag[LINK_TAG], time[CLOCK_RFC3339];
	uint64_t size, offset, bodies, version, wait, max_case, max_bodies, idle, from;
	bool again, deltas;
	char code[16], text[512], software[64];
};
/* Reads a JSON payload; 76 when it is not of the type's form. Unknown keys are ignored. */
int frames_parse(enum frame type, const void *p, size_t n, struct frames_msg *m, struct err *e);
/* Appends the whole frame. */
void frames_make(enum frame type, const struct frames_msg *m, struct buf *out);
void frames_head(enum frame type, size_t n, unsigned char head[FRAMES_HEAD]);
void frames_raw(enum frame type, const void *p, size_t n, struct buf *out);
void frames_record(const struct link_body *b, unsigned char r[FRAMES_RECORD]);
void frames_unrecord(const unsigned char r[FRAMES_RECORD], struct link_body *b);

/* The decoder: fed with any pieces. All zero is a new one. Memory: at most the type's cap, grown as bytes arrive. */
struct frames_in {
	unsigned char head[FRAMES_HEAD];
	unsigned have;
	enum frame type;
	uint32_t left;
	struct buf body;
};
struct frames_got { enum frame type; const unsigned char *p; size_t n; };   /* until the next call */
/* Takes from *p, *n. 1: *g is a frame, or a piece of a DATA frame; 0: needs more; -1: 76, nothing more can be read. */
int frames_next(struct frames_in *in, const unsigned char **p, size_t *n, struct frames_got *g, struct err *e);
bool frames_between(const struct frames_in *in);   /* not in the middle of a frame */
void frames_free(struct frames_in *in);

/* The codes of ERROR and the exit status each means to a client; an unknown code means 76. */
int frames_code_exit(const char *code);

#endif
