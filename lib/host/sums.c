/* The MD5 sums of all files that packages brought, whatever they are called: what was copied from one of them is told by it. */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

#define MD5 16u

struct sums {
	unsigned char (*sum)[MD5];
	size_t count;
};

static void add(struct sums *s, const char *hex)
{
	if (!(s->count & (s->count - 1)))
		s->sum = buf_realloc(s->sum, s->count ? s->count * 2 : 1, sizeof(*s->sum));
	if (!digest_unhex(hex, s->sum[s->count], MD5))
		s->count++;
}

/* Lines "MD5  path". */
static void add_listed(struct sums *s, const char *text)
{
	const char *p;

	for (p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strcspn(p, " \n") == (size_t)2 * MD5)
			add(s, p);
}

/* In the status, configuration files stand in lines " /etc/x MD5", perhaps with "obsolete" behind. */
static void add_conffiles(struct sums *s, const char *text)
{
	const char *p, *word;

	for (p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (p[0] != ' ' || p[1] != '/')
			continue;
		word = p + 1 + strcspn(p + 1, " \n");
		if (*word == ' ' && strcspn(word + 1, " \n") == (size_t)2 * MD5)
			add(s, word + 1);
	}
}

static int in_order(const void *a, const void *b)
{
	return memcmp(a, b, MD5);
}

struct sums *sums_load(const struct dpkg *d)
{
	struct sums *s = buf_alloc(sizeof(*s));
	struct buf text = { 0 };
	const char *package;
	char name[512];
	size_t i;

	for (i = 0; (package = dpkg_package_at(d, i)); i++) {
		buf_clear(&text);
		if ((size_t)snprintf(name, sizeof(name), "info/%s.md5sums", package) < sizeof(name)
		    && io_slurp_at(dpkg_folder(d), name, CAP_SLURP, &text) > 0)
			add_listed(s, buf_str(&text));
	}
	buf_clear(&text);
	if (io_slurp_at(dpkg_folder(d), "status", 4 * CAP_SLURP, &text) > 0)
		add_conffiles(s, buf_str(&text));
	buf_free(&text);
	if (s->count)
		qsort(s->sum, s->count, MD5, in_order);
	return s;
}

bool sums_has(const struct sums *s, const char *md5)
{
	unsigned char key[MD5];

	return s->count && !digest_unhex(md5, key, sizeof(key)) && bsearch(key, s->sum, s->count, MD5, in_order);
}

void sums_free(struct sums *s)
{
	if (s)
		free(s->sum);
	free(s);
}
