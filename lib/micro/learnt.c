#include "micro/learnt.h"

#include "micro/capability.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif
#define KNOWN_FORMAT "muss-known/1"

struct learnt_store {
	char *folder;
	int fd;
	char rules[DIGEST_HEX];   /* of all rules and weights that a stored static.json depends on */
};

static int is_yar(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 4 && !strcmp(d->d_name + n - 4, ".yar");
}

/* What the emulator's Windows is made of, in which ways samples are run, on what machine, and who answers them. */
static int digest_settings(struct digest *d, struct err *e)
{
	static const char *const FILES[] = { "windows/exports.txt", "garden/runs.json", "garden/windows-runs.json", "garden/machine.json",
		"garden/internet.json" };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof FILES / sizeof *FILES; i++) {
		char *path = spawn_share(FILES[i]);
		struct buf b = { 0 };

		rc = io_slurp_path(path, CAP_SLURP, &b, e);
		digest_add(d, b.p, b.len);
		buf_free(&b);
		free(path);
	}
	return rc;
}

static int digest_rules(char hex[DIGEST_HEX], struct err *e)
{
	char *folder = spawn_share("."), *capability = spawn_share("capability");
	struct dirent **names = NULL;
	struct digest *d = digest_new();
	int n = scandir(folder, &names, is_yar, alphasort), rc = 0;

	if (n < 0)
		rc = err_sys(e, "cannot read %s", err_q(folder));
	digest_add(d, MUSS_VERSION, sizeof MUSS_VERSION);
	for (int i = 0; i < n; i++) {
		char *path = buf_printf("%s/%s", folder, names[i]->d_name);
		struct buf b = { 0 };

		if (!rc)
			rc = io_slurp_path(path, CAP_SLURP, &b, e);
		digest_add(d, b.p, b.len);
		buf_free(&b);
		free(path);
		free(names[i]);
	}
	free(names);
	if (!rc)
		rc = capability_digest(capability, d, e);
	free(capability);
	if (!rc)
		rc = digest_settings(d, e);
	digest_end(d, hex);
	digest_free(d);
	free(folder);
	return rc;
}

/* ".new-<pid>-...": left by a run that was killed. */
static void sweep(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *d;

	if (!dir) {
		io_close(&copy);
		return;
	}
	while ((d = readdir(dir))) {
		struct err ignored = { 0 };
		long pid = strncmp(d->d_name, ".new-", 5) ? 0 : strtol(d->d_name + 5, NULL, 10);

		if (pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH)
			io_rmtree(fd, d->d_name, &ignored);
	}
	closedir(dir);
}

struct learnt_store *learnt_open(const char *folder, struct err *e)
{
	struct learnt_store *k = buf_alloc(sizeof *k);

	k->fd = -1;
	k->folder = buf_strdup(folder);
	if (io_mkdirs(folder, 0700, e) || digest_rules(k->rules, e))
		goto fail;
	k->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->fd < 0) {
		err_sys(e, "cannot open %s", err_q(folder));
		goto fail;
	}
	sweep(k->fd);
	return k;
fail:
	learnt_close(k);
	return NULL;
}

void learnt_close(struct learnt_store *k)
{
	if (!k)
		return;
	io_close(&k->fd);
	free(k->folder);
	free(k);
}

void learnt_parts_free(struct learnt_parts *p)
{
	json_decref(p->stat);
	json_decref(p->dynamic);
	buf_free(&p->disasm);
	micro_extra_free(&p->extra);
	*p = (struct learnt_parts){ 0 };
}

/* ---- reading ---- */

static json_t *load_json(int dir, const char *name)
{
	struct buf b = { 0 };
	struct err ignored = { 0 };
	json_t *o = io_slurp_at(dir, name, CAP_JSON, &b) > 0 ? jsonio_parse(b.p, b.len, name, &ignored) : NULL;

	buf_free(&b);
	if (o && !json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int take_member(int dir, const char *name, struct micro_extra *extra, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot read %s of what is known", err_q(name));
	micro_add(extra, name, 0, fd);
	return 0;
}

static int open_sample(struct learnt_store *k, const char *sha256)
{
	char path[80];

	snprintf(path, sizeof path, "%.2s/%s", sha256, sha256);
	return openat(k->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int learnt_get(struct learnt_store *k, const char *sha256, struct learnt_parts *p, struct err *e)
{
	int dir = open_sample(k, sha256), rc = 0;
	json_t *about = NULL;
	const json_t *o;
	size_t i;

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open what is known of %s", sha256);
	about = load_json(dir, "known.json");
	/* Other rules or another version: it is analysed anew. */
	if (!about || !jsonio_str(about, "format") || strcmp(jsonio_str(about, "format"), KNOWN_FORMAT) ||
	    !jsonio_str(about, "rules") || strcmp(jsonio_str(about, "rules"), k->rules))
		goto out;
	p->stat = load_json(dir, "static.json");
	if (!p->stat)
		goto out;
	p->dynamic = load_json(dir, "dynamic.json");
	io_slurp_at(dir, "disasm.txt", CAP_JSON, &p->disasm);
	rc = 1;
	json_array_foreach(json_object_get(about, "members"), i, o) {
		const char *name = json_string_value(o);

		if (!name || strstr(name, "..") || name[0] == '/' || take_member(dir, name, &p->extra, e)) {
			rc = -1;
			break;
		}
	}
out:
	if (rc <= 0)
		learnt_parts_free(p);
	json_decref(about);
	close(dir);
	return rc;
}

/* ---- writing ---- */

static int put_bytes(int dir, const char *name, const void *p, size_t n, int from, struct err *e)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), rc = -1;
	uint64_t at = 0;

	if (fd < 0)
		return err_sys(e, "cannot write %s to what is known", err_q(name));
	if (from >= 0) {
		char chunk[65536];
		ssize_t got;

		while ((got = pread(from, chunk, sizeof chunk, (off_t)at)) > 0 && !io_write(fd, chunk, (size_t)got))
			at += (uint64_t)got;
		if (got) {
			err_sys(e, "cannot write %s to what is known", err_q(name));
			goto out;
		}
	} else if (n && io_write(fd, p, n)) {
		err_sys(e, "cannot write %s to what is known", err_q(name));
		goto out;
	}
	rc = fsync(fd) ? err_sys(e, "cannot write %s to what is known", err_q(name)) : 0;
out:
	close(fd);
	return rc;
}

static int put_json(int dir, const char *name, const json_t *o, struct err *e)
{
	struct buf b = { 0 };
	int rc;

	jsonio_dump(o, &b);
	rc = put_bytes(dir, name, b.p, b.len, -1, e);
	buf_free(&b);
	return rc;
}

static int put_member(int dir, const struct micro_member *m, struct err *e)
{
	const char *slash = strchr(m->name, '/');

	if (slash) {
		char *parent = buf_printf("%.*s", (int)(slash - m->name), m->name);
		int rc = mkdirat(dir, parent, 0700);

		free(parent);
		if (rc && errno != EEXIST)
			return err_sys(e, "cannot store %s", err_q(m->name));
	}
	return put_bytes(dir, m->name, NULL, 0, m->fd, e);
}

static int fill(struct learnt_store *k, int dir, const struct learnt_parts *p, struct err *e)
{
	json_t *about = json_object(), *names = jsonio_array(about, "members");
	int rc = -1;

	json_object_set_new(about, "format", json_string(KNOWN_FORMAT));
	json_object_set_new(about, "rules", json_string(k->rules));
	for (size_t i = 0; i < p->extra.count; i++) {
		json_array_append_new(names, json_string(p->extra.member[i].name));
		if (put_member(dir, &p->extra.member[i], e))
			goto out;
	}
	if (put_json(dir, "static.json", p->stat, e) || (p->dynamic && put_json(dir, "dynamic.json", p->dynamic, e)) ||
	    (p->disasm.len && put_bytes(dir, "disasm.txt", p->disasm.p, p->disasm.len, -1, e)))
		goto out;
	rc = put_json(dir, "known.json", about, e);
out:
	json_decref(about);
	return rc;
}

int learnt_put(struct learnt_store *k, const char *sha256, const struct learnt_parts *p, struct err *e)
{
	struct err ignored = { 0 };
	char temporary[96], final[80], shard[3];
	int dir = -1, rc = -1;

	snprintf(temporary, sizeof temporary, ".new-%ld-%s", (long)getpid(), sha256);
	snprintf(final, sizeof final, "%.2s/%s", sha256, sha256);
	snprintf(shard, sizeof shard, "%.2s", sha256);
	io_rmtree(k->fd, temporary, &ignored);
	if (mkdirat(k->fd, temporary, 0700) || (mkdirat(k->fd, shard, 0700) && errno != EEXIST)) {
		err_sys(e, "cannot write to %s", err_q(k->folder));
		goto out;
	}
	dir = openat(k->fd, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		err_sys(e, "cannot write to %s", err_q(k->folder));
		goto out;
	}
	if (fill(k, dir, p, e))
		goto out;
	/* In place of nothing, or in exchange for what was there, which goes away below. */
	if (renameat(k->fd, temporary, k->fd, final) &&
	    ((errno != ENOTEMPTY && errno != EEXIST) || syscall(SYS_renameat2, k->fd, temporary, k->fd, final, RENAME_EXCHANGE))) {
		err_sys(e, "cannot put what is known of %s in place", sha256);
		goto out;
	}
	rc = 0;
out:
	io_close(&dir);
	io_rmtree(k->fd, temporary, &ignored);
	return rc;
}
