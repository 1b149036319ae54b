/*
 * confine: what the remover gives up. From its start: running programs, sockets, tracing, mounting, modules, and
 * everything else that is not on the list. The child that changes files: writing anywhere but in the plan's folders
 * and the quarantine, where the kernel has Landlock.
 */

struct bpf { uint16_t code; uint8_t jt, jf; uint32_t k; };
struct bpf_program { uint16_t len; struct bpf *filter; };

#define BPF_LOAD 0x20
#define BPF_EQUAL 0x15
#define BPF_BITS 0x45
#define BPF_GIVE 0x06
#define GIVE_ALLOW 0x7fff0000u
#define GIVE_EPERM 0x00050001u
#define GIVE_KILL 0x80000000u
#define ARCH_X86_64 0xc000003eu

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

static const uint16_t allowed_calls[] = {
	SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_open, SYS_openat, SYS_openat2, SYS_close,
	SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_readlink, SYS_readlinkat, SYS_access, SYS_faccessat,
	SYS_munmap, SYS_brk, SYS_mremap, SYS_madvise, SYS_ioctl, SYS_fcntl, SYS_dup, SYS_flock, SYS_fsync, SYS_fdatasync, SYS_ftruncate,
	SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_linkat, SYS_symlinkat, SYS_mkdirat, SYS_fchmod, SYS_fchmodat, SYS_fchown,
	SYS_fchownat, SYS_utimensat, SYS_fgetxattr, SYS_flistxattr, SYS_fsetxattr, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_kill, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_poll, SYS_nanosleep,
	SYS_clock_nanosleep, SYS_clock_gettime, SYS_gettimeofday, SYS_time, SYS_fork, SYS_clone, SYS_wait4, SYS_exit, SYS_exit_group, SYS_prctl,
	SYS_set_tid_address, SYS_futex, SYS_restart_syscall, SYS_umask, SYS_landlock_create_ruleset, SYS_landlock_add_rule,
	SYS_landlock_restrict_self,
};

static int confined, landlocked;

/* A kernel without seccomp leaves us without; the report says so. */
static void confine_calls(void)
{
	enum { N = sizeof allowed_calls / sizeof *allowed_calls };
	static struct bpf f[N * 2 + 16];
	struct bpf_program program = { 0, f };
	unsigned n = 0;

	f[n++] = (struct bpf){ BPF_LOAD, 0, 0, 4 };                /* architecture */
	f[n++] = (struct bpf){ BPF_EQUAL, 1, 0, ARCH_X86_64 };
	f[n++] = (struct bpf){ BPF_GIVE, 0, 0, GIVE_KILL };
	f[n++] = (struct bpf){ BPF_LOAD, 0, 0, 0 };                /* number; those of x32 are on no list */
	for (unsigned i = 0; i < N; i++) {
		f[n++] = (struct bpf){ BPF_EQUAL, 0, 1, allowed_calls[i] };
		f[n++] = (struct bpf){ BPF_GIVE, 0, 0, GIVE_ALLOW };
	}
	f[n++] = (struct bpf){ BPF_EQUAL, 2, 0, SYS_mmap };
	f[n++] = (struct bpf){ BPF_EQUAL, 1, 0, SYS_mprotect };
	f[n++] = (struct bpf){ BPF_GIVE, 0, 0, GIVE_EPERM };
	f[n++] = (struct bpf){ BPF_LOAD, 0, 0, 32 };               /* third argument: no memory becomes code */
	f[n++] = (struct bpf){ BPF_BITS, 0, 1, 4 };
	f[n++] = (struct bpf){ BPF_GIVE, 0, 0, GIVE_EPERM };
	f[n++] = (struct bpf){ BPF_GIVE, 0, 0, GIVE_ALLOW };
	program.len = (uint16_t)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return;
	confined = !prctl(PR_SET_SECCOMP, 2, &program, 0, 0);
}

#define LL_EXECUTE 1ull
#define LL_WRITE (1ull << 1)
#define LL_REMOVE_DIR (1ull << 4)
#define LL_REMOVE (1ull << 5)
#define LL_MAKE_ANY (0x7full << 6)
#define LL_MAKE_FILE (1ull << 8)
#define LL_MAKE_LINK (1ull << 12)
#define LL_TRUNCATE (1ull << 14)

static int permit(int rules, int dir, uint64_t rights)
{
	struct { uint64_t rights; int32_t dir; } __attribute__((packed)) beneath = { rights, dir };

	return (int)syscall(SYS_landlock_add_rule, rules, 1, &beneath, 0);
}

/* -1 only when the kernel has Landlock and it could not be applied. */
static int confine_files(void)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1), rules, rc;
	uint64_t handled = LL_EXECUTE | LL_WRITE | LL_REMOVE_DIR | LL_REMOVE | LL_MAKE_ANY;
	uint64_t rights = LL_WRITE | LL_REMOVE | LL_MAKE_FILE | LL_MAKE_LINK;

	if (abi < 1)
		return 0;
	if (abi >= 3) {
		handled |= LL_TRUNCATE;
		rights |= LL_TRUNCATE;
	}
	rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
	if (rules < 0)
		return -1;
	rc = permit(rules, quarantine, rights);
	for (size_t i = 0; i < op_count && !rc; i++) {
		const char *name;
		int dir;

		if (ops[i].kind == OP_TERMINATE)
			continue;
		dir = open_parent(&ops[i], &name);
		if (dir < 0)
			continue;
		rc = permit(rules, dir, rights);
		close(dir);
	}
	rc = rc || syscall(SYS_landlock_restrict_self, rules, 0) ? -1 : 0;
	close(rules);
	if (!rc)
		landlocked = 1;
	return rc;
}
