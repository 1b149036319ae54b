#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

/* What a call does to one path or two; columns: argument numbers, -1 none, dir: of the folder descriptor. */
struct path_call { int nr; const char *event; signed char dir, path, dir2, path2, mode; };
static const struct path_call PATHS[] = {
	{ SYS_unlink, "unlink", -1, 0, -1, -1, -1 }, { SYS_unlinkat, "unlink", 0, 1, -1, -1, -1 },
	{ SYS_rmdir, "rmdir", -1, 0, -1, -1, -1 },
	{ SYS_mkdir, "mkdir", -1, 0, -1, -1, 1 }, { SYS_mkdirat, "mkdir", 0, 1, -1, -1, 2 },
	{ SYS_mknod, "mknod", -1, 0, -1, -1, 1 }, { SYS_mknodat, "mknod", 0, 1, -1, -1, 2 },
	{ SYS_rename, "rename", -1, 0, -1, 1, -1 }, { SYS_renameat, "rename", 0, 1, 2, 3, -1 },
	{ SYS_renameat2, "rename", 0, 1, 2, 3, -1 },
	{ SYS_link, "link", -1, 0, -1, 1, -1 }, { SYS_linkat, "link", 0, 1, 2, 3, -1 },
	{ SYS_chmod, "chmod", -1, 0, -1, -1, 1 }, { SYS_fchmodat, "chmod", 0, 1, -1, -1, 2 },
	{ SYS_truncate, "truncate", -1, 0, -1, -1, -1 },
};

static const struct { int nr; const char *name; } NAMES[] = {
	{ SYS_mount, "mount" }, { SYS_umount2, "umount2" }, { SYS_pivot_root, "pivot_root" }, { SYS_chroot, "chroot" },
	{ SYS_move_mount, "move_mount" }, { SYS_open_tree, "open_tree" }, { SYS_fsopen, "fsopen" }, { SYS_fsconfig, "fsconfig" },
	{ SYS_fsmount, "fsmount" }, { SYS_fspick, "fspick" }, { SYS_mount_setattr, "mount_setattr" }, { SYS_swapon, "swapon" },
	{ SYS_swapoff, "swapoff" }, { SYS_reboot, "reboot" }, { SYS_kexec_load, "kexec_load" },
	{ SYS_kexec_file_load, "kexec_file_load" }, { SYS_init_module, "init_module" }, { SYS_finit_module, "finit_module" },
	{ SYS_delete_module, "delete_module" }, { SYS_bpf, "bpf" }, { SYS_perf_event_open, "perf_event_open" },
	{ SYS_keyctl, "keyctl" }, { SYS_add_key, "add_key" }, { SYS_request_key, "request_key" }, { SYS_userfaultfd, "userfaultfd" },
	{ SYS_io_uring_setup, "io_uring_setup" }, { SYS_io_uring_enter, "io_uring_enter" },
	{ SYS_io_uring_register, "io_uring_register" }, { SYS_open_by_handle_at, "open_by_handle_at" },
	{ SYS_name_to_handle_at, "name_to_handle_at" }, { SYS_setns, "setns" }, { SYS_unshare, "unshare" },
	{ SYS_settimeofday, "settimeofday" }, { SYS_clock_settime, "clock_settime" }, { SYS_quotactl, "quotactl" },
	{ SYS_quotactl_fd, "quotactl_fd" }, { SYS_acct, "acct" }, { SYS_iopl, "iopl" }, { SYS_ioperm, "ioperm" },
	{ SYS_syslog, "syslog" }, { SYS_vhangup, "vhangup" }, { SYS_process_vm_readv, "process_vm_readv" },
	{ SYS_process_vm_writev, "process_vm_writev" }, { SYS_process_madvise, "process_madvise" }, { SYS_kcmp, "kcmp" },
	{ SYS_pidfd_getfd, "pidfd_getfd" }, { SYS_fanotify_init, "fanotify_init" }, { SYS_shmget, "shmget" }, { SYS_shmat, "shmat" },
	{ SYS_memfd_secret, "memfd_secret" }, { SYS_modify_ldt, "modify_ldt" }, { SYS_uselib, "uselib" },
	{ SYS_migrate_pages, "migrate_pages" }, { SYS_move_pages, "move_pages" }, { SYS_sethostname, "sethostname" },
	{ SYS_setdomainname, "setdomainname" }, { SYS_clone, "clone" }, { SYS_socket, "socket" }, { SYS_socketpair, "socketpair" },
	{ SYS_clone3, "clone3" }, { SYS_seccomp, "seccomp" }, { SYS_ioctl, "ioctl" }, { SYS_prlimit64, "prlimit64" },
	{ SYS_setpriority, "setpriority" }, { SYS_ioprio_set, "ioprio_set" }, { SYS_sched_setscheduler, "sched_setscheduler" },
	{ SYS_sched_setparam, "sched_setparam" }, { SYS_sched_setattr, "sched_setattr" }, { SYS_sched_setaffinity, "sched_setaffinity" },
	{ SYS_open_tree_attr, "open_tree_attr" }, { SYS_lookup_dcookie, "lookup_dcookie" }, { SYS_nfsservctl, "nfsservctl" },
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

const char *calls_errno(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "EUNKNOWN";
}

static enum calls_do await(struct task *t, const char *name, json_t *o)
{
	t->pending = o;
	t->pending_name = name;
	return CALLS_AWAIT;
}

static void set_path(json_t *o, const char *key, char *path)
{
	json_object_set_new(o, key, jsonio_name(path));
	free(path);
}

static enum calls_do path_call(struct task *t, const struct path_call *c)
{
	json_t *o = json_object();

	set_path(o, "path", tracee_path(t, c->dir < 0 ? AT_FDCWD : (int)t->arg[c->dir], t->arg[c->path]));
	if (c->path2 >= 0)
		set_path(o, "to", tracee_path(t, c->dir2 < 0 ? AT_FDCWD : (int)t->arg[c->dir2], t->arg[c->path2]));
	if (c->mode >= 0)
		json_object_set_new(o, "mode", json_integer((json_int_t)(t->arg[c->mode] & 07777)));
	if (c->nr == SYS_unlinkat && t->arg[2] & AT_REMOVEDIR)
		return await(t, "rmdir", o);
	return await(t, c->event, o);
}

static enum calls_do fd_call(struct task *t, const char *name)
{
	json_t *o = json_object();
	char *path = tracee_fd(t->tid, (int)t->arg[0]);

	set_path(o, "path", path ? path : buf_strdup("?"));
	if (t->nr == SYS_fchmod)
		json_object_set_new(o, "mode", json_integer((json_int_t)(t->arg[1] & 07777)));
	if (t->nr == SYS_fchown) {
		json_object_set_new(o, "uid", json_integer((int)t->arg[1]));
		json_object_set_new(o, "gid", json_integer((int)t->arg[2]));
	}
	return await(t, name, o);
}

static enum calls_do open_call(struct record *r, struct task *t, int dirfd, unsigned path, uint64_t flags)
{
	json_t *o = json_object();

	(void)r;
	set_path(o, "path", tracee_path(t, dirfd, t->arg[path]));
	json_object_set_new(o, "create", json_boolean((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE));
	return await(t, "open", o);
}

static enum calls_do open_calls(struct record *r, struct task *t)
{
	uint64_t flags = 0;

	switch (t->nr) {
	case SYS_open:
		return open_call(r, t, AT_FDCWD, 0, t->arg[1]);
	case SYS_creat:
		return open_call(r, t, AT_FDCWD, 0, O_CREAT);
	case SYS_openat:
		return open_call(r, t, (int)t->arg[0], 1, t->arg[2]);
	default:
		tracee_bytes(t->tid, t->arg[2], &flags, sizeof flags);
		if (!(flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)))
			return CALLS_GO;
		return open_call(r, t, (int)t->arg[0], 1, flags);
	}
}

static enum calls_do chown_call(struct task *t)
{
	unsigned at = t->nr == SYS_fchownat ? 1 : 0;
	json_t *o = json_object();

	set_path(o, "path", tracee_path(t, at ? (int)t->arg[0] : AT_FDCWD, t->arg[at]));
	json_object_set_new(o, "uid", json_integer((int)t->arg[at + 1]));
	json_object_set_new(o, "gid", json_integer((int)t->arg[at + 2]));
	return await(t, "chown", o);
}

static enum calls_do link_call(struct task *t)
{
	json_t *o = json_object();

	/* The target is a text; the link is the path. */
	set_path(o, "to", tracee_string(t->tid, t->arg[0]));
	if (t->nr == SYS_symlinkat)
		set_path(o, "path", tracee_path(t, (int)t->arg[1], t->arg[2]));
	else
		set_path(o, "path", tracee_path(t, AT_FDCWD, t->arg[1]));
	return await(t, "symlink", o);
}

static enum calls_do socket_call(struct task *t)
{
	json_t *o = json_object();
	static const struct { int domain; const char *name; } D[] = { { AF_PACKET, "packet" }, { AF_INET, "raw" }, { AF_INET6, "raw" },
		{ AF_NETLINK, "netlink" }, { 40, "vsock" }, { 38, "alg" }, { 31, "bluetooth" } };
	char other[32];

	snprintf(other, sizeof other, "family %d", (int)t->arg[0]);
	json_object_set_new(o, "protocol", json_string(other));
	for (size_t i = 0; i < COUNT(D); i++)
		if (D[i].domain == (int)t->arg[0])
			json_object_set_new(o, "protocol", json_string(D[i].name));
	return await(t, "socket", o);
}

static bool is_inet(const json_t *o)
{
	const char *protocol = jsonio_str(o, "protocol");

	return protocol && (!strcmp(protocol, "tcp") || !strcmp(protocol, "udp")) && jsonio_int(o, "port", 0) > 0;
}

/* This machine's own loopback: what does not listen there does not answer. */
static bool is_own(const json_t *o)
{
	const char *address = jsonio_str(o, "address");

	return !address || !strncmp(address, "127.", 4) || !strncmp(address, "::ffff:127.", 11) || !strcmp(address, "::1");
}

/* Somebody is spoken to: where there is a dummy Internet, that port is open by then. */
static enum calls_do speak(struct record *r, struct task *t, const char *name, json_t *o)
{
	if (r->gateway >= 0 && is_inet(o) && r->told_ns != r->start_ns + r->skipped_ns) {
		r->told_ns = r->start_ns + r->skipped_ns;
		gateway_clock(&r->gateway, r->told_ns);
	}
	if (r->gateway >= 0 && is_inet(o) && !is_own(o))
		gateway_port(&r->gateway, "open", jsonio_str(o, "protocol"), (unsigned)jsonio_int(o, "port", 0));
	return await(t, name, o);
}

static enum calls_do bind_call(struct record *r, struct task *t)
{
	json_t *o = tracee_address(t, (int)t->arg[0], t->arg[1], t->arg[2]);

	if (r->gateway >= 0 && is_inet(o))
		gateway_port(&r->gateway, "close", jsonio_str(o, "protocol"), (unsigned)jsonio_int(o, "port", 0));
	return await(t, "bind", o);
}

static enum calls_do message_call_to(struct record *r, struct task *t)
{
	struct { uint64_t name; uint32_t len; uint32_t pad; uint64_t rest[5]; } h;

	if (tracee_bytes(t->tid, t->arg[1], &h, sizeof h) != sizeof h || !h.name || !h.len)
		return CALLS_GO;
	return speak(r, t, "sendto", tracee_address(t, (int)t->arg[0], h.name, h.len));
}

static enum calls_do signal_call(struct task *t)
{
	int target = (int)t->arg[0], sig = (int)t->arg[t->nr == SYS_tgkill || t->nr == SYS_rt_tgsigqueueinfo ? 2 : 1];

	if (t->nr == SYS_pidfd_send_signal) {
		target = 0;
	} else if (target == t->tgid || sig == 0) {
		return CALLS_GO;
	} else if (t->nr == SYS_tkill) {
		pid_t tgid, ppid;

		tracee_ids(target, &tgid, &ppid);
		if (tgid == t->tgid)
			return CALLS_GO;
	}
	return await(t, "kill", json_pack("{s:i, s:i}", "target", target, "signal", sig));
}

static enum calls_do id_call(struct task *t)
{
	bool group = t->nr == SYS_setgid || t->nr == SYS_setregid || t->nr == SYS_setresgid;
	bool pair = t->nr != SYS_setuid && t->nr != SYS_setgid;

	if (t->nr == SYS_setsid)
		return await(t, "setsid", json_object());
	return await(t, group ? "setgid" : "setuid", json_pack("{s:i}", "id", (int)t->arg[pair ? 1 : 0]));
}

static enum calls_do memory_call(struct record *r, struct task *t)
{
	bool anonymous = (t->arg[3] & MAP_ANONYMOUS) != 0;
	char *path;

	if (t->nr != SYS_mmap) {
		memory_range(r, t, t->arg[0], (t->arg[1] + 4095) & ~(uint64_t)4095, "mprotect");
		return CALLS_GO;
	}
	path = anonymous ? NULL : tracee_fd(t->tid, (int)t->arg[4]);
	/* A file's code is a file's code, unless nobody could find that file. What is written later is found at the end. */
	if (!anonymous && path && strncmp(path, "/memfd:", 7) && !(t->arg[2] & PROT_WRITE)) {
		free(path);
		return CALLS_GO;
	}
	free(path);
	t->code_memory = true;
	return await(t, "memory", json_pack("{s:I, s:s}", "size", (json_int_t)t->arg[1], "how", "mmap"));
}

static enum calls_do ptrace_call(struct record *r, struct task *t, long *result)
{
	char request[24];
	json_t *o = json_object();

	snprintf(request, sizeof request, "0x%llx", (unsigned long long)t->arg[0]);
	json_object_set_new(o, "request", json_string(t->arg[0] == PTRACE_TRACEME ? "TRACEME" : t->arg[0] == PTRACE_ATTACH ? "ATTACH" :
		t->arg[0] == PTRACE_SEIZE ? "SEIZE" : request));
	if (t->arg[0] != PTRACE_TRACEME)
		json_object_set_new(o, "target", json_integer((int)t->arg[1]));
	record_event(r, t->tgid, t->ppid, "ptrace", o);
	/* It would fail for what is traced already: a program that looks for tracers is told that there is none, once. */
	*result = t->arg[0] == PTRACE_TRACEME && !t->asked_tracing ? 0 : -EPERM;
	t->asked_tracing |= t->arg[0] == PTRACE_TRACEME;
	return *result ? CALLS_DENY : CALLS_FAKE;
}

/* libc asks for it first and falls back to clone: only what it asks for tells a plain thread from a way out. */
static enum calls_do clone3_call(struct record *r, struct task *t, long *result)
{
	uint64_t flags = 0;

	tracee_bytes(t->tid, t->arg[0], &flags, sizeof flags);
	if (flags & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | 0x80))
		record_event(r, t->tgid, t->ppid, "denied", json_pack("{s:s}", "syscall", "clone3"));
	*result = -ENOSYS;
	return CALLS_DENY;
}

static enum calls_do refuse(struct record *r, struct task *t, long *result)
{
	const char *name = "unknown";
	json_t *o;

	if (t->nr == SYS_clone3)
		return clone3_call(r, t, result);
	for (size_t i = 0; i < COUNT(NAMES); i++)
		if (NAMES[i].nr == t->nr)
			name = NAMES[i].name;
	if (t->nr == SYS_socket || t->nr == SYS_socketpair) {
		socket_call(t);
		json_object_set_new(t->pending, "error", json_string("EPERM"));
		record_event(r, t->tgid, t->ppid, t->pending_name, t->pending);
		t->pending = NULL;
	}
	o = json_pack("{s:s}", "syscall", name);
	if (t->nr == SYS_ioctl && notable_ioctl(t->arg[1]))
		json_object_set_new(o, "request", json_string(notable_ioctl(t->arg[1])));
	record_event(r, t->tgid, t->ppid, "denied", o);
	*result = -EPERM;
	return CALLS_DENY;
}

static enum calls_do exec_call(struct task *t)
{
	free(t->wanted);
	t->wanted = t->nr == SYS_execve ? tracee_path(t, AT_FDCWD, t->arg[0]) : tracee_path(t, (int)t->arg[0], t->arg[1]);
	return await(t, "exec", json_pack("{s:o}", "path", jsonio_name(t->wanted)));
}

enum calls_do calls_entry(struct record *r, struct task *t, bool deny, long *result)
{
	char *name;

	json_decref(t->pending);
	t->pending = NULL;
	if (t->nr == SYS_ptrace)
		return ptrace_call(r, t, result);
	if (deny)
		return refuse(r, t, result);
	/* Nothing is kept any more: then nothing is looked up either, but for code in memory and programs. */
	if (r->full && t->nr != SYS_prctl && t->nr != SYS_execve && t->nr != SYS_execveat && t->nr != SYS_mmap && t->nr != SYS_mprotect)
		return CALLS_GO;
	for (size_t i = 0; i < COUNT(PATHS); i++)
		if (PATHS[i].nr == t->nr)
			return path_call(t, &PATHS[i]);
	switch (t->nr) {
	case SYS_open: case SYS_openat: case SYS_creat: case SYS_openat2:
		return open_calls(r, t);
	case SYS_execve: case SYS_execveat:
		return exec_call(t);
	case SYS_chown: case SYS_lchown: case SYS_fchownat:
		return chown_call(t);
	case SYS_fchmod:
		return fd_call(t, "chmod");
	case SYS_fchown:
		return fd_call(t, "chown");
	case SYS_ftruncate:
		return fd_call(t, "truncate");
	case SYS_symlink: case SYS_symlinkat:
		return link_call(t);
	case SYS_mmap: case SYS_mprotect: case SYS_pkey_mprotect:
		return memory_call(r, t);
	case SYS_connect:
		return speak(r, t, "connect", tracee_address(t, (int)t->arg[0], t->arg[1], t->arg[2]));
	case SYS_bind:
		return bind_call(r, t);
	case SYS_listen:
		return await(t, "listen", tracee_socket(t, (int)t->arg[0]));
	case SYS_sendto:
		return speak(r, t, "sendto", tracee_address(t, (int)t->arg[0], t->arg[4], t->arg[5]));
	case SYS_sendmsg: case SYS_sendmmsg:
		return message_call_to(r, t);
	case SYS_socket:
		return socket_call(t);
	case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_pidfd_send_signal: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo:
		return signal_call(t);
	case SYS_memfd_create:
		name = tracee_string(t->tid, t->arg[0]);
		await(t, "memfd", json_pack("{s:o}", "name", jsonio_name(name)));
		free(name);
		return CALLS_AWAIT;
	case SYS_prctl:
		if (t->arg[0] != PR_SET_NAME)
			return disguise_prctl(t, result) ? CALLS_FAKE : notable_call(t) ? CALLS_AWAIT : CALLS_GO;
		name = tracee_string(t->tid, t->arg[1]);
		/* The kernel takes 15 bytes. */
		if (strlen(name) > 15 && strcmp(name, "<unreadable>"))
			name[15] = '\0';
		await(t, "name", json_pack("{s:o}", "name", jsonio_name(name)));
		free(name);
		return CALLS_AWAIT;
	case SYS_setuid: case SYS_setgid: case SYS_setreuid: case SYS_setregid: case SYS_setresuid: case SYS_setresgid: case SYS_setsid:
		return id_call(t);
	default:
		return notable_call(t) ? CALLS_AWAIT : CALLS_GO;
	}
}

void calls_exit(struct record *r, struct task *t, int64_t result)
{
	json_t *o = t->pending;
	const char *name = t->pending_name;
	char *path, text[24];

	t->pending = NULL;
	if (!o)
		return;
	/* A connection under way is no failure. */
	if (result < 0 && result >= -4095 && !(result == -EINPROGRESS && !strcmp(name, "connect"))) {
		json_object_set_new(o, "error", json_string(calls_errno((int)-result)));
	} else if (!strcmp(name, "open")) {
		/* Where it really led, links and races included. */
		path = tracee_fd(t->tid, (int)result);
		if (path && path[0] == '/')
			json_object_set_new(o, "path", jsonio_name(path));
		free(path);
	} else if (!strcmp(name, "memory")) {
		snprintf(text, sizeof text, "%llx", (unsigned long long)result);
		json_object_set_new(o, "address", json_string(text));
	} else if (r->gateway >= 0 && is_inet(o) && (!strcmp(name, "connect") || !strcmp(name, "sendto"))) {
		/* By it an exchange is its process's. */
		json_object_set_new(o, "local_port", json_integer(tracee_port(t, (int)t->arg[0])));
	}
	record_event(r, t->tgid, t->ppid, name, o);
}
