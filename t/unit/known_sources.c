/* The sources: lists in their forms, folders, files that change while they are read. */
#include "known/known.h"
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define A "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447"
#define B "B5BB9D8014A0F9B1D61E21E796D78DCCDF1352F23CD32812F4850B878AE4944C"
#define b_ "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"

static char dir[] = "/tmp/known_sources.XXXXXX";

/* What a list makes: its digests in an index; NULL when refused, with e. */
static struct index *from_list(const char *text, struct known_stats *s, struct err *e)
{
	char *list = buf_printf("%s/list", dir), *out = buf_printf("%s/index", dir);
	struct build *b = build_new(e);
	struct index *x = NULL;

	memset(s, 0, sizeof(*s));
	err_clear(e);
	atomic_write(list, 0600, text, strlen(text), e);
	if (list_add(b, list, s, e) < 0)
		build_abort(b);
	else if (!build_finish(b, out, NULL, e))
		x = index_open(out, e);
	free(list);
	free(out);
	return x;
}

static void takes(const char *text, unsigned count, const char *digest, const char *name, const char *what)
{
	struct err e = {0};
	struct known_stats s;
	struct index_hit hit = {0};
	struct index *x = from_list(text, &s, &e);
	bool good = x && s.matched == count && index_find_hex(x, digest, &hit);

	if (good)
		good = name ? hit.name && !strcmp(hit.name, name) : !hit.name;
	OK(good, what);
	index_close(x);
}

static void refuses(const char *text, const char *line, const char *what)
{
	struct err e = {0};
	struct known_stats s;
	struct index *x = from_list(text, &s, &e);

	OK(!x && e.code == EX_DATAERR && strstr(e.msg, line), what);
	index_close(x);
}

static void lists(void)
{
	char *longest = buf_alloc(70000);

	takes(A "  bin/x y\n" b_ " *other\n", 2, A, "bin/x y", "sha256sum's text form");
	takes(A "  x\n" b_ " *other\n", 2, b_, "other", "sha256sum's binary form");
	takes("\\" A "  a\\nb\n", 1, A, "a\\nb", "sha256sum's escaped name");
	takes("SHA256 (a (1).bin) = " A "\n", 1, A, "a (1).bin", "the BSD form");
	takes("# good\r\n\r\n" B "\r\n", 1, b_, NULL, "bare, upper case, CRLF, comment, empty line");
	takes("\"sha256\",\"name\"\n\"" B "\",\"a.dll\"\n", 1, b_, NULL, "quoted CSV with a head");
	takes("SHA256,name\n" A ",x\n" b_ ";y", 2, b_, NULL, "CSV, no newline at the end");
	takes(A "\n" A "\n", 2, A, NULL, "twice the same");
	refuses("sha1sum 3395856ce81f2b7382dee72602f798b642f14140\n", "line 1", "no digest at all");
	refuses(A "\n3395856ce81f2b7382dee72602f798b642f14140  x\n", "line 2", "SHA-1");
	refuses(A "0\n", "line 1", "65 digits");
	refuses("SHA256 (x) = zz" A, "line 1", "the BSD form without a digest");
	takes("\xef\xbb\xbfSHA-256,name\n" A ",x\n", 1, A, NULL, "a head behind a byte order mark");
	takes("Sha_256;name\n" A ";x\n", 1, A, NULL, "a head in another spelling");
	takes("hash\n" A "\n", 1, A, NULL, "a head of one column");
	refuses("a,b\nc,d\n", "line 1", "a head that names no digest");
	refuses("hash,b\nhash,d\n", "line 2", "one head, not two");
	refuses("948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447,sha256\n", "line 1", "63 digits are no head");
	memset(longest, ' ', 69999);
	refuses(longest, "line 1", "a line without end");
	free(longest);
}

static void folder(void)
{
	struct err e = {0};
	struct known_stats s = {0};
	struct build *b = build_new(&e);
	char *tree = buf_printf("%s/tree", dir), *sub = buf_printf("%s/tree/sub", dir), *p, *out = buf_printf("%s/index", dir);
	struct index *x;
	struct index_hit hit = {0};
	char hex[DIGEST_HEX];

	io_mkdirs(sub, 0755, &e);
	p = buf_printf("%s/run", sub);
	atomic_write(p, 0755, "hello world\n", 12, &e);
	free(p);
	p = buf_printf("%s/script", sub);
	atomic_write(p, 0644, "#!/bin/sh\n", 10, &e);
	free(p);
	p = buf_printf("%s/text", sub);
	atomic_write(p, 0644, "just text\n", 10, &e);
	free(p);
	p = buf_printf("%s/up", sub);
	OK(!symlink("..", p), "a link upwards");
	free(p);
	p = buf_printf("%s/fifo", sub);
	OK(!mkfifo(p, 0755), "a pipe that would block");
	free(p);
	OK(!folder_add(b, tree, false, &s, &e) && s.files == 3 && s.matched == 2 && s.code == 2, "code is found, links are not followed");
	build_finish(b, out, NULL, &e);
	x = index_open(out, &e);
	OK(x && index_find_hex(x, A, &hit) && hit.name && strstr(hit.name, "/tree/sub/run"), "with its name");
	digest_bytes("just text\n", 10, hex);
	OK(x && !index_find_hex(x, hex, NULL), "text is not");
	index_close(x);
	b = build_new(&e);
	memset(&s, 0, sizeof(s));
	OK(!folder_add(b, tree, true, &s, &e) && s.matched == 3, "all are taken in when asked for");
	build_abort(b);
	b = build_new(&e);
	OK(folder_add(b, "/nonexistent", false, &s, &e) < 0 && e.code == EX_NOINPUT, "a missing folder is 66");
	build_abort(b);
	free(tree);
	free(sub);
	free(out);
}

static void changing(void)
{
	struct err e = {0};
	struct crew_list l = {0};
	struct crew_item *i;
	char *path = buf_printf("%s/big", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);
	uint64_t bytes = 0;
	pid_t child;

	OK(fd >= 0 && !ftruncate(fd, 128 << 20), "a large file");
	child = fork();
	if (!child)
		for (int n = 0; n < 200000; n++) {
			futimens(fd, NULL);
			usleep(200);
			if (getppid() == 1)
				_exit(0);
		}
	i = crew_add(&l, "/big", 4);
	i->md5_known = true;            /* and wrong */
	crew_add(&l, "/big", 4);
	crew_add(&l, "/absent", 7);
	crew_add(&l, "/../../../../etc/passwd", 23);
	OK(!crew_run(&l, dir, true, &bytes, &e), "files are read");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	OK(l.p[0].result == CREW_CHANGING && l.p[1].result == CREW_CHANGING, "one that changes meanwhile is neither good nor altered");
	OK(l.p[2].result == CREW_MISSING, "a missing one is missing");
	OK(l.p[3].result == CREW_MISSING, "no path leads out of the root");
	l.len = 1;
	crew_run(&l, dir, true, &bytes, &e);
	OK(l.p[0].result == CREW_ALTERED, "when it stays it is altered");
	l.len = 4;
	crew_free(&l);
	io_close(&fd);
	free(path);
}

int main(void)
{
	struct err e = {0};

	msg_level(-1);
	if (!mkdtemp(dir))
		return 1;
	lists();
	folder();
	changing();
	io_rmtree(AT_FDCWD, dir, &e);
	return unit_end();
}
