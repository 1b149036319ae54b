#include "garden/garden-internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 2000
#define REMEMBERED_MS 1000   /* whom a recorded signal ended */
#define BASE 0x400000u
#define STACK ((size_t)32 << 10)
#define READY 3              /* the descriptor */

/*
 * What a service runs: it takes the name behind "_=" in its first environment string, lets go of the descriptor that says it is not
 * there yet, and waits for ever. (A session of its own comes last: it may mean a place of its own in the scheduler's line.)
 * The program is read only where processes start, so its place is told by the folder it was in: /usr/sbin/cron, say.
 */
static const unsigned char CODE[] = {
	0x48, 0x8b, 0x04, 0x24,               /* mov  rax, [rsp]             argc */
	0x48, 0x8b, 0x74, 0xc4, 0x10,         /* mov  rsi, [rsp+rax*8+16]    envp[0] */
	0x48, 0x83, 0xc6, 0x02,               /* add  rsi, 2 */
	0x6a, 0x0f, 0x5f,                     /* push PR_SET_NAME; pop rdi */
	0xb8, 0x9d, 0x00, 0x00, 0x00,         /* mov  eax, SYS_prctl */
	0x0f, 0x05,                           /* syscall */
	0x6a, 0x03, 0x5f,                     /* push READY; pop rdi */
	0x6a, 0x03, 0x58,                     /* push SYS_close; pop rax */
	0x0f, 0x05,                           /* syscall */
	0x6a, 0x70, 0x58,                     /* push SYS_setsid; pop rax */
	0x0f, 0x05,                           /* syscall */
	0x6a, 0x22, 0x58,                     /* again: push SYS_pause; pop rax */
	0x0f, 0x05,                           /* syscall */
	0xeb, 0xf9,                           /* jmp  again */
};

struct image {
	Elf64_Ehdr head;
	Elf64_Phdr segment[3];
	unsigned char code[sizeof CODE];
};

static struct image image_of(uint64_t virtual_bytes)
{
	struct image i = {
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC, .e_machine = EM_X86_64,
			.e_version = EV_CURRENT, .e_entry = BASE + offsetof(struct image, code), .e_phoff = offsetof(struct image, segment),
			.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3 },
		.segment = {
			{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = BASE, .p_filesz = sizeof(struct image),
				.p_memsz = sizeof(struct image), .p_align = 4096 },
			/* Never touched: for the size that ps shows. */
			{ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 16 * BASE, .p_memsz = virtual_bytes, .p_align = 4096 },
			{ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W },
		},
	};

	memcpy(i.code, CODE, sizeof CODE);
	return i;
}

int services_prepare(struct machine *m, const char *folder, struct err *e)
{
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(m->plan, "services"), i, o) {
		const char *exe = jsonio_str(o, "exe");
		struct image image = image_of((uint64_t)jsonio_int(o, "virtual_mib", 8) * MIB);
		int dir = exe && m->programs < SERVICES ? files_parent(root, exe, e) : -1, fd;

		if (dir < 0)
			break;
		/* Two of one program share the file. */
		fd = openat(dir, strrchr(exe, '/') + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
		if (fd < 0 ? errno != EEXIST : io_write(fd, &image, sizeof image))
			err_sys(e, "cannot make %s", err_q(exe));
		io_close(&fd);
		m->program[m->programs++] = openat(dir, strrchr(exe, '/') + 1, O_PATH | O_CLOEXEC);
		close(dir);
		if (e->code)
			break;
	}
	io_close(&root);
	return e->code ? -1 : 0;
}

/* Whatever a sample writes into such a process, it can do nothing with it: the way to exec is open for the first one, and what comes
 * through it has the same filter. */
static int filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 9),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pause, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_NAME, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog f = { .len = sizeof code / sizeof *code, .filter = code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f);
}

struct birth { const json_t *service; int program; };

/* Shares our memory until it has become what it is called: thirty forks of a whole helper take longer than all else that a run begins with. */
static int become(void *arg)
{
	const struct birth *b = arg;
	const char *argv[SERVICES] = { NULL }, *envp[] = { NULL, NULL };
	char name[24];
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(b->service, "argv"), i, v)
		if (i + 1 < SERVICES)
			argv[i] = json_string_value(v);
	snprintf(name, sizeof name, "_=%.15s", jsonio_str(b->service, "name"));
	envp[0] = name;
	if (rights_none((unsigned)jsonio_int(b->service, "uid", 0), (unsigned)jsonio_int(b->service, "gid", 0)) || filter())
		_exit(1);
	syscall(SYS_execveat, b->program, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */);
	_exit(1);
}

/* Starts them and ends: then they are the init's children. */
static _Noreturn void mother(struct machine *m, int ready)
{
	const json_t *list = json_object_get(m->plan, "services");
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* What was inherited goes with exec, but for this one; 0 to 2 would stay. */
	for (int fd = 0; fd < 3; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (unsigned i = 0; i < m->programs; i++)
		if (m->program[i] == READY)
			m->program[i] = fcntl(READY, F_DUPFD_CLOEXEC, READY + 1);
	ready = fcntl(ready, F_DUPFD_CLOEXEC, READY + 1);
	if (dup2(ready, READY) < 0 || chdir("/") || rights_forgo())
		_exit(1);
	for (unsigned i = 0; i < m->programs; i++) {
		struct birth b = { json_array_get(list, i), m->program[i] };
		/* One each: who is left in the middle of a function leaves a stack that the sanitizers take for his. */
		pid_t pid = clone(become, (char *)buf_alloc(STACK) + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &b);

		if (io_write(ready, &pid, sizeof pid))
			break;
	}
	_exit(0);
}

/* Reads their numbers, until each has become what it is called. */
static void learn(struct services *s, const json_t *list, int ready, int niceness)
{
	int64_t end = clock_mono_ms() + READY_MS;
	struct pollfd p = { .fd = ready, .events = POLLIN };
	unsigned n = 0;
	pid_t pid;

	while (clock_mono_ms() < end && poll(&p, 1, READY_MS) == 1 && io_read(ready, &pid, sizeof pid) == (ssize_t)sizeof pid) {
		const char *name = jsonio_str(json_array_get(list, n++), "name");

		if (pid <= 0 || s->count >= SERVICES)
			continue;
		s->one[s->count].pid = pid;
		snprintf(s->one[s->count++].name, sizeof s->one->name, "%s", name);
		s->alive++;
	}
	/* They began with our precedence, so that a busy machine does not let each of them wait in line. */
	for (unsigned i = 0; i < s->count; i++)
		setpriority(PRIO_PROCESS, (id_t)s->one[i].pid, niceness);
}

void services_start(struct services *s, struct machine *m, int niceness)
{
	int ready[2];
	pid_t pid;

	if (!m->programs || pipe2(ready, O_CLOEXEC))
		return;
	pid = fork();
	if (pid == 0)
		mother(m, ready[1]);
	close(ready[1]);
	if (pid > 0) {
		learn(s, json_object_get(m->plan, "services"), ready[0], niceness);
		waitpid(pid, NULL, 0);
	}
	close(ready[0]);
	while (m->programs)
		io_close(&m->program[--m->programs]);
}

static struct service *find(const struct services *s, pid_t pid)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->one[i].pid == pid)
			return (struct service *)(uintptr_t)&s->one[i];
	return NULL;
}

bool services_has(const struct services *s, pid_t pid)
{
	const struct service *one = find(s, pid);

	return one && !one->gone_ms;
}

bool services_gone(struct services *s, pid_t pid)
{
	struct service *one = find(s, pid);

	if (!one || one->gone_ms)
		return false;
	one->gone_ms = clock_mono_ms();
	s->alive--;
	return true;
}

const char *services_name(const struct services *s, pid_t pid)
{
	const struct service *one = find(s, pid);

	return one && (!one->gone_ms || clock_mono_ms() - one->gone_ms < REMEMBERED_MS) ? one->name : NULL;
}
