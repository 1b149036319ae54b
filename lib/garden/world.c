#include "garden/garden-internal.h"
#include "lived/lived.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_MS 60000     /* /etc is copied, a slow disk may stand below */
#define CHANGES_MS 300000 /* every changed file is hashed */

#define CLOSE_MS 5000

static const char *const KEEPER_NAME[] = { "helper-garden", NULL };

struct world {
	struct spawn keeper;
	int sock;
	bool privileged;
	char *home, *internet;
};

/* An agent says so where its spool and its keys are, to whatever its tools run. */
static void hide_environment(json_t *hide)
{
	const char *list = secure_getenv("MUSS_HIDE");
	char *all = buf_strdup(list ? list : ""), *rest, *one;

	for (one = strtok_r(all, ":", &rest); one; one = strtok_r(NULL, ":", &rest))
		if (one[0] == '/' && one[1])
			json_array_append_new(hide, jsonio_name(one));
	free(all);
}

static json_t *open_request(const struct world_options *o)
{
	json_t *q = json_object(), *hide = json_array();

	json_object_set_new(q, "do", json_string("open"));
	json_object_set_new(q, "size", json_integer((json_int_t)(o->size_bytes ? o->size_bytes : 512 * MIB)));
	json_object_set_new(q, "defaults", json_boolean(!o->lower || !strcmp(o->lower, "/")));
	for (const char *const *h = o->hide; h && *h; h++)
		json_array_append_new(hide, jsonio_name(*h));
	if (o->shown)
		json_object_set_new(q, "shown_at", json_string(o->shown_at));
	hide_environment(hide);
	json_object_set_new(q, "hide", hide);
	return q;
}

static int start_keeper(struct world *w, struct err *e)
{
	int pair[2], rc;
	char number[16], *path;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_sys(e, "cannot make a socket");
	snprintf(number, sizeof number, "%d", pair[1]);
	path = spawn_helper("helper-garden");
	const char *const argv[] = { path, number, NULL }, *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

	w->keeper = (struct spawn){ .argv = argv, .envp = envp, .in = -1, .out = -1, .errfd = -1, .keep = (int[]){ pair[1], -1 } };
	rc = spawn_start(&w->keeper, e);
	w->keeper.argv = KEEPER_NAME;
	w->keeper.envp = NULL;
	w->keeper.keep = NULL;
	free(path);
	close(pair[1]);
	w->sock = pair[0];
	return rc;
}

static int describe_machine(struct world *w, const char *settings, int lower, json_t *q, int *contents, struct err *e)
{
	json_t *plan = lived_plan(settings, lower, contents, e);

	if (!plan)
		return -1;
	w->home = buf_strdup(jsonio_str(plan, "home"));
	json_object_set_new(q, "machine", plan);
	return 0;
}

static int describe_internet(struct world *w, const char *settings, json_t *q, struct err *e)
{
	json_t *files = gateway_files(e);

	if (!files)
		return -1;
	w->internet = buf_strdup(settings);
	json_object_set_new(q, "files", files);
	return 0;
}

struct world *world_open(const struct world_options *o, struct err *e)
{
	struct world *w = buf_alloc(sizeof *w);
	struct message m;
	const char *lower = o->lower ? o->lower : "/";
	int fd = open(lower, O_PATH | O_DIRECTORY | O_CLOEXEC), contents = -1, shown = -1;
	json_t *q = NULL;

	w->sock = -1;
	if (fd < 0) {
		err_sys(e, "cannot open %s", err_q(lower));
		goto fail;
	}
	q = open_request(o);
	if (o->shown && (shown = open(o->shown, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
		err_sys(e, "cannot open %s", err_q(o->shown));
		goto fail;
	}
	if (start_keeper(w, e) || (o->machine && describe_machine(w, o->machine, fd, q, &contents, e)) ||
	    (o->internet && describe_internet(w, o->internet, q, e)))
		goto fail;
	if (message_call(w->sock, json_incref(q), (struct message_fd[]){ { "lower", fd }, { "contents", contents }, { "shown", shown },
			 { NULL, -1 } }, OPEN_MS, &m, e)) {
		err_wrap(e, "cannot make a world");
		goto fail;
	}
	w->privileged = jsonio_bool(m.body, "privileged", false);
	message_free(&m);
	json_decref(q);
	io_close(&contents);
	close(fd);
	io_close(&shown);
	return w;
fail:
	json_decref(q);
	io_close(&contents);
	io_close(&fd);
	io_close(&shown);
	world_close(w);
	return NULL;
}

const char *world_home(const struct world *w)
{
	return w->home;
}

const char *world_internet(const struct world *w)
{
	return w->internet;
}

bool world_privileged(const struct world *w)
{
	return w->privileged;
}

int world_socket(const struct world *w)
{
	return w->sock;
}

static json_t *file_request(const char *what, const char *path, unsigned mode)
{
	json_t *q = json_object();

	json_object_set_new(q, "do", json_string(what));
	json_object_set_new(q, "path", jsonio_name(path));
	json_object_set_new(q, "mode", json_integer(mode));
	return q;
}

static int put(struct world *w, const char *what, const char *path, unsigned mode, int src, struct err *e)
{
	struct message m;

	if (message_call(w->sock, file_request(what, path, mode), (struct message_fd[]){ { "src", src }, { NULL, -1 } },
			 CHANGES_MS, &m, e))
		return -1;
	message_free(&m);
	return 0;
}

int world_put(struct world *w, const char *path, unsigned mode, int src, struct err *e)
{
	return put(w, "put", path, mode, src, e);
}

int world_append(struct world *w, const char *path, unsigned mode, const char *text, struct err *e)
{
	int fd = memfd_create("append", MFD_CLOEXEC), rc;

	if (fd < 0 || io_write(fd, text, strlen(text)))
		rc = err_sys(e, "cannot make a memory file");
	else
		rc = put(w, "append", path, mode ? mode : 0644, fd, e);
	io_close(&fd);
	return rc;
}

json_t *world_changes(struct world *w, struct err *e)
{
	struct message m;
	json_t *list;

	if (message_call(w->sock, json_pack("{s:s}", "do", "changes"), NULL, CHANGES_MS, &m, e))
		return NULL;
	list = json_incref(json_object_get(m.body, "changes"));
	message_free(&m);
	if (!list)
		err_set(e, EX_SOFTWARE, "no changes in the keeper's answer");
	return list;
}

static int fetch(struct world *w, const char *what, const char *path, struct err *e)
{
	struct message m;
	int fd;

	if (message_call(w->sock, file_request(what, path, 0), NULL, GARDEN_REPLY_MS, &m, e))
		return -1;
	fd = message_take(&m, "file");
	message_free(&m);
	return fd >= 0 ? fd : err_set(e, EX_SOFTWARE, "no file in the keeper's answer");
}

int world_open_file(struct world *w, const char *path, struct err *e)
{
	return fetch(w, "file", path, e);
}

int world_open_lower(struct world *w, const char *path, struct err *e)
{
	return fetch(w, "lower", path, e);
}

void world_close(struct world *w)
{
	struct err ignored;

	if (!w)
		return;
	/* It ends with its socket, after every run. Killed, it takes the init of every run along, and that all that runs there. */
	io_close(&w->sock);
	if (w->keeper.pid > 0)
		spawn_wait(&w->keeper, CLOSE_MS, &ignored);
	free(w->home);
	free(w->internet);
	free(w);
}
