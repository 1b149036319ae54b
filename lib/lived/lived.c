#include "lived/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* ---- who lives there ---- */

static void set_number(struct lived *l, const char *name, long long number)
{
	char *text = buf_printf("%lld", number);

	json_object_set_new(l->values, name, json_string(text));
	free(text);
}

/* What {login} and the like stand for, from here on. */
void lived_speak_of(struct lived *l, const json_t *person)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)person, key, v) {
		if (json_is_string(v))
			json_object_set(l->values, key, v);
		else
			set_number(l, key, json_integer_value(v));
	}
}

/* So many of the settings' people as they say, no one twice. */
static int choose_people(struct lived *l, struct err *e)
{
	const json_t *all = json_object_get(l->settings, "people");
	size_t n = json_array_size(all), wanted = template_range(&l->t, json_object_get(l->settings, "persons"), 1);
	size_t first = n ? template_number(&l->t, 0, n - 1) : 0, step = n > 2 ? template_number(&l->t, 1, n / 2) : 1;

	for (size_t i = 0; i < n && json_array_size(l->people) < wanted; i++) {
		const json_t *one = json_array_get(all, (first + i * step) % n);
		const char *login = jsonio_str(one, "login"), *name = jsonio_str(one, "name"), *space = name ? strchr(name, ' ') : NULL;
		unsigned uid = 1000 + (unsigned)json_array_size(l->people);
		size_t k;
		json_t *other;
		bool twice = false;

		if (!login || !*login || strpbrk(login, ":/\n ") || !space || strpbrk(name, ":\n"))
			return err_set(e, EX_CONFIG, "a person without \"login\" and \"name\" that fit a passwd file");
		json_array_foreach(l->people, k, other)
			twice = twice || !strcmp(jsonio_str(other, "login"), login);
		if (twice)
			continue;
		json_array_append_new(l->people, json_pack("{s:s, s:s, s:s#, s:s, s:s++, s:i, s:i}", "login", login, "name", name, "first", name,
			(int)(space - name), "last", space + 1, "home", "/home/", login, "", "uid", (int)uid, "gid", (int)uid));
	}
	return json_array_size(l->people) ? 0 : err_set(e, EX_CONFIG, "nobody lives there");
}

static int make_values(struct lived *l, struct err *e)
{
	struct utsname kernel;
	uint64_t uptime;
	const char *key;
	json_t *v;
	char *text;

	uptime = template_range(&l->t, json_object_get(l->settings, "uptime_days"), 20) * DAY + template_number(&l->t, HOUR, DAY - HOUR);
	l->uptime = (int64_t)uptime;
	l->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	set_number(l, "lastcpu", l->cpus - 1);
	if (uname(&kernel) == 0)
		json_object_set_new(l->values, "kernel", jsonio_name(kernel.release));
	lived_speak_of(l, json_array_get(l->people, 0));
	json_object_foreach((json_t *)(uintptr_t)json_object_get(l->settings, "values"), key, v) {
		text = template_string(&l->t, json_string_value(v), e);
		if (!text)
			return err_wrap(e, "\"%s\"", key);
		json_object_set_new(l->values, key, json_string(text));
		free(text);
	}
	text = (char *)(uintptr_t)jsonio_str(l->values, "host");
	if (!text || !*text || strlen(text) > HOST_NAME_MAX)
		return err_set(e, EX_CONFIG, "no \"host\" among the values");
	return 0;
}

static int make_accounts(struct lived *l, int lower, struct err *e)
{
	static const struct owner shadow = { "root", "/root", 0, 42 };   /* Debian's group shadow */
	const struct accounts *a = &l->accounts;
	int64_t then = l->now - 100 * DAY;

	if (accounts_make(&l->accounts, lower, l->settings, l->people, &l->t, e))
		return -1;
	return goods_file(l, "/etc/passwd", 0644, &OWNER_ROOT, then, false, &a->passwd, e) || goods_file(l, "/etc/group", 0644, &OWNER_ROOT, then, false, &a->group, e) ||
		goods_file(l, "/etc/shadow", 0640, &shadow, then, false, &a->shadow, e) ||
		goods_file(l, "/etc/gshadow", 0640, &shadow, then, false, &a->gshadow, e) ? -1 : 0;
}

/* ---- what is not files ---- */

static json_t *services(struct lived *l, struct err *e)
{
	const json_t *settings = json_object_get(l->settings, "services");
	json_t *list = settings ? template_json(&l->t, settings, e) : json_array(), *v;
	size_t i;

	json_array_foreach(list, i, v) {
		const char *user = jsonio_str(v, "user"), *exe = jsonio_str(v, "exe");
		unsigned uid = 0, gid = 0;

		if (!jsonio_str(v, "name") || !exe || !goods_path(exe) || !json_array_size(json_object_get(v, "argv"))) {
			err_set(e, EX_CONFIG, "a service without \"name\", \"exe\" and \"argv\"");
			json_decref(list);
			return NULL;
		}
		if (user && !accounts_find(&l->accounts, user, &uid, &gid))
			uid = gid = 65534;
		json_object_set_new(v, "uid", json_integer(uid));
		json_object_set_new(v, "gid", json_integer(gid));
	}
	return list;
}

/* The text of a file of this machine without the words that give it away. */
static json_t *borrowed(const json_t *entry, struct err *e)
{
	const char *from = jsonio_str(entry, "from");
	struct buf b = { 0 };
	size_t i;
	json_t *v, *text;

	if (io_slurp_at(AT_FDCWD, from, CAP_SLURP, &b) < 0)
		err_set(e, EX_NOINPUT, "cannot read %s", err_q(from));
	json_array_foreach(json_object_get(entry, "without"), i, v) {
		const char *word = json_string_value(v);
		size_t n = word ? strlen(word) : 0;

		for (char *p = b.len && n ? strstr((char *)b.p, word) : NULL; p; p = strstr(p, word)) {
			memmove(p, p + n, strlen(p + n) + 1);
			b.len -= n;
		}
	}
	text = json_stringn(buf_str(&b), b.len);
	buf_free(&b);
	return text;
}

static json_t *kernel_file(struct lived *l, const json_t *entry, struct err *e)
{
	json_t *v = template_json(&l->t, entry, e);
	const char *path = v ? jsonio_str(v, "path") : NULL;

	if (v && (!path || !goods_path(path)))
		err_set(e, EX_CONFIG, "not a path: %s", err_q(path ? path : ""));
	else if (v && jsonio_str(v, "from"))
		json_object_set_new(v, "text", borrowed(v, e));
	if (!e->code)
		return v;
	json_decref(v);
	return NULL;
}

/* /sys or parts of /proc, one for each processor where it says so: [{"path","text"}], [{"path","target"}] or [{"path","from","without"}]. */
static json_t *kernel_files(struct lived *l, const char *what, struct err *e)
{
	json_t *list = json_array(), *entry;
	size_t i;

	json_array_foreach(json_object_get(l->settings, what), i, entry) {
		long n = jsonio_str(entry, "each") ? l->cpus : 1;

		for (long cpu = 0; cpu < n; cpu++) {
			json_t *v;

			set_number(l, "cpu", cpu);
			v = kernel_file(l, entry, e);
			if (!v) {
				err_wrap(e, "\"%s\"", what);
				json_decref(list);
				return NULL;
			}
			json_array_append_new(list, v);
		}
	}
	return list;
}

static json_t *plan_of(struct lived *l, struct err *e)
{
	const json_t *card = json_object_get(l->settings, "card");
	json_t *plan = json_object();

	json_object_set(plan, "host", json_object_get(l->values, "host"));
	json_object_set_new(plan, "uptime", json_integer(l->uptime));
	json_object_set(plan, "device", json_object_get(l->values, "device"));
	lived_speak_of(l, json_array_get(l->people, 0));
	json_array_extend(l->folders, l->files);
	json_object_set(plan, "files", l->folders);
	json_object_set(plan, "keys", l->keys);
	if (json_object_set_new(plan, "services", services(l, e)) || json_object_set_new(plan, "sys", kernel_files(l, "sys", e)) ||
	    json_object_set_new(plan, "proc", kernel_files(l, "proc", e)) ||
	    (card && json_object_set_new(plan, "card", template_json(&l->t, card, e)))) {
		json_decref(plan);
		return NULL;
	}
	json_object_set_new(plan, "home", json_string(jsonio_str(json_array_get(l->people, 0), "home")));
	return plan;
}

/* All of it but the keys. */
static json_t *compose(const char *path, int lower, int64_t now, int *contents, struct err *e)
{
	json_t *settings = jsonio_load(path, e), *plan = NULL;
	struct lived l = { .settings = settings, .now = now };
	char host[HOST_NAME_MAX + 1] = "";

	if (!settings)
		return NULL;
	gethostname(host, sizeof host - 1);
	l.values = json_object();
	l.people = json_array();
	l.folders = json_array();
	l.files = json_array();
	l.keys = json_array();
	l.seen = json_object();
	l.t = (struct template){ .lists = json_object_get(settings, "lists"), .values = l.values };
	l.t.key[0] = sip_hash(l.t.key, host, strlen(host));
	l.contents = memfd_create("contents", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (!jsonio_str(settings, "format") || strcmp(jsonio_str(settings, "format"), "muss-machine/1"))
		err_set(e, EX_CONFIG, "not settings of a machine (muss-machine/1)");
	else if (l.contents < 0)
		err_sys(e, "cannot make a memory file");
	else if (choose_people(&l, e) == 0 && make_values(&l, e) == 0 && make_accounts(&l, lower, e) == 0 && goods_make(&l, e) == 0)
		plan = plan_of(&l, e);
	accounts_free(&l.accounts);
	json_decref(l.values);
	json_decref(l.people);
	json_decref(l.folders);
	json_decref(l.files);
	json_decref(l.keys);
	json_decref(l.seen);
	json_decref(settings);
	if (plan)
		fcntl(l.contents, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	else
		io_close(&l.contents);
	*contents = l.contents;
	return plan;
}

/* A tool opens one world after the other, and all look the same for an hour. */
static struct { char *path; int64_t hour; dev_t dev; ino_t ino; json_t *plan; int contents; } made = { .contents = -1 };

static int make(const char *path, int lower, struct err *e)
{
	int64_t hour = clock_now() / HOUR;
	struct stat st;

	if (fstat(lower, &st))
		return err_sys(e, "cannot look at the lower root");
	if (made.plan && !strcmp(made.path, path) && made.hour == hour && made.dev == st.st_dev && made.ino == st.st_ino)
		return 0;
	json_decref(made.plan);
	io_close(&made.contents);
	free(made.path);
	made.path = buf_strdup(path);
	made.hour = hour;
	made.dev = st.st_dev;
	made.ino = st.st_ino;
	made.plan = compose(path, lower, hour * HOUR, &made.contents, e);
	return made.plan ? 0 : err_wrap(e, "%s", err_q(path));
}

json_t *lived_plan(const char *path, int lower, int *contents, struct err *e)
{
	char folder[64];
	int at;
	json_t *plan = NULL, *files;

	err_clear(e);
	/* What it is given only stands for the folder. */
	snprintf(folder, sizeof folder, "/proc/self/fd/%d", lower);
	at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0) {
		err_sys(e, "cannot open the lower root");
	} else if (make(path, at, e) == 0) {
		plan = json_copy(made.plan);
		files = json_copy(json_object_get(plan, "files"));
		json_object_set_new(plan, "files", files);
		*contents = fcntl(made.contents, F_DUPFD_CLOEXEC, 3);
		if (*contents < 0 ? err_sys(e, "cannot keep a memory file") : goods_keys(files, json_object_get(plan, "keys"), e)) {
			io_close(contents);
			json_decref(plan);
			plan = NULL;
		}
	}
	io_close(&at);
	return plan;
}
