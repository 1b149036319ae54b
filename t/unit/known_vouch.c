/* Who vouches for a digest: sets of sources, their names, withdrawing and renaming them. */
#include "known/known.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>

static char dir[] = "/tmp/known_vouch.XXXXXX";
static char *path, *other;

static const unsigned char *digest(unsigned char which)
{
	static unsigned char d[KNOWN_DIGEST];

	memset(d, which, sizeof(d));
	return d;
}

static void add(struct build *b, unsigned char which, const char *source, const char *name)
{
	struct err e = {0};
	uint32_t n;

	if (build_source(b, source, &n, &e) < 0 || build_add(b, digest(which), n, name, &e) < 0)
		exit(msg_fail(&e));
}

/* 1: "dpkg a 1" alone; 2: all three; 3: "dir /x" and "list l"; 4: a folder with a newline in its name. */
static void make(void)
{
	struct err e = {0};
	struct build *b = build_new(&e);

	add(b, 1, "dpkg a 1", "/a");
	add(b, 2, "dpkg a 1", "/two");
	add(b, 2, "dir /x", "/x/two");
	add(b, 2, "list l", NULL);
	add(b, 2, "dir /x", "/x/again");
	add(b, 3, "list l", NULL);
	add(b, 3, "dir /x", "/x/three");
	add(b, 4, "dir /y\nz", NULL);
	if (build_finish(b, path, NULL, &e) < 0)
		exit(msg_fail(&e));
}

/* The sources of a digest in an index, "" when it is not known. */
static const char *who(const char *file, unsigned char which)
{
	static char set[256];
	struct err e = {0};
	struct index *x = index_open(file, &e);
	struct index_hit hit;

	snprintf(set, sizeof(set), "%s", x && index_find(x, digest(which), &hit) ? hit.source : "");
	index_close(x);
	return set;
}

static int withdraw(const char *first, const char *second, uint64_t *left, uint64_t *gone)
{
	struct err e = {0};
	char *names[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};

	*left = *gone = 0;
	return withdraw_run(path, other, names, left, gone, &e) < 0 ? e.code : 0;
}

static void sets(void)
{
	struct err e = {0};
	struct index *x;
	struct index_hit hit;
	json_t *all;

	make();
	OK(!strcmp(who(path, 1), "dpkg a 1"), "one source is itself");
	OK(!strcmp(who(path, 2), "dpkg a 1\ndir /x\nlist l"), "three are a set, each once");
	OK(!strcmp(who(path, 3), "dir /x\nlist l"), "in the order in which they came up");
	OK(!strcmp(who(path, 4), "dir /y\\nz"), "a newline in a name makes no set");
	x = index_open(path, &e);
	OK(x && index_find(x, digest(2), &hit) && !strcmp(hit.name, "/two"), "the first name stays");
	OK(source_has(hit.source, "dir /x") && !source_has(hit.source, "dir /") && !source_has(hit.source, "a 1"), "members are whole names");
	all = source_counts(x);
	OK(json_array_size(all) == 4 && !strcmp(jsonio_str(json_array_get(all, 0), "source"), "dpkg a 1") &&
	   jsonio_int(json_array_get(all, 0), "digests", 0) == 2 && jsonio_int(json_array_get(all, 0), "alone", 0) == 1 &&
	   jsonio_int(json_array_get(all, 1), "digests", 0) == 2 && jsonio_int(json_array_get(all, 1), "alone", 9) == 0,
	   "sources are counted, sets are not");
	json_decref(all);
	index_close(x);
}

static void withdrawn(void)
{
	uint64_t left, gone;

	OK(!withdraw("dpkg a 1", NULL, &left, &gone) && left == 3 && gone == 1, "what one alone vouched for goes");
	OK(!strcmp(who(other, 1), "") && !strcmp(who(other, 2), "dir /x\nlist l"), "what others vouch for stays");
	OK(!withdraw("dir", NULL, &left, &gone) && left == 3 && !strcmp(who(other, 3), "list l") && !strcmp(who(other, 4), ""),
	   "a kind of source is withdrawn as a whole");
	OK(!withdraw("list l", "dir /x", &left, &gone) && left == 3 && gone == 1 && !strcmp(who(other, 2), "dpkg a 1"), "two at once");
	OK(withdraw("dir /", NULL, &left, &gone) == EX_NO && withdraw("dpkg", "list x", &left, &gone) == EX_NO,
	   "one that vouches for nothing is told");
	OK(!strcmp(who(other, 2), "dpkg a 1"), "and nothing is written then");
}

static const char hex[] = "0202020202020202020202020202020202020202020202020202020202020202";

static void asked(void)
{
	struct err e = {0};
	struct index *x = index_open(path, &e);
	char again[DIGEST_HEX], want[256];
	struct buf text = {0};
	struct index_hit hit;
	json_t *j;

	OK(!query_digest(hex, again, &e) && !strcmp(hex, again), "a digest is asked for as it is");
	OK(query_digest("/nonexistent", again, &e) < 0 && e.code == EX_NOINPUT, "what is no digest is a file");
	OK(index_find_hex(x, hex, &hit), "it is found");
	query_text(hex, hex, &hit, &text);
	snprintf(want, sizeof(want), "known    %s  'dpkg a 1', 'dir /x', 'list l'  '/two'", hex);
	OK_STR(buf_str(&text), want, "the answer names all who vouch");
	buf_clear(&text);
	query_text("a\nb", hex, NULL, &text);
	snprintf(want, sizeof(want), "unknown  %s  'a\\x0ab'", hex);
	OK_STR(buf_str(&text), want, "a name is never printed raw");
	j = query_json(hex, hex, &hit);
	OK(jsonio_bool(j, "known", false) && json_array_size(json_object_get(j, "sources")) == 3, "the same as JSON");
	json_decref(j);
	j = query_json(hex, hex, NULL);
	OK(!jsonio_bool(j, "known", true) && !json_object_get(j, "sources"), "nobody vouches for what is not known");
	json_decref(j);
	buf_free(&text);
	index_close(x);
}

static void revoked(void)
{
	const char *const none[] = {NULL};
	char *digests[] = {(char *)(uintptr_t)hex, NULL};
	uint64_t left = 9, gone = 9;
	struct err e = {0};

	OK(!revoke_run(path, other, none, digests, &left, &gone, &e) && left == 3 && gone == 1, "one digest is revoked");
	OK(!strcmp(who(other, 2), "") && *who(other, 1) && *who(path, 2), "whoever vouched for it; in the new index alone");
	digests[0] = (char *)(uintptr_t)"/nonexistent";
	OK(revoke_run(path, path, none, digests, &left, &gone, &e) < 0 && *who(path, 2), "nothing is written when one cannot be read");
}

static bool as_old(void *ctx, const char *name, struct buf *new_name)
{
	(void)ctx;
	if (!strncmp(name, "dpkg ", 5))
		buf_adds(new_name, "list l");   /* the same as another member */
	return true;
}

static void renamed(void)
{
	struct err e = {0};
	struct index *x = index_open(path, &e);
	struct build *b = build_new(&e);
	uint64_t count = 0;

	OK(!build_add_index(b, x, as_old, NULL, &e), "an index is taken in with other names");
	add(b, 1, "list l", NULL);
	add(b, 1, "list m", NULL);
	OK(!build_finish(b, other, &count, &e) && count == 4, "nothing is lost");
	index_close(x);
	OK(!strcmp(who(other, 1), "list l\nlist m") && !strcmp(who(other, 2), "list l\ndir /x"), "names that became equal are one");
}

/* More who vouch than are noted: the first ones are. */
static void many(void)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	uint64_t left = 9, gone = 9;

	for (int i = 0; i < 400; i++) {
		char name[32];

		snprintf(name, sizeof(name), "dpkg p%d 1", i);
		add(b, 1, name, NULL);
	}
	OK(!build_finish(b, path, NULL, &e), "four hundred vouch for one digest");
	OK(!withdraw("dpkg p0 1", NULL, &left, &gone) && left == 1, "one of them goes");
	OK(!withdraw("dpkg", NULL, &left, &gone) && !left && gone == 1, "all of them go");
}

int main(void)
{
	struct err e = {0};

	msg_level(-1);
	if (!mkdtemp(dir))
		return 1;
	path = buf_printf("%s/a.idx", dir);
	other = buf_printf("%s/b.idx", dir);
	sets();
	asked();
	revoked();
	withdrawn();
	renamed();
	many();
	io_rmtree(AT_FDCWD, dir, &e);
	free(path);
	free(other);
	return unit_end();
}
