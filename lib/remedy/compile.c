#include "remedy/remedy.h"

#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <libtcc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUSL_INCLUDE "/usr/include/x86_64-linux-musl"
#define MUSL_LIB "/usr/lib/x86_64-linux-musl"
#define TCC_LIB "/usr/lib/x86_64-linux-gnu/tcc"
#define COMPILE_MS 30000           /* measured: 15 ms; under sanitizers and valgrind, slower */

static void complain(void *arg, const char *text)
{
	struct buf *b = arg;

	if (b->len < 2000)
		buf_addf(b, "%s%s", b->len ? "; " : "", text);
}

static bool link_and_write(TCCState *s, const char *source, int out)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", out);
	return !tcc_set_output_type(s, TCC_OUTPUT_EXE) && !tcc_add_sysinclude_path(s, MUSL_INCLUDE) && !tcc_add_sysinclude_path(s, TCC_LIB "/include") &&
	       !tcc_add_file(s, MUSL_LIB "/crt1.o") && !tcc_add_file(s, MUSL_LIB "/crti.o") && !tcc_compile_string(s, source) &&
	       !tcc_add_file(s, MUSL_LIB "/libc.a") && !tcc_add_file(s, TCC_LIB "/libtcc1.a") && !tcc_add_file(s, MUSL_LIB "/crtn.o") &&
	       !tcc_output_file(s, path);
}

/* The child: confined before the compiler sees a byte. The program goes to `out`, complaints to `say`. */
static _Noreturn void compile(const char *source, int out, int say)
{
	struct confine_limits l = { .memory_bytes = GIB, .cpu_seconds = 25, .file_bytes = 64 * MIB };
	struct buf complaints = { 0 };
	struct err e = { 0 };
	TCCState *s;
	int code = 1;

	if (confine_enter(CONFINE_COMPILER, &l, &e)) {
		buf_adds(&complaints, e.msg);
		code = EX_UNAVAILABLE;
	} else if ((s = tcc_new())) {
		tcc_set_error_func(s, &complaints, complain);
		tcc_set_options(s, "-nostdinc -nostdlib -static");
		code = link_and_write(s, source, out) ? 0 : 1;
	}
	if (code && io_write(say, complaints.p, complaints.len))
		code = 1;
	_exit(code);
}

static int child_result(int status, const struct buf *said, struct err *e)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_UNAVAILABLE)
		return err_set(e, EX_UNAVAILABLE, "%s", buf_str(said));
	if (WIFSIGNALED(status))
		return err_set(e, EX_SOFTWARE, "the compiler was ended by signal %d", WTERMSIG(status));
	return err_set(e, EX_DATAERR, "cannot compile the remover: %s", said->len ? err_qn(said->p, said->len) : "the compiler says nothing");
}

int compile_linux(const struct buf *source, struct err *e)
{
	struct buf said = { 0 };
	struct pollfd p;
	int out, say[2] = { -1, -1 }, pidfd = -1, status = 0, rc = -1;
	pid_t child, parent = getpid();
	struct stat st;

	if (access(MUSL_LIB "/libc.a", R_OK) || access(MUSL_INCLUDE "/stdio.h", R_OK))
		return err_set(e, EX_UNAVAILABLE, "no musl to compile against: install musl-dev");
	if (access(TCC_LIB "/libtcc1.a", R_OK))
		return err_set(e, EX_UNAVAILABLE, "no tcc run-time library: install tcc");
	out = memfd_create("remover", MFD_CLOEXEC);
	if (out < 0)
		return err_sys(e, "cannot make a file in memory");
	if (pipe2(say, O_CLOEXEC)) {
		err_sys(e, "cannot make a pipe");
		goto out;
	}
	fflush(NULL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		compile(buf_str(source), out, say[1]);
	}
	if (child < 0) {
		err_sys(e, "cannot start the compiler");
		goto out;
	}
	io_close(&say[1]);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (pidfd >= 0 && poll(&p, 1, COMPILE_MS) == 0)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (io_slurp(say[0], 4096, &said, "the compiler's messages", e))
		goto out;
	rc = child_result(status, &said, e);
	if (!rc && (fstat(out, &st) || st.st_size < 1000))
		rc = err_set(e, EX_SOFTWARE, "the compiler made no program");
out:
	io_close(&say[0]);
	io_close(&say[1]);
	io_close(&pidfd);
	buf_free(&said);
	if (rc)
		io_close(&out);
	return out;
}
