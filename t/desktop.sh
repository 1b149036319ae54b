#!/usr/bin/env bash
# What an idle, freshly installed Debian with a browser and the language runtimes running would submit, with a whitelist of
# its own packages: at most 5 pieces of code. Makes that system below WORK with debootstrap (1 GB, a few minutes; kept for the
# next time), starts everything in namespaces of its own, scans it from within, and prints what is submitted.
# usage: desktop.sh [BUILD [WORK]] (as root; `make desktop` builds first). MIRROR= another mirror. Exit 1: more than 5.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build}")
work=${2:-/var/tmp/muss-desktop}
mirror=${MIRROR:-http://deb.debian.org/debian}
[ "$(id -u)" -eq 0 ] || { echo "desktop: makes a system with mounts of its own: run it as root" >&2; exit 77; }
runtimes=chromium,nodejs,openjdk-17-jdk-headless,python3,luajit,ruby,mono-runtime,mono-csharp-shell,guile-3.0,sbcl,pypy3,php-cli
libraries=libarchive13,libcapstone4,libyara9,libjansson4,libsqlite3-0,libseccomp2,libssl3

if [ ! -e "$work/root/done" ]; then
	rm -rf "$work/root"
	mkdir -p "$work/root"
	# Recommended packages are a person's choice; what runs is what counts here.
	debootstrap --variant=minbase --include="ca-certificates,$libraries" bookworm "$work/root" "$mirror" >"$work/log" 2>&1
	cp /etc/resolv.conf "$work/root/etc/"
	cp -n /etc/apt/apt.conf.d/* "$work/root/etc/apt/apt.conf.d/" 2>/dev/null || true
	unshare --mount --propagation private sh -c "mount -t proc proc '$work/root/proc' && DEBIAN_FRONTEND=noninteractive chroot '$work/root' \
		apt-get -qq -o APT::Sandbox::User=root install -y --no-install-recommends ${runtimes//,/ }" >>"$work/log" 2>&1
	rm "$work/root/etc/resolv.conf"
	touch "$work/root/done"
fi
make -s install BUILD="$build" DESTDIR="$work/root" PREFIX=/usr/local

# Its process 1 is a program of its own; nothing of this machine runs in it.
unshare --mount --pid --fork --uts --ipc --net --propagation private sh -c "
	mount --bind '$work/root' '$work/root' && cd '$work/root' && mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp &&
	mkdir -p old && pivot_root . old && umount -l /old && rmdir /old && exec env -i PATH=/usr/bin:/bin sleep 900" &
outer=$!
trap 'pkill -KILL -P $outer 2>/dev/null; wait 2>/dev/null || true' EXIT
for _ in {1..100}; do
	first=$(pgrep -P $outer -x sleep) && [ "$(readlink "/proc/$first/root")" = / ] && [ -e "/proc/$first/root/done" ] && break
	sleep 0.1
done
inside() {
	nsenter -t "$first" -m -p -u -i -n --root --wd=/ env -i HOME=/root TERM=dumb PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
inside mwhite -q build -o /root/known.idx --dpkg --dir /usr/local/bin --dir /usr/local/libexec
# The runtimes wait for what a person types; the pipe from outside stays open and says nothing.
mkfifo "$work/silence.$$"
sleep 900 >"$work/silence.$$" &
trap 'rm -f "$work/silence.$$"; kill %2 2>/dev/null; pkill -KILL -P $outer 2>/dev/null; wait 2>/dev/null || true' EXIT
inside chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
	--disable-component-update --disable-sync --user-data-dir=/root/browser about:blank >/dev/null 2>&1 </dev/null &
for runtime in 'node -i' 'python3 -i' 'luajit -i' irb guile sbcl 'pypy3 -i' 'php -a' csharp "jshell --execution local"; do
	# shellcheck disable=SC2086 # words on purpose
	inside $runtime <"$work/silence.$$" >/dev/null 2>&1 &
done
sleep "${SECONDS_TO_SETTLE:-25}"
inside mscan -q -s submit -w /root/known.idx -o /root/submitted.case
inside mscan -q -w /root/known.idx -o /root/all.case
echo "running: $(inside sh -c 'cat /proc/[0-9]*/comm' | sort -u | tr '\n' ' ')"
inside mls /root/submitted.case || true
submitted=$(inside mls -j /root/submitted.case | wc -l)
printf 'pieces of code submitted: %d (asked: at most 5); beyond the whitelist in all: %d\n' "$submitted" "$(inside mls -j /root/all.case | wc -l)"
[ "$submitted" -le 5 ]
