/*
 * dpkg: Debian's package database as a source: the sums of /var/lib/dpkg/info/PACKAGE.md5sums, those of configuration
 * files in /var/lib/dpkg/status, and diversions (dpkg-divert(1)). An MD5 alone makes nothing good: only the file that is
 * there, matches it, and is then known by its SHA-256.
 */
#include "known/known.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAP_SUMS (64 * MIB)        /* the largest md5sums file of Debian has 3 MiB; status with all packages 40 */
#define CAP_PACKAGES 200000u       /* Debian has 100,000 */
#define CAP_FILES 20000000u

struct package {
	char *name;                     /* without the architecture */
	char *source;                   /* "dpkg coreutils 9.1-1" */
	bool installed;
	uint32_t number;                /* of the source; set when it was needed */
	bool numbered;
};

struct dpkg {
	struct build *b;
	const char *root;
	struct known_stats *s;
	struct package *packages;
	size_t n, cap;
	json_t *by_name;                /* "coreutils" and "libc6:amd64": place in packages */
	json_t *diversions;             /* path: {"to", "by"} */
	struct crew_list files;
};

static char *in_root(const struct dpkg *d, const char *path)
{
	return buf_printf("%s%s", strcmp(d->root, "/") ? d->root : "", path);
}

static struct package *package_named(struct dpkg *d, const char *name)
{
	json_t *at = json_object_get(d->by_name, name);

	return at ? &d->packages[json_integer_value(at)] : NULL;
}

static bool add_file(struct dpkg *d, const struct package *p, const char *path, size_t len, const char *md5)
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
	i->owner = (uint32_t)(p - d->packages);
	return true;
}

/* ---- status: which packages, which versions, the sums of configuration files ---- */

struct paragraph {
	char *name, *version, *arch;
	bool installed;
	const char *conffiles;          /* into status */
	size_t conffiles_len;
};

static void end_paragraph(struct dpkg *d, struct paragraph *g)
{
	struct package *p;
	char *with_arch;

	if (g->name && g->version && d->n < CAP_PACKAGES) {
		if (d->n == d->cap) {
			d->cap = d->cap ? 2 * d->cap : 256;
			d->packages = buf_realloc(d->packages, d->cap, sizeof(*d->packages));
		}
		p = &d->packages[d->n];
		memset(p, 0, sizeof(*p));
		p->name = buf_strdup(g->name);
		p->source = buf_printf("dpkg %s %s", g->name, g->version);
		p->installed = g->installed;
		with_arch = buf_printf("%s:%s", g->name, g->arch ? g->arch : "");
		json_object_set_new_nocheck(d->by_name, with_arch, json_integer((json_int_t)d->n));
		if (!json_object_get(d->by_name, g->name) || g->installed)
			json_object_set_new_nocheck(d->by_name, g->name, json_integer((json_int_t)d->n));
		free(with_arch);
		d->n++;
		for (const char *at = g->conffiles, *end = at + g->conffiles_len; g->installed && at && at < end;) {
			const char *line = at, *nl = memchr(at, '\n', (size_t)(end - at));
			const char *stop = nl ? nl : end, *space;

			at = nl ? nl + 1 : end;
			line++;                         /* the blank in front */
			if (stop - line > 9 && !memcmp(stop - 9, " obsolete", 9))
				continue;
			space = memrchr(line, ' ', (size_t)(stop - line));
			if (space && stop - space == 33 && *line == '/') {
				char md5[33];

				memcpy(md5, space + 1, 32);
				md5[32] = 0;
				add_file(d, p, line, (size_t)(space - line), md5);
			}
		}
	}
	free(g->name);
	free(g->version);
	free(g->arch);
	memset(g, 0, sizeof(*g));
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

static void parse_status(struct dpkg *d, const char *text, size_t size)
{
	struct paragraph g = {0};
	const char *at = text, *end = text + size;

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

			g.installed = strstr(v, " installed") || strstr(v, " triggers-");
			free(v);
		} else if (len >= 10 && !memcmp(at, "Conffiles:", 10) && nl) {
			const char *from = nl + 1, *to = from;

			while (to < end && *to == ' ') {
				const char *next = memchr(to, '\n', (size_t)(end - to));

				to = next ? next + 1 : end;
			}
			g.conffiles = from;
			g.conffiles_len = (size_t)(to - from);
			at = to;
			continue;
		}
		at = nl ? nl + 1 : end;
	}
	end_paragraph(d, &g);
}

/* Triples of lines: where from, where to, by which package. */
static void parse_diversions(struct dpkg *d, char *text)
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

/* ---- info/PACKAGE.md5sums ---- */

static void parse_sums(struct dpkg *d, const struct package *p, const char *text, size_t size)
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

static int read_info(struct dpkg *d, struct err *e)
{
	char *folder = in_root(d, "/var/lib/dpkg/info");
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int rc = -1;

	if (!dir) {
		err_sys(e, "cannot read dpkg's database %s", err_q(folder));
		goto out;
	}
	while ((entry = readdir(dir))) {
		struct buf text = {0};
		struct package *p;
		char *path, *name = entry->d_name;
		bool sums = strip(name, ".md5sums");

		if (!sums && !strip(name, ".list"))
			continue;
		p = package_named(d, name);
		if (!p || !p->installed)
			continue;
		path = buf_printf("%s/%s.md5sums", folder, name);
		if (sums) {
			struct err ignored = {0};

			d->s->packages++;
			if (io_slurp_path(path, CAP_SUMS, &text, &ignored) < 0)
				msg_warn("skipped: %s", ignored.msg);   /* a package was removed meanwhile */
			else
				parse_sums(d, p, buf_str(&text), text.len);
		} else {
			FILE *f = fopen(path, "re");

			if (!f && errno == ENOENT) {
				msg_info("package %s states no sums: its files stay unknown", err_q(name));
				d->s->packages_without_sums++;
			}
			if (f)
				fclose(f);
		}
		buf_free(&text);
		free(path);
	}
	rc = 0;
out:
	if (dir)
		closedir(dir);
	free(folder);
	return rc;
}

/* ---- taking in ---- */

static int take(struct dpkg *d, struct err *e)
{
	static const char *const told[] = {[CREW_ALTERED] = "altered", [CREW_UNREADABLE] = "cannot read", [CREW_CHANGING] = "skipped, it changes meanwhile"};
	struct known_stats *s = d->s;

	for (size_t i = 0; i < d->files.len; i++) {
		const struct crew_item *f = &d->files.p[i];
		struct package *p = &d->packages[f->owner];

		s->files++;
		known_count(s, f->result);
		if (f->result == CREW_GOOD) {
			if (!p->numbered && build_source(d->b, p->source, &p->number, e) < 0)
				return -1;
			p->numbered = true;
			if (build_add(d->b, f->sha256, p->number, f->path, e) < 0)
				return -1;
		} else if (told[f->result]) {
			msg_info("%s: %s of package %s", told[f->result], err_q(f->path), err_q(p->name));
		}
	}
	return 0;
}

int dpkg_add(struct build *b, const char *root, bool all, struct known_stats *s, struct err *e)
{
	struct dpkg d = {.b = b, .root = root ? root : "/", .s = s};
	struct buf status = {0}, diversions = {0};
	char *status_path = in_root(&d, "/var/lib/dpkg/status"), *diversions_path = in_root(&d, "/var/lib/dpkg/diversions");
	struct err ignored = {0};
	int64_t now = clock_now();
	int rc = -1;

	d.by_name = json_object();
	d.diversions = json_object();
	if (io_slurp_path(status_path, CAP_SUMS, &status, e) < 0) {
		err_wrap(e, "cannot read dpkg's database");
		goto out;
	}
	if (!io_slurp_path(diversions_path, CAP_SUMS, &diversions, &ignored) && diversions.len &&
	    !memchr(diversions.p, 0, diversions.len))
		parse_diversions(&d, (char *)diversions.p);
	parse_status(&d, buf_str(&status), status.len);
	if (read_info(&d, e) < 0 || crew_run(&d.files, d.root, all, &s->bytes, e) < 0 || take(&d, e) < 0)
		goto out;
	build_from(b, KNOWN_FROM_DPKG, now);
	rc = 0;
out:
	for (size_t i = 0; i < d.n; i++) {
		free(d.packages[i].name);
		free(d.packages[i].source);
	}
	free(d.packages);
	crew_free(&d.files);
	json_decref(d.by_name);
	json_decref(d.diversions);
	buf_free(&status);
	buf_free(&diversions);
	free(status_path);
	free(diversions_path);
	return rc;
}
