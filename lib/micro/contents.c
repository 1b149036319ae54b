/* What was in a file before, and whether what it held can still be read. */
#include "micro/dynamic-internal.h"

#include "code/code.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define LOOKED 65536u        /* bytes of a file from which chance is told */
#define LEAST 64u            /* fewer look like anything */
#define HASHED (32 * MIB)    /* of a file whose digest before is told */

struct look {
	unsigned char p[LOOKED];
	size_t n;
};

static bool look(int fd, struct look *l)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, l->p, sizeof l->p, 0);

	l->n = n > 0 ? (size_t)n : 0;
	return n >= 0;
}

/* Shannon's entropy of n bytes of chance is a little less than that of as many different ones, or 8 bits. */
static bool like_chance(const struct look *l)
{
	double most = l->n ? fmin(8, log2((double)l->n)) : 0;

	return l->n >= LEAST && entropy_of(l->p, l->n) > 0.85 * most;
}

/* Formats whose bytes look like chance behind their first ones. */
static bool packed(const struct look *l)
{
	static const struct { const char *magic; unsigned n; } KNOWN[] = {
		{ "\x1f\x8b", 2 }, { "BZh", 3 }, { "\xfd" "7zXZ", 5 }, { "PK\x03\x04", 4 }, { "\x28\xb5\x2f\xfd", 4 }, { "7z\xbc\xaf", 4 }, { "Rar!", 4 },
		{ "\x89PNG", 4 }, { "\xff\xd8\xff", 3 }, { "%PDF-", 5 }, { "OggS", 4 }, { "ID3", 3 }, { "\x1a\x45\xdf\xa3", 4 }, { "RIFF", 4 },
		{ "\x04\x22\x4d\x18", 4 }, { "GIF8", 4 }, { "wOF", 3 }, { "fLaC", 4 },
	};

	for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
		if (l->n >= KNOWN[i].n && !memcmp(l->p, KNOWN[i].magic, KNOWN[i].n))
			return true;
	/* The length stands before the type, as in MP4. */
	return l->n >= 8 && !memcmp(l->p + 4, "ftyp", 4);
}

static bool meant_something(const struct look *l)
{
	return l->n >= LEAST && (packed(l) || !like_chance(l));
}

static bool took_place_of(const char *path, const char *was)
{
	size_t n = was ? strlen(was) : 0;

	return n && !strncmp(path, was, n) && path[n] == '.' && !strchr(path + n, '/');
}

void contents_compare(const struct effects *f, const json_t *change, const char *path, const char *was, json_t *o)
{
	bool created = !strcmp(jsonio_str(change, "change"), "created"), deleted = !strcmp(jsonio_str(change, "change"), "deleted");
	struct err ignored;
	struct look before, now;
	char hex[DIGEST_HEX];
	uint64_t size;
	int fd, new;

	if (strcmp(jsonio_str(change, "type"), "file") || (created && !took_place_of(path, was)))
		return;
	fd = world_open_lower(f->world, created ? was : path, &ignored);
	if (fd < 0)
		return;
	if (!created && digest_fd(fd, HASHED, hex, &size, &ignored) == 0 && (deleted || strcmp(hex, jsonio_str(change, "sha256") ? jsonio_str(change, "sha256") : ""))) {
		json_object_set_new(o, "before", json_string(hex));
		json_object_set_new(o, "before_size", json_integer((json_int_t)size));
	}
	new = deleted || (!created && !json_object_get(o, "before")) ? -1 : world_open_file(f->world, path, &ignored);
	if (new >= 0 && look(fd, &before) && look(new, &now) && meant_something(&before) && like_chance(&now) && !packed(&now))
		json_object_set_new(o, "unreadable", json_true());
	io_close(&new);
	io_close(&fd);
}
