#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule 445
#define __NR_landlock_restrict_self 446
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/* What computing on open descriptors takes, and nothing else. */
static const int parser_calls[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(lseek),
	SCMP_SYS(fstat), SCMP_SYS(close), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getrusage),
};

/* Libraries ask in passing; a "no" does them no harm and a signal would. */
static const struct { int call, error; } refused_calls[] = {
	{ SCMP_SYS(ioctl), ENOTTY },    /* isatty() */
	{ SCMP_SYS(prctl), EINVAL },    /* malloc names its arenas */
	{ SCMP_SYS(readlink), EACCES }, { SCMP_SYS(readlinkat), EACCES },
	{ SCMP_SYS(sysinfo), ENOSYS }, { SCMP_SYS(sched_getaffinity), ENOSYS },
};
/* Of a parser: a thread or a larger pipe would be welcome, and it goes on without. */
static const struct { int call, error; } parser_refused[] = {
	{ SCMP_SYS(clone), EAGAIN }, { SCMP_SYS(clone3), ENOSYS }, { SCMP_SYS(fcntl), EINVAL },
};

/* libtcc opens headers, libraries and its output by name; Landlock says which names. */
static const int compiler_calls[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(getcwd), SCMP_SYS(dup), SCMP_SYS(fcntl), SCMP_SYS(umask),
	SCMP_SYS(getdents64),
};
static const struct { int call, error; } compiler_refused[] = {
	{ SCMP_SYS(unlink), EACCES }, { SCMP_SYS(unlinkat), EACCES }, { SCMP_SYS(chmod), EACCES }, { SCMP_SYS(fchmod), EACCES },
	{ SCMP_SYS(fchmodat), EACCES }, { SCMP_SYS(rename), EACCES }, { SCMP_SYS(mkdir), EACCES },
};
/* Serving what stands in this network namespace. */
static const int network_calls[] = {
	SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
};
static const char *const compiler_reads[] = { "/usr", "/lib", "/lib64", "/opt" };

#ifdef __SANITIZE_ADDRESS__
/* What the sanitizer's run time does while it unmaps shadow memory or reports. */
static const int sanitizer_calls[] = { SCMP_SYS(mincore), SCMP_SYS(dup), SCMP_SYS(getppid) };
#endif

static int set_limit(int which, rlim_t value, const char *name, struct err *e)
{
	/* One second lies between SIGXCPU, which says what happened, and SIGKILL. */
	struct rlimit now, want = { value, which == RLIMIT_CPU ? value + 1 : value };

	if (getrlimit((__rlimit_resource_t)which, &now) == 0 && now.rlim_max < want.rlim_max)
		want.rlim_max = now.rlim_max;
	if (want.rlim_cur > want.rlim_max)
		want.rlim_cur = want.rlim_max;
	if (setrlimit((__rlimit_resource_t)which, &want)) {
		err_sys(e, "cannot limit %s", name);
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	return 0;
}

static int set_limits(enum confine_profile p, const struct confine_limits *l, struct err *e)
{
#ifndef __SANITIZE_ADDRESS__
	if (l->memory_bytes && set_limit(RLIMIT_AS, l->memory_bytes, "memory", e))
		return -1;
#endif
	/* The parent's clock ends what sleeps; this ends what computes, even when the parent is gone. */
	if (l->cpu_seconds && set_limit(RLIMIT_CPU, l->cpu_seconds, "processor time", e))
		return -1;
	if (set_limit(RLIMIT_FSIZE, l->file_bytes, "file size", e) || set_limit(RLIMIT_CORE, 0, "core files", e))
		return -1;
	return set_limit(RLIMIT_NOFILE, p == CONFINE_NETWORK ? 4096 : p == CONFINE_COMPILER ? 256 : 0, "descriptors", e);
}

/* All capabilities but the one to bind low ports, which a service that opens ports on request needs on and on. */
static int set_capabilities(struct err *e)
{
	const struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) == 0) {
		const uint32_t kept = data[0].permitted & 1u << CAP_NET_BIND_SERVICE;

		data[0] = (struct __user_cap_data_struct){ .effective = kept, .permitted = kept };
		data[1] = (struct __user_cap_data_struct){ 0 };
		if (syscall(SYS_capset, &head, data) == 0)
			return 0;
	}
	err_sys(e, "cannot give up capabilities");
	e->code = EX_UNAVAILABLE;
	return -1;
}

static int allow_path(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr a = { .allowed_access = access };
	int fd = open(path, O_PATH | O_CLOEXEC), rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	a.parent_fd = fd;
	rc = (int)syscall(__NR_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
	close(fd);
	return rc;
}

/* Landlock: nothing below any path but what the profile reads. A kernel without it leaves seccomp alone to guard. */
static int set_landlock(enum confine_profile p, struct err *e)
{
	const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	struct landlock_ruleset_attr a = { .handled_access_fs = (1ULL << 13) - 1 };
	int abi = (int)syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int fd, rc = -1;

	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (abi >= 2)
		a.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		a.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	fd = (int)syscall(__NR_landlock_create_ruleset, &a, sizeof a.handled_access_fs, 0);
	if (fd < 0)
		goto fail;
	if (p == CONFINE_COMPILER) {
		for (size_t i = 0; i < sizeof compiler_reads / sizeof *compiler_reads; i++)
			if (allow_path(fd, compiler_reads[i], reading))
				goto fail;
	}
	if (syscall(__NR_landlock_restrict_self, fd, 0))
		goto fail;
	rc = 0;
fail:
	if (rc) {
		err_sys(e, "cannot apply Landlock");
		e->code = EX_UNAVAILABLE;
	}
	io_close(&fd);
	return rc;
}

/* libseccomp knows some calls only on other processors (open, time): those are no error. */
static int add(scmp_filter_ctx ctx, uint32_t action, int call)
{
	int r = seccomp_rule_add(ctx, action, call, 0);

	return r == -EDOM || r == -EINVAL ? 0 : r;
}

static int set_seccomp(enum confine_profile p, struct err *e)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp anonymous = SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
	/* fstat() of some C libraries; a name could still be put there, which tells a file's size and no more. */
	const struct scmp_arg_cmp by_fd[] = { SCMP_A0(SCMP_CMP_MASKED_EQ, 0x80000000, 0),
		SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH) };
	/* abort(), with which libraries answer a broken heap: to ourselves alone. */
	const struct scmp_arg_cmp to_self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
	const struct scmp_arg_cmp four = SCMP_A0(SCMP_CMP_EQ, AF_INET, 0), six = SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = -ENOMEM;

	if (!ctx)
		goto out;
	for (size_t i = 0; i < sizeof parser_calls / sizeof *parser_calls; i++)
		if ((r = add(ctx, SCMP_ACT_ALLOW, parser_calls[i])))
			goto out;
	if ((r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_exec)) ||
	    (r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &no_exec)) ||
	    (r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &to_self)))
		goto out;
	if (p == CONFINE_EMULATOR && (r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &anonymous)))
		goto out;
	if (p == CONFINE_NETWORK) {
		for (size_t i = 0; i < sizeof network_calls / sizeof *network_calls; i++)
			if ((r = add(ctx, SCMP_ACT_ALLOW, network_calls[i])))
				goto out;
		if ((r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &four)) ||
		    (r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &six)))
			goto out;
	}
	if (p == CONFINE_COMPILER) {
		for (size_t i = 0; i < sizeof compiler_calls / sizeof *compiler_calls; i++)
			if ((r = add(ctx, SCMP_ACT_ALLOW, compiler_calls[i])))
				goto out;
		for (size_t i = 0; i < sizeof compiler_refused / sizeof *compiler_refused; i++)
			if ((r = add(ctx, SCMP_ACT_ERRNO((uint32_t)compiler_refused[i].error), compiler_refused[i].call)))
				goto out;
	} else {
		if ((r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 2, by_fd)))
			goto out;
		for (size_t i = 0; i < sizeof parser_refused / sizeof *parser_refused; i++)
			if ((r = add(ctx, SCMP_ACT_ERRNO((uint32_t)parser_refused[i].error), parser_refused[i].call)))
				goto out;
	}
	for (size_t i = 0; i < sizeof refused_calls / sizeof *refused_calls; i++)
		if ((r = add(ctx, SCMP_ACT_ERRNO((uint32_t)refused_calls[i].error), refused_calls[i].call)))
			goto out;
#ifdef __SANITIZE_ADDRESS__
	for (size_t i = 0; i < sizeof sanitizer_calls / sizeof *sanitizer_calls; i++)
		if ((r = add(ctx, SCMP_ACT_ALLOW, sanitizer_calls[i])))
			goto out;
#endif
	r = seccomp_load(ctx);
out:
	seccomp_release(ctx);
	if (r) {
		errno = -r;
		err_sys(e, "cannot apply seccomp");
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	return 0;
}

int confine_enter(enum confine_profile p, const struct confine_limits *l, struct err *e)
{
	/* Jansson opens /dev/urandom with the first object made; afterwards it could not. */
	json_object_seed(0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		err_sys(e, "cannot give up new privileges");
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	/* Landlock opens a descriptor of its own, so the limit on those comes behind it. */
	if (p == CONFINE_NETWORK && set_capabilities(e))
		return -1;
	if (set_landlock(p, e) || set_limits(p, l, e))
		return -1;
	return set_seccomp(p, e);
}
