#include "unit.h"
#include "centre/centre.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/muss-spool.XXXXXX";
static struct spool *s;

static struct spool_upload upload(char id, const char *owner, const char *text)
{
	struct spool_upload u = { .size = strlen(text) };

	memset(u.id, id, 32);
	snprintf(u.owner, sizeof(u.owner), "%s", owner);
	digest_bytes(text, strlen(text), u.sha256);
	memcpy(u.origin, u.sha256, sizeof(u.origin));
	return u;
}

static bool there(const char *folder, char id, const char *end)
{
	char name[33] = "", *path;
	bool yes;

	memset(name, id, 32);
	path = buf_printf("%s/%s/%s%s", dir, folder, name, end);
	yes = access(path, F_OK) == 0;
	free(path);
	return yes;
}

static void test_upload(void)
{
	struct spool_upload u = upload('a', "h1", "hello world"), other = u, was;
	char time[CLOCK_RFC3339] = "", again[CLOCK_RFC3339] = "";
	struct err e = { 0 };
	uint64_t at = 9;
	int fd = -1, second = -1;

	OK(spool_begin(s, &u, &fd, &at, time, &e) == 0 && at == 0, "an upload begins at 0");
	OK(io_write(fd, "hello", 5) == 0, "some of it comes");
	OK(spool_begin(s, &u, &second, &at, time, &e) == -1 && e.code == EX_TEMPFAIL, "nobody else writes it meanwhile");
	io_close(&fd);
	OK(spool_begin(s, &u, &fd, &at, time, &e) == 0 && at == 5, "after a cut it goes on where it was");
	OK(io_write(fd, " world", 6) == 0, "the rest comes");
	OK(!there("in", 'a', ".case") && !there("owner", 'a', ""), "and is not in yet");

	snprintf(other.owner, sizeof(other.owner), "h2");
	OK(spool_begin(s, &other, &second, &at, time, &e) == 0 && at == 0, "another owner's upload of that id is another file");
	io_close(&second);
	spool_drop(s, &other);

	OK(spool_commit(s, &u, time, &e) == 0 && there("in", 'a', ".case"), "committed, it is in");
	io_close(&fd);
	OK(spool_begin(s, &u, &fd, &at, again, &e) == 1 && !strcmp(time, again), "it was received before");
	OK(spool_begin(s, &other, &fd, &at, again, &e) == -1 && e.code == EX_NOPERM, "not by another host");
	other = upload('a', "h1", "other");
	OK(spool_begin(s, &other, &fd, &at, again, &e) == -1 && e.code == EX_DATAERR, "nor with other content");
	OK(spool_received(s, "h1", u.id, u.sha256, &was, again, &e) == 1 && was.size == 11, "and is known as received");
	OK(spool_owner(s, u.id, &was, again, &e) == 0 && !strcmp(was.owner, "h1"), "its owner is on record");
}

/* Killed between the owner's record and the rename. */
static void test_crash(void)
{
	struct spool_upload u = upload('b', "h1", "text"), was;
	char time[CLOCK_RFC3339], *in = buf_printf("%s/in/%s.case", dir, u.id), *part;
	struct err e = { 0 };
	uint64_t at;
	int fd = -1;

	OK(spool_begin(s, &u, &fd, &at, time, &e) == 0 && io_write(fd, "text", 4) == 0, "an upload is whole");
	io_close(&fd);
	OK(spool_commit(s, &u, time, &e) == 0, "and committed");
	OK(spool_begin(s, &u, &fd, &at, time, &e) == 1, "and known");
	/* Back to before the rename: spool_begin makes the part, which the bytes then become. */
	OK(unlink(in) == 0, "the rename is undone");
	part = buf_printf("%s/owner/%s", dir, u.id);
	OK(rename(part, in) == 0 && spool_begin(s, &u, &fd, &at, time, &e) == 0, "without the record it begins anew");
	OK(io_write(fd, "text", 4) == 0 && rename(in, part) == 0, "the record is put beside a part");
	io_close(&fd);
	OK(spool_begin(s, &u, &fd, &at, time, &e) == 0 && at == 4, "it is not taken for received: only END is missing");
	OK(spool_received(s, "h1", u.id, u.sha256, &was, time, &e) == 0, "nor offered as received");
	OK(spool_commit(s, &u, time, &e) == 0 && there("in", 'b', ".case"), "and is committed then");
	io_close(&fd);
	free(in);
	free(part);
}

static void test_answer(void)
{
	struct spool_upload u = upload('c', "h1", "x");
	char time[CLOCK_RFC3339], *out = buf_printf("%s/out/%s.case", dir, u.id);
	struct err e = { 0 };
	uint64_t at;
	int fd = -1;

	OK(spool_answer(s, "h1", u.id, &fd, &e) == -1 && e.code == EX_NO, "no answer to a case that never came");
	spool_begin(s, &u, &fd, &at, time, &e);
	if (io_write(fd, "x", 1) || spool_commit(s, &u, time, &e))
		OK(false, "committed");
	io_close(&fd);
	OK(spool_answer(s, "h1", u.id, &fd, &e) == 0, "not yet");
	OK(atomic_write(out, 0600, "y", 1, &e) == 0 && spool_answer(s, "h1", u.id, &fd, &e) == 1, "there");
	io_close(&fd);
	OK(spool_answer(s, "h2", u.id, &fd, &e) == -1 && e.code == EX_NOPERM, "but not for another host");
	OK(spool_answer(s, "h1", "../owner/aaaaaaaaaaaaaaaaaaaaaaaa", &fd, &e) == -1 && e.code == EX_NO, "nor under a path");
	free(out);
}

static int parts(void)
{
	char *cmd = buf_printf("test $(ls %s/part | wc -l) -eq 16", dir);
	int rc = system(cmd);

	free(cmd);
	return rc;
}

static void test_crowd(void)
{
	char time[CLOCK_RFC3339];
	struct err e = { 0 };
	uint64_t at;
	bool all = true;

	for (int i = 0; i < 20; i++) {
		char text[8];
		struct spool_upload u;
		int fd = -1;

		snprintf(text, sizeof(text), "%d", i);
		u = upload("0123456789"[i % 10], "h9", text);
		all = all && spool_begin(s, &u, &fd, &at, time, &e) == 0;
		io_close(&fd);
	}
	OK(all && parts() == 0, "a host has at most 16 beginnings; the oldest give way");
	OK(spool_tidy(s, -1, &e) == 0, "tidying");
	OK(parts() != 0, "takes the old ones away");
}

static void test_store(void)
{
	char sha[DIGEST_HEX], id[CENTRE_ID] = "";
	struct err e = { 0 };
	int stage, fd;

	memset(id, 'd', 32);
	digest_bytes("body", 4, sha);
	stage = store_stage(s, id, &e);
	fd = store_stage_open(stage, sha, &e);
	OK(fd >= 0 && io_write(fd, "sealed", 6) == 0 && !store_has(s, sha), "a staged body is not in the store");
	io_close(&fd);
	OK(store_publish(s, stage, &e) == 0 && store_has(s, sha), "a published one is");
	io_close(&stage);
	store_unstage(s, id);
	fd = store_get(s, sha, &e);
	OK(fd >= 0, "and can be had");
	io_close(&fd);
	OK(!store_has(s, "../../etc/passwd") && store_get(s, "x", &e) == -1, "a path is no digest");
	store_forget(s, sha);
	OK(!store_has(s, sha), "forgotten, it is wanted again");
}

int main(void)
{
	struct err e = { 0 };
	struct stat st;

	if (!mkdtemp(dir))
		return 1;
	s = spool_open(dir, (uid_t)-1, (gid_t)-1, &e);
	OK(s != NULL, "a spool is made");
	OK(stat(dir, &st) == 0 && (st.st_mode & 077) == 0, "for its user alone");
	test_upload();
	test_crash();
	test_answer();
	test_crowd();
	test_store();
	spool_free(s);
	io_rmtree(AT_FDCWD, dir, &e);
	return unit_end();
}
