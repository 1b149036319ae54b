/* git-config(1): settings whose value git runs, and folders of hooks that it runs. */
#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_HOOKS 256u

enum kind { COMMAND, BANG /* only what begins with "!", or is a path */, HOOKS, TEMPLATE, INCLUDE };

/* Section and key in lower case; a key "*" is any. */
static const struct setting { const char *section, *key; enum kind kind; } settings[] = {
	{ "core", "fsmonitor", COMMAND }, { "core", "hookspath", HOOKS }, { "core", "sshcommand", COMMAND }, { "core", "pager", COMMAND },
	{ "core", "editor", COMMAND }, { "core", "askpass", COMMAND }, { "core", "gitproxy", COMMAND },
	{ "core", "alternaterefscommand", COMMAND }, { "pager", "*", COMMAND }, { "alias", "*", BANG }, { "credential", "helper", BANG },
	{ "diff", "external", COMMAND }, { "diff", "command", COMMAND }, { "diff", "textconv", COMMAND }, { "filter", "clean", COMMAND },
	{ "filter", "smudge", COMMAND }, { "filter", "process", COMMAND }, { "merge", "driver", COMMAND }, { "gpg", "program", COMMAND },
	{ "gpg", "defaultkeycommand", COMMAND }, { "sequence", "editor", COMMAND }, { "uploadpack", "packobjectshook", COMMAND },
	{ "include", "path", INCLUDE }, { "includeif", "path", INCLUDE }, { "init", "templatedir", TEMPLATE }, { "difftool", "cmd", COMMAND },
	{ "mergetool", "cmd", COMMAND }, { "interactive", "difffilter", COMMAND }, { "remote", "uploadpack", COMMAND },
	{ "remote", "receivepack", COMMAND }, { "browser", "cmd", COMMAND }, { "man", "cmd", COMMAND }, { "trailer", "command", COMMAND },
	{ "trailer", "cmd", COMMAND }, { "sendemail", "tocmd", COMMAND }, { "sendemail", "sendmailcmd", COMMAND },
};

/* [section "subsection"]: what counts is the section. Returns what stands behind it. */
static char *header(struct startup *s, char *p)
{
	size_t n = strcspn(p + 1, " \t\"].");
	bool quoted = false;

	snprintf(s->section, sizeof(s->section), "%.*s", (int)(n < 63 ? n : 63), p + 1);
	for (p++; *p && (quoted || *p != ']'); p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return *p ? p + 1 : p;
}

/* Quotes and escapes away, a comment cut off. */
static void unquoted(const char *p, struct buf *out)
{
	bool quoted = false;

	for (p += strspn(p, " \t"); *p && (quoted || (*p != '#' && *p != ';')); p++) {
		if (*p == '"') {
			quoted = !quoted;
		} else if (*p == '\\' && p[1]) {
			p++;
			buf_addc(out, *p == 'n' ? '\n' : *p == 't' ? '\t' : *p);
		} else {
			buf_addc(out, *p);
		}
	}
	while (out->len && strchr(" \t\r", out->p[out->len - 1]))
		out->p[--out->len] = '\0';
}

/* A path as git has it: of the home, absolute, or from the folder that holds .git. */
static bool path_of(const struct startup *s, const char *v, char out[PATH_MAX])
{
	const char *git = strstr(s->path, "/.git/");
	size_t n;

	if (v[0] == '~' && v[1] == '/')
		n = (size_t)snprintf(out, PATH_MAX, "%s%s", s->home, v + 1);
	else if (v[0] == '/')
		n = (size_t)snprintf(out, PATH_MAX, "%s", v);
	else if (git)
		n = (size_t)snprintf(out, PATH_MAX, "%.*s/%s", (int)(git - s->path), s->path, v);
	else
		return false;
	return n < PATH_MAX;
}

/* Each hook is a start-up file of its own: what is there, may be run, and is no sample. */
static void hooks(const struct startup *s, const char *folder)
{
	char path[PATH_MAX], **names;
	struct stat st;
	size_t n, i;
	bool more;
	int fd = rooted_open(s->h->root, folder, O_RDONLY | O_DIRECTORY), file;

	if (fd < 0)
		return;
	n = startup_names(fd, CAP_HOOKS, &names, &more);
	for (i = 0; i < n; i++) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, names[i]) < sizeof(path) && !strstr(names[i], ".sample")) {
			file = rooted_regular(s->h->root, path, &st);
			if (file >= 0 && st.st_mode & 0111)
				startup_another(s, path, FORM_SCRIPT);
			io_close(&file);
		}
		free(names[i]);
	}
	free(names);
}

static bool boolean(const char *v)
{
	return !*v || !strcasecmp(v, "true") || !strcasecmp(v, "false") || !strcasecmp(v, "yes") || !strcasecmp(v, "no")
		|| !strcmp(v, "0") || !strcmp(v, "1") || !strcasecmp(v, "on") || !strcasecmp(v, "off");
}

static void setting(struct startup *s, unsigned line, const char *text, size_t length, enum kind kind, const char *v)
{
	char path[PATH_MAX];

	switch (kind) {
	case BANG:
		if (*v != '!' && *v != '/')
			return;
		v += *v == '!';
		/* fall through */
	case COMMAND:
		if (!boolean(v))
			entry_command(s, line, text, length, v, strlen(v), NULL, false);
		break;
	case HOOKS:
		if (path_of(s, v, path))
			hooks(s, path);
		break;
	case TEMPLATE:
		if (path_of(s, v, path) && strlen(path) + 7 < sizeof(path)) {
			snprintf(path + strlen(path), sizeof(path) - strlen(path), "/hooks");
			hooks(s, path);
		}
		break;
	case INCLUDE:
		if (!s->included && path_of(s, v, path))
			startup_another(s, path, FORM_GIT);
		break;
	}
}

static void git_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *p = copy + strspn(copy, " \t");
	struct buf v = { 0 };
	size_t n, i;

	if (*p == '[') {
		p = header(s, p);
		p += strspn(p, " \t");
	}
	n = strcspn(p, " \t=");
	if (!*p || *p == '#' || *p == ';' || !n || p[n + strspn(p + n, " \t")] != '=')
		return;
	unquoted(strchr(p + n, '=') + 1, &v);
	for (i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (!strcasecmp(s->section, settings[i].section)
		    && (*settings[i].key == '*' || (strlen(settings[i].key) == n && !strncasecmp(p, settings[i].key, n)))) {
			setting(s, line, text, length, settings[i].kind, buf_str(&v));
			break;
		}
	buf_free(&v);
}

void git_read(struct startup *s)
{
	/* an editor or a pager that is not installed is none of ours */
	s->quiet = true;
	perline_each(s, git_line, true);
}
