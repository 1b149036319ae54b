/* Files of logging in and of interpreters' starts, an entry a line: PAM, NSS, the loader, ssh keys, shells, Python's .pth. */
#include "host/internal.h"

#include <fnmatch.h>
#include <limits.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_LINKED 1024u   /* folders and further files that one file of the loader's names */

/* The next word behind *p, brackets as one. NULL: none. */
static char *word_of(char **p)
{
	char *start = *p + strspn(*p, " \t\r"), *end;

	if (!*start)
		return NULL;
	end = *start == '[' ? start + strcspn(start, "]") : start;
	end += strcspn(end, " \t\r");
	*p = *end ? end + 1 : end;
	*end = '\0';
	return start;
}

static bool pam_type(const char *word)
{
	static const char *const types[] = { "auth", "account", "password", "session" };
	size_t i;

	for (i = 0; i < 4; i++)
		if (!strcasecmp(word + (*word == '-'), types[i]))
			return true;
	return false;
}

/* What the module runs, or loads: the rest from the first word that is a path. pam_exec's own options stand before it. */
static void pam_arguments(struct startup *s, unsigned line, const char *text, size_t length, const char *module, char *rest)
{
	char *p = rest + strspn(rest, " \t\r");

	while (*p && *p != '/') {
		p += strcspn(p, " \t\r");
		p += strspn(p, " \t\r");
	}
	if (!*p)
		return;
	if (!strncmp(module, "pam_exec", 8) || !strncmp(module, "pam_script", 10)) {
		entry_command(s, line, text, length, p, strlen(p), NULL, true);
	} else if (!strncmp(module, "pam_python", 10) || !strncmp(module, "pam_lua", 7) || !strncmp(module, "pam_perl", 8)) {
		p[strcspn(p, " \t\r")] = '\0';
		entry_file(s, line, text, length, p);
	}
}

/* [service] type control module arguments, as pam.conf(5) */
static void pam_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *rest = copy, *type = word_of(&rest), *control, *module;
	const char *name;
	int fd;

	if (!type || *type == '#' || *type == '@')
		return;
	if (!pam_type(type))
		type = word_of(&rest);
	if (!type || !pam_type(type) || !(control = word_of(&rest)) || !(module = word_of(&rest)))
		return;
	if (!strcasecmp(control, "include") || !strcasecmp(control, "substack"))
		return;
	if (*module == '/') {
		if (*type == '-')
			s->quiet = true;
		entry_file(s, line, text, length, module);
		s->quiet = false;
	} else if (!strchr(module, '/')) {
		fd = crowd_admit(s, "library", module, strlen(module)) ? shadow_library(s->h, module, "security") : -1;
		if (fd >= 0)
			entry_open_file(s, line, text, length, fd);
		io_close(&fd);
	}
	name = strrchr(module, '/');
	pam_arguments(s, line, text, length, name ? name + 1 : module, rest);
}

/* database: service [reaction] service */
static void nss_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *p = strchr(copy, ':'), *word, library[300];
	int fd;

	copy[strcspn(copy, "#")] = '\0';
	if (!p || !*copy)
		return;
	for (p++; (word = word_of(&p));) {
		if (*word == '[' || strchr(word, '/') || strlen(word) > 200)
			continue;
		snprintf(library, sizeof(library), "libnss_%s.so.2", word);
		fd = crowd_admit(s, "library", library, strlen(library)) ? shadow_library(s->h, library, NULL) : -1;
		if (fd >= 0)
			entry_open_file(s, line, text, length, fd);
		io_close(&fd);
	}
}

/* Each folder has all of its names looked up among the system's. */
static bool linker_room(struct startup *s)
{
	if (s->folders >= CAP_LINKED) {
		crowd_over(s, "folders or files");
		return false;
	}
	s->folders++;
	return true;
}

/* include /etc/ld.so.conf.d/x*: that folder is a place itself */
static void linker_include(struct startup *s, char *pattern)
{
	char *name, **names, path[PATH_MAX];
	size_t n, i;
	bool more;
	int fd;

	if (*pattern != '/' || !strncmp(pattern, "/etc/ld.so.conf.d/", 18))
		return;
	if (!strpbrk(pattern, "*?[")) {
		startup_another(s, pattern, FORM_LINKER);
		return;
	}
	name = strrchr(pattern, '/');
	*name++ = '\0';
	fd = rooted_open(s->h->root, *pattern ? pattern : "/", O_RDONLY | O_DIRECTORY);
	n = fd >= 0 ? startup_names(fd, 4096, &names, &more) : 0;
	for (i = 0; i < n; i++) {
		if (!fnmatch(name, names[i], 0) && (size_t)snprintf(path, sizeof(path), "%s/%s", pattern, names[i]) < sizeof(path)
		    && linker_room(s))
			startup_another(s, path, FORM_LINKER);
		free(names[i]);
	}
	if (fd >= 0)
		free(names);
}

static void linker_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *rest = copy, *word;

	copy[strcspn(copy, "#")] = '\0';
	word = word_of(&rest);
	if (!word)
		return;
	if (!strcmp(word, "include")) {
		/* an included file may include itself: once below the first is deep enough */
		while (!s->included && (word = word_of(&rest)))
			linker_include(s, word);
		return;
	}
	word[strcspn(word, "=,:")] = '\0';
	if (*word == '/' && crowd_admit(s, "folder", word, strlen(word)) && linker_room(s))
		shadow_folder(s, line, text, length, word, true);
}

/* command="..." among a key's options, as sshd(8) has them: behind a quote's backslash a quote is the value's own. */
static void keys_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	const char *p = copy + strspn(copy, " \t");
	bool quoted = false, begins = true;

	if (*p == '#')
		return;
	for (; *p && (quoted || (*p != ' ' && *p != '\t')); p++) {
		if (begins && !quoted && !strncasecmp(p, "command=\"", 9)) {
			struct buf value = { 0 };

			for (p += 9; *p && *p != '"'; p++) {
				p += *p == '\\' && p[1] == '"';
				buf_addc(&value, *p);
			}
			if (value.len)
				entry_command(s, line, text, length, buf_str(&value), value.len, NULL, false);
			buf_free(&value);
			if (!*p)
				return;
			begins = false;
			continue;
		}
		begins = *p == ',';
		if (*p == '"' && p[-1] != '\\')
			quoted = !quoted;
	}
}

/* A line of a .pth file that begins with "import" is run by every Python that has the folder (site.py). */
static void pth_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	static const char *const fetching[] = { "urlopen", "base64", "socket", "http://", "https://", "b64decode" };
	char name[256], path[PATH_MAX];
	const char *p = copy, *slash = strrchr(s->path, '/');
	size_t n, i;
	int fd;

	if (strncmp(p, "import ", 7) && strncmp(p, "import\t", 7))
		return;
	entry_is_code(s, line, text, length, "it holds a program", p);
	for (i = 0; i < sizeof(fetching) / sizeof(*fetching); i++)
		s->fetches |= strstr(p, fetching[i]) != NULL;
	/* the modules beside it that it imports */
	for (p += 7; *p; p += *p == ',') {
		p += strspn(p, " \t");
		n = strcspn(p, " \t\r,;.");
		snprintf(name, sizeof(name), "%.*s", (int)(n < 255 ? n : 255), p);
		p += strcspn(p, ",;");
		snprintf(path, sizeof(path), "%.*s/%s.py", (int)(slash - s->path), s->path, name);
		fd = *name && !strchr(name, '/') && crowd_admit(s, "module", name, strlen(name)) ? rooted_regular(s->h->root, path, NULL) : -1;
		if (fd >= 0)
			entry_open_file(s, line, text, length, fd);
		io_close(&fd);
		if (*p == ';')
			break;
	}
}

/* A login shell that is no shell of the system's. */
static void passwd_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	static const char *const none[] = { "nologin", "false", "true", "sync", "shutdown", "halt" };
	char *shell = strrchr(copy, ':'), *name;
	bool ours;
	size_t i;
	int fd;

	if (!shell || shell[1] != '/')
		return;
	shell++;
	shell[strcspn(shell, "\r")] = '\0';
	name = strrchr(shell, '/') + 1;
	ours = !strncmp(shell, "/bin/", 5) || !strncmp(shell, "/usr/bin/", 9) || !strncmp(shell, "/sbin/", 6) || !strncmp(shell, "/usr/sbin/", 10);
	for (i = 0; ours && i < sizeof(none) / sizeof(*none); i++)
		if (!strcmp(name, none[i]))
			return;
	if ((ours && script_shell(name)) || (s->h->dpkg && dpkg_owns(s->h->dpkg, shell)))
		return;
	fd = rooted_regular(s->h->root, shell, NULL);
	if (fd >= 0)
		entry_open_file(s, line, text, length, fd);
	io_close(&fd);
}

/* polkit.spawn(["program", "argument"]) in a rule */
static void polkit_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *p = strstr(copy, "polkit.spawn"), *end;
	struct buf command = { 0 };

	if (!p || copy[strspn(copy, " \t")] == '/')
		return;
	while ((p = strpbrk(p, "\"'"))) {
		end = strchr(p + 1, *p);
		if (!end)
			break;
		*end = '\0';
		/* as a word of its own */
		buf_adds(&command, "'");
		for (p++; *p; p++)
			buf_adds(&command, *p == '\'' ? " " : (char[2]){ *p });
		buf_adds(&command, "' ");
		p = end + 1;
		if (p[strspn(p, " \t")] != ',')
			break;
	}
	if (command.len)
		entry_command(s, line, text, length, buf_str(&command), command.len, NULL, true);
	buf_free(&command);
}

line_fn *login_form(enum form form)
{
	switch (form) {
	case FORM_PAM: return pam_line;
	case FORM_NSS: return nss_line;
	case FORM_LINKER: return linker_line;
	case FORM_KEYS: return keys_line;
	case FORM_PTH: return pth_line;
	case FORM_PASSWD: return passwd_line;
	case FORM_POLKIT: return polkit_line;
	default: return NULL;
	}
}
