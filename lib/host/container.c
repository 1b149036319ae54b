#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

/* How engines name the control group of a container: what stands before and behind its name in a part of the path. */
static const struct naming {
	const char *engine, *before, *behind;
} namings[] = {
	{ "docker", "docker-", ".scope" },
	{ "podman", "libpod-", ".scope" },
	{ "containerd", "cri-containerd-", ".scope" },
	{ "containerd", "nerdctl-", ".scope" },
	{ "cri-o", "crio-", ".scope" },
	{ "podman", "libpod-", "" },
	{ "lxc", "lxc.payload.", "" },
	{ "nspawn", "systemd-nspawn@", ".service" },
	{ "machined", "machine-", ".scope" },
};

/* Parts of the path behind which the name alone stands. */
static const struct naming folders[] = {
	{ "docker", "docker", "" },
	{ "lxc", "lxc", "" },
	{ "lxc", "lxc.payload", "" },
	{ "podman", "libpod_parent", "" },
	{ "garden", "garden", "" },
	{ "buildkit", "buildkit", "" },
	{ "nerdctl", "default", "" },
};

static bool hex_id(const char *s, size_t n)
{
	return n >= 32 && strspn(s, "0123456789abcdef") >= n;
}

/* systemd writes "-" as "\x2d" */
static void unescape(const char *from, size_t n, char *out, size_t size)
{
	size_t k = 0, i;

	for (i = 0; i < n && k + 1 < size; i++) {
		if (n - i >= 4 && from[i] == '\\' && from[i + 1] == 'x') {
			const char digits[3] = { from[i + 2], from[i + 3], '\0' };

			out[k++] = (char)strtoul(digits, NULL, 16);
			i += 3;
		} else {
			out[k++] = from[i];
		}
	}
	out[k] = '\0';
}

static bool named(const char *part, size_t n, struct container_name *c)
{
	size_t i, b, e;

	for (i = 0; i < sizeof(namings) / sizeof(*namings); i++) {
		const struct naming *t = &namings[i];

		b = strlen(t->before);
		e = strlen(t->behind);
		if (n <= b + e || strncmp(part, t->before, b) || strncmp(part + n - e, t->behind, e)
		    || !strncmp(part + b, "conmon-", 7))
			continue;
		snprintf(c->engine, sizeof(c->engine), "%s", t->engine);
		unescape(part + b, n - b - e, c->id, sizeof(c->id));
		return true;
	}
	return false;
}

static bool below(const char *folder, size_t m, const char *part, size_t n, struct container_name *c)
{
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (strlen(folders[i].before) == m && !strncmp(folder, folders[i].before, m)
		    && (hex_id(part, n) || !strcmp(folders[i].engine, "lxc") || !strcmp(folders[i].engine, "garden"))) {
			snprintf(c->engine, sizeof(c->engine), "%s", folders[i].engine);
			unescape(part, n, c->id, sizeof(c->id));
			return true;
		}
	return false;
}

static bool parse_path(const char *path, size_t length, struct container_name *c)
{
	const char *end = path + length, *part, *folder = NULL;
	size_t n, m = 0;
	bool pods = false, found = false;

	for (part = path; part < end; part += n + 1) {
		n = strcspn(part, "/\n");
		if (part + n > end)
			n = (size_t)(end - part);
		pods |= n >= 8 && !strncmp(part, "kubepods", 8);
		/* the innermost that says something counts: containers stand in containers */
		if (named(part, n, c) || (folder && below(folder, m, part, n, c))) {
			found = true;
		} else if (hex_id(part, n)) {
			snprintf(c->engine, sizeof(c->engine), "%s", pods ? "kubernetes" : "");
			unescape(part, n, c->id, sizeof(c->id));
			found = true;
		}
		folder = part;
		m = n;
	}
	return found;
}

static bool stands_in(const char *text, const char *line, size_t n)
{
	const char *p;

	for (p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strcspn(p, "\n") == n && !strncmp(p, line, n))
			return true;
	return false;
}

bool container_parse(const char *text, const char *ours, struct container_name *c)
{
	const char *line, *path;
	size_t n;

	memset(c, 0, sizeof(*c));
	for (line = text; *line; line += n, line += *line == '\n') {
		n = strcspn(line, "\n");
		path = memchr(line, ':', n);
		path = path ? memchr(path + 1, ':', n - (size_t)(path + 1 - line)) : NULL;
		if (!path || stands_in(ours, line, n))
			continue;
		path++;
		if (!c->cgroup[0] && path + 1 < line + n)
			snprintf(c->cgroup, sizeof(c->cgroup), "%.*s", (int)(line + n - path < 511 ? line + n - path : 511), path);
		if (parse_path(path, (size_t)(line + n - path), c)) {
			snprintf(c->cgroup, sizeof(c->cgroup), "%.*s", (int)(line + n - path < 511 ? line + n - path : 511), path);
			return true;
		}
	}
	return c->cgroup[0] != '\0';
}
