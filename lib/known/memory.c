#include "known/follow.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT "muss-follow/1"

char *memory_stamp(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return buf_strdup("");
	return buf_printf("%llu %llu %lld %lld.%ld %lld.%ld", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, (long long)st.st_size,
		(long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static json_t *line(const char *from, size_t n)
{
	struct err ignored = {0};

	return jsonio_parse(from, n, "what follow remembers", &ignored);
}

void memory_read(struct memory *m, const char *index)
{
	struct err ignored = {0};
	const char *format, *nl;

	memset(m, 0, sizeof(*m));
	m->path = buf_printf("%s.follow", index);
	if (io_slurp_path(m->path, CAP_JSON, &m->text, &ignored) < 0)
		buf_clear(&m->text);
	nl = m->text.len ? memchr(m->text.p, '\n', m->text.len) : NULL;
	if (nl)
		m->head = line(buf_str(&m->text), (size_t)(nl - buf_str(&m->text)));
	format = jsonio_str(m->head, "format");
	if (!format || strcmp(format, FORMAT) != 0) {
		json_decref(m->head);
		m->head = NULL;
	}
}

void memory_read_packages(struct memory *m)
{
	const char *nl = m->head ? memchr(m->text.p, '\n', m->text.len) : NULL;

	if (nl)
		m->packages = line(nl + 1, m->text.len - (size_t)(nl + 1 - buf_str(&m->text)));
	if (!json_is_object(m->packages)) {
		json_decref(m->packages);
		m->packages = json_object();
	}
}

int memory_write(const struct memory *m, struct err *e)
{
	char *head, *packages;
	struct buf b = {0};
	int rc;

	json_object_set_new(m->head, "format", json_string(FORMAT));
	head = json_dumps(m->head, JSON_COMPACT);
	packages = json_dumps(m->packages, JSON_COMPACT);
	buf_addf(&b, "%s\n%s\n", head ? head : "", packages ? packages : "");
	rc = atomic_write(m->path, 0644, b.p, b.len, e);
	free(head);
	free(packages);
	buf_free(&b);
	return rc;
}

void memory_free(struct memory *m)
{
	json_decref(m->head);
	json_decref(m->packages);
	buf_free(&m->text);
	free(m->path);
	memset(m, 0, sizeof(*m));
}
