#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

static bool hex(const char **s, const char *end, uint64_t *v, char stop)
{
	const char *p = *s;
	unsigned digits = 0;

	for (*v = 0; p < end && digits <= 16; p++, digits++) {
		if (*p >= '0' && *p <= '9')
			*v = *v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*v = *v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			break;
	}
	if (!digits || digits > 16 || p >= end || *p != stop)
		return false;
	*s = p + 1;
	return true;
}

static void take_path(struct map *m, const char *p, const char *end)
{
	size_t n = 0;

	while (p < end && n < sizeof(m->path) - 1) {
		if (end - p >= 4 && !memcmp(p, "\\012", 4)) {
			m->path[n++] = '\n';
			p += 4;
		} else {
			m->path[n++] = *p++;
		}
	}
	m->path[n] = '\0';
}

static int parse(const char *p, const char *end, struct map *m)
{
	uint64_t major, minor;
	char *stop;

	if (!hex(&p, end, &m->start, '-') || !hex(&p, end, &m->end, ' ') || m->end <= m->start)
		return -1;
	if (end - p < 5 || p[4] != ' ' || strspn(p, "rwxps-") < 4)
		return -1;
	memcpy(m->perms, p, 4);
	m->perms[4] = '\0';
	p += 5;
	if (!hex(&p, end, &m->offset, ' ') || !hex(&p, end, &major, ':') || !hex(&p, end, &minor, ' ') || p >= end
	    || *p < '0' || *p > '9')
		return -1;
	m->major = (unsigned)major;
	m->minor = (unsigned)minor;
	m->inode = strtoull(p, &stop, 10);
	p = stop;
	while (p < end && *p == ' ')
		p++;
	take_path(m, p, end);
	return 1;
}

int maps_next(const char **text, struct map *m)
{
	const char *line = *text, *end = strchr(line, '\n');

	if (!*line)
		return 0;
	if (!end)
		end = line + strlen(line);
	*text = *end ? end + 1 : end;
	memset(m, 0, offsetof(struct map, path) + 1);
	return parse(line, end, m);
}

bool maps_flag(const char *line, const char *flag)
{
	const char *p, *end = line + strcspn(line, "\n");
	size_t n = strlen(flag);

	for (p = line + strcspn(line, " \n"); p < end; p += strcspn(p, " \n")) {
		p += strspn(p, " ");
		if (strcspn(p, " \n") == n && !memcmp(p, flag, n))
			return true;
	}
	return false;
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), k = strlen(with);

	return n >= k && !strcmp(s + n - k, with);
}

enum maps_kind maps_classify(const struct map *m)
{
	if (m->path[0] == '[' && strncmp(m->path, "[anon", 5) && strncmp(m->path, "[heap", 5) && strncmp(m->path, "[stack", 6))
		return MAPS_KERNEL;
	/* the first System V segment of a namespace has the number 0, and its mapping no inode therefore */
	if (!m->inode && strncmp(m->path, "/SYSV", 5))
		return MAPS_ANON;
	if (m->path[0] == '[')
		return MAPS_SHARED;
	if (!m->major && ends(m->path, " (deleted)")
	    && (!strncmp(m->path, "/dev/zero ", 10) || !strncmp(m->path, "/SYSV", 5) || !strncmp(m->path, "/anon_hugepage ", 15)))
		return MAPS_SHARED;
	return MAPS_FILE;
}
