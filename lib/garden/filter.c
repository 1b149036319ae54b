#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

_Static_assert(SYS_read == 0 && SYS_io_setup == 206, "the garden's filter knows x86-64 only");

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#define X32 0x40000000u
#define INIT 1u            /* the warden's process number, as those it watches see it */
#define ROOM 1024u

/*
 * Written by hand rather than through libseccomp: the order of the rules is the point. What a filter answers with
 * SECCOMP_RET_TRACE stops for the tracer, which records it and refuses what is marked FILTER_DENY; without a tracer the
 * same is refused by the kernel at once. Whatever needs no look costs nothing (the kernel caches "always allowed").
 */
struct program { struct sock_filter code[ROOM]; unsigned short n; };

static const int DENIED[] = {
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
	SYS_fspick, SYS_mount_setattr, SYS_swapon, SYS_swapoff, SYS_reboot, SYS_kexec_load, SYS_kexec_file_load,
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_bpf, SYS_perf_event_open, SYS_keyctl,
	SYS_add_key, SYS_request_key, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
	SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_setns, SYS_settimeofday, SYS_clock_settime,
	SYS_quotactl, SYS_quotactl_fd, SYS_acct, SYS_iopl, SYS_ioperm, SYS_syslog, SYS_vhangup, SYS_lookup_dcookie,
	SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp, SYS_pidfd_getfd, SYS_fanotify_init,
	SYS_shmget, SYS_shmat, SYS_memfd_secret, SYS_modify_ldt, SYS_uselib, SYS_migrate_pages, SYS_move_pages,
	SYS_sethostname, SYS_setdomainname, SYS_nfsservctl, SYS_ptrace, SYS_open_tree_attr,
};
static const int RECORDED[] = {
	SYS_execve, SYS_execveat, SYS_creat, SYS_openat2, SYS_unlink, SYS_unlinkat, SYS_rename, SYS_renameat, SYS_renameat2,
	SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_mknod, SYS_mknodat,
	SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_chown, SYS_fchown, SYS_lchown, SYS_fchownat, SYS_truncate, SYS_ftruncate,
	SYS_connect, SYS_bind, SYS_listen, SYS_sendmsg, SYS_sendmmsg, SYS_memfd_create, SYS_kill, SYS_tkill, SYS_tgkill,
	SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setsid, SYS_pidfd_send_signal,
	SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_semget, SYS_msgget, SYS_mq_open, SYS_capset, SYS_setgroups, SYS_personality,
	SYS_adjtimex, SYS_clock_adjtime, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr,
};
/* Input for somebody else's terminal, line disciplines (kernel modules are loaded for them), routes and interfaces of a network
 * that is not the sample's to change, the way from a namespace to the one it was made in. */
static const unsigned IOCTLS[] = { TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD, SIOCADDRT, SIOCDELRT, SIOCSIFFLAGS, SIOCSIFADDR,
	SIOCSIFHWADDR, NS_GET_USERNS, NS_GET_PARENT };
static const unsigned PRCTLS[] = { PR_SET_NAME, PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_SECUREBITS, PR_SET_MM,
	PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT, PR_SET_PTRACER, PR_SET_SYSCALL_USER_DISPATCH,
	PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS };   /* the last three: for disguise.c */
/* The first argument is a process, and who has its user number may change it: so may the sample with its own init. */
static const int AT_PROCESS[] = { SYS_sched_setscheduler, SYS_sched_setparam, SYS_sched_setattr, SYS_sched_setaffinity, SYS_prlimit64 };

static void put(struct program *p, struct sock_filter f)
{
	if (p->n < ROOM)
		p->code[p->n++] = f;
}

#define STMT(c, k) put(p, (struct sock_filter)BPF_STMT((c), (k)))
#define JUMP(c, k, t, f) put(p, (struct sock_filter)BPF_JUMP((c), (k), (t), (f)))
#define RETURN(k) STMT(BPF_RET | BPF_K, (k))
#define LOAD(member) STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, member))
#define LOAD_ARG(i) STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (i)))
#define LOAD_ARG_HIGH(i) STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (i) + 4))

static unsigned deny(bool traced)
{
	return traced ? SECCOMP_RET_TRACE | FILTER_DENY : SECCOMP_RET_ERRNO | EPERM;
}

static unsigned note(bool traced)
{
	return traced ? SECCOMP_RET_TRACE | FILTER_RECORD : SECCOMP_RET_ALLOW;
}

/* One call with one argument: any of `bits` set → then, else otherwise. */
static void on_bits(struct program *p, int nr, unsigned arg, unsigned bits, unsigned then, unsigned otherwise)
{
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 4);
	LOAD_ARG(arg);
	JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
	RETURN(then);
	RETURN(otherwise);
}

/* The same, the argument one of some values; with none of them, the rules that follow are asked. */
static void on_values(struct program *p, int nr, unsigned arg, const unsigned *value, unsigned char n, unsigned then)
{
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, (unsigned char)(n + 4));
	LOAD_ARG(arg);
	for (unsigned char i = 0; i < n; i++)
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, value[i], (unsigned char)(n - i), 0);
	JUMP(BPF_JMP | BPF_JA, 1, 0, 0);
	RETURN(then);
	LOAD(nr);
}

static void on_one(struct program *p, int nr, unsigned arg, unsigned value, unsigned then)
{
	on_values(p, nr, arg, &value, 1, then);
}

static void on_value(struct program *p, int nr, unsigned arg, unsigned value, unsigned then, unsigned otherwise)
{
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 4);
	LOAD_ARG(arg);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	RETURN(then);
	RETURN(otherwise);
}

/* What would change the warden from inside: its limits (one of processor time kills it, one of file size ends the record), its
 * turn at the processor. */
static void warden(struct program *p, bool traced)
{
	for (size_t i = 0; i < sizeof AT_PROCESS / sizeof *AT_PROCESS; i++)
		on_one(p, AT_PROCESS[i], 0, INIT, deny(traced));
	on_one(p, SYS_setpriority, 1, INIT, deny(traced));
	on_one(p, SYS_setpriority, 0, PRIO_USER, deny(traced));
	on_one(p, SYS_ioprio_set, 1, INIT, deny(traced));
	on_one(p, SYS_ioprio_set, 0, IOPRIO_WHO_USER, deny(traced));
}

/* A machine may hand cores to a program of its own, outside of the garden, unless this limit is 1, see core(5): it stays, and whoever
 * sets it is told that it did. */
static void cores(struct program *p)
{
	on_one(p, SYS_setrlimit, 0, RLIMIT_CORE, SECCOMP_RET_ERRNO);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 8);
	LOAD_ARG(1);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, RLIMIT_CORE, 0, 5);
	LOAD_ARG(2);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2);
	LOAD_ARG_HIGH(2);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	RETURN(SECCOMP_RET_ERRNO);
	RETURN(SECCOMP_RET_ALLOW);
}

/* Sockets of kinds that a network namespace closes in: AF_VSOCK would reach the machine's own host. */
static void sockets(struct program *p, int nr, bool traced)
{
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 18);
	LOAD_ARG(0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1);
	RETURN(SECCOMP_RET_ALLOW);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_PACKET, 0, 1);
	RETURN(note(traced));
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 3);
	LOAD_ARG(2);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_ROUTE, 7, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_SOCK_DIAG, 6, 7);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 1, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 5);
	LOAD_ARG(1);
	STMT(BPF_ALU | BPF_AND | BPF_K, 0xf);
	/* The latter is how AF_PACKET was asked for once. */
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_RAW, 3, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_PACKET, 2, 0);
	RETURN(SECCOMP_RET_ALLOW);
	RETURN(deny(traced));
	RETURN(note(traced));
}

static void opens(struct program *p, int nr, unsigned arg, bool traced)
{
	/* Those for reading stop for disguise.c, but for folders, which has nothing to say of them. */
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 6);
	LOAD_ARG(arg);
	JUMP(BPF_JMP | BPF_JSET | BPF_K, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1);
	RETURN(note(traced));
	JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECTORY | O_PATH, 1, 0);
	RETURN(traced ? SECCOMP_RET_TRACE | FILTER_READ : SECCOMP_RET_ALLOW);
	RETURN(SECCOMP_RET_ALLOW);
}

/* Calls that read the clock or wait with a time-out, for bend.c. Those with none stay as fast as they are. */
static void bends(struct program *p, uint64_t magic)
{
	static const int CLOCKS[] = { SYS_gettimeofday, SYS_time, SYS_times, SYS_sysinfo, SYS_adjtimex, SYS_clock_adjtime,
		SYS_timerfd_settime, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_delete, SYS_alarm,
		SYS_nanosleep, SYS_clock_nanosleep, SYS_restart_syscall };
	/* arg: the time-out, a pointer; its low half 0 is no time-out, but for one stack in a million, whose waits stay real. */
	static const struct { int nr; unsigned arg; } POINTERS[] = { { SYS_select, 4 }, { SYS_pselect6, 4 }, { SYS_ppoll, 2 },
		{ SYS_epoll_pwait2, 3 }, { SYS_futex_waitv, 3 }, { SYS_futex_wait, 4 }, { SYS_rt_sigtimedwait, 2 },
		{ SYS_semtimedop, 3 }, { SYS_mq_timedsend, 4 }, { SYS_mq_timedreceive, 4 } };
	static const struct { int nr; unsigned arg; } COUNTS[] = { { SYS_poll, 2 }, { SYS_epoll_wait, 3 }, { SYS_epoll_pwait, 3 } };
	const unsigned look = SECCOMP_RET_TRACE | FILTER_BEND;

	/* What our code in the vDSO reads is the kernel's time. */
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 6);
	LOAD_ARG(5);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)magic, 0, 3);
	LOAD_ARG_HIGH(5);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(magic >> 32), 0, 1);
	RETURN(SECCOMP_RET_ALLOW);
	RETURN(look);
	for (size_t i = 0; i < sizeof CLOCKS / sizeof *CLOCKS; i++) {
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CLOCKS[i], 0, 1);
		RETURN(look);
	}
	for (size_t i = 0; i < sizeof POINTERS / sizeof *POINTERS; i++)
		on_value(p, POINTERS[i].nr, POINTERS[i].arg, 0, SECCOMP_RET_ALLOW, look);
	/* A negative number of milliseconds is for ever. */
	for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)COUNTS[i].nr, 0, 5);
		LOAD_ARG(COUNTS[i].arg);
		JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80000000u, 1, 0);
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		RETURN(SECCOMP_RET_ALLOW);
		RETURN(look);
	}
	/* Only some of a futex's operations wait; with the others that argument is anything. */
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 12);
	LOAD_ARG(1);
	STMT(BPF_ALU | BPF_AND | BPF_K, (unsigned)FUTEX_CMD_MASK);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT, 5, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_LOCK_PI, 4, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET, 3, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_REQUEUE_PI, 2, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_LOCK_PI2, 1, 0);
	RETURN(SECCOMP_RET_ALLOW);
	LOAD_ARG(3);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	RETURN(SECCOMP_RET_ALLOW);
	RETURN(look);
	on_value(p, SYS_setitimer, 0, ITIMER_REAL, look, SECCOMP_RET_ALLOW);
	on_value(p, SYS_getitimer, 0, ITIMER_REAL, look, SECCOMP_RET_ALLOW);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 6);
	LOAD_ARG(2);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_RCVTIMEO_OLD, 3, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_SNDTIMEO_OLD, 2, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_RCVTIMEO_NEW, 1, 0);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_SNDTIMEO_NEW, 0, 1);
	RETURN(look);
	LOAD(nr);
}

static void build(struct program *p, bool traced, uint64_t bend)
{
	const unsigned spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		CLONE_NEWCGROUP | 0x80 /* CLONE_NEWTIME */;

	LOAD(arch);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	RETURN(SECCOMP_RET_KILL_PROCESS);
	LOAD(nr);
	JUMP(BPF_JMP | BPF_JGE | BPF_K, X32, 0, 1);
	RETURN(SECCOMP_RET_KILL_PROCESS);
	if (bend)
		bends(p, bend);
	opens(p, SYS_open, 1, traced);
	opens(p, SYS_openat, 2, traced);
	on_bits(p, SYS_mmap, 2, PROT_EXEC, note(traced), SECCOMP_RET_ALLOW);
	on_bits(p, SYS_mprotect, 2, PROT_EXEC, note(traced), SECCOMP_RET_ALLOW);
	on_bits(p, SYS_pkey_mprotect, 2, PROT_EXEC, note(traced), SECCOMP_RET_ALLOW);
	/* Each fork is looked at, for the limit and for flags that would get it out of the tracer's sight. */
	on_bits(p, SYS_clone, 0, spaces & ~0x80u, deny(traced), note(traced));
	on_bits(p, SYS_unshare, 0, spaces, deny(traced), SECCOMP_RET_ALLOW);
	on_values(p, SYS_prctl, 0, PRCTLS, sizeof PRCTLS / sizeof *PRCTLS, note(traced));
	/* Whoever has a listener may let calls pass by the tracer. */
	on_bits(p, SYS_seccomp, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, deny(traced), note(traced));
	on_values(p, SYS_ioctl, 1, IOCTLS, sizeof IOCTLS / sizeof *IOCTLS, deny(traced));
	warden(p, traced);
	cores(p);
	/* Its flags stand in memory, where no filter sees them; without it libc falls back to clone. */
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
	RETURN(traced ? deny(traced) : SECCOMP_RET_ERRNO | ENOSYS);
	sockets(p, SYS_socket, traced);
	sockets(p, SYS_socketpair, traced);
	/* sendto with an address. */
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 6);
	LOAD_ARG(4);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
	LOAD_ARG_HIGH(4);
	JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	RETURN(SECCOMP_RET_ALLOW);
	RETURN(note(traced));
	for (size_t i = 0; i < sizeof DENIED / sizeof *DENIED; i++) {
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)DENIED[i], 0, 1);
		RETURN(deny(traced));
	}
	if (traced) {
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 1, 0);
		JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 0, 1);
		RETURN(note(traced));
		for (size_t i = 0; i < sizeof RECORDED / sizeof *RECORDED; i++) {
			JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)RECORDED[i], 0, 1);
			RETURN(note(traced));
		}
	}
	RETURN(SECCOMP_RET_ALLOW);
}

int filter_enter(bool traced, uint64_t bend)
{
	struct program p = { .n = 0 };
	struct sock_fprog f = { .filter = p.code };

	build(&p, traced, bend);
	if (p.n >= ROOM)
		return ENOSPC;
	f.len = p.n;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f) ? errno : 0;
}

unsigned filter_says(const struct seccomp_data *d, uint64_t bend)
{
	static struct program p;
	uint32_t a = 0;

	if (p.n == 0)
		build(&p, true, bend);
	for (unsigned i = 0; i < p.n; i++) {
		const struct sock_filter *f = &p.code[i];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)d + f->k, sizeof a);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JA:
			i += f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			i += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			i += a & f->k ? f->jt : f->jf;
			break;
		default:
			return f->k;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}
