/* What an entry of a start-up file starts: its sighting, the file, or the file's absence. */
#include "host/entry.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

json_t *entry_sighting(const struct startup *s, unsigned line, const char *text, size_t length)
{
	json_t *o = json_object();

	json_object_set_new(o, "how", json_string("startup"));
	json_object_set_new(o, "place", json_string(s->place));
	json_object_set_new(o, "file", jsonio_name(s->path));
	if (line) {
		json_object_set_new(o, "line", json_integer(line));
		if (length <= CAP_LINE)
			json_object_set_new(o, "text", jsonio_bytes(text, length));
	}
	json_object_set_new(o, "file_sha256", json_string(s->sha256));
	json_object_set_new(o, "whole", json_boolean(s->whole));
	if (s->link[0])
		json_object_set_new(o, "link", jsonio_name(s->link));
	if (s->h->dpkg && dpkg_owns(s->h->dpkg, s->path))
		json_object_set_new(o, "owned", json_true());
	if (s->h->container)
		json_object_set_new(o, "container", jsonio_name(s->h->container));
	return o;
}

void entry_signs(struct startup *s, struct piece *p)
{
	char name[64];

	if (!strcmp(s->place, "preload")) {
		piece_sign(s->h, p, "preload-file", "%s names it", s->path);
		return;
	}
	if (s->as)
		piece_sign(s->h, p, s->as, "%s names it", s->path);
	snprintf(name, sizeof(name), "startup-%s", s->place);
	piece_sign(s->h, p, name, "%s starts it", s->path);
	if (s->user)
		piece_sign(s->h, p, "startup-user", "%s starts it", s->path);
}

static void sight(const struct entry *en, struct piece *p)
{
	json_t *o;
	size_t i, least;

	entry_signs(en->s, p);
	if (en->s->only == p && en->s->last_line == en->line && en->line)
		return;
	en->s->last_line = en->line;
	o = entry_sighting(en->s, en->line, en->text, en->length);
	en->s->several |= en->s->only && en->s->only != p;
	en->s->only = p;
	/* the same program twice on one line */
	i = json_array_size(p->sightings);
	for (least = i > 8 ? i - 8 : 0; i > least; i--)
		if (json_equal(json_array_get(p->sightings, i - 1), o)) {
			json_decref(o);
			return;
		}
	crowd_given(en->s, o);
	piece_sight(p, o);
}

void entry_absolute(const struct entry *en, const char *path, char out[PATH_MAX])
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (path[0] == '/')
		snprintf(out, PATH_MAX, "%s", path);
	else if ((size_t)snprintf(out, PATH_MAX, "%s/%s", en->cwd, path) >= PATH_MAX)
		out[0] = '\0';
}

int entry_regular(const struct host *h, const char *path, bool must_run)
{
	struct stat st;
	int fd = rooted_regular(h->root, path, &st);

	if (fd >= 0 && must_run && !(st.st_mode & 0111))
		io_close(&fd);
	return fd;
}

void entry_target(struct entry *en, int fd, bool interpreted)
{
	struct host *h = en->s->h;
	char path[PATH_MAX], magic[2] = "";
	struct piece *p;
	struct stat st;

	if (rooted_path(h, fd, path, sizeof(path)) < 0 || !strcmp(path, en->s->path))
		goto out;
	if (en->s->script && h->dpkg && dpkg_owns(h->dpkg, path))
		goto out;
	if (pread(fd, magic, 2, 0) < 0)
		goto out;
	p = image_take(h, fd, interpreted || !memcmp(magic, "#!", 2) ? "script" : "file", &st);
	if (!p)
		goto out;
	image_place(h, p, path, &st, true);
	if (st.st_mode & S_IWOTH)
		piece_sign(h, p, "startup-open", "everybody may write to %s", path);
	sight(en, p);
out:
	close(fd);
}

/* Links of the folder are followed, so that the path compares with what the kernel said of a running program. */
static void canonical(const struct host *h, char path[PATH_MAX])
{
	char folder[PATH_MAX], *name;
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	name = strrchr(folder, '/');
	if (!name || name == folder)
		return;
	*name++ = '\0';
	fd = rooted_open(h->root, folder, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return;
	if (!rooted_path(h, fd, path, PATH_MAX) && strlen(path) + strlen(name) + 2 < PATH_MAX) {
		size_t n = strlen(path);

		snprintf(path + n, PATH_MAX - n, "%s%s", n > 1 ? "/" : "", name);
	}
	close(fd);
}

void entry_gone(struct entry *en, const char *word)
{
	char path[PATH_MAX];
	struct piece *p;

	entry_absolute(en, word, path);
	canonical(en->s->h, path);
	p = path[0] ? piece_gone(en->s->h, path) : NULL;
	if (p) {
		sight(en, p);
		return;
	}
	/* scripts ask for much that may be missing; only what would hide there is worth a word */
	if ((en->s->script || en->s->quiet) && !disguise_hidden(path) && !disguise_temporary(path))
		return;
	en->is_code = true;
	if (!en->s->gone[0])
		snprintf(en->s->gone, sizeof(en->s->gone), "it names %s, which does not exist", path);
}

void entry_inlined(struct entry *en, const char *what, const char *word)
{
	en->is_code = true;
	if (!en->s->inlined[0])
		snprintf(en->s->inlined, sizeof(en->s->inlined), "%s: %s", what, word);
}

void entry_command(struct startup *s, unsigned line, const char *text, size_t length, const char *command, size_t command_length,
                   const char *path_env, bool plain)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .told = line, .path_env = path_env };

	snprintf(en.cwd, sizeof(en.cwd), "%s", s->folder ? s->folder : s->home ? s->home : "/");
	if (memmem(command, command_length, "/dev/tcp/", 9))
		s->fetches = true;
	command_each(&en, command, command_length, plain);
	if (en.is_code && !s->script)
		crowd_own(s, entry_sighting(s, line, text, length));
}

void entry_is_code(struct startup *s, unsigned line, const char *text, size_t length, const char *what, const char *word)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length };

	entry_inlined(&en, what, word);
	if (!s->script)
		crowd_own(s, entry_sighting(s, line, text, length));
}

void entry_open_file(struct startup *s, unsigned line, const char *text, size_t length, int fd)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .cwd = "/" };
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own >= 0)
		entry_target(&en, own, false);
}

bool entry_file(struct startup *s, unsigned line, const char *text, size_t length, const char *file)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .cwd = "/" };
	char path[PATH_MAX];
	int fd;

	if (!crowd_admit(s, NULL, file, strlen(file)))
		return true;
	entry_absolute(&en, file, path);
	fd = path[0] ? entry_regular(s->h, path, false) : -1;
	if (fd >= 0) {
		entry_target(&en, fd, false);
		return true;
	}
	entry_gone(&en, file);
	if (en.is_code && !s->script)
		crowd_own(s, entry_sighting(s, line, text, length));
	return false;
}
