/* mwhite: the whitelist: builds and asks its index; with no verb, drops known-good code from a case. */
#include "casefile/casefile.h"
#include "known/known.h"
#include "mwhite.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
"usage: mwhite -d INDEX [-o FILE] [--keep-all] [case]\n"
"       mwhite build -o INDEX SOURCE... [--id ID] [--all] [--pages] [--root DIR] [-j]\n"
"       mwhite add -d INDEX [-o INDEX] SOURCE... [--all] [--pages] [--root DIR] [-j]\n"
"       mwhite follow -d INDEX [--all] [--pages] [--keep DAYS] [--root DIR] [-j]\n"
"       mwhite query -d INDEX [-j] DIGEST|FILE...\n"
"       mwhite revoke -d INDEX [-o INDEX] [--list FILE]... [DIGEST|FILE...] [-j]\n"
"       mwhite delta -d INDEX -k KEY -c CRT -o DELTA [--days DAYS] [--revoke LIST]... [SOURCE...]\n"
"       mwhite apply -d INDEX -a CA [-l CRL] [-j] DELTA\n"
"       mwhite withdraw -d INDEX [-o INDEX] SOURCE...\n"
"       mwhite sources -d INDEX [-j]\n"
"       mwhite info -d INDEX [-j]\n"
"Drops the pieces of code from a case whose digest is known good; builds and asks the index of such digests.\n"
"  -d INDEX      the index to use\n"
"  -o FILE       where the case or the index goes\n"
"  --keep-all    keep known code, marked \"known\" in its about.json\n"
"  --dpkg        source: files of Debian packages that match their package's own sum\n"
"  --dir DIR     source: all code below a folder\n"
"  --list FILE   source: a list of SHA-256 (sha256sum's form, bare, or the first column of CSV; -: standard input)\n"
"  --nsrl FILE   source: NSRL's reference data set, SQLite (RDSv3) or text with a column SHA-256\n"
"  --hashlookup FILE  source: an export of hashlookup, JSON lines or CSV\n"
"  --rpm FILE    source: what 'rpm -qa --dump' prints\n"
"  --case FILE   source: a case that mscan wrote on a clean machine\n"
"  --all         take in all files, not only what may be code\n"
"  --pages       take in the pages of files' code too, so that code in memory is held against them\n"
"  --root DIR    --dpkg and --rpm look at the system below DIR\n"
"  --keep DAYS   how long what an upgraded package was stays known, as outdated (30)\n"
"  --id ID       the id of the index that is built: that of a centre's index, whose deltas it takes then\n"
"  --days DAYS   how long a delta may be applied (30)\n"
"  --revoke LIST what a delta revokes, a list as --list takes it\n"
"  -k KEY  -c CRT  who signs a delta, of role signer    -a CA  -l CRL  the authority that the signer must be of, its list\n"
"  -j            JSON instead of text    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mwhite build -o known.idx --dpkg --dir /opt && mscan | mwhite -d known.idx | mls\n"
"  mwhite query -d known.idx /bin/sh\n"
"  * * * * * root mwhite follow -d /var/lib/muss/known.idx      # in a crontab: the index follows the packages\n"
"Exit: 0 done; 1 something is unknown (query, withdraw), applied already (apply); 64 usage; 65 bad index, list or case; 66 no input; 74 input or output;\n"
"  75 try again later; 77 not permitted.\n";

enum { OPT_SOURCE = 256, REVOKED = 99 };   /* with a kind of source behind it, or REVOKED */

struct source { enum known_kind kind; const char *path; };
struct options {
	struct tool t;
	const char *index, *root, *id, *key, *crt, *ca, *crl;
	bool keep_all;
	unsigned want;                /* CREW_* */
	unsigned keep_days, delta_days;
	struct source *sources;   /* of kind REVOKED too */
	size_t n;
};

static void print_stats(const struct options *o, const struct known_stats *s, uint64_t digests, double seconds)
{
	json_t *j = known_stats_json(s);
	char *text = known_stats_text(s);

	json_object_set_new(j, "digests", json_integer((json_int_t)digests));
	json_object_set_new(j, "seconds", json_real(seconds));
	if (o->t.json)
		jsonio_print(stdout, j);
	else if (msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %llu digests known: %s, %.1f s\n", (unsigned long long)digests, text, seconds);
	json_decref(j);
	free(text);
}

static int add_source(struct build *b, const struct options *o, const struct source *src, struct known_stats *s, struct err *e)
{
	if (src->kind == KNOWN_CASE)
		return mwhite_case(b, src->path, s, e);
	if ((int)src->kind == REVOKED)
		return list_revoke(b, src->path, s, e);
	return known_add(b, src->kind, src->path, o->root, o->want, s, e);
}

static int build(const struct options *o, bool add, struct err *e)
{
	struct known_stats s = {0};
	const char *out = o->t.out ? o->t.out : add ? o->index : NULL;
	int64_t start = clock_mono_ms();
	uint64_t count = 0;
	struct build *b;

	if (!out || !strcmp(out, "-"))
		tool_usage(&o->t, "where does the index go? give -o INDEX");
	if (!o->n)
		tool_usage(&o->t, "an index of what? give --dpkg, --dir, --list or another source");
	if (!(b = build_new(e)))
		return -1;
	if (add ? build_extend(b, o->index ? o->index : out, e) < 0 : o->id && build_id(b, o->id, e) < 0)
		goto abort;
	for (size_t i = 0; i < o->n; i++)
		if (add_source(b, o, &o->sources[i], &s, e) < 0)
			goto abort;
	if (build_finish(b, out, &count, e) < 0)
		return -1;
	print_stats(o, &s, count, (double)(clock_mono_ms() - start) / 1000);
	return 0;
abort:
	build_abort(b);
	return -1;
}

/* A SHA-256 itself, or that of a file. */
static int digest_of(const char *operand, char hex[DIGEST_HEX], struct err *e)
{
	int fd, rc;

	if (digest_ok(operand)) {
		memcpy(hex, operand, DIGEST_HEX);
		return 0;
	}
	fd = io_open_in(operand, e);
	rc = fd < 0 ? -1 : digest_fd(fd, CAP_BODY, hex, NULL, e);
	io_close(&fd);
	return rc;
}

static int revoke_all(const struct options *o, char **operands, struct build *b, struct known_stats *s, struct err *e)
{
	unsigned char digest[KNOWN_DIGEST];
	char hex[DIGEST_HEX];

	for (size_t i = 0; i < o->n; i++)
		if (o->sources[i].kind != KNOWN_LIST)
			tool_usage(&o->t, "digests and lists are revoked: for a source there is 'mwhite withdraw'");
		else if (list_revoke(b, o->sources[i].path, s, e) < 0)
			return -1;
	for (; *operands; operands++, s->matched++) {
		if (digest_of(*operands, hex, e) < 0)
			return -1;
		digest_unhex(hex, digest, sizeof(digest));
		build_revoke(b, digest);
	}
	return 0;
}

static int revoke(const struct options *o, char **operands, struct err *e)
{
	struct known_stats s = {0};
	uint64_t left = 0;
	struct build *b;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	if (!*operands && !o->n)
		tool_usage(&o->t, "what is revoked? give digests, files or --list FILE");
	if (!(b = build_new(e)))
		return -1;
	if (build_extend(b, o->index, e) < 0 || revoke_all(o, operands, b, &s, e) < 0) {
		build_abort(b);
		return -1;
	}
	if (build_finish(b, o->t.out ? o->t.out : o->index, &left, e) < 0)
		return -1;
	if (o->t.json)
		printf("{\"revoked\":%llu,\"digests\":%llu}\n", (unsigned long long)s.matched, (unsigned long long)left);
	else if (msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %llu digests revoked, %llu known\n", (unsigned long long)s.matched, (unsigned long long)left);
	return 0;
}

static struct index *open_index(const struct options *o, struct err *e)
{
	struct index *x;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	x = index_open(o->index, e);
	if (x && index_outdated(x, o->root))
		msg_warn("%s is older than the package database: 'mwhite follow -d %s' brings it up to date", err_q(o->index),
			err_q(o->index));
	return x;
}

static void print_answer(const struct options *o, const char *operand, const char *hex, const struct index_hit *hit)
{
	json_t *j, *mark = hit ? decide_mark(hit) : json_object();
	const char *set = hit ? hit->source : NULL, *name, *between = "";
	size_t len;

	if (o->t.json) {
		j = json_pack("{so ss sb}", "query", jsonio_name(operand), "sha256", hex, "known", hit != NULL);
		json_object_update(j, mark);
		jsonio_print(stdout, j);
		json_decref(j);
	} else if (hit) {
		printf("known    %s  ", hex);
		for (; source_next(&set, &name, &len); between = ", ")
			printf("%s%s", between, err_qn(name, len));
		printf("%s%s\n", hit->name ? "  " : "", hit->name ? err_q(hit->name) : "");
	} else {
		printf("unknown  %s  %s\n", hex, strcmp(hex, operand) ? err_q(operand) : "");
	}
	json_decref(mark);
}

static int query(const struct options *o, char **operands, struct err *e)
{
	struct index *x = open_index(o, e);
	int rc = 0;

	if (!x)
		return -1;
	if (!*operands)
		tool_usage(&o->t, "what is asked for? give digests or files");
	for (; *operands && rc >= 0; operands++) {
		struct index_hit hit = {0};
		char hex[DIGEST_HEX];
		bool known;

		if (digest_of(*operands, hex, e) < 0) {
			rc = -1;
			break;
		}
		known = index_find_hex(x, hex, &hit);
		rc = known ? rc : EX_NO;
		print_answer(o, *operands, hex, known ? &hit : NULL);
	}
	index_close(x);
	return rc;
}

static int withdraw(const struct options *o, char **names, struct err *e)
{
	uint64_t left = 0, gone = 0;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	if (!*names)
		tool_usage(&o->t, "which source is withdrawn? 'mwhite sources' lists them");
	if (withdraw_run(o->index, o->t.out ? o->t.out : o->index, names, &left, &gone, e) < 0)
		return -1;
	if (o->t.json)
		printf("{\"gone\":%llu,\"digests\":%llu}\n", (unsigned long long)gone, (unsigned long long)left);
	else if (msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %llu digests withdrawn, %llu left\n", (unsigned long long)gone, (unsigned long long)left);
	return 0;
}

/* Who vouches for how many digests, and for how many of these alone. */
static int sources(const struct options *o, struct err *e)
{
	struct index *x = open_index(o, e);
	json_t *all, *j;
	size_t i;

	if (!x)
		return -1;
	all = source_counts(x);
	json_array_foreach(all, i, j) {
		struct buf name = {0};

		if (o->t.json)
			jsonio_print(stdout, j);
		else if (!jsonio_tobytes(jsonio_str(j, "source"), &name))
			printf("%10lld %10lld  %s\n", (long long)jsonio_int(j, "digests", 0), (long long)jsonio_int(j, "alone", 0),
				err_q(buf_str(&name)));
		buf_free(&name);
	}
	json_decref(all);
	index_close(x);
	return 0;
}

static int delta(const struct options *o, struct err *e)
{
	struct known_stats s = {0};
	struct build *b;

	if (!o->index || !o->key || !o->crt || !o->t.out || !o->n)
		tool_usage(&o->t, "a delta wants -d INDEX -k KEY -c CRT -o DELTA, and what it adds or revokes");
	if (!(b = build_new(e)))
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (add_source(b, o, &o->sources[i], &s, e) < 0) {
			build_abort(b);
			return -1;
		}
	return mwhite_delta(b, o->index, o->key, o->crt, o->delta_days, o->t.out, e);
}

static int apply(const struct options *o, const char *path, struct err *e)
{
	if (!o->index || !o->ca || !path)
		tool_usage(&o->t, "applying wants -d INDEX -a CA, and a delta");
	return mwhite_apply(&o->t, o->index, path, o->ca, o->crl, e);
}

static int follow(const struct options *o, struct err *e)
{
	struct follow_options f = {.index = o->index, .root = o->root, .want = o->want, .keep_days = o->keep_days};
	struct follow_report r;
	json_t *j;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	if (follow_run(&f, &r, e) < 0)
		return -1;
	if (o->t.json) {
		j = json_pack("{sb sI sI sI sI sI}", "unchanged", r.unchanged, "packages_read", (json_int_t)r.read, "left", (json_int_t)r.left, "outdated",
			(json_int_t)r.outdated, "forgotten", (json_int_t)r.forgotten, "digests", (json_int_t)r.digests);
		json_object_set_new(j, "stats", known_stats_json(&r.stats));
		jsonio_print(stdout, j);
		json_decref(j);
	} else if (r.unchanged) {
		msg_info("the package database is as it was");
	} else {
		msg_info("%u packages read, %u left for the next time, %u outdated, %u forgotten, %llu digests known", r.read, r.left, r.outdated,
			r.forgotten, (unsigned long long)r.digests);
	}
	return 0;
}

static int info(const struct options *o, struct err *e)
{
	struct index *x = open_index(o, e);
	json_t *j;
	const char *key;
	json_t *v;
	int rc;

	if (!x)
		return -1;
	if ((rc = index_verify(x, e)) == 0) {
		j = index_info(x);
		if (o->t.json) {
			jsonio_print(stdout, j);
		} else {
			json_object_foreach(j, key, v) {
				char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

				printf("%-9s %s\n", key, json_is_string(v) ? json_string_value(v) : text ? text : "");
				free(text);
			}
		}
		json_decref(j);
	}
	index_close(x);
	return rc;
}

struct filter { const struct index *x; bool keep_all; uint64_t seen, known, kept, outdated; };

static void tell_outdated(struct filter *f, const json_t *about)
{
	const json_t *known = json_object_get(about, "known");
	const char *source = jsonio_str(known, "source"), *path = json_string_value(json_array_get(json_object_get(about, "paths"), 0));

	if (!jsonio_bool(known, "outdated", false))
		return;
	f->outdated++;
	msg_info("out of date: %s of %s", err_q(path ? path : "-"), err_q(source ? source : ""));
}

static int about(void *ctx, const char *sha256, json_t *a, struct err *e)
{
	struct filter *f = ctx;
	enum decision d = decide_about(f->x, a);

	(void)sha256;
	(void)e;
	f->seen++;
	f->known += d != DECIDE_UNKNOWN;
	tell_outdated(f, a);
	if (d == DECIDE_DROP && !f->keep_all)
		return 0;
	f->kept += d != DECIDE_UNKNOWN;
	return 1;
}

static int filter(const struct options *o, const char *path, struct err *e)
{
	struct filter f = {.keep_all = o->keep_all};
	struct casefilter cf = {.tool = "mwhite", .ctx = &f, .about = about};
	struct index *x = open_index(o, e);
	struct atomic *a = NULL;
	int in = -1, rc = -1;

	if (!x)
		return -1;
	f.x = x;
	if ((in = io_open_in(path, e)) < 0 || !(a = atomic_open(o->t.out, 0600, false, e)))
		goto out;
	if (casefilter_run(&cf, in, atomic_fd(a), e) < 0)
		goto out;
	rc = atomic_commit(a, e);
	a = NULL;
	if (f.outdated)
		msg_warn("%llu known piece%s of code %s out of date: %s package was upgraded while it ran; -v names %s", (unsigned long long)f.outdated,
			f.outdated == 1 ? "" : "s", f.outdated == 1 ? "is" : "are", f.outdated == 1 ? "its" : "each one's", f.outdated == 1 ? "it" : "them");
	msg_info("%llu of %llu pieces of code are known good, %llu of these kept", (unsigned long long)f.known,
		(unsigned long long)f.seen, (unsigned long long)f.kept);
out:
	atomic_abort(a);
	io_close(&in);
	index_close(x);
	return rc;
}

static unsigned days(const struct tool *t, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || n > 36500)
		tool_usage(t, "--keep and --days want a number of days, not %s", err_q(text));
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"index", required_argument, NULL, 'd'}, {"all", no_argument, NULL, 'A'}, {"pages", no_argument, NULL, 'P'}, {"keep-all", no_argument, NULL, 'E'},
		{"root", required_argument, NULL, 'R'}, {"keep", required_argument, NULL, 'K'}, {"dpkg", no_argument, NULL, OPT_SOURCE + KNOWN_DPKG},
		{"dir", required_argument, NULL, OPT_SOURCE + KNOWN_DIR}, {"list", required_argument, NULL, OPT_SOURCE + KNOWN_LIST},
		{"nsrl", required_argument, NULL, OPT_SOURCE + KNOWN_NSRL}, {"rpm", required_argument, NULL, OPT_SOURCE + KNOWN_RPM},
		{"hashlookup", required_argument, NULL, OPT_SOURCE + KNOWN_HASHLOOKUP}, {"case", required_argument, NULL, OPT_SOURCE + KNOWN_CASE},
		{"revoke", required_argument, NULL, OPT_SOURCE + REVOKED}, {"id", required_argument, NULL, 'I'},
		{"days", required_argument, NULL, 'D'}, {0},
	};
	struct options o = {.keep_days = 30, .delta_days = 30, .sources = buf_alloc((size_t)argc * sizeof(*o.sources))};
	struct err e = {0};
	char **operands;
	int c, rc;

	tool_init(&o.t, "mwhite", usage, argc, argv);
	while ((c = tool_getopt(&o.t, "d:o:jk:c:a:l:", longs)) != -1)
		switch (c) {
		case 'd': o.index = optarg; break;
		case 'A': o.want |= CREW_ALL; break;
		case 'P': o.want |= CREW_PAGES; break;
		case 'E': o.keep_all = true; break;
		case 'k': o.key = optarg; break;
		case 'c': o.crt = optarg; break;
		case 'a': o.ca = optarg; break;
		case 'l': o.crl = optarg; break;
		case 'I': o.id = optarg; break;
		case 'D': o.delta_days = days(&o.t, optarg); break;
		case 'R': o.root = optarg; break;
		case 'K': o.keep_days = days(&o.t, optarg); break;
		default:
			if (c >= OPT_SOURCE)
				o.sources[o.n++] = (struct source){(enum known_kind)(c - OPT_SOURCE), optarg};
		}
	operands = argv + optind;
	const char *verb = *operands ? *operands : "";

	if (!strcmp(verb, "query"))
		rc = query(&o, operands + 1, &e);
	else if (!strcmp(verb, "revoke"))
		rc = revoke(&o, operands + 1, &e);
	else if (!strcmp(verb, "withdraw"))
		rc = withdraw(&o, operands + 1, &e);
	else if (!strcmp(verb, "apply") && !(*operands && operands[1] && operands[2]))
		rc = apply(&o, operands[1], &e);
	else if (*verb && operands[1])
		tool_usage(&o.t, "unexpected operand %s", err_q(operands[1]));
	else if (!strcmp(verb, "build") || !strcmp(verb, "add"))
		rc = build(&o, *verb == 'a', &e);
	else if (!strcmp(verb, "delta"))
		rc = delta(&o, &e);
	else if (!strcmp(verb, "follow"))
		rc = follow(&o, &e);
	else if (!strcmp(verb, "sources"))
		rc = sources(&o, &e);
	else if (!strcmp(verb, "info"))
		rc = info(&o, &e);
	else
		rc = filter(&o, *operands, &e);
	free(o.sources);
	return tool_end(&o.t, rc, &e);
}
