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
	if (s->inlined[0] && !s->script)
		piece_sign(s->h, p, "startup-inline", "%s", s->inlined);
	if (s->fetches)
		piece_sign(s->h, p, "startup-fetches", "an interpreter there is fed by a pipe or from the network");
	if (s->open_to[0])
		piece_sign(s->h, p, "startup-open", "%s", s->open_to);
	if (s->crowded)
		piece_sign(s->h, p, "startup-crowded", "%s holds more entries than are looked at", s->path);
	if (s->oversized)
		piece_sign(s->h, p, "startup-oversized", "it has %lld bytes", (long long)s->st.st_size);
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
	bool padded = s->crowded || s->oversized, code = s->script || program || padded;
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
	if (code)
		piece_sight(p, entry_sighting(s, 0, "", 0));
	if (code && !padded)
		return;
	json_array_foreach(s->own, i, o)
		piece_sight(p, json_incref(o));
}

/* A program, or the code of a language that is not looked into, is what it is as a whole. */
static bool is_program(int fd, enum form form)
{
	char magic[4] = "";

	if (form == FORM_LINK || form == FORM_PROGRAM)
		return true;
	return form == FORM_SCRIPT && pread(fd, magic, sizeof(magic), 0) == 4 && !memcmp(magic, "\177ELF", 4);
}

/* n bytes from there. */
static bool slurp_part(int fd, size_t n, off_t at, struct buf *out)
{
	unsigned char block[65536];
	ssize_t got = 0;

	for (; n; n -= (size_t)got, at += got) {
		got = pread(fd, block, n < sizeof(block) ? n : sizeof(block), at);
		if (got <= 0)
			break;
		buf_add(out, block, (size_t)got);
		watch_beat();
	}
	return !got || !n;
}

/* Of what is too long to be read as a whole: both ends, cut where a line ends. */
static int load_ends(struct startup *s, int fd)
{
	if (reading_digest(s->h, fd, &s->st, s->sha256, NULL) < 0)
		return -1;
	host_missed(s->h, "of a start-up file (%s) of more than %llu bytes only the beginning and end were read", s->place,
		(unsigned long long)CAP_START_READ);
	if (!slurp_part(fd, CAP_START_READ / 2, 0, &s->text))
		return -1;
	buf_addc(&s->text, '\n');
	return slurp_part(fd, CAP_START_READ / 2, s->st.st_size - (off_t)(CAP_START_READ / 2), &s->text) ? 0 : -1;
}

static int load(struct startup *s, bool program, int fd)
{
	struct err e;

	if (program)
		return reading_digest(s->h, fd, &s->st, s->sha256, NULL);
	s->oversized = (uint64_t)s->st.st_size > CAP_START_FILE;
	if ((uint64_t)s->st.st_size > CAP_START_READ)
		return load_ends(s, fd);
	if (io_slurp(fd, CAP_START_READ, &s->text, s->path, &e) < 0) {
		host_missed(s->h, "some start-up files could not be read");
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

	if (fstat(fd, &s->st) < 0 || !S_ISREG(s->st.st_mode))
		return;
	program = is_program(fd, form);
	if (load(s, program, fd) < 0) {
		buf_free(&s->text);
		return;
	}
	s->form = form;
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
	crowd_free(s);
	buf_free(&s->text);
	buf_free(&s->search);
	buf_free(&s->libraries);
}
