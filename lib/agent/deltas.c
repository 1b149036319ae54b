/* Signed changes of the whitelist's index: fetched one after the other, verified and applied by mwhite. */
#include "agent/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 1000u   /* in one run: a centre that makes more goes on with the next */

struct step {
	const struct agent_config *c;
	struct db *d;
	char id[ID];
	uint64_t version;       /* the index's */
	char *path;             /* of the delta that leads on from it */
};

static int note(const struct step *s, const char *state, const char *text, struct err *e)
{
	return journal_delta(s->d, s->id, s->version + 1, state, text, e);
}

/* The index stays as it is. */
static int refuse(const struct step *s, struct err *e)
{
	char name[64], *to;
	const struct err why = *e;

	snprintf(name, sizeof(name), "%s-%llu", s->id, (unsigned long long)s->version + 1);
	to = journal_path(s->c, "refused", name, ".delta");
	if (rename(s->path, to) < 0 && errno != ENOENT)
		msg_info("%s stays", err_q(s->path));
	free(to);
	msg_warn("the whitelist stays at version %llu: %s", (unsigned long long)s->version, why.msg);
	return note(s, "refused", why.msg, e) < 0 ? -1 : EX_NO;
}

/* 1 it is here, whole; 0 there is none; -1. An earlier run may have fetched it. */
static int fetch(const struct step *s, struct err *e)
{
	if (access(s->path, F_OK) == 0 || tools_delta(s->c, s->id, s->version, s->path, e) == 0)
		return 1;
	return e->code == EX_NO ? 0 : -1;
}

/* 1 the index became newer; 0 it is the newest; -1 with *e: 65 and 77 for good, else it may do better later. */
static int go_on(struct step *s, struct err *e)
{
	uint64_t before = s->version;
	char text[64];
	int rc = fetch(s, e);

	if (rc < 1)
		return rc;
	if (tools_apply(s->c, s->path, e) < 0 && e->code != EX_NO) {
		if (e->code == EX_TEMPFAIL)   /* it leads on from another version than was asked for */
			e->code = EX_DATAERR;
		return -1;
	}
	if (tools_index(s->c, s->id, &s->version, e) < 0)
		return -1;
	if (s->version <= before)   /* it calls itself an older one */
		return err_set(e, EX_DATAERR, "the delta that came for version %llu leads to none that is newer", (unsigned long long)before);
	unlink(s->path);
	snprintf(text, sizeof(text), "version %llu", (unsigned long long)s->version);
	return journal_delta(s->d, s->id, s->version, "applied", text, e) < 0 ? -1 : 1;
}

/* What runs that were killed left of deltas that the index has by now: "ID-VERSION.delta", and the bytes that came behind version
 * "ID-VERSION". */
static void sweep(const struct step *s, const char *folder, uint64_t below)
{
	char *path = buf_printf("%s/%s", s->c->state, folder);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strncmp(name, s->id, ID - 1) && name[ID - 1] == '-' && strtoull(name + ID, NULL, 10) < below)
			unlinkat(dirfd(dir), name, 0);
	}
	if (dir)
		closedir(dir);
	free(path);
}

int deltas_follow(const struct agent_config *c, struct db *d, struct err *e)
{
	struct step s = { .c = c, .d = d };
	int rc = tools_index(c, s.id, &s.version, e) < 0 ? -1 : 1;
	bool opened = rc == 1;

	for (unsigned i = 0; rc == 1 && i < MOST; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s-%llu", s.id, (unsigned long long)s.version + 1);
		free(s.path);
		s.path = journal_path(c, "incoming", name, ".delta");
		err_clear(e);
		rc = go_on(&s, e);
	}
	if (rc > 0)
		rc = 0;
	if (rc < 0 && opened && (e->code == EX_DATAERR || e->code == EX_NOPERM))
		rc = refuse(&s, e);
	if (opened) {
		sweep(&s, "incoming", s.version + 1);
		sweep(&s, "link", s.version);
	}
	free(s.path);
	return rc;
}
