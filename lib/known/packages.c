/*
 * packages: Debian's package database: /var/lib/dpkg/status and what dpkg has not merged into it yet (updates/), the lists of
 * sums in info/PACKAGE.md5sums, those of configuration files in status, and diversions (dpkg-divert(1)).
 */
#include "known/packages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAP_SUMS (64 * MIB)        /* the largest md5sums file of Debian has 3 MiB; status with all packages 40 */
#define CAP_PACKAGES 200000u       /* Debian has 100,000 */
#define CAP_FILES 20000000u
#define CAP_UPDATES 1000u          /* dpkg merges them after 250 */
#define INFO "/var/lib/dpkg/info"

static char *in_root(const char *root, const char *path)
{
	return buf_printf("%s%s", root && strcmp(root, "/") ? root : "", path);
}

struct package *packages_find(const struct packages *d, const char *name)
{
	json_t *at = json_object_get(d->by_name, name);

	return at ? &d->p[json_integer_value(at)] : NULL;
}

static bool add_file(struct packages *d, const struct package *p, const char *path, size_t len, const char *md5)
{
	unsigned char sum[16];
	struct crew_item *i;
	json_t *diverted;
	char *name;

	if (digest_unhex(md5, sum, sizeof(sum)) < 0 || d->files.len >= CAP_FILES)
		return false;
	name = buf_alloc(len + 1);
	memcpy(name, path, len);
	/* Somebody else's diversion: this package's file stands where the diversion leads. */
	diverted = json_object_get(d->diversions, name);
	if (diverted && strcmp(jsonio_str(diverted, "by"), p->name))
		i = crew_add(&d->files, jsonio_str(diverted, "to"), strlen(jsonio_str(diverted, "to")));
	else
		i = crew_add(&d->files, name, len);
	free(name);
	i->md5_known = true;
	memcpy(i->md5, sum, sizeof(sum));
	i->owner = (uint32_t)(p - d->p);
	return true;
}

/* ---- status: which packages, which versions, the sums of configuration files ---- */

struct paragraph {
	char *name, *version, *arch;
	enum package_state state;
	size_t conffiles, conffiles_len;   /* in status */
};

/* The place of a package in the list, made when it is new: what dpkg noted later goes before. */
static struct package *place(struct packages *d, const char *key)
{
	struct package *p = packages_find(d, key);

	if (p)
		return p;
	if (d->n == CAP_PACKAGES)
		return NULL;
	if (!d->p || d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 256;
		d->p = buf_realloc(d->p, d->cap, sizeof(*d->p));
	}
	p = &d->p[d->n];
	memset(p, 0, sizeof(*p));
	p->key = buf_strdup(key);
	json_object_set_new_nocheck(d->by_name, key, json_integer((json_int_t)d->n++));
	return p;
}

static void end_paragraph(struct packages *d, struct paragraph *g)
{
	char *key = g->name ? buf_printf("%s:%s", g->name, g->arch ? g->arch : "") : NULL;
	struct package *p = key && g->version ? place(d, key) : NULL, *same = p ? packages_find(d, g->name) : NULL;

	if (p) {
		free(p->name);
		free(p->version);
		free(p->source);
		p->name = buf_strdup(g->name);
		p->version = buf_strdup(g->version);
		p->source = buf_printf("dpkg %s %s", g->name, g->version);
		p->state = g->state;
		p->conffiles = g->conffiles;
		p->conffiles_len = g->conffiles_len;
		if (!same || same == p || g->state != PACKAGE_GONE)
			json_object_set_new_nocheck(d->by_name, g->name, json_integer(p - d->p));
	}
	free(key);
	free(g->name);
	free(g->version);
	free(g->arch);
	memset(g, 0, sizeof(*g));
}

static void list_conffiles(struct packages *d, const struct package *p)
{
	const char *at = buf_str(&d->status) + p->conffiles, *end = at + p->conffiles_len;

	while (at < end) {
		const char *line = at, *nl = memchr(at, '\n', (size_t)(end - at));
		const char *stop = nl ? nl : end, *space;

		at = nl ? nl + 1 : end;
		line++;                         /* the blank in front */
		if (stop - line > 9 && !memcmp(stop - 9, " obsolete", 9))
			continue;
		space = stop > line ? memrchr(line, ' ', (size_t)(stop - line)) : NULL;
		if (space && stop - space == 33 && *line == '/') {
			char md5[33];

			memcpy(md5, space + 1, 32);
			md5[32] = 0;
			add_file(d, p, line, (size_t)(space - line), md5);
		}
	}
}

static char *value(const char *line, size_t len, size_t skip)
{
	char *v;

	while (skip < len && line[skip] == ' ')
		skip++;
	v = buf_alloc(len - skip + 1);
	memcpy(v, line + skip, len - skip);
	return v;
}

/* The third word of the status, deb-status(5). From "unpacked" on the files are all there. */
static enum package_state state_of(const char *status)
{
	static const char *const there[] = {" installed", " unpacked", " half-configured", " triggers-"};

	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		if (strstr(status, there[i]))
			return PACKAGE_THERE;
	return strstr(status, " half-installed") ? PACKAGE_MOVING : PACKAGE_GONE;
}

static void parse_status(struct packages *d)
{
	struct paragraph g = {0};
	const char *text = buf_str(&d->status), *at = text, *end = text + d->status.len;

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((nl ? nl : end) - at);

		if (!len) {
			end_paragraph(d, &g);
		} else if (len > 8 && !memcmp(at, "Package:", 8) && !g.name) {
			g.name = value(at, len, 8);
		} else if (len > 8 && !memcmp(at, "Version:", 8) && !g.version) {
			g.version = value(at, len, 8);
		} else if (len > 13 && !memcmp(at, "Architecture:", 13) && !g.arch) {
			g.arch = value(at, len, 13);
		} else if (len > 7 && !memcmp(at, "Status:", 7)) {
			char *v = value(at, len, 7);

			g.state = state_of(v);
			free(v);
		} else if (len >= 10 && !memcmp(at, "Conffiles:", 10) && nl) {
			const char *from = nl + 1, *to = from;

			while (to < end && *to == ' ') {
				const char *next = memchr(to, '\n', (size_t)(end - to));

				to = next ? next + 1 : end;
			}
			g.conffiles = (size_t)(from - text);
			g.conffiles_len = (size_t)(to - from);
			at = to;
			continue;
		}
		at = nl ? nl + 1 : end;
	}
	end_paragraph(d, &g);
}

/* Triples of lines: where from, where to, by which package. */
static void parse_diversions(struct packages *d, char *text)
{
	char *save = NULL, *from = strtok_r(text, "\n", &save);

	while (from) {
		char *to = strtok_r(NULL, "\n", &save), *by = to ? strtok_r(NULL, "\n", &save) : NULL;

		if (!by)
			return;
		json_t *o = json_object();

		json_object_set_new_nocheck(o, "to", json_string_nocheck(to));
		json_object_set_new_nocheck(o, "by", json_string_nocheck(by));
		json_object_set_new_nocheck(d->diversions, from, o);
		from = strtok_r(NULL, "\n", &save);
	}
}

/* What dpkg noted since it wrote status, in the order of the names. */
static void read_updates(struct packages *d)
{
	char *folder = in_root(d->root, "/var/lib/dpkg/updates");
	struct dirent **name = NULL;
	int n = scandir(folder, &name, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		struct buf text = {0};
		struct err ignored = {0};
		char *path = buf_printf("%s/%s", folder, name[i]->d_name);
		bool number = strspn(name[i]->d_name, "0123456789") == strlen(name[i]->d_name);

		if (number && i < (int)CAP_UPDATES && d->status.len < CAP_SUMS && !io_slurp_path(path, CAP_SLURP, &text, &ignored)) {
			buf_adds(&d->status, "\n");
			buf_add(&d->status, text.p ? text.p : (const void *)"", text.len);
		}
		buf_free(&text);
		free(path);
		free(name[i]);
	}
	free(name);
	free(folder);
}

/* ---- info/PACKAGE.md5sums ---- */

static void parse_sums(struct packages *d, const struct package *p, const char *text, size_t size)
{
	const char *at = text, *end = text + size;
	struct buf path = {0};

	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((nl ? nl : end) - at), skip = 32;
		char md5[33];

		if (len > 34 && len < 8192 && !memchr(at, 0, len)) {
			memcpy(md5, at, 32);
			md5[32] = 0;
			while (skip < len && (at[skip] == ' ' || at[skip] == '*'))
				skip++;
			if (len - skip > 2 && !memcmp(at + skip, "./", 2))
				skip += 2;
			buf_clear(&path);
			buf_addc(&path, '/');
			buf_add(&path, at + skip, len - skip);
			add_file(d, p, (const char *)path.p, path.len, md5);
		}
		at = nl ? nl + 1 : end;
	}
	buf_free(&path);
}

static bool strip(char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	if (n <= m || strcmp(name + n - m, suffix))
		return false;
	name[n - m] = 0;
	return true;
}

void packages_list(struct packages *d, struct package *p)
{
	char *path;
	struct buf text = {0};
	struct err why = {0};

	p->read = true;
	list_conffiles(d, p);
	if (!p->sums)
		return;
	path = buf_printf("%s" INFO "/%s.md5sums", strcmp(d->root, "/") ? d->root : "", p->sums);
	if (io_slurp_path(path, CAP_SUMS, &text, &why) < 0) {
		msg_warn("skipped: %s", why.msg);   /* a package was removed meanwhile */
		p->again = true;
	} else {
		parse_sums(d, p, buf_str(&text), text.len);
	}
	buf_free(&text);
	free(path);
}

static void stamp_of(const struct packages *d, const struct package *p, const struct stat *st, char stamp[33])
{
	struct buf b = {0};
	char hex[DIGEST_HEX];

	buf_addf(&b, "%s\n%lld %llu %lld.%ld\n", p->version, (long long)(st ? st->st_size : -1), (unsigned long long)(st ? st->st_ino : 0),
		(long long)(st ? st->st_ctim.tv_sec : 0), st ? st->st_ctim.tv_nsec : 0L);
	buf_add(&b, buf_str(&d->status) + p->conffiles, p->conffiles_len);
	digest_bytes(b.p, b.len, hex);
	memcpy(stamp, hex, 32);
	stamp[32] = 0;
	buf_free(&b);
}

bool packages_restamp(const struct packages *d, const struct package *p, char stamp[33])
{
	char *path = buf_printf("%s" INFO "/%s.md5sums", strcmp(d->root, "/") ? d->root : "", p->sums ? p->sums : "");
	struct stat st;
	bool there = p->sums && !stat(path, &st);

	stamp_of(d, p, there ? &st : NULL, stamp);
	free(path);
	return there;
}

/* Which lists there are, and their stamps. */
static int read_info(struct packages *d, struct err *e)
{
	char *folder = in_root(d->root, INFO);
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir) {
		err_sys(e, "cannot read dpkg's database %s", err_q(folder));
		free(folder);
		return -1;
	}
	while ((entry = readdir(dir))) {
		struct package *p;
		struct stat st;
		char *name = entry->d_name;
		bool there = strlen(name) > 8 && !strcmp(name + strlen(name) - 8, ".md5sums") && !fstatat(dirfd(dir), name, &st, 0);

		if (!there || !strip(name, ".md5sums") || !(p = packages_find(d, name)) || p->state == PACKAGE_GONE || p->sums)
			continue;
		p->sums = buf_strdup(name);
		stamp_of(d, p, &st, p->stamp);
	}
	closedir(dir);
	free(folder);
	for (size_t i = 0; d->p && i < d->n; i++)
		if (d->p[i].state != PACKAGE_GONE && !d->p[i].sums)
			stamp_of(d, &d->p[i], NULL, d->p[i].stamp);
	return 0;
}

/* ---- all of it ---- */

char *packages_stamp(const char *root, int64_t *newest)
{
	static const char *const places[] = {"/var/lib/dpkg/status", "/var/lib/dpkg/diversions", INFO, "/var/lib/dpkg/updates"};
	struct buf b = {0};

	*newest = 0;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path = in_root(root, places[i]);
		struct stat st;

		if (!stat(path, &st)) {
			buf_addf(&b, "%llu %lld %lld.%ld %lld.%ld;", (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
				st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
			if (st.st_ctim.tv_sec > *newest)
				*newest = st.st_ctim.tv_sec;
		} else {
			buf_addc(&b, ';');
		}
		free(path);
	}
	return (char *)b.p;
}

int packages_read(struct packages *d, const char *root, struct err *e)
{
	char *status, *diversions;
	struct buf text = {0};
	struct err ignored = {0};
	int rc;

	memset(d, 0, sizeof(*d));
	d->root = root ? root : "/";
	d->by_name = json_object();
	d->diversions = json_object();
	status = in_root(d->root, "/var/lib/dpkg/status");
	diversions = in_root(d->root, "/var/lib/dpkg/diversions");
	rc = io_slurp_path(status, CAP_SUMS, &d->status, e);
	if (rc < 0) {
		err_wrap(e, "cannot read dpkg's database");
	} else {
		read_updates(d);
		if (!io_slurp_path(diversions, CAP_SUMS, &text, &ignored) && text.len && !memchr(text.p, 0, text.len))
			parse_diversions(d, (char *)text.p);
		parse_status(d);
		rc = read_info(d, e);
	}
	buf_free(&text);
	free(status);
	free(diversions);
	return rc;
}

void packages_free(struct packages *d)
{
	for (size_t i = 0; d->p && i < d->n; i++) {
		free(d->p[i].name);
		free(d->p[i].key);
		free(d->p[i].version);
		free(d->p[i].source);
		free(d->p[i].sums);
	}
	free(d->p);
	crew_free(&d->files);
	json_decref(d->by_name);
	json_decref(d->diversions);
	buf_free(&d->status);
	memset(d, 0, sizeof(*d));
}
