#include "casefile/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct casein {
	struct rawin *raw;
	struct tarwalk walk;
	struct archive *tar;
	struct order *order;
	struct hasher *hasher;
	bool cut;                   /* the stream ended where it must not */
	bool broken;                /* it could not be read on: io says why */
	struct err io;
	struct member m;            /* the member that is open, or was last */
	char path[CAP_PATH + 1];
	char hex[DIGEST_HEX];
	bool open, ended;
	uint64_t at;                /* bytes of it that were handed out */
	struct jsonio_depth depth;
	const unsigned char *rest;  /* of the block that casein_read is at */
	size_t rest_len;
	struct buf head;            /* case.json, which is looked at before it is handed out */
	int64_t time;               /* its time; 0: none that a tar header has room for */
	struct buf want;            /* the MANIFEST that these members make */
	struct buf manifest, signature;
};

/* ---- the stream ---- */

static const char *where(const struct casein *in)
{
	return in->path[0] ? in->path : "its start";
}

static la_ssize_t casein_fill(struct archive *a, void *arg, const void **p)
{
	struct casein *in = arg;
	ssize_t n = 0;

	if (!in->broken && !in->cut && !in->walk.fault)
		n = rawin_block(in->raw, p, &in->io);
	if (n < 0)
		in->broken = true;
	else if (n == 0 && !tarwalk_whole(&in->walk))
		in->cut = true;
	else if (n > 0)
		n = (ssize_t)tarwalk_feed(&in->walk, *p, (size_t)n);   /* what is sound is still read */
	if (n > 0 || (n == 0 && !in->cut && !in->walk.fault))
		return n;
	archive_set_error(a, EINVAL, "unsound");
	return ARCHIVE_FATAL;
}

/* Why libarchive stopped, or the second look did. */
static int casein_fault(const struct casein *in, struct err *e)
{
	const char *why = archive_error_string(in->tar);

	if (in->broken) {
		*e = in->io;
		if (e->code == EX_DATAERR)
			err_wrap(e, in->open ? "member %s" : "the archive, behind %s", err_q(where(in)));
		return -1;
	}
	switch (in->walk.fault) {
	case TARWALK_HEADER:
		if (!in->path[0])
			return err_set(e, EX_DATAERR, "not a case: no tar archive");
		return err_set(e, EX_DATAERR, "the archive: damaged header behind %s", err_q(where(in)));
	case TARWALK_PADDING:
		return err_set(e, EX_DATAERR, "member %s: the padding behind it is not zero", err_q(where(in)));
	case TARWALK_TAIL:
		return err_set(e, EX_DATAERR, "the archive: something follows its end, behind %s", err_q(where(in)));
	case TARWALK_SOUND:
		break;
	}
	if (in->cut && in->open)
		return err_set(e, EX_DATAERR, "member %s: cut short", err_q(where(in)));
	if (in->cut)
		return err_set(e, EX_DATAERR, "the archive: cut short behind %s", err_q(where(in)));
	return err_set(e, EX_DATAERR, "the archive, behind %s: %s", err_q(where(in)), err_q(why ? why : "damaged"));
}

static void casein_reuse(void *arg, const void *p, size_t n)
{
	hasher_release(((struct casein *)arg)->hasher, p, n);
}

struct casein *casein_open(int fd, struct err *e)
{
	struct casein *in = buf_alloc(sizeof *in);
	struct rawin *raw = rawin_open(fd, e);

	if (!raw)
		goto err;
	in->raw = raw;
	in->order = order_new();
	in->hasher = hasher_new();
	rawin_on_reuse(raw, casein_reuse, in);
	in->tar = archive_read_new();
	if (!in->tar || archive_read_support_format_tar(in->tar) != ARCHIVE_OK) {
		err_set(e, EX_SOFTWARE, "libarchive lacks tar");
		goto err;
	}
	if (rawin_empty(raw)) {
		err_set(e, EX_DATAERR, "not a case: empty input");
		goto err;
	}
	if (archive_read_open(in->tar, in, NULL, casein_fill, NULL) != ARCHIVE_OK) {
		casein_fault(in, e);
		goto err;
	}
	return in;
err:
	casein_close(in);
	return NULL;
}

/* ---- members ---- */

static int bad(const char *path, const char *why, struct err *e)
{
	return err_set(e, EX_DATAERR, "member %s: %s", err_q(path), why);
}

static const char *type_refused(char type)
{
	switch (type) {
	case '\0': case '0': case '5': return NULL;
	case '1': return "a hard link";
	case '2': return "a symbolic link";
	case '3': case '4': return "a device";
	case '6': return "a FIFO";
	case 'S': return "a sparse file";
	default: return "an entry of a kind that a case has not";
	}
}

/* Takes the entry's name, type and size after both readers agree on them; *folder: nothing to read. */
static int casein_entry(struct casein *in, struct archive_entry *entry, bool *folder, struct err *e)
{
	const char *path = archive_entry_pathname(entry), *refused;
	struct tarwalk_entry seen;
	char name[CAP_PATH + 2];
	size_t n;

	if (!path)
		path = archive_entry_pathname_utf8(entry);
	if (!path)
		return err_set(e, EX_DATAERR, "the archive: an entry without a readable name behind %s", err_q(where(in)));
	if (!tarwalk_take(&in->walk, &seen))
		return bad(path, "its header can be read in two ways", e);
	refused = type_refused(seen.type);
	if (!refused && archive_entry_hardlink(entry))
		refused = "a hard link";
	if (!refused && archive_entry_symlink(entry))
		refused = "a symbolic link";
	if (!refused && archive_entry_sparse_count(entry) > 0)
		refused = "a sparse file";
	*folder = archive_entry_filetype(entry) == AE_IFDIR;
	if (!refused && !*folder && archive_entry_filetype(entry) != AE_IFREG)
		refused = "an entry of a kind that a case has not";
	if (refused)
		return bad(path, refused, e);
	n = strlen(path);
	if (*folder && n > 1 && path[n - 1] == '/')
		n--;
	if (n > CAP_PATH)
		return bad(path, "name too long", e);
	memcpy(name, path, n);
	name[n] = '\0';
	if (*folder) {
		if (archive_entry_size(entry) != 0 || seen.size != 0)
			return bad(path, "a folder with a size", e);
		return schema_folder(name, e) || order_folder(in->order, name, e) ? -1 : 0;
	}
	if (schema_classify(name, &in->m, e))
		return -1;
	in->m.size = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry) : 0;
	in->m.mode = archive_entry_perm(entry) & 0777;
	if (order_add(in->order, &in->m, e))
		return -1;
	if (in->m.size != seen.size)
		return bad(path, "its header can be read in two ways", e);
	memcpy(in->path, name, n + 1);
	in->m.name = in->path + (in->m.name - name);
	in->m.path = in->path;
	return 0;
}

static int casein_ended_member(struct casein *in, struct err *e)
{
	in->open = false;
	hasher_end(in->hasher, in->hex);
	if (in->at != in->m.size)
		return bad(in->path, "its size is not that of its header", e);
	if (in->m.kind == MEMBER_BODY && strcmp(in->hex, in->m.code))
		return bad(in->path, "its SHA-256 is not its folder's name", e);
	if (in->m.kind != MEMBER_MANIFEST && in->m.kind != MEMBER_SIGNATURE)
		buf_addf(&in->want, "%s  %s\n", in->hex, in->path);
	return 0;
}

static bool is_json(const char *path)
{
	size_t n = strlen(path);

	return n > 5 && !strcmp(path + n - 5, ".json");
}

/* The next bytes from the archive, hashed and held against what the member may be. */
static ssize_t casein_pull(struct casein *in, const void **p, struct err *e)
{
	la_int64_t at = 0;
	size_t n = 0;
	int rc;

	do
		rc = archive_read_data_block(in->tar, p, &n, &at);
	while (rc == ARCHIVE_OK && n == 0);
	if (rc == ARCHIVE_EOF)
		return casein_ended_member(in, e);
	if (rc != ARCHIVE_OK)
		return casein_fault(in, e);
	if (at < 0 || (uint64_t)at != in->at || n > in->m.size - in->at)
		return bad(in->path, "its data can be read in two ways", e);
	in->at += n;
	hasher_add(in->hasher, *p, n, rawin_stays(in->raw, *p));
	if (is_json(in->path) && jsonio_depth_feed(&in->depth, *p, n)) {
		err_set(e, EX_DATAERR, "member %s: JSON nested deeper than %u", err_q(in->path), CAP_JSON_DEPTH);
		return -1;
	}
	return (ssize_t)n;
}

static int casein_pull_all(struct casein *in, struct buf *out, struct err *e)
{
	const void *p;
	ssize_t n;

	/* Not reserved at once: a header may promise more than there is. */
	while ((n = casein_pull(in, &p, e)) > 0)
		if (out)
			buf_add(out, p, (size_t)n);
	return (int)n;
}

static int casein_check_head(struct casein *in, struct err *e)
{
	json_t *j = jsonio_parse(in->head.p, in->head.len, in->path, e);
	const char *format, *id;
	int rc = -1;

	if (!j)
		return -1;
	format = jsonio_str(j, "format");
	id = jsonio_str(j, "id");
	if (!format || strcmp(format, "muss-case/1"))
		err_set(e, EX_DATAERR, "member 'case.json': its format is %s, not 'muss-case/1'", format ? err_q(format) : "not given");
	else if (!id || strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
		bad(in->path, "its id is not 32 lower-case hex digits", e);
	else if (json_object_get(j, "trail") && !json_is_array(json_object_get(j, "trail")))
		bad(in->path, "its trail is no array", e);
	else
		rc = 0;
	in->time = schema_time(j);
	json_decref(j);
	return rc;
}

/* Names the first member in which the two lists differ. */
static int casein_compare(const struct casein *in, struct err *e)
{
	const char *want = buf_str(&in->want), *got = buf_str(&in->manifest), *w = want, *g = got;
	size_t got_len = in->manifest.len, n, k;

	if (in->want.len == got_len && (got_len == 0 || !memcmp(want, got, got_len)))
		return 0;
	while (*w && (n = strcspn(w, "\n"), !strncmp(w, g, n + 1))) {
		w += n + 1;
		g += n + 1;
	}
	n = strcspn(w, "\n");
	k = strcspn(g, "\n");
	if (!*w && k <= 66)
		return bad("MANIFEST", "has more than a line for each member", e);
	if (!*w)
		return err_set(e, EX_DATAERR, "member %s: in MANIFEST, but not in the archive", err_qn(g + 66, k - 66));
	if (k == n && !strncmp(w + 64, g + 64, n - 64))
		return err_set(e, EX_DATAERR, "member %s: its SHA-256 is not that in MANIFEST", err_qn(w + 66, n - 66));
	if (k > 66 && g[k] == '\n') {
		/* Further on in the archive: the one that is missing from MANIFEST stands here. */
		char *line = buf_printf("  %.*s\n", (int)(k - 66), g + 66);
		bool later = strstr(w, line) != NULL;

		free(line);
		if (!later)
			return err_set(e, EX_DATAERR, "member %s: in MANIFEST, but not in the archive", err_qn(g + 66, k - 66));
	}
	return err_set(e, EX_DATAERR, "member %s: not in MANIFEST at its place", err_qn(w + 66, n - 66));
}

static int casein_end(struct casein *in, struct err *e)
{
	struct tarwalk_entry entry;
	const void *p;
	la_ssize_t n;

	while ((n = casein_fill(in->tar, in, &p)) > 0)
		;
	if (n < 0 || !tarwalk_whole(&in->walk))
		return casein_fault(in, e);
	if (tarwalk_take(&in->walk, &entry))
		return err_set(e, EX_DATAERR, "the archive, behind %s: an entry that cannot be read", err_q(where(in)));
	if (!in->path[0])
		return err_set(e, EX_DATAERR, "not a case: an archive without members");
	if (in->m.kind != MEMBER_MANIFEST && in->m.kind != MEMBER_SIGNATURE)
		return err_set(e, EX_DATAERR, "member 'MANIFEST': missing behind %s", err_q(where(in)));
	if (casein_compare(in, e))
		return -1;
	in->ended = true;
	return 0;
}

int casein_next(struct casein *in, const struct member **m, struct err *e)
{
	struct archive_entry *entry;
	const void *p;
	bool folder = false;
	int rc;

	if (in->ended)
		return 0;
	while (in->open)
		if (casein_block(in, &p, e) < 0)
			return -1;
	for (;;) {
		rc = archive_read_next_header(in->tar, &entry);
		if (rc == ARCHIVE_EOF)
			return casein_end(in, e);
		/* A warning is about an owner's name and the like; name, type and size are checked. */
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return casein_fault(in, e);
		if (casein_entry(in, entry, &folder, e))
			return -1;
		if (folder)
			continue;
		in->open = true;
		in->at = in->rest_len = 0;
		in->depth = (struct jsonio_depth){ 0 };
		hasher_begin(in->hasher, in->m.size);
		if (in->m.kind == MEMBER_CASE) {
			if (casein_pull_all(in, &in->head, e) || casein_check_head(in, e))
				return -1;
			in->open = true;
			in->at = 0;
		} else if (in->m.kind == MEMBER_MANIFEST || in->m.kind == MEMBER_SIGNATURE) {
			if (casein_pull_all(in, in->m.kind == MEMBER_MANIFEST ? &in->manifest : &in->signature, e))
				return -1;
			if (in->m.kind == MEMBER_MANIFEST && strlen(buf_str(&in->manifest)) != in->manifest.len)
				return bad(in->path, "has a NUL", e);
			continue;
		}
		*m = &in->m;
		return 1;
	}
}

/* ---- their bytes ---- */

ssize_t casein_block(struct casein *in, const void **p, struct err *e)
{
	if (in->rest_len) {
		ssize_t n = (ssize_t)in->rest_len;

		*p = in->rest;
		in->rest_len = 0;
		return n;
	}
	if (!in->open)
		return 0;
	if (in->m.kind != MEMBER_CASE)
		return casein_pull(in, p, e);
	if (in->at == in->head.len) {
		in->open = false;
		return 0;
	}
	*p = in->head.p;
	in->at = in->head.len;
	return (ssize_t)in->head.len;
}

ssize_t casein_read(struct casein *in, void *buf, size_t n, struct err *e)
{
	const void *p = in->rest;
	ssize_t got = (ssize_t)in->rest_len;

	if (!got && (got = casein_block(in, &p, e)) <= 0)
		return got;
	if ((size_t)got < n)
		n = (size_t)got;
	memcpy(buf, p, n);
	in->rest = (const unsigned char *)p + n;
	in->rest_len = (size_t)got - n;
	return (ssize_t)n;
}

int casein_load(struct casein *in, uint64_t cap, struct buf *out, struct err *e)
{
	const void *p;
	ssize_t n;

	if (in->m.size > cap)
		return err_set(e, EX_DATAERR, "member %s: %llu bytes are more than the %llu allowed", err_q(in->path),
			(unsigned long long)in->m.size, (unsigned long long)cap);
	while ((n = casein_block(in, &p, e)) > 0)
		buf_add(out, p, (size_t)n);
	return (int)n;
}

json_t *casein_json(struct casein *in, struct err *e)
{
	struct buf b = { 0 };
	json_t *j = NULL;

	if (casein_load(in, CAP_JSON, &b, e) == 0)
		j = jsonio_parse(b.p, b.len, in->path, e);
	buf_free(&b);
	return j;
}

const char *casein_digest(const struct casein *in)
{
	return in->hex;
}

int64_t casein_time(const struct casein *in)
{
	return in->time;
}

const struct member *casein_member(const struct casein *in)
{
	return &in->m;
}

bool casein_was_zstd(const struct casein *in)
{
	return rawin_zstd(in->raw);
}

const struct buf *casein_manifest(const struct casein *in)
{
	return &in->manifest;
}

const struct buf *casein_signature(const struct casein *in)
{
	return &in->signature;
}

void casein_close(struct casein *in)
{
	if (!in)
		return;
	if (in->tar)
		archive_read_free(in->tar);
	hasher_free(in->hasher);   /* before the bytes it may still look at */
	rawin_close(in->raw);
	tarwalk_free(&in->walk);
	order_free(in->order);
	buf_free(&in->head);
	buf_free(&in->want);
	buf_free(&in->manifest);
	buf_free(&in->signature);
	free(in);
}
