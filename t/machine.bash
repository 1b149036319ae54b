# machine: "user machines" for the demo and the tests: an overlay of this machine's root with everything written kept in
# memory, and process table, mounts, host name, machine-id, IPC and network of its own. Sourced. Root only.
#   machine_network              a network for all machines and the centre: loopback alone, no route
#   machine_start NAME           ... machine_run NAME COMMAND...; machine_stop NAME
#   network_run COMMAND...       on this machine's own root, but in that network: where the centre runs
#   machine_stop_all             leaves nothing behind; call it from a trap
# A machine dies with the shell that made it, kill -9 included.
# shellcheck shell=bash

declare -gA MACHINE_OUTER=() MACHINE_PID=()
MACHINE_NET_OUTER='' MACHINE_NET=''

# The one child of a process that is about to make it.
machine_child() {
	local parent=$1 child
	for _ in {1..250}; do
		read -r child _ <"/proc/$parent/task/$parent/children" 2>/dev/null
		[ -n "$child" ] && echo "$child" && return 0
		[ -d "/proc/$parent" ] || return 1
		sleep 0.02
	done
	return 1
}

machine_network() {
	local dir=$PWD
	[ -z "$MACHINE_NET" ] || return 0
	# bubblewrap brings loopback up.
	cd / || return 1
	setpriv --pdeathsig KILL bwrap --unshare-net --die-with-parent --dev-bind / / sleep infinity </dev/null >/dev/null &
	MACHINE_NET_OUTER=$!
	cd "$dir" || return 1
	MACHINE_NET=$(machine_child "$MACHINE_NET_OUTER") || { echo "machine: no network namespace" >&2; return 1; }
	for _ in {1..250}; do
		[ "$(cat "/proc/$MACHINE_NET/comm" 2>/dev/null)" = sleep ] && return 0
		sleep 0.02
	done
	return 1
}

network_run() {
	nsenter --net="/proc/$MACHINE_NET/ns/net" -- "$@"
}

# What the machine's first process does: puts the root together, moves into it, and then reaps orphans.
# shellcheck disable=SC2016 # expanded there
MACHINE_INIT='
set -e
base=$1 name=$2 keep=$3
mount --make-rprivate /
mount -t tmpfs -o mode=0700,size=1g muss-machine "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root"
cd "$base/root"
mount -t proc proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=0755,size=1m dev dev
for d in null zero full random urandom tty; do : >dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=1777,size=64m tmp tmp
mkdir -p ".$keep"   # it may stand below /tmp or /run
mount --bind "$keep" ".$keep"
mount -o remount,bind,ro ".$keep"
: >.muss-scratch
hostname "$name"
echo "$name" >etc/hostname
od -An -N16 -tx1 /dev/urandom | tr -d " \n" >etc/machine-id.new; echo >>etc/machine-id.new; mv etc/machine-id.new etc/machine-id
mkdir -p etc/cron.d
[ -e etc/crontab ] || printf "%s\n" "SHELL=/bin/sh" "PATH=/usr/sbin:/usr/bin:/sbin:/bin" "17 * * * * root cd / && run-parts --report /etc/cron.hourly" >etc/crontab
pivot_root . .
umount -l .
cd /
: >/run/ready
exec sh -c "trap : TERM INT HUP; while :; do sleep 3600 & wait \$!; done" init
'

machine_start() {
	local name=$1 outer pid base
	base=$(mktemp -d "${TMPDIR:-/tmp}/muss-machine.XXXXXX") || return 1
	setpriv --pdeathsig KILL nsenter --net="/proc/$MACHINE_NET/ns/net" -- \
		unshare --mount --pid --ipc --uts --fork --kill-child=KILL -- \
		bash -c "$MACHINE_INIT" init "$base" "$name" "${MACHINE_KEEP:-$PWD}" </dev/null >/dev/null &
	outer=$!
	MACHINE_OUTER[$name]=$outer
	pid=$(machine_child "$outer") || { echo "machine: $name was not made" >&2; rmdir "$base"; return 1; }
	MACHINE_PID[$name]=$pid
	for _ in {1..250}; do
		if [ -e "/proc/$pid/root/run/ready" ] && [ -e "/proc/$pid/root/.muss-scratch" ]; then
			rmdir "$base"   # a mount point in the machine's namespace alone
			return 0
		fi
		kill -0 "$outer" 2>/dev/null || break
		sleep 0.02
	done
	echo "machine: $name did not come up" >&2
	machine_stop "$name"
	rmdir "$base" 2>/dev/null
	return 1
}

machine_run() {
	local name=$1
	shift
	nsenter -t "${MACHINE_PID[$name]}" -m -u -i -n -p -r -w -- \
		env -u TMPDIR HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

machine_stop() {
	local name=$1
	local pid=${MACHINE_PID[$name]:-}
	[ -n "${MACHINE_OUTER[$name]:-}" ] || return 0
	# Its first process goes with the outer one (unshare --kill-child), and all the others with that.
	kill -KILL "${MACHINE_OUTER[$name]}" 2>/dev/null || :
	wait "${MACHINE_OUTER[$name]}" 2>/dev/null || :
	for _ in {1..250}; do
		readlink "/proc/${pid:-none}/ns/mnt" >/dev/null 2>&1 || break
		sleep 0.02
	done
	unset "MACHINE_OUTER[$name]" "MACHINE_PID[$name]"
	return 0
}

machine_stop_all() {
	local name
	for name in "${!MACHINE_OUTER[@]}"; do
		machine_stop "$name"
	done
	if [ -n "$MACHINE_NET_OUTER" ]; then
		kill -KILL "$MACHINE_NET" "$MACHINE_NET_OUTER" 2>/dev/null || :
		wait "$MACHINE_NET_OUTER" 2>/dev/null || :
		MACHINE_NET_OUTER='' MACHINE_NET=''
	fi
	return 0
}
