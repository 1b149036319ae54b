#include "host/internal.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static void on_cron(void *ctx, const struct cron_entry *c)
{
	entry_command(ctx, c->line, c->text, c->length, c->command, c->command_length, c->path, false);
}

static void on_desktop(void *ctx, const struct unit_entry *u)
{
	if (!strcmp(u->key, "Exec") && *u->value)
		entry_command(ctx, u->line, u->text, u->length, u->value, strlen(u->value), NULL, true);
}

static bool shell_script(const struct buf *b)
{
	const char *p = buf_str(b), *end;
	char name[256];

	if (strncmp(p, "#!", 2))
		return true;
	p += 2 + strspn(p + 2, " \t");
	end = p + strcspn(p, " \t\r\n");
	if (end - p >= 4 && !strncmp(end - 4, "/env", 4)) {
		p = end + strspn(end, " \t");
		end = p + strcspn(p, " \t\r\n");
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - p < 255 ? end - p : 255), p);
	return script_shell(name) || strstr(name, "openrc-run") || strstr(name, "init-d-script");
}

static void own_signs(struct startup *s, struct piece *p)
{
	entry_signs(s, p);
	if (s->gone[0])
		piece_sign(s->h, p, "startup-gone", "%s", s->gone);
	if (s->inlined[0] && (!s->script || s->commands > CAP_COMMANDS))
		piece_sign(s->h, p, "startup-inline", "%s", s->inlined);
	if (s->fetches)
		piece_sign(s->h, p, "startup-fetches", "an interpreter there is fed by a pipe or from the network");
	if (s->open_to[0])
		piece_sign(s->h, p, "startup-open", "%s", s->open_to);
}

static const char *kind_of(const struct startup *s, bool program, const char magic[2])
{
	if (!program)
		return "startup";
	return s->form == FORM_PROGRAM || !memcmp(magic, "#!", 2) ? "script" : "file";
}

/* The file itself as a piece of code: always when it is a script, else with the entries that are code. */
static void own_piece(struct startup *s, int fd, bool program)
{
	char magic[2] = "", path[PATH_MAX], package[256];
	bool code = s->script || program;
	struct piece *p;
	struct stat st;
	json_t *o;
	size_t i;

	if (pread(fd, magic, sizeof(magic), 0) < 0 || rooted_path(s->h, fd, path, sizeof(path)) < 0)
		return;
	/* what it starts may be a good program: then the file is what is not */
	code |= s->h->dpkg && altered_file(s->h->dpkg, s->h->root, path, &s->st, package, sizeof(package));
	if (!code && !json_array_size(s->own))
		return;
	p = image_take(s->h, fd, kind_of(s, program, magic), &st);
	if (!p)
		return;
	image_place(s->h, p, path, &st, true);
	own_signs(s, p);
	if (code) {
		piece_sight(p, entry_sighting(s, 0, "", 0));
		return;
	}
	json_array_foreach(s->own, i, o)
		piece_sight(p, json_incref(o));
}

/* A program, or the code of a language that is not looked into, is what it is as a whole. */
static bool is_program(const struct startup *s, enum form form)
{
	if (form == FORM_LINK || form == FORM_PROGRAM)
		return true;
	return form == FORM_SCRIPT && ((uint64_t)s->st.st_size > CAP_START_FILE || (s->text.len > 4 && !memcmp(buf_str(&s->text), "\177ELF", 4)));
}

static int load(struct startup *s, enum form form, int fd)
{
	struct err e;

	if (is_program(s, form)) {
		if ((uint64_t)s->st.st_size > CAP_SCRIPT) {
			host_missed(s->h, "a start-up file is longer than %llu bytes", (unsigned long long)CAP_SCRIPT);
			return -1;
		}
		return reading_digest(s->h, fd, &s->st, s->sha256, NULL);
	}
	if ((uint64_t)s->st.st_size > CAP_START_FILE || io_slurp(fd, CAP_START_FILE, &s->text, s->path, &e) < 0) {
		host_missed(s->h, "some start-up files are too long or could not be read");
		return -1;
	}
	digest_bytes(buf_str(&s->text), s->text.len, s->sha256);
	return 0;
}

static void read_text(struct startup *s, enum form form)
{
	const char *text = buf_str(&s->text);
	size_t n = s->text.len;
	line_fn *fn = perline_form(form);

	if (!fn)
		fn = login_form(form);
	/* what a start-up file puts before PATH holds for its commands */
	perline_each(s, environment_line, false);
	switch (form) {
	case FORM_CRON_SYSTEM: crontab_parse(text, n, CRON_SYSTEM, on_cron, s); break;
	case FORM_CRON_USER: crontab_parse(text, n, CRON_USER, on_cron, s); break;
	case FORM_ANACRON: crontab_parse(text, n, CRON_ANACRON, on_cron, s); break;
	case FORM_SCRIPT:
		if (shell_script(&s->text))
			entry_command(s, 0, "", 0, text, n, NULL, false);
		break;
	case FORM_UNIT: units_read(s); break;
	case FORM_DESKTOP: unit_parse(text, n, on_desktop, s); break;
	case FORM_APT: apt_read(s); break;
	case FORM_GIT: git_read(s); break;
	default:
		if (fn)
			perline_each(s, fn, form == FORM_PAM || form == FORM_UDEV || form == FORM_MODPROBE);
		else
			keyed_read(s);
	}
}

void forms_read(struct startup *s, enum form form, int fd)
{
	bool program;

	if (fstat(fd, &s->st) < 0 || !S_ISREG(s->st.st_mode) || load(s, form, fd) < 0)
		return;
	s->form = form;
	program = is_program(s, form);
	s->script = form == FORM_SCRIPT && !program;
	s->own = json_array();
	s->given = json_array();
	if (!program)
		read_text(s, form);
	settle_whole(s);
	own_piece(s, fd, program);
	json_decref(s->own);
	json_decref(s->given);
	s->own = s->given = NULL;
	buf_free(&s->text);
	buf_free(&s->search);
	buf_free(&s->libraries);
}
